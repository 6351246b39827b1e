"""Models made of models: calibration, votes, stacks, bags, boosts, one against
the rest, searches, thresholds."""

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    AdaBoostClassifier, AdaBoostRegressor, BaggingClassifier, BaggingRegressor, GradientBoostingClassifier,
    RandomForestClassifier, StackingClassifier, StackingRegressor, VotingClassifier, VotingRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from frame import BINARY, FRAME, MIXED, MIXED_ROWS, ROWS, SCORE, THREE, WORDS, X, Case, Refused, framed, since

TWO = np.column_stack([SCORE, X[:, 0] * 2 - X[:, 1]])
LOOSE = {"absolute": 1e-10, "relative": 1e-10}


def stump(depth=1):
    return DecisionTreeClassifier(max_depth=depth, random_state=0)


def scaled(model):
    return make_pipeline(StandardScaler(), model)


def columns(model):
    """A pipeline that takes the mixed columns, text among them."""
    return make_pipeline(make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["plan", "region"]), (StandardScaler(), ["age", "charges"])), model)


def calibration():
    svc = LinearSVC(random_state=0, dual=False)
    for method in ("sigmoid", "isotonic"):
        yield Case("calibrated-" + method, CalibratedClassifierCV(svc, method=method, cv=3).fit(X, BINARY), ROWS)
        yield Case("calibrated-three-" + method, CalibratedClassifierCV(svc, method=method, cv=2).fit(FRAME, WORDS[THREE]), framed(ROWS))
    yield Case("calibrated-forest", CalibratedClassifierCV(RandomForestClassifier(5, max_depth=3, random_state=0), cv=2).fit(X, THREE), ROWS)
    yield Case("calibrated-pooled", CalibratedClassifierCV(GaussianNB(), cv=2, ensemble=False).fit(X, BINARY), ROWS)
    yield Case("calibrated-pipeline", CalibratedClassifierCV(scaled(SVC()), cv=2).fit(FRAME, BINARY), framed(ROWS), tolerance=LOOSE)
    yield Case("calibrated-columns", CalibratedClassifierCV(columns(LogisticRegression()), cv=2).fit(MIXED, BINARY), MIXED_ROWS)
    if since("sklearn", "1.8"):
        yield Case("calibrated-temperature", CalibratedClassifierCV(LogisticRegression(), method="temperature", cv=2).fit(X, THREE), ROWS)


def votes():
    def members():
        return [("l", scaled(LogisticRegression())), ("t", stump(3)), ("n", GaussianNB())]

    yield Case("vote-soft", VotingClassifier(members(), voting="soft").fit(X, BINARY), ROWS)
    yield Case("vote-soft-weights", VotingClassifier(members(), voting="soft", weights=[2, 1, 3]).fit(FRAME, WORDS[THREE]), framed(ROWS))
    yield Case("vote-hard", VotingClassifier(members(), voting="hard").fit(X, THREE), ROWS, kind="class")
    yield Case("vote-hard-weights", VotingClassifier(members(), voting="hard", weights=[0.5, 1, 0.5]).fit(X, WORDS[THREE]), ROWS, kind="class")
    yield Case("vote-dropped", VotingClassifier(members() + [("d", "drop")], voting="soft").fit(X, BINARY), ROWS)
    yield Case("vote-columns", VotingClassifier([("a", columns(LogisticRegression())), ("b", columns(stump(3)))], voting="soft").fit(MIXED, THREE), MIXED_ROWS)
    regressors = [("l", LinearRegression()), ("t", DecisionTreeRegressor(max_depth=3, random_state=0))]
    yield Case("vote-regressor", VotingRegressor(regressors).fit(X, SCORE), ROWS)
    yield Case("vote-regressor-weights", VotingRegressor(regressors, weights=[1, 3]).fit(FRAME, SCORE), framed(ROWS))


