"""Does the scikit-learn of this Python agree with what Go wrote and fitted?

    python parity.py FOLDER

FOLDER/cases.json lists cases, each with a joblib file, the rows and probabilities
that Go computed, and perhaps the CSV file and C it was fitted with. Prints a line
for each case; exits 1 with the reason at the first disagreement.
"""

import csv
import json
import os
import sys
import warnings

import joblib
import numpy
import sklearn
from sklearn.linear_model import LogisticRegression

folder = sys.argv[1]


def fail(case, what):
    sys.exit("%s: %s (scikit-learn %s, joblib %s, numpy %s)" % (
        case["name"], what, sklearn.__version__, joblib.__version__, numpy.__version__))


def load(case, **how):
    """The file opens; the only warning allowed is that another version wrote it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = joblib.load(os.path.join(folder, case["file"]), **how)
    for warning in caught:
        if "when using version" not in str(warning.message):
            fail(case, "joblib.load warns: %s" % warning.message)
    return model


def read_table(case):
    with open(os.path.join(folder, case["csv"]), newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    at = header.index(case["target"])
    x = numpy.array([[float(cell) for i, cell in enumerate(row) if i != at] for row in rows])
    labels = [row[at] for row in rows]
    kind = type(case["classes"][0])
    if kind is bool:
        labels = [label.lower() == "true" for label in labels]
    return x, numpy.array([kind(label) for label in labels])


def check_file(case):
    model = load(case)
    load(case, mmap_mode="r")
    if list(model.feature_names_in_) != case["features"] or model.n_features_in_ != len(case["features"]):
        fail(case, "feature_names_in_ is %r" % model.feature_names_in_)
    if model.feature_names_in_.dtype != object:
        fail(case, "feature_names_in_ has dtype %s" % model.feature_names_in_.dtype)
    if model.classes_.tolist() != case["classes"] or model.classes_.dtype != numpy.unique(case["classes"]).dtype:
        fail(case, "classes_ is %r, want %r" % (model.classes_, case["classes"]))
    rows = numpy.array(case["rows"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rows without names
        theirs = model.predict_proba(rows)
        answers = model.predict(rows)
    off = numpy.abs(theirs[:, 1] - case["probabilities"]).max()
    if not off <= 1e-12:
        fail(case, "predict_proba differs by %g" % off)
    if theirs.shape != (len(rows), 2) or not set(answers.tolist()) <= set(case["classes"]):
        fail(case, "predict answers %r" % set(answers.tolist()))
    return model, off


def check_fit(case, model):
    """Same C, same L2: to 1e-4 with the default solver run to its end, and to 1e-6
    with the Newton solver, which ends closer."""
    x, y = read_table(case)
    ours = numpy.append(model.coef_[0], model.intercept_)
    found = []
    for solver, bound in (("lbfgs", 1e-4), ("newton-cholesky", 1e-6)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that lbfgs cannot get below its own tolerance
            fitted = LogisticRegression(C=case["c"], solver=solver, tol=1e-10, max_iter=100000).fit(x, y)
        theirs = numpy.append(fitted.coef_[0], fitted.intercept_)
        off = numpy.abs(ours - theirs).max()
        if not off <= bound:
            fail(case, "coefficients differ by %g from %s: ours %r, theirs %r" % (off, solver, ours, theirs))
        found.append("%s %.1e" % (solver, off))
    return ", ".join(found)


def main():
    with open(os.path.join(folder, "cases.json"), encoding="utf-8") as file:
        cases = json.load(file)
    print("scikit-learn %s, joblib %s, numpy %s" % (sklearn.__version__, joblib.__version__, numpy.__version__))
    for case in cases:
        model, off = check_file(case)
        fit = "; coefficients: " + check_fit(case, model) if case.get("csv") else ""
        print("%s: predict_proba within %.1e on %d rows%s" % (case["name"], off, len(case["rows"]), fit))
    if not cases:
        sys.exit("no cases")


if __name__ == "__main__":
    main()
