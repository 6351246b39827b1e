"""Models made of trees: single ones, forests, gradient boosting, isolation forests."""

import numpy as np
import pandas as pd
from sklearn.ensemble import (
    ExtraTreesClassifier, ExtraTreesRegressor, GradientBoostingClassifier, GradientBoostingRegressor,
    HistGradientBoostingClassifier, HistGradientBoostingRegressor, IsolationForest, RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor

from frame import (BINARY, FLOAT32, FRAME, HOLED_ROWS, HOLES, ROWS, SCORE, THREE, WORDS, X, Case, Refused, framed, since)

RNG = np.random.RandomState(5)
TWO = np.column_stack([SCORE, X[:, 0] * X[:, 1]])
POSITIVE = np.exp(SCORE / 4)
# A column of whole numbers as a category, beside two numbers.
CODES = np.column_stack([X[:, 0], RNG.choice([0, 1, 2, 5, 7, 40], 240), X[:, 1]])
CODED = SCORE + np.isin(CODES[:, 1], [1, 7]) * 6
CODE_ROWS = np.column_stack([ROWS[:, 0], np.resize([0, 1, 2, 5, 7, 40], 50), ROWS[:, 1]])
CODE_ROWS[:14, 1] = [3, 41, 254, 255, 256, 257, 300, -1, -249, -0.5, 7.5, 1e9, 2.0**31 + 7, 2.0**33 + 7]
CODE_ROWS[14:18, 1] = np.nan
CODE_ROWS[18:22, 0] = np.nan
CODE_HOLES = CODES.copy()
CODE_HOLES[::9, 1] = np.nan
CODE_HOLES[::11, 0] = np.nan


def on_edges(model, rows):
    """Rows that lie on the thresholds of a tree and next to them, both as
    float64 and as float32, where < and <= and rounding part ways."""
    rows = rows.copy()
    tree = model.tree_
    inner = np.flatnonzero(tree.children_left >= 0)[:15]
    for i, node in enumerate(inner):
        threshold = tree.threshold[node]
        for k, value in enumerate((threshold, np.nextafter(threshold, 1e9), float(np.float32(threshold)))):
            rows[3 * i + k, tree.feature[node]] = value
    return rows


def models():
    yield from single()
    yield from forests()
    yield from isolation()
    yield from boosting()
    yield from hist()


def single():
    m = DecisionTreeClassifier(max_depth=5, random_state=0).fit(X, BINARY)
    yield Case("tree", m, on_edges(m, ROWS))
    yield Case("tree-words", DecisionTreeClassifier(max_leaf_nodes=9, class_weight="balanced", random_state=0).fit(FRAME, WORDS[THREE]), framed(ROWS))
    yield Case("tree-entropy", DecisionTreeClassifier(criterion="entropy", splitter="random", max_depth=4, random_state=1).fit(X, THREE), ROWS)
    yield Case("tree-stump", DecisionTreeClassifier(min_samples_leaf=200).fit(X, BINARY), ROWS)
    yield Case("tree-pruned", DecisionTreeClassifier(ccp_alpha=0.01, random_state=0).fit(X, BINARY, np.linspace(0.1, 3, 240)), ROWS)
    m = DecisionTreeRegressor(max_depth=5, random_state=0).fit(X, SCORE)
    yield Case("tree-regressor", m, on_edges(m, ROWS))
    yield Case("tree-two", DecisionTreeRegressor(max_depth=4).fit(X, TWO), ROWS)
    yield Case("tree-absolute", DecisionTreeRegressor(criterion="absolute_error", max_depth=4).fit(X, SCORE), HOLED_ROWS)
    yield Case("extra-tree", ExtraTreeClassifier(max_depth=4, random_state=0).fit(X, THREE), HOLED_ROWS)
    yield Case("extra-tree-regressor", ExtraTreeRegressor(max_depth=4, random_state=0).fit(FRAME, SCORE), framed(ROWS))
    yield Case("tree-pipe", make_pipeline(StandardScaler(), DecisionTreeClassifier(max_depth=4, random_state=0)).fit(FRAME, BINARY), framed(ROWS))
    yield Case("tree-asked-for-holes", DecisionTreeClassifier(max_depth=4, random_state=0).fit(X, BINARY), HOLED_ROWS)
    if since("sklearn", "1.3"):
        yield Case("tree-holes", DecisionTreeClassifier(max_depth=5, random_state=0).fit(HOLES, BINARY), HOLED_ROWS)
        yield Case("tree-holes-regressor", DecisionTreeRegressor(max_depth=5, random_state=0).fit(HOLES, SCORE), HOLED_ROWS)
    if since("sklearn", "1.4"):
        monotonic = DecisionTreeClassifier(max_depth=4, monotonic_cst=[1, 0, 0, 0, 0], random_state=0)
        yield Case("tree-monotonic", monotonic.fit(X, BINARY), HOLED_ROWS)
    yield Refused("tree-unfitted", DecisionTreeClassifier(), "not fitted")
    yield Refused("tree-two-outputs", DecisionTreeClassifier(max_depth=2).fit(X, np.column_stack([BINARY, THREE])), "Fit one classifier for each output")


def forests():
    yield Case("forest", RandomForestClassifier(10, max_depth=5, random_state=0).fit(X, BINARY), ROWS)
    yield Case("forest-words", RandomForestClassifier(7, max_depth=4, random_state=0, n_jobs=1).fit(FRAME, WORDS[THREE]), framed(ROWS))
    yield Case("forest-samples", RandomForestClassifier(6, max_samples=0.3, max_depth=4, oob_score=True, class_weight="balanced_subsample", random_state=0).fit(X, THREE), ROWS)
    yield Case("forest-regressor", RandomForestRegressor(7, max_depth=4, random_state=0).fit(FRAME, SCORE), framed(ROWS))
    yield Case("forest-two", RandomForestRegressor(5, max_depth=3, random_state=0).fit(X, TWO), ROWS)
    yield Case("extra", ExtraTreesClassifier(6, max_depth=4, random_state=0).fit(X, THREE), ROWS)
    yield Case("extra-regressor", ExtraTreesRegressor(6, max_depth=4, random_state=0).fit(X, SCORE), ROWS)
    yield Case("forest-asked-for-holes", RandomForestClassifier(5, max_depth=3, random_state=0).fit(X, BINARY), HOLED_ROWS)
    if since("sklearn", "1.4"):
        yield Case("forest-holes", RandomForestClassifier(8, max_depth=4, random_state=0).fit(HOLES, BINARY), HOLED_ROWS)
    if since("sklearn", "1.6"):
        yield Case("extra-holes", ExtraTreesRegressor(9, max_depth=4, random_state=0).fit(HOLES, SCORE), HOLED_ROWS)
    yield Refused("forest-two-outputs", RandomForestClassifier(2, max_depth=2).fit(X, np.column_stack([BINARY, THREE])), "Fit one classifier for each output")


def isolation():
    yield Case("isolation", IsolationForest(n_estimators=6, max_samples=32, random_state=0).fit(X), ROWS)
    yield Case("isolation-part", IsolationForest(n_estimators=8, max_samples=30, max_features=3, contamination=0.1, random_state=0).fit(FRAME), framed(ROWS))
    yield Case("isolation-asked-for-holes", IsolationForest(n_estimators=5, max_samples=20, bootstrap=True, random_state=0).fit(X), HOLED_ROWS)


def boosting():
    log, squared = ("log_loss", "squared_error") if since("sklearn", "1.1") else ("deviance", "squared_error")
    few = dict(n_estimators=10, max_depth=3, random_state=0)
    yield Case("boosting", GradientBoostingClassifier(loss=log, **few).fit(X, BINARY), ROWS)
    yield Case("boosting-words", GradientBoostingClassifier(n_estimators=6, max_depth=2, random_state=0).fit(FRAME, WORDS[THREE]), framed(ROWS))
    yield Case("boosting-exponential", GradientBoostingClassifier(loss="exponential", **few).fit(X, BINARY), ROWS)
    yield Case("boosting-zero", GradientBoostingClassifier(init="zero", **few).fit(X, BINARY), ROWS)
    yield Case("boosting-zero-three", GradientBoostingClassifier(init="zero", n_estimators=5, max_depth=2, random_state=0).fit(X, THREE), ROWS)
    yield Case("boosting-stopped", GradientBoostingClassifier(n_iter_no_change=2, **few).fit(X, BINARY), HOLED_ROWS)
    yield Case("boosting-rare", GradientBoostingClassifier(n_estimators=2, max_depth=1, init=DummyClassifier(strategy="prior"), random_state=0).fit(
        X, BINARY, np.where(BINARY, 1e-7, 1e3)), ROWS)
    # An estimator inside is asked for float32 rows, and computes in float64 up to 1.8.
    guess = GradientBoostingClassifier(init=LogisticRegression(max_iter=500), **few).fit(X, BINARY)
    if since("sklearn", "1.9"):
        yield Refused("boosting-init", guess, "asks for a first guess in 32-bit arithmetic")
    else:
        yield Case("boosting-init", guess, ROWS)
        yield Case("boosting-init-three", GradientBoostingClassifier(init=LogisticRegression(max_iter=500), n_estimators=4, max_depth=2, random_state=0).fit(X, THREE), ROWS)
        yield Case("boosting-regressor-init", GradientBoostingRegressor(init=LinearRegression(), **few).fit(X, SCORE), ROWS, tolerance=FLOAT32)
    for loss in (squared, "absolute_error", "huber", "quantile"):
        yield Case("boosting-" + loss, GradientBoostingRegressor(loss=loss, **few).fit(X, SCORE), ROWS)
    yield Case("boosting-regressor-zero", GradientBoostingRegressor(init="zero", **few).fit(FRAME, SCORE), framed(ROWS))


def hist():
    few = dict(max_iter=8, max_leaf_nodes=6, random_state=0)
    yield Case("hist", HistGradientBoostingClassifier(**few).fit(HOLES, BINARY), HOLED_ROWS)
    yield Case("hist-asked-for-holes", HistGradientBoostingClassifier(**few).fit(X, BINARY), HOLED_ROWS)
    yield Case("hist-words", HistGradientBoostingClassifier(max_iter=4, max_leaf_nodes=5, random_state=0).fit(FRAME, WORDS[THREE]), framed(HOLED_ROWS))
    for loss in ("squared_error", "absolute_error", "poisson", "quantile", "gamma"):
        extra = {"quantile": 0.3} if loss == "quantile" else {}
        if since("sklearn", {"quantile": "1.1", "gamma": "1.3"}.get(loss, "1.0")):
            yield Case("hist-" + loss, HistGradientBoostingRegressor(loss=loss, **extra, **few).fit(HOLES, POSITIVE), HOLED_ROWS)
    yield Case("hist-stopped", HistGradientBoostingRegressor(early_stopping=True, n_iter_no_change=2, monotonic_cst=[1, 0, 0, 0, 0], **few).fit(FRAME, SCORE), framed(ROWS))
    yield Case("hist-weights", HistGradientBoostingRegressor(min_samples_leaf=3, **few).fit(X, SCORE, np.linspace(0.1, 3, 240)), ROWS)
    scored = HistGradientBoostingClassifier(early_stopping=True, scoring="accuracy", **few).fit(X, BINARY)
    if since("sklearn", "1.4"):  # fit leaves a bound method behind, which pickle writes as a call of getattr
        yield Refused("hist-scored", scored, "run `del model._raw_predict` and save it again")
        del scored._raw_predict
    yield Case("hist-scored-mended", scored, ROWS)
    coded = dict(few, categorical_features=[1], min_samples_leaf=5)
    yield Case("hist-codes", HistGradientBoostingRegressor(**coded).fit(CODES, CODED), CODE_ROWS)
    yield Case("hist-codes-holes", HistGradientBoostingClassifier(**coded).fit(CODE_HOLES, CODED > 3), CODE_ROWS)
    if since("sklearn", "1.4"):
        frame = pd.DataFrame({
            "plan": pd.Categorical(RNG.choice(["basic", "caf\u00e9", "gold"], 240)), "charges": HOLES[:, 1],
            "region": pd.Categorical(RNG.choice(["north", "south", None], 240)), "calls": pd.Categorical(RNG.choice([1, 2, 10], 240)),
        })
        target = SCORE + (frame["plan"] == "gold") * 5 + (frame["region"] == "north") * 3
        rows = frame.iloc[:50].reset_index(drop=True).copy()
        rows["plan"] = rows["plan"].astype(object)
        rows.loc[3, "plan"] = "platinum"
        rows.loc[4, "plan"] = None
        rows["calls"] = rows["calls"].astype(float)
        rows.loc[5, "calls"] = 3
        yield Case("hist-texts", HistGradientBoostingRegressor(categorical_features="from_dtype", min_samples_leaf=5, **few).fit(frame, target), rows)
        yield Case("hist-texts-three", HistGradientBoostingClassifier(categorical_features=["plan", "region"], min_samples_leaf=5, max_iter=4, max_leaf_nodes=5, random_state=0).fit(
            frame.astype({"plan": object, "region": object, "calls": float}), THREE), rows)
