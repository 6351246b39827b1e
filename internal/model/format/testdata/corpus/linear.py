"""Linear models, support vectors, neighbours, naive Bayes, discriminants and
perceptrons."""

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.linear_model import (
    ARDRegression, BayesianRidge, ElasticNet, ElasticNetCV, GammaRegressor, HuberRegressor, LarsCV, Lasso, LassoCV,
    LassoLars, LassoLarsIC, LinearRegression, LogisticRegression, LogisticRegressionCV, MultiTaskElasticNet,
    MultiTaskLassoCV, OrthogonalMatchingPursuit, Perceptron, PoissonRegressor, RANSACRegressor, Ridge, RidgeClassifier,
    RidgeClassifierCV, RidgeCV, SGDClassifier, SGDRegressor, TheilSenRegressor, TweedieRegressor,
)
from sklearn.metrics.pairwise import linear_kernel
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestCentroid
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import NuSVC, NuSVR, OneClassSVM, SVC, SVR, LinearSVC, LinearSVR

from frame import BINARY, FLOAT32, FRAME, ROWS, SCORE, THREE, WORDS, X, Case, Refused, framed, since

POSITIVE = np.exp(SCORE / 4)
TWO = np.column_stack([SCORE, X[:, 0] * 2 - X[:, 1]])
SCALE = StandardScaler().fit(X)
# Rows in the order of magnitude that a scaler leaves, and ten that are not.
SCALED, SCALED_ROWS = SCALE.transform(X), np.clip(SCALE.transform(ROWS), -1e6, 1e6)
COUNTS = np.abs(np.round(SCALED * 2))
COUNT_ROWS = np.abs(np.round(np.clip(SCALED_ROWS, -400, 400) * 2))
# What libsvm makes by iteration, and sums of very many products.
LOOSE = {"absolute": 1e-10, "relative": 1e-10}


def linear_classifiers():
    yield Case("logistic", LogisticRegression().fit(X, BINARY), ROWS)
    yield Case("logistic-words", LogisticRegression(max_iter=500).fit(FRAME, WORDS[THREE]), framed(ROWS))
    yield Case("logistic-no-intercept", LogisticRegression(fit_intercept=False).fit(X, THREE), ROWS)
    yield Case("logistic-liblinear", LogisticRegression(solver="liblinear", random_state=0).fit(X, BINARY), ROWS)
    yield Case("logistic-sparse", LogisticRegression().fit(X, BINARY).sparsify().densify(), ROWS)
    yield Case("logistic-cv", LogisticRegressionCV(Cs=[0.1, 1.0], cv=2, max_iter=500).fit(X, BINARY), ROWS)
    yield Case("logistic-cv-three", LogisticRegressionCV(Cs=3, cv=2, max_iter=900).fit(FRAME, THREE), framed(ROWS))
    if not since("sklearn", "1.8"):
        yield Case("logistic-ovr", LogisticRegression(multi_class="ovr").fit(X, THREE), ROWS)
        yield Case("logistic-multinomial", LogisticRegression(multi_class="multinomial").fit(X, BINARY), ROWS)
        yield Case("logistic-cv-ovr", LogisticRegressionCV(Cs=2, cv=2, multi_class="ovr", max_iter=900).fit(X, THREE), ROWS)
    yield Case("ridge-classifier", RidgeClassifier().fit(X, BINARY), ROWS)
    yield Case("ridge-classifier-three", RidgeClassifier().fit(FRAME, WORDS[THREE]), framed(ROWS))
    yield Case("ridge-classifier-cv", RidgeClassifierCV().fit(X, THREE), ROWS)
    for loss in ("hinge", "modified_huber", "perceptron"):
        yield Case("sgd-" + loss, SGDClassifier(loss=loss, random_state=0).fit(SCALED, BINARY), SCALED_ROWS)
        yield Case("sgd-three-" + loss, SGDClassifier(loss=loss, random_state=0).fit(SCALED, THREE), SCALED_ROWS)
    log = "log_loss" if since("sklearn", "1.1") else "log"
    yield Case("sgd-log", SGDClassifier(loss=log, random_state=0).fit(SCALED, BINARY), SCALED_ROWS)
    yield Case("sgd-log-three", SGDClassifier(loss=log, random_state=0, average=True).fit(SCALED, THREE), SCALED_ROWS)
    yield Case("perceptron", Perceptron(random_state=0).fit(SCALED, BINARY), SCALED_ROWS)
    yield Case("linear-svc", LinearSVC(random_state=0, dual=False).fit(X, BINARY), ROWS)
    yield Case("linear-svc-three", LinearSVC(random_state=0, dual=False).fit(FRAME, THREE), framed(ROWS))


