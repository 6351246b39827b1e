"""The model behind BentoML, as its own examples do it: one worker process.

    bentoml serve service:Churn
"""

import os

import bentoml
import joblib
import numpy as np

MODEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../models/model_v1.joblib")


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Churn:
    def __init__(self):
        self.model = joblib.load(MODEL)

    @bentoml.api
    def predict(self, features: list[float]) -> dict:
        probability = float(self.model.predict_proba(np.array([features]))[0, 1])
        return {"probability": probability, "prediction": int(probability >= 0.5)}
