"""Writes the test files of one scikit-learn version: sklearn-VERSION.zip.

    python generate.py FOLDER

The archive holds, for the scikit-learn that runs this script,

    NAME.joblib / NAME.pkl   models in every variant and encoding that serin reads,
    expected.json            rows, and what this scikit-learn answers for each model:
        rows      the feature values, at full precision
        models    file -> {names, classes, proba, predict}; a row that
                  scikit-learn refuses (a scaler overflowed) has null for both
        refused   files that hold something else than a served model

Everything is seeded; the same versions give the same numbers.
"""

import io
import json
import pickle
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import sklearn
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler, MinMaxScaler, Normalizer, RobustScaler, StandardScaler,
)
from sklearn.svm import SVC

warnings.simplefilter("ignore")
VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
NAMES = ["tenure", "monthly_charges", "support_calls", "discount", "usage"]

rng = np.random.RandomState(20)
X = rng.normal(size=(240, 5)) * [1, 3, 0.5, 10, 1] + [0, 5, -1, 2, 1]
noise = rng.normal(size=240)
score = X @ [0.8, -0.4, 0.9, 0.05, 0.3] + 1.5 + noise
BINARY = (score > 0).astype(int)
THREE = np.digitize(score, np.quantile(score, [0.3, 0.7]))
FRAME = pd.DataFrame(X, columns=NAMES)

ROWS = np.vstack([
    [0.5, 1.2, 0.8, 0.3, 1.1],
    X[:10] + 0.25,
    np.zeros(5),
    np.ones(5),
    [1e-300, -1e-300, 5e-324, 0, -0.0],
    [40, 0, 0, 0, 0],
    [-40, 0, 0, 0, 0],
    [1e6, -2e6, 3e6, 4e6, 5e6],
    [-1e6, 2e6, -3e6, -4e6, -5e6],
    [1e100, 1, -1, 0, 2],
    [-1e300, 1, -1, 0, 2],
    [1.5e308, -1, 0, 1, 2],
])


def lr(**kw):
    return LogisticRegression(**dict(dict(max_iter=500), **kw))


