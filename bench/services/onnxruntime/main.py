"""The least that can stand between ONNX Runtime and HTTP in Python.

One ASGI function without a framework, on uvicorn with its compiled event loop and
parser; the standard library's JSON. The session has one thread, since a row is
too little to divide. SERIN_BENCH_MODEL names the model.

    uvicorn main:app --loop uvloop --http httptools
"""

import json
import os

import numpy as np
import onnxruntime

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["SERIN_BENCH_MODEL"], options, providers=["CPUExecutionProvider"])
outputs = [session.get_outputs()[1].name]
HEADERS = [(b"content-type", b"application/json")]


async def app(scope, receive, send):
    if scope["type"] != "http":  # lifespan: there is nothing to prepare
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    features = np.array([json.loads(body)["features"]], dtype=np.float32)
    probability = float(session.run(outputs, {"X": features})[0][0, 1])
    answer = json.dumps({"probability": probability, "prediction": int(probability >= 0.5)}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS + [(b"content-length", str(len(answer)).encode())]})
    await send({"type": "http.response.body", "body": answer})
