"""Client of serin, which serves models and releases their next versions as canaries.

    import serin

    client = serin.Client()                              # http://127.0.0.1:8000
    client.deploy(model, golden=X_test)                  # a fitted estimator: a canary
    client.predict_proba(X_new)                          # an array, and who answered
    client.verdict()                                     # may the canary live, and why

What is where, in the order in which a call goes through it:

    _client   Client and AsyncClient: the methods, and two thin transports
    _calls    the logic of every call, without a socket: it yields what to send
              and is given the answer, so that both clients share it
    _rows     DataFrames, arrays, lists and dicts to what a model takes
    _wire     to bytes and back: JSON, and the Open Inference Protocol's binary tensors
    _answers  what a caller gets: Prediction, Verdict, Change
    _golden   fitted models to files, and to golden predictions beside them
    _errors   what can go wrong, in one hierarchy

Importing this imports none of httpx, numpy, pandas and joblib: httpx comes with the
first client, numpy and pandas are used if the caller brings them, and joblib saves
models.
"""

from __future__ import annotations

from ._answers import Change, Prediction, Verdict
from ._client import AsyncClient, Client
from ._errors import InvalidInput, Overloaded, Refused, SerinError, TimedOut, Unreachable
from ._golden import export_check, golden
from ._rows import Feature, Signature

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "Change",
    "Client",
    "Feature",
    "InvalidInput",
    "Overloaded",
    "Prediction",
    "Refused",
    "SerinError",
    "Signature",
    "TimedOut",
    "Unreachable",
    "Verdict",
    "export_check",
    "golden",
]