def variants():
    """Yields (name, model to fit, X, y)."""
    words = np.array(["no", "yes"])
    three_words = np.array(["basic", "caf\u00e9", "\u91d1"])
    yield "binary", lr(), X, BINARY
    yield "binary-names", lr(), FRAME, BINARY
    yield "binary-strings", lr(), X, words[BINARY]
    yield "binary-objects", lr(), FRAME, words[BINARY].astype(object)
    yield "binary-bools", lr(), X, BINARY == 1
    yield "binary-floats", lr(), X, BINARY * 2.0 - 1
    yield "binary-int8", lr(), X, (BINARY * 3 - 2).astype(np.int8)
    yield "binary-no-intercept", lr(fit_intercept=False), X, BINARY
    yield "binary-saga", lr(solver="saga", random_state=np.random.RandomState(3)), X, BINARY
    yield "binary-sag", lr(solver="sag", random_state=1), X, BINARY
    yield "binary-liblinear-l1", lr(solver="liblinear", random_state=0, C=0.5, **L1), X, BINARY
    yield "binary-liblinear-no-intercept", lr(solver="liblinear", random_state=0, fit_intercept=False), X, BINARY
    yield "binary-newton-cg", lr(solver="newton-cg"), X, BINARY
    yield "binary-weights", lr(class_weight={0: 1.0, 1: 2.0}), X, BINARY
    yield "binary-float32", lr(), X.astype(np.float32), BINARY
    yield "multi", lr(), X, THREE
    yield "multi-strings", lr(), FRAME, three_words[THREE]
    yield "multi-saga", lr(solver="saga", C=0.3, random_state=0, **L1), X, THREE
    yield "multi-no-intercept", lr(fit_intercept=False), X, THREE
    yield "multi-float32", lr(), X.astype(np.float32), THREE
    if VERSION >= (1, 2):
        yield "binary-newton-cholesky", lr(solver="newton-cholesky"), X, BINARY
        yield "multi-newton-cholesky", lr(solver="newton-cholesky"), X, THREE
    if VERSION < (1, 8):
        yield "binary-multinomial", lr(multi_class="multinomial"), X, BINARY
        yield "multi-ovr", lr(multi_class="ovr"), X, THREE
        yield "multi-multinomial", lr(multi_class="multinomial"), X, THREE
        yield "multi-liblinear", lr(solver="liblinear", random_state=0), X, THREE
        yield "multi-liblinear-no-intercept", lr(solver="liblinear", random_state=0, fit_intercept=False), X, THREE

    for name, scaler in {
        "standard": StandardScaler(),
        "standard-no-mean": StandardScaler(with_mean=False),
        "standard-no-std": StandardScaler(with_std=False),
        "standard-neither": StandardScaler(with_mean=False, with_std=False),
        "minmax": MinMaxScaler(),
        "minmax-range": MinMaxScaler(feature_range=(-2, 3)),
        "minmax-clip": MinMaxScaler(feature_range=(-1, 1), clip=True),
        "maxabs": MaxAbsScaler(),
        "robust": RobustScaler(),
        "robust-no-centering": RobustScaler(with_centering=False),
        "robust-no-scaling": RobustScaler(with_scaling=False),
        "robust-unit": RobustScaler(unit_variance=True, quantile_range=(10.0, 90.0)),
        "l1": Normalizer(norm="l1"),
        "l2": Normalizer(),
        "max": Normalizer(norm="max"),
    }.items():
        yield "pipe-" + name, make_pipeline(scaler, lr()), X, BINARY
    if VERSION >= (1, 8):
        yield "pipe-maxabs-clip", make_pipeline(MaxAbsScaler(clip=True), lr()), X, BINARY
    constant = X.copy()
    constant[:, 2] = 7
    yield "pipe-constant-feature", make_pipeline(StandardScaler(), MinMaxScaler(), lr()), constant, BINARY
    yield "pipe-float32", make_pipeline(StandardScaler(), lr()), X.astype(np.float32), BINARY
    yield "pipe-names", make_pipeline(StandardScaler(), lr()), FRAME, THREE
    yield "pipe-alone", Pipeline([("model", lr())]), FRAME, BINARY
    yield "pipe-passthrough", Pipeline(
        [("skip", "passthrough"), ("scale", MaxAbsScaler()), ("none", None) if VERSION < (1, 2) else ("also", "passthrough"), ("model", lr())]
    ), FRAME, BINARY
    yield "pipe-nested", make_pipeline(
        make_pipeline(StandardScaler(), MinMaxScaler()), make_pipeline(Normalizer(), lr())
    ), FRAME, BINARY

    def columns(*parts, **kw):
        return make_pipeline(ColumnTransformer(list(parts), **kw), lr())

    yield "columns-names", columns(
        ("s", StandardScaler(), ["usage", "tenure"]), ("m", MinMaxScaler(), ["discount"]), remainder="passthrough"
    ), FRAME, BINARY
    yield "columns-names-drop", columns(
        ("s", StandardScaler(), ["usage", "tenure"]), ("p", "passthrough", ["discount"]), ("d", "drop", ["support_calls"])
    ), FRAME, BINARY
    yield "columns-ints", columns(
        ("s", StandardScaler(), [0, 2, -1]), ("r", RobustScaler(), np.array([1])), remainder="drop"
    ), X, BINARY
    yield "columns-slice", columns(
        ("s", StandardScaler(), slice(1, 4)), ("p", "passthrough", slice(3, None)), remainder=MaxAbsScaler()
    ), X, THREE
    yield "columns-name-slice", columns(
        ("s", StandardScaler(), slice("monthly_charges", "discount")), remainder="passthrough"
    ), FRAME, BINARY
    yield "columns-mask", columns(
        ("s", StandardScaler(), [True, False, True, False, False]),
        ("a", MaxAbsScaler(), np.array([False, True, False, False, True])),
        ("n", Normalizer(), [False] * 5),
        remainder="passthrough",
    ), X, BINARY
    yield "columns-selector", columns(
        ("s", StandardScaler(), make_column_selector(pattern="^(tenure|usage)$")), remainder="passthrough"
    ), FRAME, BINARY
    yield "columns-weights", columns(
        ("s", StandardScaler(), [0, 1]), ("p", "passthrough", [1, 2]), transformer_weights={"s": 0.5, "p": 3}
    ), X, BINARY
    yield "columns-nested", make_pipeline(
        MaxAbsScaler(),
        ColumnTransformer([
            ("pipe", make_pipeline(StandardScaler(), ColumnTransformer(
                [("l1", Normalizer("l1"), [2, 0]), ("p", "passthrough", [0])], remainder="drop"), Normalizer()), [0, 1, 4]),
            ("again", RobustScaler(), [0]),
        ], remainder="passthrough"),
        StandardScaler(),
        lr(),
    ), X, THREE
    if VERSION >= (1, 2):
        pandas_out = columns(("s", StandardScaler(), ["usage", "tenure"]), remainder="passthrough")
        yield "columns-pandas-output", pandas_out.set_output(transform="pandas"), FRAME, BINARY


# The spelling of an L1 penalty changed in 1.8.
L1 = {"penalty": "l1"} if VERSION < (1, 8) else {"l1_ratio": 1.0}


def answers(model, named):
    """proba and predict of every row, None where scikit-learn refuses the row."""
    proba, predict = [], []
    for row in ROWS:
        sample = pd.DataFrame([row], columns=NAMES) if named else row.reshape(1, -1)
        try:
            p, y = model.predict_proba(sample)[0], model.predict(sample)[0]
        except ValueError:
            proba.append(None)
            predict.append(None)
            continue
        # JSON has no NaN: a probability that is none is written as null too.
        proba.append([None if np.isnan(v) else float(v) for v in p])
        predict.append(int(np.flatnonzero(model.classes_ == y)[0]))
    return {
        "names": NAMES if named else None,
        "classes": [v.item() if hasattr(v, "item") else v for v in model.classes_],
        "proba": proba,
        "predict": predict,
    }


def joblib_bytes(model, suffix="", **kw):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("model.joblib" + suffix)
        joblib.dump(model, path, **kw)
        return path.read_bytes()


