"""Wrappers of XGBoost and LightGBM inside scikit-learn's estimators of estimators."""

import lightgbm as lgb
import numpy as np
import xgboost as xgb
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from frame import BINARY, FLOAT32, FLOAT64, HOLED_ROWS, HOLES, MIXED, MIXED_ROWS, ROWS, SCORE, THREE, X, Case

FINITE = np.clip(ROWS, -1e30, 1e30)  # a scaler makes more of a float64 than a float32 holds


def models():
    few = {"n_estimators": 4, "n_jobs": 1, "random_state": 1}
    xgb_few = {**few, "max_depth": 2, "verbosity": 0}
    lgb_few = {**few, "num_leaves": 4, "min_child_samples": 5, "verbose": -1}
    for name, tolerance, new, number in [
            ("xgb", FLOAT32, lambda: xgb.XGBClassifier(**xgb_few), lambda: xgb.XGBRegressor(**xgb_few)),
            ("lgb", FLOAT64, lambda: lgb.LGBMClassifier(**lgb_few), lambda: lgb.LGBMRegressor(**lgb_few))]:
        def case(kind, model, rows):
            return Case(name + "-" + kind, model, rows, tolerance=tolerance)

        yield case("search", GridSearchCV(new(), {"learning_rate": [0.1, 0.3]}, cv=2).fit(X, BINARY), ROWS)
        yield case("calibrated", CalibratedClassifierCV(new(), cv=2).fit(X, THREE), FINITE)
        yield case("voting", VotingClassifier([("a", new()), ("b", LogisticRegression())], voting="soft").fit(X, THREE), FINITE)
        yield case("stacking", StackingClassifier([("a", new()), ("b", LogisticRegression())], cv=2).fit(X, THREE), FINITE)
        yield case("bagging", BaggingClassifier(new(), 2, max_features=3, random_state=0).fit(X, THREE), FINITE)
        yield case("target", TransformedTargetRegressor(number(), func=np.log, inverse_func=np.exp).fit(X, np.exp(SCORE / 4)), ROWS)
        yield case("imputed", make_pipeline(SimpleImputer(), new()).fit(HOLES, THREE), np.clip(HOLED_ROWS, -1e30, 1e30))
        yield case("holes", make_pipeline(StandardScaler(), new()).fit(HOLES, BINARY), np.clip(HOLED_ROWS, -1e30, 1e30))
        columns = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["plan", "region"]), remainder="passthrough")
        yield case("columns", make_pipeline(columns, new()).fit(MIXED, BINARY), MIXED_ROWS)
