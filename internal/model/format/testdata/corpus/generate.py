"""Asks fitted models and writes what they answer: FAMILY-ENVIRONMENT.zip.

    python generate.py ENVIRONMENT FAMILY,FAMILY,... FOLDER

Each family is a module beside this script, made of the cases of frame.py. Its
archive holds the models' files and expected.json:

    environment, family   as in the archive's name
    versions    {"python": "3.13.0", "sklearn": "1.9.1", "numpy": ...}
    tables      rows to ask, shared by the models that name them:
        names   of the columns, or null
        kinds   "number", "text" or "bool", one a column
        rows    50 arrays of numbers, strings, true, false, and null where a
                value is missing
    models      file -> what the library answers:
        table       index into tables
        names       that the file must know, or null
        library     "scikit-learn 1.9.1", or null where the file does not say
        estimators  class names inside the model, outermost first
        kind        "proba", "decision", "class" or "predict" (see frame.Case)
        absolute, relative   the tolerance: |got - want| <= max(absolute, relative*|want|)
        classes     the labels in the model's order; null for a regressor
        values      one array a row (decision_function of two classes: one number);
                    "NaN", "Infinity", "-Infinity" where JSON has no number;
                    null for a row that the library refuses; null as a whole for
                    kind "class"
        prediction  one index into classes a row, null where refused; null for a
                    regressor
    refused     file -> a part of the refusal that it must meet

Rows are asked one at a time, as a server asks them. Everything is seeded, the
archive's times are fixed, and a file that differs from the one before only in
times and addresses stays: a second run with the same versions changes nothing.
"""

import importlib
import io
import json
import math
import numbers
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import sklearn

import frame

warnings.simplefilter("ignore")
ROWS = 50
SHARE = 400_000  # bytes that one archive should not be over
METHODS = {"proba": "predict_proba", "decision": "decision_function", "class": "predict", "predict": "predict"}
# What a library raises for a row that it does not take.
REFUSALS = (ValueError, KeyError, TypeError, IndexError)


def plain(value):
    """One value of a row as JSON has it."""
    if value is None or value is pd.NA or (isinstance(value, numbers.Real) and math.isnan(value)):
        return None
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    return str(value) if isinstance(value, str) else float(value)


def number(value):
    """One number of an answer, exactly: float32 becomes the float64 it is."""
    value = float(value)
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def label(value):
    return value.item() if hasattr(value, "item") else value


def rows_of(rows):
    """The rows one by one, as the model takes them."""
    if hasattr(rows, "iloc"):
        return [rows.iloc[i:i + 1] for i in range(len(rows))]
    if isinstance(rows, np.ndarray):
        return [rows[i:i + 1] for i in range(len(rows))]
    text = any(isinstance(value, (str, bool, type(None))) for row in rows for value in row)
    return [np.array([row], dtype=object if text else float) for row in rows]


def table_of(rows):
    """Rows as the entry of "tables"."""
    named = hasattr(rows, "iloc")
    values = [[plain(v) for v in (row.iloc[0] if named else row[0]).tolist()] for row in rows_of(rows)]

    def kind(column):
        present = [v for v in column if v is not None]
        if any(isinstance(v, str) for v in present):
            return "text"
        return "bool" if present and all(isinstance(v, bool) for v in present) else "number"

    kinds = [kind(column) for column in zip(*values)]
    for row in values:  # a column of a matrix may mix numbers and bools: a number it is
        row[:] = [float(v) if k == "number" and isinstance(v, bool) else v for v, k in zip(row, kinds)]
    return {"names": [str(n) for n in rows.columns] if named else None, "kinds": kinds, "rows": values}


def kind_of(case):
    if case.kind:
        return case.kind
    if outlier(case.model):
        return "decision"
    if classes_of(case) is None:
        return "predict"
    return next(kind for kind, method in METHODS.items() if hasattr(case.model, method))


def outlier(model):
    """Whether it tells outliers (-1) from inliers (1) without having classes_."""
    return not hasattr(model, "classes_") and hasattr(model, "offset_") and hasattr(model, "decision_function")


def classes_of(case):
    if case.classes is not None:
        return [label(v) for v in case.classes]
    if outlier(case.model):
        return [-1, 1]
    classes = getattr(case.model, "classes_", None)
    return None if classes is None else [label(v) for v in classes]


