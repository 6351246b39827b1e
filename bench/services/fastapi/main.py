"""The same service in Python, as its first description asks for it.

FastAPI, uvicorn, scikit-learn. The prediction endpoint is async and offloads
inference to a thread pool; a ModelManager keeps loaded models under a lock;
metrics_lock guards the lists of latencies and state_lock the rest. One request
in ten, drawn at random, goes to the canary. Nothing is made slower than that
description needs: no access log, no reloader, one state read per request.

serin is measured against it (go run ./bench); it is not part of the product.

    uvicorn main:app
"""

import asyncio
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import List, Optional

import joblib
import numpy as np
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from scipy import stats

CANARY_SHARE = 0.10
MIN_SAMPLES = 20
SLOWDOWN_SECONDS = 0.020


class ModelManager:
    """Loads each model file once and hands it out, safely from any thread."""

    def __init__(self):
        self._lock = threading.Lock()
        self._cache = {}

    def load(self, path):
        with self._lock:
            if path not in self._cache:
                self._cache[path] = joblib.load(path)
            return self._cache[path]


class State:
    def __init__(self, stable_path):
        self.stable_model_path = stable_path
        self.stable_model = manager.load(stable_path)
        self.reset()

    def reset(self):
        self.canary_model = None
        self.canary_model_path = None
        self.canary_start_time = None
        self.alert_status = {"alert_triggered": False}
        self.simulate_slowdown = False


def fresh_metrics():
    return {"stable": {"latencies_ms": []}, "canary": {"latencies_ms": []}}


app = FastAPI()
pool = ThreadPoolExecutor()
manager = ModelManager()
metrics_lock = threading.Lock()
state_lock = threading.Lock()
state = State(os.environ.get("STABLE_MODEL", "models/model_v1.joblib"))
canary_metrics = fresh_metrics()


class PredictRequest(BaseModel):
    features: List[float]


class PredictResponse(BaseModel):
    probability: float
    prediction: int
    model_used: str
    latency_ms: float


class DeployRequest(BaseModel):
    model_path: str


def infer(model, features, slow):
    start = time.perf_counter()
    if slow:
        time.sleep(SLOWDOWN_SECONDS)
    probability = model.predict_proba(np.array([features]))[0][1]
    return probability, (time.perf_counter() - start) * 1000


@app.post("/predict", response_model=PredictResponse)
async def predict(request: PredictRequest):
    with state_lock:
        canary = state.canary_model is not None and random.random() < CANARY_SHARE
        model = state.canary_model if canary else state.stable_model
        slow = canary and state.simulate_slowdown
    loop = asyncio.get_running_loop()
    try:
        probability, latency_ms = await loop.run_in_executor(pool, infer, model, request.features, slow)
    except ValueError as error:
        raise HTTPException(status_code=422, detail=str(error))
    arm = "canary" if canary else "stable"
    with metrics_lock:
        canary_metrics[arm]["latencies_ms"].append(latency_ms)
    return PredictResponse(probability=probability, prediction=int(probability >= 0.5), model_used=arm, latency_ms=latency_ms)


@app.post("/admin/deploy-canary")
def deploy_canary(request: DeployRequest):
    global canary_metrics
    if not os.path.exists(request.model_path):
        raise HTTPException(status_code=404, detail="model file not found")
    try:
        model = manager.load(request.model_path)
    except Exception as error:  # joblib raises whatever the file makes it raise
        raise HTTPException(status_code=422, detail="model cannot be loaded: %s" % error)
    with state_lock:
        state.reset()
        state.canary_model = model
        state.canary_model_path = request.model_path
        state.canary_start_time = datetime.now(timezone.utc)
    with metrics_lock:
        canary_metrics = fresh_metrics()
    return {"message": "canary deployed", "canary_model_path": request.model_path}


def end_canary(promote):
    global canary_metrics
    with state_lock:
        if state.canary_model is None:
            raise HTTPException(status_code=409, detail="no active canary")
        if promote:
            state.stable_model, state.stable_model_path = state.canary_model, state.canary_model_path
        state.reset()
        stable = state.stable_model_path
    with metrics_lock:
        canary_metrics = fresh_metrics()
    return {"stable_model_path": stable}


@app.post("/admin/rollback-canary")
def rollback_canary():
    return end_canary(promote=False)


@app.post("/admin/promote-canary")
def promote_canary():
    with state_lock:
        if state.alert_status["alert_triggered"]:
            raise HTTPException(status_code=409, detail="the canary failed its health check")
    return end_canary(promote=True)


@app.get("/admin/check-canary-health")
def check_canary_health():
    with metrics_lock:
        stable = list(canary_metrics["stable"]["latencies_ms"])
        canary = list(canary_metrics["canary"]["latencies_ms"])
    p_value: Optional[float] = None
    alert = False
    if min(len(stable), len(canary)) >= MIN_SAMPLES:
        p_value = float(stats.ttest_ind(stable, canary, equal_var=False).pvalue)
        alert = p_value < 0.05 and float(np.mean(canary)) > float(np.mean(stable))
    result = {
        "alert_triggered": alert,
        "p_value": p_value,
        "samples": {"stable": len(stable), "canary": len(canary)},
        "stable_avg_latency_ms": float(np.mean(stable)) if stable else None,
        "canary_avg_latency_ms": float(np.mean(canary)) if canary else None,
    }
    with state_lock:
        state.alert_status = result
    return result


@app.post("/admin/toggle-slowdown")
def toggle_slowdown():
    with state_lock:
        state.simulate_slowdown = not state.simulate_slowdown
        return {"simulate_slowdown": state.simulate_slowdown}
