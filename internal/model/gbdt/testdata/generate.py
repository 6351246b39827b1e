"""Writes the small files beside this script, which tests damage and fuzzing
begins with: python generate.py, with XGBoost 3.0, LightGBM and CatBoost (XGBoost
3.1 no longer writes its old binary format). What the libraries answer is held
in the corpus of model/format."""

import json
from pathlib import Path

import catboost
import lightgbm as lgb
import numpy as np
import pandas as pd
import xgboost as xgb

here = Path(__file__).parent
rng = np.random.RandomState(1)
frame = pd.DataFrame({"a": rng.normal(size=80), "c": rng.randint(0, 4, 80), "b": rng.normal(size=80)})
frame.loc[::9, "a"] = np.nan
target = (frame["c"] % 2 + frame["b"] > 0.5).astype(int)
three = target + (frame["b"] > 1)

shared = {"max_depth": 2, "tree_method": "hist", "max_cat_to_onehot": 1, "verbosity": 0, "nthread": 1}
data = xgb.DMatrix(frame, label=three, feature_types=["q", "c", "q"])
booster = xgb.train({**shared, "objective": "multi:softprob", "num_class": 3, "booster": "dart"}, data, 1)
booster.save_model(here / "xgboost.json")
booster.save_model(here / "xgboost.ubj")
xgb.train({**shared, "objective": "binary:logistic"}, xgb.DMatrix(frame.values, label=target), 2).save_model(here / "xgboost.deprecated")

words = frame.assign(c=pd.Categorical(np.array(["u", "v", "w", "x"])[frame["c"]]))
lgb.train({"objective": "binary", "num_leaves": 4, "min_data_in_leaf": 5, "min_data_per_group": 5, "cat_smooth": 1, "max_cat_to_onehot": 1, "verbose": -1},
          lgb.Dataset(words, frame["c"] % 2 ^ (frame["b"] > 1)), 2).save_model(here / "lightgbm.txt")
text = (here / "lightgbm.txt").read_text()
head, rest = text.split("[boosting:", 1)
kept = [line for line in rest.splitlines() if line.startswith(("[categorical", "end of", "pandas"))]
(here / "lightgbm.txt").write_text(head + "\n".join(kept) + "\n")

for name, policy in [("catboost.json", "SymmetricTree"), ("catboost-depthwise.json", "Depthwise")]:
    model = catboost.CatBoostClassifier(iterations=2, depth=2, grow_policy=policy, verbose=0, allow_writing_files=False)
    model.fit(frame, three).save_model(str(here / name), format="json")
    document = json.loads((here / name).read_text())
    info = document["model_info"]  # long, and mostly of no use
    document["model_info"] = {"params": {"loss_function": info["params"]["loss_function"]},
                              **{k: info[k] for k in ("catboost_version_info", "class_params")}}
    (here / name).write_text(json.dumps(document))