def linear_regressors():
    for name, model in [
        ("linear", LinearRegression()), ("linear-positive", LinearRegression(positive=True)), ("ridge", Ridge()),
        ("ridge-sag", Ridge(solver="sag", random_state=0)), ("ridge-no-intercept", Ridge(fit_intercept=False)),
        ("ridge-cv", RidgeCV()), ("lasso", Lasso(alpha=0.1)), ("lasso-cv", LassoCV(cv=2, n_alphas=5) if not since("sklearn", "1.7") else LassoCV(cv=2, alphas=5)),
        ("elastic-net", ElasticNet(alpha=0.1)), ("elastic-net-cv", ElasticNetCV(cv=2, alphas=[0.1, 1.0])),
        ("lasso-lars", LassoLars(alpha=0.01)), ("lasso-lars-ic", LassoLarsIC()), ("lars-cv", LarsCV(cv=2)),
        ("pursuit", OrthogonalMatchingPursuit(n_nonzero_coefs=3)), ("bayesian-ridge", BayesianRidge()), ("ard", ARDRegression()),
        ("huber", HuberRegressor(max_iter=500)), ("theil-sen", TheilSenRegressor(random_state=0, max_subpopulation=200)),
        ("sgd-regressor", make_pipeline(StandardScaler(), SGDRegressor(random_state=0))),
        ("linear-svr", LinearSVR(random_state=0, max_iter=5000)),
        ("ransac", RANSACRegressor(random_state=0)),
    ]:
        yield Case(name, model.fit(X, SCORE), ROWS)
    yield Case("ridge-names", Ridge().fit(FRAME, SCORE), framed(ROWS))
    yield Case("ridge-float32", Ridge().fit(X.astype(np.float32), SCORE.astype(np.float32)), ROWS)
    for name, model in [("linear-two", LinearRegression()), ("ridge-two", Ridge()), ("multi-task-elastic-net", MultiTaskElasticNet()),
                        ("multi-task-lasso-cv", MultiTaskLassoCV(cv=2, alphas=[0.1, 1.0]))]:
        yield Case(name, model.fit(X, TWO), ROWS)
    for name, model in [("poisson", PoissonRegressor()), ("gamma", GammaRegressor()), ("tweedie", TweedieRegressor(power=1.5)),
                        ("tweedie-identity", TweedieRegressor(power=0, link="identity"))]:
        yield Case(name, model.fit(SCALED, POSITIVE), SCALED_ROWS)


def vectors():
    half, half_binary, half_three = SCALED[:120], BINARY[:120], THREE[:120]
    for kernel in ("rbf", "linear", "poly", "sigmoid"):
        yield Case("svc-" + kernel, SVC(kernel=kernel).fit(half, half_binary), SCALED_ROWS, tolerance=LOOSE)
        yield Case("svr-" + kernel, SVR(kernel=kernel).fit(half, SCORE[:120]), SCALED_ROWS, tolerance=LOOSE)
    yield Case("svc-three", SVC().fit(half, WORDS[half_three]), SCALED_ROWS, tolerance=LOOSE)
    yield Case("svc-one-vs-one", SVC(decision_function_shape="ovo").fit(half, half_three), SCALED_ROWS, kind="class")
    yield Case("svc-ties", SVC(break_ties=True).fit(half, half_three), SCALED_ROWS, tolerance=LOOSE)
    yield Case("svc-names", SVC(gamma=0.3, C=2.0).fit(FRAME[:120], half_binary), framed(ROWS), tolerance=LOOSE)
    yield Case("svc-weights", SVC(class_weight="balanced").fit(half, half_three), SCALED_ROWS, tolerance=LOOSE)
    if not since("sklearn", "1.9"):
        yield Case("svc-probability", SVC(probability=True, random_state=0).fit(half, half_binary), SCALED_ROWS, tolerance=LOOSE)
        yield Case("svc-probability-three", SVC(probability=True, random_state=0).fit(half, half_three), SCALED_ROWS, tolerance=LOOSE)
    yield Case("nu-svc", NuSVC(nu=0.3).fit(half, half_binary), SCALED_ROWS, tolerance=LOOSE)
    yield Case("nu-svr", NuSVR().fit(half, SCORE[:120]), SCALED_ROWS, tolerance=LOOSE)
    yield Case("one-class-svm", OneClassSVM(nu=0.1).fit(half), SCALED_ROWS, tolerance=LOOSE)


