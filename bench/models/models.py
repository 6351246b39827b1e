"""The models that are measured. Each is fitted once and kept in a folder:

    NAME/model.SUFFIX   as its library saves it: what serin reads
    NAME/float.onnx     as the exporter makes it by default, in float32
    NAME/double.onnx    in float64, where the converter has it
    NAME/rows.f64       1,000 rows to ask
"""

import joblib
import lightgbm
import numpy as np
import xgboost
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType as MLFloat
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

ROWS = 1000
FEATURES = 20


def data(features, rows):
    """Rows, and a class that hangs on them in a way that trees must work for."""
    rng = np.random.RandomState(7)
    X = rng.normal(size=(rows, features))
    hidden = X[:, 0] * X[:, 1] + np.sin(2 * X[:, 2]) + np.abs(X[:, 3]) - 0.8 + 0.3 * X.sum(axis=1) / np.sqrt(features)
    return X, (hidden + 0.5 * rng.normal(size=rows) > 0).astype(int)


def boosted(kind, **kw):
    return kind(n_estimators=500, n_jobs=1, random_state=0, **kw)


# Name in the table, features, rows to fit on, estimator.
MODELS = {
    "logistic-5": ("logistic regression, 5 features", 5, 4000, LogisticRegression()),
    "logistic-500": ("logistic regression, 500 features", 500, 4000, LogisticRegression(max_iter=300)),
    "forest": ("random forest, 100 trees of depth 10", FEATURES, 20000, RandomForestClassifier(100, max_depth=10, random_state=0)),
    "gradient": ("GradientBoosting, 500 trees of depth 6", FEATURES, 6000,
                 GradientBoostingClassifier(n_estimators=500, max_depth=6, max_features=5, subsample=0.5, random_state=0)),
    "hist": ("HistGradientBoosting, 100 trees of 31 leaves", FEATURES, 20000, HistGradientBoostingClassifier(early_stopping=False, random_state=0)),
    "xgboost": ("XGBoost, 500 trees of depth 6", FEATURES, 20000, boosted(xgboost.XGBClassifier, max_depth=6, learning_rate=0.05)),
    "lightgbm": ("LightGBM, 500 trees of 31 leaves", FEATURES, 20000, boosted(lightgbm.LGBMClassifier, num_leaves=31, learning_rate=0.05, verbose=-1)),
    "mlp": ("MLP, hidden layers of 64 and 32", FEATURES, 4000, MLPClassifier((64, 32), max_iter=60, random_state=0)),
}


def make(folder, name):
    """Fits the model and saves it in every form, unless that is done."""
    if (folder / "rows.f64").exists():
        return
    _, features, rows, model = MODELS[name]
    X, y = data(features, rows + ROWS)
    model.fit(X[:rows], y[:rows])
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, folder / "fitted")
    if name == "xgboost":
        model.save_model(folder / "model.json")
        exported = {"float": convert_xgboost(model, initial_types=[("X", MLFloat([None, features]))])}
    elif name == "lightgbm":
        model.booster_.save_model(folder / "model.txt")
        exported = {"float": convert_lightgbm(model, initial_types=[("X", MLFloat([None, features]))], zipmap=False)}
    else:
        joblib.dump(model, folder / "model.joblib")
        exported = {
            form: to_onnx(model, initial_types=[("X", kind([None, features]))], options={id(model): {"zipmap": False}})
            for form, kind in {"float": FloatTensorType, "double": DoubleTensorType}.items()
        }
    for form, graph in exported.items():
        (folder / (form + ".onnx")).write_bytes(graph.SerializeToString())
    X[rows:].astype("<f8").tofile(folder / "rows.f64")


def library(folder, name):
    """What asks the library for probabilities: its fastest public call."""
    model = joblib.load(folder / "fitted")
    if name == "xgboost":
        booster = model.get_booster()
        booster.set_param({"nthread": 1})
        return booster.inplace_predict
    if name == "lightgbm":
        return lambda X: model.booster_.predict(X, num_threads=1)
    if hasattr(model, "n_jobs"):
        model.n_jobs = 1
    return model.predict_proba
