"""Saves the same fitted estimators with skops and with joblib, to be compared.

usage: python internal/skops/testdata/pairs.py

Writes sklearn-VERSION-skops-VERSION.zip beside itself, with NAME.skops and
NAME.joblib for each estimator. Run with scikit-learn 1.9.1 and skops 0.16, with
1.2.2 and 0.9, and with 1.0.2 and 0.3.
"""

import io
import os
import warnings
import zipfile

import joblib
import numpy as np
import pandas as pd
import scipy.sparse as sp
import skops
import skops.io
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (GradientBoostingClassifier, HistGradientBoostingRegressor, IsolationForest,
                              RandomForestClassifier, StackingClassifier, VotingRegressor)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, KBinsDiscretizer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC

warnings.filterwarnings("ignore")
rs = np.random.RandomState(0)
X = np.round(rs.rand(24, 3), 3)
y = (X[:, 0] > 0.5).astype(int)
words = np.array(["no", "yes"])[y]
frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": ["x", "y", "z"] * 8, "t": ["red blue", "blue sky"] * 12})

columns = ColumnTransformer([
    ("n", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), ["a", "b"]),
    ("c", OneHotEncoder(handle_unknown="ignore"), ["c"]),
    ("t", TfidfVectorizer(), "t"),
], remainder="drop")

models = {
    "columns": make_pipeline(columns, LogisticRegression()).fit(frame, words),
    "slices": ColumnTransformer([("s", StandardScaler(), slice(0, 2))], remainder="passthrough").fit(X),
    "ordinal": OrdinalEncoder(dtype=np.int32, handle_unknown="use_encoded_value", unknown_value=-1).fit(frame[["c"]]),
    "bins": KBinsDiscretizer(3).fit(X),
    "log1p": make_pipeline(FunctionTransformer(np.log1p), Ridge()).fit(X, y),
    "sgd": SGDClassifier(random_state=np.random.RandomState(1)).fit(X, y),
    "poisson": PoissonRegressor().fit(X, y),
    "svc": SVC(probability=True).fit(sp.csr_matrix(X), words),
    "neighbours": KNeighborsClassifier(algorithm="kd_tree").fit(X, words),
    "bayes": GaussianNB().fit(X.astype(np.float32), y.astype(bool)),
    "network": MLPClassifier((3,), max_iter=5, random_state=0).fit(X, words),
    "forest": RandomForestClassifier(n_estimators=2, max_depth=2, random_state=0).fit(X, words),
    "boosting": GradientBoostingClassifier(n_estimators=2, max_depth=2, random_state=0).fit(X, words),
    "histogram": HistGradientBoostingRegressor(max_iter=2, min_samples_leaf=4, random_state=0).fit(X, X[:, 1]),
    "isolation": IsolationForest(n_estimators=2, max_samples=8, random_state=0).fit(X),
    "search": GridSearchCV(Ridge(), {"alpha": [0.5, 2]}, cv=2).fit(X, y),
    "stacking": StackingClassifier([("a", LogisticRegression()), ("b", GaussianNB())], cv=2).fit(X, words),
    "voting": VotingRegressor([("a", Ridge()), ("b", Ridge(2.0))]).fit(X, y),
    "calibrated": CalibratedClassifierCV(LogisticRegression(class_weight={0: 1, 1: 2.5}), cv=2, method="isotonic").fit(X, y),
    "numbers": {"nan": float("nan"), "inf": -np.inf, "big": 10**30, 7: np.int64(7), 0.5: np.float32(0.5),
                "text": "caf\u00e9 \U0001f426", "numpy text": np.str_("a"), "set": {1, 2}, "flag": np.bool_(True)},
}

here = os.path.dirname(os.path.abspath(__file__))
path = f"{here}/sklearn-{sklearn.__version__}-skops-{skops.__version__}.zip"
with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
    for i, (name, model) in enumerate(models.items()):
        # Every second one is deflated, where skops can do that.
        packed = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(skops.io.dumps(model))) as source, \
                zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED if i % 2 else zipfile.ZIP_STORED) as target:
            for entry in source.namelist():
                target.writestr(entry, source.read(entry))
        plain = io.BytesIO()
        joblib.dump(model, plain)
        z.writestr(zipfile.ZipInfo(name + ".skops", (1980, 1, 1, 0, 0, 0)), packed.getvalue(), zipfile.ZIP_DEFLATED)
        z.writestr(zipfile.ZipInfo(name + ".joblib", (1980, 1, 1, 0, 0, 0)), plain.getvalue(), zipfile.ZIP_DEFLATED)