def encodings(model, name):
    for protocol in range(0, 6):
        yield "%s.protocol%d.pkl" % (name, protocol), pickle.dumps(model, protocol)
        yield "%s.protocol%d.joblib" % (name, protocol), joblib_bytes(model, protocol=protocol)
    for method in ["zlib", "gzip", "bz2", "xz", "lzma", "lz4"]:
        yield "%s.%s.joblib" % (name, method), joblib_bytes(model, compress=(method, 3))


def arrays(model, change):
    """The fitted model with its coefficients stored another way."""
    model = pickle.loads(pickle.dumps(model))
    model.coef_ = change(model.coef_)
    model.intercept_ = change(model.intercept_)
    return model


def refused():
    """What must not be served, and why not by name."""
    fitted = lr().fit(X, BINARY)
    yield "unfitted", lr()
    yield "unfitted-pipeline", make_pipeline(StandardScaler(), lr())
    yield "svc", SVC(random_state=0).fit(X[:40], BINARY[:40])
    yield "forest", RandomForestClassifier(n_estimators=2, max_depth=2, random_state=0).fit(X, BINARY)
    yield "search", GridSearchCV(lr(), {"C": [1.0]}, cv=2)
    yield "cv", LogisticRegressionCV(Cs=[1.0], cv=2).fit(X, BINARY)
    yield "pca", make_pipeline(PCA(2, random_state=0), lr()).fit(X, BINARY)
    yield "sparsified", lr().fit(X, BINARY).sparsify()
    yield "dict", {"model": fitted}
    yield "scaler", StandardScaler().fit(X)
    yield "no-classifier", make_pipeline(StandardScaler(), MinMaxScaler()).fit(X)
    nan = lr().fit(X, BINARY)
    nan.coef_[0, 2] = np.nan
    yield "nan", nan
    wrong = lr().fit(X, BINARY)
    wrong.coef_ = wrong.coef_[:, :4]
    yield "wrong-shape", wrong
    mixed = make_pipeline(StandardScaler(), lr()).fit(X, BINARY)
    mixed.steps[0] = ("s", StandardScaler().fit(X[:, :3]))
    yield "steps-disagree", mixed
    extra = lr().fit(X, BINARY)
    extra.my_note = "hello"
    yield "unknown-attribute", extra
    one = lr().fit(X, BINARY)
    one.classes_ = one.classes_[:1]
    yield "one-class", one
    for attribute in ["coef_", "intercept_", "classes_", "_sklearn_version"]:
        class Without(LogisticRegression):
            def __getstate__(self):
                state = dict(super().__getstate__())
                del state[attribute]
                return state
        lacking = Without(**fitted.get_params())
        lacking.__dict__.update(fitted.__dict__)
        # Pretend to be the real class, as a file is that lost an attribute.
        Without.__module__, Without.__qualname__, Without.__name__ = (
            LogisticRegression.__module__, "LogisticRegression", "LogisticRegression")
        real, module = LogisticRegression, sys.modules[LogisticRegression.__module__]
        module.LogisticRegression = Without
        try:
            yield "without-" + attribute.strip("_"), lacking
        finally:
            module.LogisticRegression = real


def main(folder):
    files, models = {}, {}
    for name, model, data, labels in variants():
        model.fit(data, labels)
        file = name + ".joblib"
        files[file] = joblib_bytes(model)
        models[file] = answers(model, isinstance(data, pd.DataFrame))
        if name in ("binary-objects", "columns-names"):
            for encoded, content in encodings(model, name):
                files[encoded] = content
                models[encoded] = models[file]
        if name in ("binary", "multi"):
            for how, change in {
                "fortran": np.asfortranarray,
                "big-endian": lambda a: a.astype(">f8"),
                "big-endian-float32": lambda a: a.astype(">f4"),
                "float16": lambda a: a.astype(np.float16),
            }.items():
                changed = arrays(model, change)
                models_file = "%s-%s.joblib" % (name, how)
                files[models_file] = joblib_bytes(changed)
                files["%s-%s.pkl" % (name, how)] = pickle.dumps(changed)
                models[models_file] = models["%s-%s.pkl" % (name, how)] = answers(
                    arrays(changed, lambda a: np.ascontiguousarray(a, dtype=float)), False)
    wrong = {}
    for name, value in refused():
        files["refused-%s.joblib" % name] = joblib_bytes(value)
        wrong[name] = "refused-%s.joblib" % name

    expected = {
        "sklearn": sklearn.__version__, "numpy": np.__version__, "joblib": joblib.__version__,
        "python": ".".join(str(part) for part in sys.version_info[:3]),
        "rows": ROWS.tolist(), "models": models, "refused": wrong,
    }
    files["expected.json"] = json.dumps(expected, ensure_ascii=False, allow_nan=False).encode()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as z:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            z.writestr(entry, files[name])
    target = Path(folder) / ("sklearn-%s.zip" % sklearn.__version__)
    target.write_bytes(archive.getvalue())
    print("%s: %d models, %d refused, %d bytes" % (target.name, len(models), len(wrong), len(archive.getvalue())))


if __name__ == "__main__":
    main(sys.argv[1])
