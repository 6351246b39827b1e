"""Fits the models of 20 features that batches are measured with.

    python batches.py FOLDER ROWS

FOLDER gets NAME/model.joblib of each, and the same 1,000 rows as NAME/rows.f64
(little-endian float64) and in the file ROWS, one a line.
"""

import json
import sys
from pathlib import Path

import joblib
from sklearn.datasets import make_classification
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

MODELS = {
    "logistic-regression": LogisticRegression(max_iter=1000),
    "gradient-boosting": GradientBoostingClassifier(random_state=1),  # 100 trees of depth 3, the library's defaults
    "random-forest": RandomForestClassifier(n_estimators=100, max_depth=10, random_state=1),
}

folder = Path(sys.argv[1])
X, y = make_classification(n_samples=6000, n_features=20, n_informative=12, random_state=1)
rows = X[5000:]
for name, model in MODELS.items():
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    joblib.dump(model.fit(X[:5000], y[:5000]), place / "model.joblib")
    rows.astype("<f8").tofile(place / "rows.f64")
Path(sys.argv[2]).write_text("".join(json.dumps(list(row)) + "\n" for row in rows.tolist()))