def neighbours():
    part, part_three, part_score = SCALED[:90], THREE[:90], SCORE[:90]
    yield Case("neighbours", KNeighborsClassifier().fit(part, part_three), SCALED_ROWS)
    yield Case("neighbours-distance", KNeighborsClassifier(7, weights="distance").fit(part, WORDS[part_three]), np.vstack([SCALED_ROWS[:-5], part[:5]]))
    yield Case("neighbours-manhattan", KNeighborsClassifier(3, p=1).fit(part, part_three), SCALED_ROWS)
    yield Case("neighbours-brute", KNeighborsClassifier(4, algorithm="brute").fit(part, BINARY[:90]), SCALED_ROWS)
    yield Case("neighbours-regressor", KNeighborsRegressor().fit(part, part_score), SCALED_ROWS)
    yield Case("neighbours-regressor-distance", KNeighborsRegressor(4, weights="distance", metric="chebyshev").fit(part, part_score), SCALED_ROWS)
    yield Case("neighbours-regressor-two", KNeighborsRegressor(3, algorithm="kd_tree").fit(part, TWO[:90]), SCALED_ROWS)
    yield Case("nearest-centroid", NearestCentroid().fit(part, part_three), SCALED_ROWS, kind="class")


def bayes():
    yield Case("gaussian", GaussianNB().fit(FRAME, THREE), framed(ROWS))
    yield Case("gaussian-priors", GaussianNB(priors=[0.9, 0.1]).fit(X, BINARY), ROWS)
    yield Case("bernoulli", BernoulliNB(binarize=0.5).fit(SCALED, THREE), SCALED_ROWS)
    yield Case("bernoulli-binary", BernoulliNB(binarize=None, fit_prior=False).fit(SCALED > 0, BINARY), (SCALED_ROWS > 0).astype(float))
    yield Case("multinomial", MultinomialNB().fit(COUNTS, THREE), COUNT_ROWS)
    yield Case("complement", ComplementNB().fit(COUNTS, THREE), COUNT_ROWS)
    yield Case("complement-norm", ComplementNB(norm=True).fit(COUNTS, BINARY), COUNT_ROWS)
    codes = np.clip(COUNTS, 0, 5)
    rows = np.clip(COUNT_ROWS, 0, 5)
    rows[45, 0] = 9  # not among those that it was fitted on
    yield Case("categorical", CategoricalNB().fit(codes, THREE), rows)
    yield Case("discriminant", LinearDiscriminantAnalysis().fit(FRAME, THREE), framed(ROWS))
    yield Case("discriminant-binary", LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(X, BINARY), ROWS)
    yield Case("discriminant-eigen", LinearDiscriminantAnalysis(solver="eigen", priors=[0.2, 0.3, 0.5]).fit(X, THREE), ROWS)
    yield Case("quadratic", QuadraticDiscriminantAnalysis().fit(SCALED, THREE), SCALED_ROWS, tolerance=LOOSE)
    yield Case("quadratic-binary", QuadraticDiscriminantAnalysis(reg_param=0.1).fit(FRAME, BINARY), framed(ROWS), tolerance=LOOSE)


def perceptrons():
    for activation in ("relu", "tanh", "logistic", "identity"):
        shared = {"hidden_layer_sizes": (8, 5), "activation": activation, "max_iter": 60, "random_state": 0}
        yield Case("mlp-" + activation, MLPClassifier(**shared).fit(SCALED, BINARY), SCALED_ROWS)
        yield Case("mlp-three-" + activation, MLPClassifier(**shared).fit(SCALED, WORDS[THREE]), SCALED_ROWS)
        yield Case("mlp-regressor-" + activation, MLPRegressor(**shared).fit(SCALED, SCORE), SCALED_ROWS)
    yield Case("mlp-names", make_pipeline(StandardScaler(), MLPClassifier((6,), max_iter=60, random_state=0)).fit(FRAME, BINARY), framed(ROWS))
    yield Case("mlp-two", MLPRegressor(hidden_layer_sizes=(6,), max_iter=60, random_state=0).fit(SCALED, TWO), SCALED_ROWS)
    # Its probabilities are 1 - p and p, p in float32: the first is as exact as 1 is.
    yield Case("mlp-float32", MLPClassifier((6,), max_iter=60, random_state=0).fit(SCALED.astype(np.float32), BINARY),
               SCALED_ROWS.astype(np.float32), tolerance={"absolute": 1e-6, "relative": 1e-6})


def models():
    for group in (linear_classifiers, linear_regressors, vectors, neighbours, bayes, perceptrons):
        yield from group()
    yield Refused("unfitted-logistic", LogisticRegression(), "not fitted")
    yield Refused("kernel-function", SVC(kernel=linear_kernel).fit(X[:40], BINARY[:40]), "kernel")
    yield Refused("several-answers", KNeighborsClassifier().fit(X[:60], np.column_stack([BINARY, THREE])[:60]), "output")
