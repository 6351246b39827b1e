"""What a family of models is made of: cases, and data to fit and to ask.

A family is a module beside this one with a function

    def models():
        yield Case("ridge", Ridge().fit(X, y), ROWS)
        yield Refused("unfitted", Ridge(), "it is not fitted")

Names are unique in a family; they become file names. Cases that need a version
of a library ask `since("sklearn", "1.3")`. Everything is seeded. Keep models
small: all archives together stay under 15 MB, which is about 400 kB for one.
"""

import importlib

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

# How far apart an answer may be: |got - want| <= max(absolute, relative * |want|).
# agreement_test.go has one exception for what is left when float32 cancels out.
FLOAT64 = {"absolute": 1e-12, "relative": 1e-12}
FLOAT32 = {"absolute": 0, "relative": 1e-6}


class Case:
    """One file, rows to ask it, and how to ask.

    name       of the file; without a suffix it gets .joblib
    model      what answers: it has predict, and the method that kind names
    rows       exactly 50: a list of lists (numbers, text, bool, None), a matrix,
               or a DataFrame; a DataFrame reaches the model as one, column types
               kept, and its column names are the names that the file must know
    kind       proba, decision: predict_proba or decision_function, and the
               predicted class; class: the predicted class alone; predict: a
               regressor's numbers; default: the first that the model has
    tolerance  FLOAT64, FLOAT32, or the like
    file       the file's bytes; default: the model, saved by joblib
    library    as the signature names it; default: scikit-learn and its version;
               None where the file does not know
    names      False where the file does not know the columns' names although
               rows is a DataFrame; a list where it knows others
    classes    where the model has no classes_
    estimators class names for the table of what is read; default: all in model
    values     ask(row) -> numbers, instead of the method; row is one row as the
               model takes it (a matrix or a DataFrame of one row)
    predict    ask(row) -> one label, instead of predict
    """

    def __init__(self, name, model, rows, kind=None, tolerance=FLOAT64, file=None, library="", names=True,
                 classes=None, estimators=None, values=None, predict=None):
        self.__dict__.update({k: v for k, v in locals().items() if k != "self"})


class Refused:
    """A file that must be refused, and a part of the reason or of the next step."""

    def __init__(self, name, model, reason, file=None):
        self.name, self.model, self.reason, self.file = name, model, reason, file


def version(package):
    """The version of an installed package as numbers: (1, 5)."""
    text = importlib.import_module(package).__version__
    return tuple(int("".join(c for c in part if c.isdigit()) or 0) for part in text.split(".")[:2])


def since(package, least):
    """Whether the installed package has at least that version: since("sklearn", "1.3")."""
    return version(package) >= tuple(int(part) for part in least.split("."))


def probe(*steps):
    """A pipeline that answers what its last transformer makes, one output a
    column, so that a transformer alone can be compared: a linear regression
    whose coefficients are the identity follows. Call fit with X and any y."""
    class Probe:
        def fit(self, X, y=None):
            chain = make_pipeline(*steps)
            out = chain.fit_transform(X, y)
            width = out.shape[1]
            last = LinearRegression().fit(np.eye(width), np.eye(width))
            last.coef_, last.intercept_ = np.eye(width), np.zeros(width)
            names = getattr(out, "columns", None)
            if names is not None:
                last.feature_names_in_ = np.asarray(names, dtype=object)
            return make_pipeline(*[step for _, step in chain.steps], last)
    return Probe()


# Five numeric features, as in a churn model, and what may be learned of them.
NAMES = ["tenure", "monthly_charges", "support_calls", "discount", "usage"]
_rng = np.random.RandomState(20)
X = _rng.normal(size=(240, 5)) * [1, 3, 0.5, 10, 1] + [0, 5, -1, 2, 1]
SCORE = X @ [0.8, -0.4, 0.9, 0.05, 0.3] + 1.5 + _rng.normal(size=240)
BINARY = (SCORE > 0).astype(int)
THREE = np.digitize(SCORE, np.quantile(SCORE, [0.3, 0.7]))
WORDS = np.array(["basic", "caf\u00e9", "\u91d1"])
FRAME = pd.DataFrame(X, columns=NAMES)
# The same with holes: about one value in eight is missing.
HOLES = np.where(_rng.uniform(size=X.shape) < 0.125, np.nan, X)

# 50 rows to ask: near the data, at and between its values, and extreme.
ROWS = np.vstack([
    X[:20] + 0.25,
    X[20:32],
    (X[32:36] + X[36:40]) / 2,
    X.min(axis=0), X.max(axis=0), np.zeros(5), np.ones(5),
    [1e-300, -1e-300, 5e-324, 0, -0.0],
    [40, 0, 0, 0, 0], [-40, 0, 0, 0, 0],
    [1e6, -2e6, 3e6, 4e6, 5e6], [-1e6, 2e6, -3e6, -4e6, -5e6],
    [1e30, 1, -1, 0, 2], [-1e30, 1, -1, 0, 2], [1, 3e38, -3e38, 0, 2],
    [1e100, 1, -1, 0, 2], [-1e300, 1, -1, 0, 2],
])
# The same with missing values: one in each of 20 rows, then a row of nothing else.
HOLED_ROWS = ROWS.copy()
HOLED_ROWS[np.arange(20), np.arange(20) % 5] = np.nan
HOLED_ROWS[20] = np.nan

# Mixed columns: text with a missing value, a category kept as text, a number, a bool.
MIXED = pd.DataFrame({
    "plan": pd.Series(_rng.choice(["basic", "caf\u00e9", "gold", "silver"], 240, p=[0.5, 0.3, 0.17, 0.03]), dtype=object),
    "region": pd.Series(_rng.choice(["north", "south", "east"], 240), dtype=object),
    "age": X[:, 0] * 10 + 40,
    "charges": X[:, 1],
    "paperless": _rng.uniform(size=240) < 0.5,
})
MIXED_ROWS = MIXED.iloc[100:150].reset_index(drop=True).copy()
MIXED_ROWS.loc[3, "plan"] = "platinum"  # not among those that a model was fitted on
MIXED_ROWS.loc[4, "region"] = ""
MIXED_ROWS.loc[5, "age"] = -1e6
MIXED_ROWS.loc[6, "charges"] = 1e12


def framed(rows):
    """Rows of the five features as a DataFrame."""
    return pd.DataFrame(rows, columns=NAMES)
