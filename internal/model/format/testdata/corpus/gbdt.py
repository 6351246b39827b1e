"""Gradient boosting: files of XGBoost, LightGBM and CatBoost, and their
scikit-learn wrappers inside joblib files. What a version does not know, or an
environment does not have, is left out.

XGBoost is asked by inplace_predict where it has that, as its wrappers ask: it
takes values that are too large for float32, a DMatrix refuses them."""

import json
import tempfile
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from frame import (BINARY, FLOAT32, FLOAT64, FRAME, HOLED_ROWS, HOLES, MIXED, MIXED_ROWS, NAMES, ROWS, SCORE, THREE,
                   WORDS, X, Case, Refused, framed, since)

try:
    import xgboost as xgb
except ImportError:
    xgb = None
try:
    import lightgbm as lgb
except ImportError:
    lgb = None
try:
    import catboost
except ImportError:
    catboost = None

warnings.simplefilter("ignore")
POSITIVE = np.exp(SCORE / 4)
FINITE = np.clip(ROWS, -1e30, 1e30)
# Codes of categories, with a hole now and then, and codes that were not fitted on.
CODES = np.column_stack([np.arange(240) * 7 % 5, np.arange(240) * 11 % 40, X[:, 0], X[:, 1]]).astype(float)
CODES[::17, 0] = np.nan
CODED = CODES[:50].copy()
CODED[40:50, 0] = [5, 31, 32, 1000, 20000000, -1, -0.5, 2.7, 1e30, np.nan]
CODED[30:40, 1] = [40, 63, 64, 100, -3, 0.5, 39.9, 1e9, 0, np.nan]
CODE_SCORE = (np.nan_to_num(CODES[:, 0]) % 2) * 2 + (CODES[:, 1] % 3 == 0) + X[:, 0] / 3


def bytes_of(save, suffix):
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / ("model" + suffix))
        save(path)
        return Path(path).read_bytes()


def two(p):
    """Both probabilities, in the precision of the second."""
    return np.array([1 - p, p]).ravel()


# XGBoost.

def xgb_ask(booster, types=None, **kw):
    """ask(row) -> what the booster answers."""
    def ask(row):
        if since("xgboost", "1.4") and types is None and not kw.get("linear"):
            return np.ravel(booster.inplace_predict(row, validate_features=False))
        return np.ravel(booster.predict(xgb.DMatrix(row, feature_types=types)))
    return ask


def xgb_case(name, parameters, data, target, rows, classes=None, rounds=8, suffix=".json", types=None, train=None,
             booster=None, best=False, **kw):
    parameters = {"max_depth": 3, "eta": 0.4, "nthread": 1, "seed": 1, "verbosity": 0, **parameters}
    if booster is None:
        matrix = xgb.DMatrix(data, label=target, **({"feature_types": types} if types else {}))
        booster = xgb.train(parameters, matrix, rounds, **(train or {}))
    linear = parameters.get("booster") == "gblinear"
    ask = xgb_ask(booster, types, linear=linear)
    kw = {"kind": "predict", "values": ask, **kw}
    if classes is not None:
        kw["classes"], kw["kind"] = classes, kw["kind"] if kw["kind"] != "predict" else "proba"
        if kw["kind"] == "proba" and len(classes) == 2:
            kw["values"], kw["predict"] = lambda row: two(ask(row)), lambda row: [int(ask(row)[0] > 0.5)]
        elif kw["kind"] == "proba":
            kw["predict"] = lambda row: [int(np.argmax(ask(row)))]
    return Case(name + suffix, booster, rows, file=bytes_of(booster.save_model, suffix), tolerance=FLOAT32,
                library="XGBoost " + xgb.__version__, estimators=["Booster"], **kw)


def softmax_case(name):
    """multi:softmax answers the class; its probabilities are those of softprob."""
    case = xgb_case(name, {"objective": "multi:softmax", "num_class": 3}, X, THREE, ROWS)
    booster = case.model

    def ask(row):
        m = np.ravel(booster.predict(xgb.DMatrix(row), output_margin=True)).astype(np.float64)
        e = np.exp(m - m.max())
        return e / e.sum()
    case.classes, case.kind, case.values = [0, 1, 2], "proba", ask
    case.predict = lambda row: [int(booster.predict(xgb.DMatrix(row))[0])]
    case.rows = ROWS[:45].tolist() + ROWS[:5].tolist()
    case.rows = np.array(case.rows)
    return case