def stacks():
    members = [("l", scaled(LogisticRegression())), ("t", stump(3))]
    yield Case("stack", StackingClassifier(members, cv=2).fit(X, BINARY), ROWS)
    yield Case("stack-three", StackingClassifier(members, cv=2, passthrough=True, final_estimator=scaled(LogisticRegression(max_iter=500))).fit(FRAME, WORDS[THREE]), framed(ROWS))
    yield Case("stack-decision", StackingClassifier([("r", RidgeClassifier()), ("s", scaled(SVC()))], cv=2, final_estimator=stump(3)).fit(X, THREE), ROWS, tolerance=LOOSE)
    yield Case("stack-predict", StackingClassifier(members, cv=2, stack_method="predict").fit(X, BINARY), ROWS)
    yield Case("stack-columns", StackingClassifier([("a", columns(LogisticRegression())), ("b", columns(stump(3)))], cv=2).fit(MIXED, BINARY), MIXED_ROWS)
    regressors = [("r", Ridge()), ("t", DecisionTreeRegressor(max_depth=3, random_state=0))]
    yield Case("stack-regressor", StackingRegressor(regressors, cv=2).fit(X, SCORE), ROWS)
    yield Case("stack-regressor-passthrough", StackingRegressor(regressors, cv=2, passthrough=True, final_estimator=LinearRegression()).fit(FRAME, SCORE), framed(ROWS))


def bags():
    yield Case("bagging", BaggingClassifier(n_estimators=5, max_samples=0.5, random_state=0).fit(X, THREE), ROWS)
    yield Case("bagging-linear", BaggingClassifier(LogisticRegression(), n_estimators=4, random_state=0).fit(FRAME, BINARY), framed(ROWS))
    yield Case("bagging-features", BaggingClassifier(stump(3), n_estimators=6, max_features=3, random_state=0).fit(X, WORDS[THREE]), ROWS)
    yield Case("bagging-votes", BaggingClassifier(RidgeClassifier(), n_estimators=5, random_state=0).fit(X, BINARY), ROWS)
    rare = np.where(np.arange(len(X)) < 6, 2, BINARY)  # a class that some members never saw
    yield Case("bagging-rare", BaggingClassifier(stump(3), n_estimators=8, max_samples=20, random_state=0).fit(X, rare), ROWS)
    yield Case("bagging-regressor", BaggingRegressor(DecisionTreeRegressor(max_depth=4), n_estimators=5, random_state=0).fit(X, SCORE), ROWS)
    yield Case("bagging-regressor-features", BaggingRegressor(Ridge(), n_estimators=4, max_features=2, random_state=0).fit(FRAME, SCORE), framed(ROWS))


def boosts():
    samme = {} if since("sklearn", "1.6") else {"algorithm": "SAMME"}
    yield Case("ada", AdaBoostClassifier(n_estimators=8, random_state=0, **samme).fit(X, BINARY), ROWS)
    yield Case("ada-three", AdaBoostClassifier(stump(2), n_estimators=8, random_state=0, **samme).fit(FRAME, WORDS[THREE]), framed(ROWS))
    yield Case("ada-linear", AdaBoostClassifier(LogisticRegression(), n_estimators=4, random_state=0, **samme).fit(X, BINARY), ROWS)
    if not since("sklearn", "1.6"):
        yield Case("ada-real", AdaBoostClassifier(n_estimators=8, random_state=0, algorithm="SAMME.R").fit(X, BINARY), ROWS)
        yield Case("ada-real-three", AdaBoostClassifier(stump(2), n_estimators=8, random_state=0, algorithm="SAMME.R").fit(X, THREE), ROWS)
    for loss in ("linear", "exponential"):
        yield Case("ada-regressor-" + loss, AdaBoostRegressor(DecisionTreeRegressor(max_depth=3, random_state=0), n_estimators=7, loss=loss, random_state=0).fit(X, SCORE), ROWS)


