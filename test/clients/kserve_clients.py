"""KServe's own clients: REST in V1 and V2, JSON and binary, and gRPC."""

import asyncio
import logging

import expected
import grpc
import httpx
import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput

logging.disable(logging.CRITICAL)  # it logs the errors that are wanted here


def request(rows, binary, datatype="FP64"):
    t = InferInput("features", list(rows.shape), datatype)
    t.set_data_from_numpy(rows, binary_data=binary)
    outputs = [RequestedOutput("probabilities", parameters={"binary_data": binary}), RequestedOutput("prediction", parameters={"binary_data": binary})]
    return InferRequest(model_name="churn", infer_inputs=[t], request_id="42", request_outputs=outputs)


def holds(answer, version, rows, what):
    assert answer.model_name == "churn" and answer.id == "42", what
    tensors = {o.name: o.as_numpy() for o in answer.outputs}
    expected.close(tensors["probabilities"].reshape(-1, 2), expected.probabilities(version, rows), what)
    expected.close(tensors["prediction"].reshape(-1), expected.predictions(version, rows), what)


def check_rest_v2():
    async def run():
        async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
            assert await client.is_server_live(expected.HTTP) and await client.is_server_ready(expected.HTTP)
            assert await client.is_model_ready(expected.HTTP, "churn")
            for rows, datatype in ((expected.ROWS, "FP64"), (expected.ROWS.astype(np.float32), "FP32"), (expected.WHOLE, "INT64")):
                for binary in (False, True):
                    headers = {}  # this client reads no model_version from the body
                    answer = await client.infer(expected.HTTP, request(rows, binary, datatype), model_name="churn", response_headers=headers)
                    holds(answer, headers["serin-model-version"], rows, f"{datatype}, binary {binary}")
            try:
                await client.infer(expected.HTTP, request(expected.ROWS, False), model_name="other")
                raise AssertionError("a model that is not there answered")
            except httpx.HTTPStatusError as error:
                assert error.response.status_code == 404 and '"other"' in str(error), error

    asyncio.run(run())


def check_rest_v1():
    async def run():
        async with InferenceRESTClient(RESTConfig(protocol="v1")) as client:
            assert await client.is_server_live(expected.HTTP)
            assert await client.is_model_ready(expected.HTTP, "churn")
            answer = await client.infer(expected.HTTP, {"instances": expected.ROWS.tolist()}, model_name="churn")
            expected.of_one_version(answer["predictions"], expected.ROWS, "v1")
            try:
                await client.infer(expected.HTTP, {"instances": [[1, 2]]}, model_name="churn")
                raise AssertionError("two features were enough")
            except httpx.HTTPStatusError as error:
                assert error.response.status_code == 400, error

    asyncio.run(run())


def check_grpc():
    async def run():
        async with InferenceGRPCClient(expected.GRPC) as client:
            assert await client.is_server_live() and await client.is_server_ready() and await client.is_model_ready("churn")
            for binary in (False, True):
                answer = await client.infer(request(expected.ROWS, binary))
                holds(answer, answer.model_version, expected.ROWS, f"gRPC, raw {binary}")
            try:
                await client.is_model_ready("other")
                raise AssertionError("a model that is not there is ready")
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.NOT_FOUND, error

    asyncio.run(run())


expected.main()