def xgb_files():
    binary = {"objective": "binary:logistic"}
    yield xgb_case("xgb-binary", binary, HOLES, BINARY, HOLED_ROWS, classes=[0, 1])
    yield xgb_case("xgb-named", {"objective": "reg:squarederror"}, FRAME, SCORE, framed(ROWS), names=since("xgboost", "1.4"))
    if since("xgboost", "1.6"):
        yield xgb_case("xgb-binary", binary, HOLES, BINARY, HOLED_ROWS, classes=[0, 1], suffix=".ubj")
        yield xgb_case("xgb-named", {"objective": "reg:squarederror"}, FRAME, SCORE, framed(ROWS), suffix=".ubj")
    if not since("xgboost", "3.1"):
        for name, more, target, classes in [("xgb-old", binary, BINARY, [0, 1]),
                                            ("xgb-old-dart", {"objective": "reg:squarederror", "booster": "dart", "rate_drop": 0.4}, SCORE, None),
                                            ("xgb-old-linear", {"objective": "reg:squarederror", "booster": "gblinear"}, SCORE, None)]:
            booster = xgb.train({"max_depth": 3, "nthread": 1, "verbosity": 0, **more}, xgb.DMatrix(X, label=target), 6)
            suffix = ".deprecated" if since("xgboost", "2.1") else ".bin"
            old = xgb_case(name, more, X, target, ROWS, classes=classes, booster=booster, suffix=".json")
            old.name, old.file = name + ".model", bytes_of(booster.save_model, suffix)
            if since("xgboost", "1.0") and b"binf" == old.file[:4]:
                old.library = "XGBoost " + ".".join(xgb.__version__.split(".")[:2])
                yield old
    raw = xgb_case("xgb-raw", {"objective": "binary:logitraw", "base_score": 0.3}, HOLES, BINARY, HOLED_ROWS, classes=[0, 1], kind="decision")
    raw.predict = lambda row: [int(raw.values(row)[0] > 0)]
    yield raw
    yield xgb_case("xgb-hinge", {"objective": "binary:hinge"}, HOLES, BINARY, HOLED_ROWS, classes=[0, 1])
    yield xgb_case("xgb-softprob", {"objective": "multi:softprob", "num_class": 3}, HOLES, THREE, HOLED_ROWS, classes=[0, 1, 2])
    yield softmax_case("xgb-softmax")
    yield xgb_case("xgb-dart", {"objective": "multi:softprob", "num_class": 3, "booster": "dart", "rate_drop": 0.4}, HOLES, THREE, HOLED_ROWS, classes=[0, 1, 2])
    yield xgb_case("xgb-forest", {**binary, "num_parallel_tree": 3, "subsample": 0.6, "eta": 1}, HOLES, BINARY, HOLED_ROWS, classes=[0, 1], rounds=3)
    yield xgb_case("xgb-stopped", binary, X, BINARY, ROWS, classes=[0, 1], rounds=30, train={
        "evals": [(xgb.DMatrix(X[::2][::-1], label=BINARY[::2]), "v")], "early_stopping_rounds": 3, "verbose_eval": False})
    for objective, target in [("reg:squaredlogerror", POSITIVE), ("reg:pseudohubererror", SCORE), ("reg:logistic", BINARY), ("reg:gamma", POSITIVE),
                              ("reg:tweedie", POSITIVE), ("count:poisson", THREE), ("rank:pairwise", THREE),
                              ("survival:cox", POSITIVE), ("reg:absoluteerror", SCORE), ("reg:quantileerror", SCORE)]:
        if objective == "reg:absoluteerror" and not since("xgboost", "1.7") or objective == "reg:quantileerror" and not since("xgboost", "2.0") \
                or objective == "reg:pseudohubererror" and not since("xgboost", "1.2"):
            continue
        more = {"quantile_alpha": [0.1, 0.5, 0.9]} if objective == "reg:quantileerror" else {}
        if objective in ("reg:gamma", "count:poisson"):
            more["base_score"] = 1.5
        yield xgb_case("xgb-" + objective.replace(":", "-"), {"objective": objective, **more}, HOLES, target, HOLED_ROWS, rounds=4)
    if since("xgboost", "1.2"):
        matrix = xgb.DMatrix(X)
        matrix.set_float_info("label_lower_bound", POSITIVE)
        matrix.set_float_info("label_upper_bound", POSITIVE * 1.5)
        aft = xgb.train({"objective": "survival:aft", "max_depth": 3, "nthread": 1, "verbosity": 0}, matrix, 5)
        yield xgb_case("xgb-survival-aft", {}, None, None, ROWS, booster=aft)
    for name, more, target, classes in [("linear", {"objective": "reg:squarederror"}, SCORE, None),
                                        ("linear-binary", binary, BINARY, [0, 1]),
                                        ("linear-softprob", {"objective": "multi:softprob", "num_class": 3}, THREE, [0, 1, 2])]:
        rows = np.where(np.abs(HOLED_ROWS) > 1e4, 100.0, HOLED_ROWS) if classes else HOLED_ROWS
        yield xgb_case("xgb-" + name, {"booster": "gblinear", **more}, X, target, rows, classes=classes)
    if since("xgboost", "2.0"):
        several = np.column_stack([SCORE, -SCORE, X[:, 0]])
        yield xgb_case("xgb-targets", {"objective": "reg:squarederror"}, HOLES, several, HOLED_ROWS, rounds=4)
        vector = xgb.train({"multi_strategy": "multi_output_tree", "tree_method": "hist", "max_depth": 2}, xgb.DMatrix(X, label=several), 2)
        yield Refused("xgb-vector-leaves.json", vector, "multi_output_tree", file=bytes_of(vector.save_model, ".json"))
    if since("xgboost", "1.5"):
        method = "gpu_hist" if not since("xgboost", "1.6") else "hist" if since("xgboost", "1.7") else "approx"
        if since("xgboost", "1.6"):
            types = ["c", "c", "q", "q"]
            coded = CODED.copy()
            for name, onehot in [("xgb-categories", 1), ("xgb-onehot", 100)]:
                case = xgb_case(name, {"tree_method": method, "max_cat_to_onehot": onehot, "objective": "reg:squarederror", "max_depth": 4}, CODES, CODE_SCORE, coded, types=types)
                case.values = lambda row, b=case.model: np.ravel(b.inplace_predict(row, validate_features=False))
                yield case
    if since("xgboost", "3.1"):
        frame, rows = categorical(MIXED), categorical(MIXED_ROWS)
        booster = xgb.train({"max_depth": 4, "nthread": 1, "verbosity": 0}, xgb.DMatrix(frame, label=SCORE, enable_categorical=True), 6)

        def ask(row):
            return booster.predict(xgb.DMatrix(only(row), enable_categorical=True))
        for suffix in (".json", ".ubj"):
            yield xgb_case("xgb-frame", {}, None, None, rows, booster=booster, suffix=suffix, values=ask)