def estimators_of(value, seen):
    """Class names of everything fitted inside value, outermost first."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, np.ndarray):
        value = value.ravel().tolist() if value.dtype == object else []
    if isinstance(value, (list, tuple)):
        for part in value:
            estimators_of(part, seen)
    elif hasattr(value, "get_params") and not isinstance(value, type):
        seen.setdefault(type(value).__name__)
        # Fitted parts stand for the parameters that they were cloned from.
        for name, part in vars(value).items():
            if name.endswith("_") or name in ("steps", "transformer_list"):
                estimators_of(part, seen)
    return list(seen)


def answer(case, kind, classes, sample):
    """Values and predicted class of one row; None for both where it is refused."""
    try:
        values = None
        if kind != "class":
            ask = case.values or getattr(case.model, METHODS[kind])
            values = [number(v) for v in np.ravel(ask(sample))]
        if classes is None:
            return values, None
        predicted = (case.predict or case.model.predict)(sample)
        predicted = label(np.ravel(predicted)[0])
        return values, classes.index(predicted)
    except REFUSALS:
        return None, None


def expectation(case, table):
    kind, classes = kind_of(case), classes_of(case)
    answers = [answer(case, kind, classes, sample) for sample in rows_of(case.rows)]
    if len(answers) != ROWS or all(a == (None, None) for a in answers):
        sys.exit("%s: %d rows, %d of them refused" % (case.name, len(answers), answers.count((None, None))))
    names = case.names if isinstance(case.names, list) else None
    if hasattr(case.rows, "iloc") and case.names is True:
        names = [str(n) for n in case.rows.columns]
    return {
        "table": table, "names": names, "kind": kind, **case.tolerance,
        "library": "scikit-learn " + sklearn.__version__ if case.library == "" else case.library,
        "estimators": case.estimators or estimators_of(case.model, {}),
        "classes": classes,
        "values": None if kind == "class" else [values for values, _ in answers],
        "prediction": None if classes is None else [predicted for _, predicted in answers],
    }


def saved(case):
    """The file's name and bytes."""
    if case.file is not None:
        return case.name, case.file
    name = case.name if case.name.endswith((".joblib", ".pkl")) else case.name + ".joblib"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.joblib"
        joblib.dump(case.model, path)
        return name, path.read_bytes()


def versions():
    known = {"python": ".".join(str(part) for part in sys.version_info[:3])}
    for name in ("sklearn", "numpy", "scipy", "pandas", "joblib", "skops", "xgboost", "lightgbm", "catboost",
                 "onnx", "skl2onnx", "onnxmltools", "onnxruntime"):
        try:
            known[name] = importlib.import_module(name).__version__
        except ImportError:
            pass
    return known


def seeded(cases):
    """The cases, each fitted as if it were the first to draw random numbers."""
    cases = iter(cases)
    while True:
        np.random.seed(0)
        case = next(cases, None)
        if case is None:
            return
        yield case


def kept(target, files, expected):
    """The files, with the bytes of the archive that is there for those that differ
    in nothing but times and addresses: the same size, rows and answers."""
    if not target.exists():
        return files
    with zipfile.ZipFile(target) as z:
        old = {name: z.read(name) for name in z.namelist()}
    before = json.loads(old.pop("expected.json"))

    def entry(of, name):
        model = of["models"].get(name)
        return model and ({**model, "table": None}, of["tables"][model["table"]])

    # What is compared has been through JSON on both sides.
    after = json.loads(json.dumps(expected))
    return {
        name: old[name] if len(old.get(name, b"")) == len(content) and entry(before, name) == entry(after, name) else content
        for name, content in files.items()
    }


def archive(environment, family, cases, target):
    files, tables, models, refused = {}, [], {}, {}
    for case in seeded(cases):
        name, content = saved(case)
        if name in files:
            sys.exit("%s: two cases are named %s" % (family, name))
        files[name] = content
        if isinstance(case, frame.Refused):
            refused[name] = case.reason
            continue
        table = table_of(case.rows)
        if table not in tables:
            tables.append(table)
        models[name] = expectation(case, tables.index(table))
    expected = {"environment": environment, "family": family, "versions": versions(),
                "tables": tables, "models": models, "refused": refused}
    files = kept(target, files, expected)
    files["expected.json"] = json.dumps(expected, ensure_ascii=False, allow_nan=False).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as z:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            z.writestr(entry, files[name])
    large = sorted(files, key=lambda name: -len(files[name]))[:3]
    size = len(packed.getvalue())
    print("%s-%s.zip: %d models, %d refused, %d bytes" % (family, environment, len(models), len(refused), size))
    if size > SHARE:
        print("  over its share of %d bytes; largest: %s" % (SHARE, ", ".join("%s (%d)" % (n, len(files[n])) for n in large)))
    return packed.getvalue()


def main(environment, families, folder):
    for family in families.split(","):
        cases = importlib.import_module(family).models()
        target = Path(folder) / ("%s-%s.zip" % (family, environment))
        target.write_bytes(archive(environment, family, cases, target))


if __name__ == "__main__":
    main(*sys.argv[1:])