def others():
    yield Case("one-vs-rest", OneVsRestClassifier(LogisticRegression()).fit(X, THREE), ROWS)
    yield Case("one-vs-rest-words", OneVsRestClassifier(scaled(LogisticRegression())).fit(FRAME, WORDS[THREE]), framed(ROWS))
    yield Case("one-vs-rest-decision", OneVsRestClassifier(LinearSVC(random_state=0, dual=False)).fit(X, THREE), ROWS)
    yield Case("one-vs-rest-binary", OneVsRestClassifier(stump(3)).fit(X, BINARY), ROWS)
    yield Case("one-vs-rest-trees", OneVsRestClassifier(stump(2)).fit(X, WORDS[THREE]), ROWS)
    yield Case("one-vs-one", OneVsOneClassifier(LogisticRegression()).fit(X, THREE), ROWS)
    yield Case("one-vs-one-decision", OneVsOneClassifier(LinearSVC(random_state=0, dual=False)).fit(X, WORDS[THREE]), ROWS)
    for name, dummy in [
        ("prior", DummyClassifier(strategy="prior").fit(X, THREE)), ("most-frequent", DummyClassifier(strategy="most_frequent").fit(X, THREE)),
        ("constant", DummyClassifier(strategy="constant", constant=WORDS[1]).fit(X, WORDS[THREE])), ("regressor", DummyRegressor(strategy="median").fit(X, SCORE)),
    ]:
        if since("sklearn", "1.5"):
            yield Case("dummy-" + name, dummy, ROWS)
        else:
            yield Refused("dummy-" + name, dummy, "it does not say how many features a row has")
    yield Case("multi-output", MultiOutputRegressor(Ridge()).fit(X, TWO), ROWS)
    yield Case("transformed-target", TransformedTargetRegressor(Ridge(), transformer=StandardScaler()).fit(X, SCORE), ROWS)
    yield Case("transformed-target-exp", TransformedTargetRegressor(scaled(Ridge()), func=np.log, inverse_func=np.exp, check_inverse=False).fit(X, np.exp(SCORE / 4)), np.clip(ROWS, -100, 100))
    yield Case("transformed-target-range", TransformedTargetRegressor(Ridge(), transformer=MinMaxScaler()).fit(X, SCORE), ROWS)
    yield Case("grid-search", GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2).fit(FRAME, WORDS[THREE]), framed(ROWS))
    yield Case("random-search", RandomizedSearchCV(scaled(Ridge()), {"ridge__alpha": [0.1, 1.0]}, n_iter=2, cv=2, random_state=0).fit(X, SCORE), ROWS)
    yield Case("search-in-pipeline", scaled(GridSearchCV(GradientBoostingClassifier(n_estimators=5, random_state=0), {"max_depth": [2, 3]}, cv=2)).fit(X, BINARY), ROWS)
    yield Case("search-columns", GridSearchCV(columns(LogisticRegression()), {"logisticregression__C": [0.5, 1.0]}, cv=2).fit(MIXED, BINARY), MIXED_ROWS)
    if since("sklearn", "1.5"):
        from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
        yield Case("threshold", FixedThresholdClassifier(LogisticRegression(), threshold=0.3).fit(X, BINARY), ROWS)
        yield Case("threshold-tuned", TunedThresholdClassifierCV(LogisticRegression(), cv=2).fit(X, BINARY), ROWS)
    if since("sklearn", "1.6"):
        from sklearn.frozen import FrozenEstimator
        frozen = FrozenEstimator(scaled(LogisticRegression()).fit(X, BINARY))
        yield Case("frozen", CalibratedClassifierCV(frozen, cv=2).fit(X, BINARY), ROWS)


def models():
    for group in (calibration, votes, stacks, bags, boosts, others):
        yield from group()
    yield Refused("several-answers", MultiOutputClassifier(LogisticRegression()).fit(X, np.column_stack([BINARY, BINARY])), "MultiOutputClassifier")
    yield Refused("unfitted-search", GridSearchCV(LogisticRegression(), {"C": [1.0]}), "not fitted")
    yield Refused("random-answers", make_pipeline(StandardScaler(), DummyClassifier(strategy="stratified", random_state=0)).fit(X, BINARY), "random")