def categorical(frame):
    frame = frame.copy()
    for column in ("plan", "region"):
        frame[column] = frame[column].astype("category")
    frame["paperless"] = frame["paperless"].astype(float)
    return frame


def only(row):
    """A row whose categories are its own values: XGBoost looks at all that a column may have."""
    row = row.copy()
    for column in ("plan", "region"):
        row[column] = row[column].cat.remove_unused_categories()
    return row


def xgb_wrappers():
    def case(name, model, rows, **kw):
        if not hasattr(type(model), "classes_") and hasattr(model, "predict_proba") and not hasattr(model, "classes_"):
            kw.setdefault("classes", list(range(int(model.n_classes_))))
        # Before 1.3, a pickled Booster does not know the last part of its version.
        return Case(name, model, rows, tolerance=FLOAT32, library="XGBoost " + xgb.__version__ if since("xgboost", "1.3") else None, **kw)

    shared = {"n_estimators": 8, "max_depth": 3, "n_jobs": 1, "random_state": 1, "verbosity": 0}
    yield case("xgb-classifier", xgb.XGBClassifier(**shared).fit(HOLES, BINARY), HOLED_ROWS)
    yield case("xgb-classifier-three", xgb.XGBClassifier(**shared).fit(FRAME, THREE), framed(ROWS))
    yield case("xgb-classifier-missing", xgb.XGBClassifier(missing=-1.0, **shared).fit(np.nan_to_num(HOLES, nan=-1.0), BINARY), np.nan_to_num(HOLED_ROWS, nan=-1.0))
    yield case("xgb-regressor", xgb.XGBRegressor(**shared).fit(FRAME, SCORE), framed(ROWS))
    yield case("xgb-regressor-linear", xgb.XGBRegressor(booster="gblinear", **shared).fit(X, SCORE), ROWS)
    yield case("xgb-regressor-dart", xgb.XGBRegressor(booster="dart", rate_drop=0.4, **shared).fit(X, SCORE), ROWS)
    yield case("xgb-forest-classifier", xgb.XGBRFClassifier(**shared).fit(X, BINARY), ROWS)
    yield case("xgb-forest-regressor", xgb.XGBRFRegressor(**shared).fit(X, SCORE), ROWS)
    groups = {"group": [60] * 4} if not since("xgboost", "2.0") else {"qid": np.arange(240) // 60}
    yield case("xgb-ranker", xgb.XGBRanker(objective="rank:pairwise", **shared).fit(X, THREE, **groups), ROWS)
    stop = {"early_stopping_rounds": 2}
    late = xgb.XGBClassifier(**{**shared, "n_estimators": 40, "learning_rate": 1.0}, **(stop if since("xgboost", "2.0") else {}))
    late.fit(X[:120], BINARY[:120], eval_set=[(X[120:], BINARY[120:])], verbose=False, **({} if since("xgboost", "2.0") else stop))
    yield case("xgb-classifier-stopped", late, ROWS)
    # The file that the wrapper saves: it remembers where it stopped, and before 2.0 its parameters.
    saved = case("xgb-wrapper-file.json", late, ROWS, file=bytes_of(late.save_model, ".json"))
    if not since("xgboost", "1.4"):  # it forgets
        saved.values = lambda row: late.predict_proba(row, ntree_limit=0)
        saved.predict = lambda row: late.predict(row, ntree_limit=0)
    saved.library = "XGBoost " + xgb.__version__
    yield saved
    margins = xgb.XGBClassifier(objective="binary:logitraw", **shared).fit(X, BINARY)
    yield Refused("xgb-wrapper-raw.joblib", margins, "takes for probabilities")
    yield Refused("xgb-wrapper-raw.json", margins, "takes for probabilities", file=bytes_of(margins.save_model, ".json"))
    other = xgb.XGBRegressor(missing=-1.0, **shared).fit(np.nan_to_num(HOLES, nan=-1.0), SCORE)
    if since("xgboost", "1.0") and not since("xgboost", "2.0"):
        yield case("xgb-wrapper-missing.json", other, np.nan_to_num(HOLED_ROWS, nan=-1.0), file=bytes_of(other.save_model, ".json"))
    if since("xgboost", "1.6"):
        called = xgb.XGBClassifier(callbacks=[xgb.callback.EarlyStopping(rounds=2)], **shared).fit(X[:120], BINARY[:120], eval_set=[(X[120:], BINARY[120:])], verbose=False)
        yield case("xgb-classifier-callback", called, ROWS)
    inside = make_pipeline(StandardScaler(), xgb.XGBRegressor(**shared))
    yield Case("xgb-pipeline", inside.fit(FRAME, SCORE), framed(FINITE), tolerance=FLOAT32)
    if since("xgboost", "3.1"):
        words = xgb.XGBClassifier(enable_categorical=True, **shared).fit(categorical(MIXED), WORDS[THREE] == WORDS[0])
        yield case("xgb-classifier-frame", words, categorical(MIXED_ROWS), classes=[0, 1], values=lambda row: words.predict_proba(only(row)), predict=lambda row: words.predict(only(row)))
    if not since("xgboost", "1.6"):
        words = xgb.XGBClassifier(**shared).fit(X, WORDS[THREE])
        yield case("xgb-classifier-words", words, ROWS)


# LightGBM.

def lgb_case(name, parameters, data, target, rows, classes=None, rounds=8, fit=None, dataset=None, **kw):
    parameters = {"num_leaves": 8, "min_data_in_leaf": 5, "learning_rate": 0.3, "num_threads": 1, "seed": 1, "verbose": -1, **parameters}
    booster = lgb.train(parameters, lgb.Dataset(data, target, **(dataset or {})), rounds, **(fit or {}))
    ask = lambda row: np.ravel(booster.predict(row, num_threads=1))
    kw = {"kind": "predict", "values": ask, **kw}
    if classes is not None:
        kw.update(kind="proba", classes=classes, predict=lambda row: [int(np.argmax(two(ask(row)) if len(classes) == 2 else ask(row)))])
        if len(classes) == 2:
            kw["values"] = lambda row: two(ask(row))
    return Case(name + ".txt", booster, rows, file=bytes_of(booster.save_model, ".txt"), tolerance=FLOAT64,
                library="LightGBM", estimators=["Booster"], **kw)


def lgb_files():
    yield lgb_case("lgb-binary", {"objective": "binary", "sigmoid": 1.5}, HOLES, BINARY, HOLED_ROWS, classes=[0, 1])
    yield lgb_case("lgb-named", {"objective": "regression"}, FRAME, SCORE, framed(ROWS))
    yield lgb_case("lgb-multiclass", {"objective": "multiclass", "num_class": 3}, HOLES, THREE, HOLED_ROWS, classes=[0, 1, 2])
    yield lgb_case("lgb-ova", {"objective": "multiclassova", "num_class": 3}, HOLES, THREE, HOLED_ROWS, classes=[0, 1, 2])
    for objective, target in [("regression_l1", SCORE), ("huber", SCORE), ("fair", SCORE), ("poisson", POSITIVE), ("quantile", SCORE), ("mape", POSITIVE),
                              ("gamma", POSITIVE), ("tweedie", POSITIVE), ("cross_entropy", BINARY), ("cross_entropy_lambda", BINARY)]:
        yield lgb_case("lgb-" + objective, {"objective": objective}, HOLES, target, HOLED_ROWS, rounds=3)
    yield lgb_case("lgb-sqrt", {"objective": "regression", "reg_sqrt": True}, HOLES, SCORE, HOLED_ROWS, rounds=4)
    for objective in ("lambdarank", "rank_xendcg")[:2 if since("lightgbm", "3.0") else 1]:
        yield lgb_case("lgb-" + objective, {"objective": objective}, X, THREE, ROWS, rounds=4, dataset={"group": [60] * 4})
    yield lgb_case("lgb-rf", {"objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}, HOLES, BINARY, HOLED_ROWS, classes=[0, 1], rounds=5)
    yield lgb_case("lgb-dart", {"objective": "binary", "boosting": "dart"}, HOLES, BINARY, HOLED_ROWS, classes=[0, 1], rounds=6)
    sparse = np.where(np.abs(HOLES) < 0.7, 0, HOLES)
    rows = np.where(np.abs(HOLED_ROWS) < 0.7, 0, HOLED_ROWS)
    rows[40:44, 0], rows[40:44, 1] = [1e-36, -1e-36, 1.1e-35, -1.1e-35], [0, -0.0, 9e-36, 1e-35]
    yield lgb_case("lgb-zero-missing", {"objective": "regression", "zero_as_missing": True}, sparse, SCORE, rows)
    yield lgb_case("lgb-no-missing", {"objective": "regression", "use_missing": False}, sparse, SCORE, rows)
    yield lgb_case("lgb-full", {"objective": "regression"}, np.nan_to_num(sparse), SCORE, rows)
    yield lgb_case("lgb-stump", {"objective": "binary", "min_data_in_leaf": 1000}, X, BINARY, ROWS, classes=[0, 1], rounds=2)
    yield lgb_case("lgb-categories", {"objective": "regression", "min_data_per_group": 5, "cat_smooth": 1}, CODES, CODE_SCORE, CODED, dataset={"categorical_feature": [0, 1]})
    frame = categorical(MIXED)
    rows = categorical(MIXED_ROWS)
    yield lgb_case("lgb-frame", {"objective": "regression", "min_data_per_group": 5, "cat_smooth": 1}, frame, SCORE, rows)
    frame, rows = frame.copy(), rows.copy()
    frame["region"] = pd.Categorical(np.arange(240) * 7 % 5 + 10)
    rows["region"] = pd.Categorical(np.arange(50) * 3 % 7 + 9)
    yield lgb_case("lgb-frame-numbers", {"objective": "regression", "min_data_per_group": 5, "cat_smooth": 1}, frame, SCORE + np.arange(240) % 5, rows)
    if since("lightgbm", "3.2"):
        linear = lgb.train({"linear_tree": True, "verbose": -1, "num_leaves": 4}, lgb.Dataset(X, SCORE, params={"linear_tree": True}), 2)
        yield Refused("lgb-linear-tree.txt", linear, "linear_tree", file=bytes_of(linear.save_model, ".txt"))


def lgb_wrappers():
    def case(name, model, rows, **kw):
        return Case(name, model, rows, tolerance=FLOAT64, library="LightGBM", **kw)

    shared = {"n_estimators": 8, "num_leaves": 8, "min_child_samples": 5, "n_jobs": 1, "random_state": 1}
    quiet = {"verbose": -1}
    yield case("lgb-classifier", lgb.LGBMClassifier(**shared, **quiet).fit(HOLES, BINARY), HOLED_ROWS)
    yield case("lgb-classifier-words", lgb.LGBMClassifier(**shared, **quiet).fit(FRAME, WORDS[THREE]), framed(ROWS))
    yield case("lgb-regressor", lgb.LGBMRegressor(**shared, **quiet).fit(FRAME, SCORE), framed(ROWS))
    yield case("lgb-regressor-poisson", lgb.LGBMRegressor(objective="poisson", **shared, **quiet).fit(X, POSITIVE), ROWS)
    yield case("lgb-ranker", lgb.LGBMRanker(**shared, **quiet).fit(X, THREE, group=[60] * 4), ROWS)
    yield Case("lgb-pipeline", make_pipeline(StandardScaler(), lgb.LGBMClassifier(**shared, **quiet)).fit(X, THREE), ROWS)
    stop = {"callbacks": [lgb.early_stopping(2, verbose=False)]}
    late = lgb.LGBMClassifier(**{**shared, "n_estimators": 60, "learning_rate": 1.0}, **quiet)
    late.fit(X[:120], BINARY[:120], eval_set=[(X[120:], BINARY[120:])], **stop)
    yield case("lgb-classifier-stopped", late, ROWS)
    yield case("lgb-classifier-frame", lgb.LGBMClassifier(**shared, **quiet).fit(categorical(MIXED), BINARY), categorical(MIXED_ROWS))


# CatBoost.

def cat_case(name, model, rows, **kw):
    kw.setdefault("library", "CatBoost " + catboost.__version__)
    content = bytes_of(lambda path: model.save_model(path, format="json"), ".json")
    document = json.loads(content)
    info = document["model_info"]  # long, and mostly of no use
    info["params"] = {"loss_function": info["params"]["loss_function"]}
    info.pop("output_options")
    if not isinstance(model, catboost.CatBoostClassifier):  # it has classes_, too, and none of them
        kw["estimators"], model = [type(model).__name__], SimpleNamespace(predict=model.predict)
    return Case(name + ".json", model, rows, file=json.dumps(document).encode(), tolerance=FLOAT64, **kw)


def cat_files():
    shared = {"iterations": 8, "depth": 3, "verbose": 0, "allow_writing_files": False, "thread_count": 1, "random_seed": 1}
    C, R = catboost.CatBoostClassifier, catboost.CatBoostRegressor
    yield cat_case("cat-binary", C(**shared).fit(HOLES, BINARY), HOLED_ROWS)
    yield cat_case("cat-words", C(**shared).fit(FRAME, WORDS[THREE]), framed(ROWS))
    yield cat_case("cat-multiclass-ova", C(loss_function="MultiClassOneVsAll", **shared).fit(HOLES, THREE), HOLED_ROWS)
    yield cat_case("cat-regressor", R(**shared).fit(FRAME, SCORE), framed(ROWS))
    yield cat_case("cat-nan-max", R(nan_mode="Max", **shared).fit(HOLES, SCORE), HOLED_ROWS)
    yield cat_case("cat-poisson", R(loss_function="Poisson", **shared).fit(HOLES, POSITIVE), HOLED_ROWS)
    yield cat_case("cat-several", R(loss_function="MultiRMSE", **shared).fit(HOLES, np.column_stack([SCORE, -SCORE])), HOLED_ROWS)
    yield cat_case("cat-lossguide", R(grow_policy="Lossguide", **shared).fit(HOLES, SCORE), HOLED_ROWS)
    yield cat_case("cat-depthwise", C(grow_policy="Depthwise", **shared).fit(HOLES, THREE), HOLED_ROWS)
    words = R(**shared).fit(MIXED.fillna("?"), SCORE, cat_features=["plan", "region"])
    yield Refused("cat-categories.json", words, "categorical", file=bytes_of(lambda path: words.save_model(path, format="json"), ".json"))
    yield Refused("cat-binary.cbm", words, "format=\"json\"", file=bytes_of(words.save_model, ".cbm"))


def models():
    if xgb is not None:
        yield from xgb_files()
        yield from xgb_wrappers()
    if lgb is not None:
        yield from lgb_files()
        yield from lgb_wrappers()
    if catboost is not None:
        yield from cat_files()
