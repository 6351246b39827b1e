"""Every transformer, alone behind a probe, and before linear models and trees."""

import numpy as np
import pandas as pd
from sklearn import feature_selection as fs
from sklearn import preprocessing as pp
from sklearn.compose import ColumnTransformer, make_column_selector, make_column_transformer
from sklearn.decomposition import PCA, FastICA, IncrementalPCA, NMF, TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import KNNImputer, MissingIndicator, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.tree import DecisionTreeClassifier

from frame import (BINARY, FRAME, HOLED_ROWS, HOLES, MIXED, MIXED_ROWS, ROWS, SCORE, THREE, X, Case, Refused, framed,
                   probe, since)

NEAR = np.vstack([X[:30] + 0.25, X[30:50]])
POSITIVE = np.abs(X) + 0.5
NEAR_POSITIVE = np.abs(NEAR) + 0.25
HOLED_NEAR = np.vstack([HOLES[:40], HOLED_ROWS[:10]])
# Projections add products up in an order of their own.
SUMMED = {"absolute": 1e-11, "relative": 1e-11}

CATEGORIES = MIXED[["plan", "region"]]
CATEGORY_ROWS = MIXED_ROWS[["plan", "region"]]
GONE = CATEGORIES.copy()
GONE.loc[::7, "plan"] = np.nan
GONE_ROWS = CATEGORY_ROWS.copy()
GONE_ROWS.loc[[0, 9, 13], "plan"] = np.nan
NUMBERED = pd.DataFrame({"size": np.repeat([1, 5, 10, 50], 60), "flag": np.tile([True, False, False], 80)})
NUMBERED_ROWS = pd.DataFrame({"size": [1, 5, 10, 50, 7] * 10, "flag": [True, False] * 25})
HOLED_SIZES = np.where(np.arange(240) % 5 == 0, np.nan, np.arange(240) % 4).reshape(-1, 1)
SIZE_ROWS = np.array([[0.0], [1], [3], [np.nan], [9]] * 10)


def numeric():
    yield "robust-unit", pp.RobustScaler(unit_variance=True, quantile_range=(10, 80)), X, ROWS
    yield "standard-missing", pp.StandardScaler(), HOLES, HOLED_ROWS
    yield "binarizer", pp.Binarizer(threshold=0.5), X, ROWS
    yield "polynomial", pp.PolynomialFeatures(3), X, NEAR
    yield "polynomial-interactions", pp.PolynomialFeatures(4, interaction_only=True, include_bias=False), X, NEAR
    yield "polynomial-order", pp.PolynomialFeatures(2, order="F", include_bias=False), X, ROWS
    yield "polynomial-degrees", pp.PolynomialFeatures((2, 3)), X, NEAR
    yield "polynomial-more-than-columns", pp.PolynomialFeatures(3, interaction_only=True), X[:, :2], NEAR[:, :2]
    yield "bins-onehot", pp.KBinsDiscretizer(4), X, ROWS
    yield "bins-dense", pp.KBinsDiscretizer(30, encode="onehot-dense", strategy="uniform"), X, ROWS
    yield "bins-ordinal", pp.KBinsDiscretizer(5, encode="ordinal", strategy="kmeans"), X, ROWS
    yield "bins-at-edges", pp.KBinsDiscretizer(5, encode="ordinal", strategy="uniform"), np.arange(11.0).reshape(-1, 1), np.arange(50).reshape(-1, 1) / 4 - 1
    yield "yeo-johnson", pp.PowerTransformer(), X, NEAR
    yield "yeo-johnson-missing", pp.PowerTransformer(standardize=False), HOLES, HOLED_NEAR
    yield "box-cox", pp.PowerTransformer("box-cox"), POSITIVE, np.vstack([NEAR_POSITIVE[:48], [1, 1, 0, 1, 1], [1, -1, 1, 1, 1]])
    yield "quantile-uniform", pp.QuantileTransformer(n_quantiles=50), X, ROWS
    yield "quantile-normal", pp.QuantileTransformer(n_quantiles=40, output_distribution="normal"), X, ROWS
    yield "quantile-ties", pp.QuantileTransformer(n_quantiles=30), np.round(X), np.round(ROWS[:50] * 2) / 2
    yield "quantile-missing", pp.QuantileTransformer(n_quantiles=20), HOLES, HOLED_ROWS
    yield "pca", PCA(3), X, NEAR
    yield "pca-white", PCA(4, whiten=True), X, NEAR
    yield "incremental-pca", IncrementalPCA(3, batch_size=60), X, NEAR
    yield "truncated-svd", TruncatedSVD(3, random_state=0), X, NEAR
    yield "ica", FastICA(3, random_state=0, max_iter=1000), X, NEAR
    for name in ["log1p", "sqrt", "log", "log2", "log10", "cbrt"]:
        yield "numpy-" + name, pp.FunctionTransformer(getattr(np, name)), POSITIVE, np.vstack([NEAR_POSITIVE[:49], [-2, 1, 1, 1, 1]])
    for name in ["exp", "expm1", "abs", "square", "sign", "sin", "cos", "tanh", "negative", "rint", "arctan", "floor"]:
        yield "numpy-" + name, pp.FunctionTransformer(getattr(np, name), validate=True), X, NEAR


def imputing():
    for strategy in ["mean", "median", "most_frequent"]:
        yield "impute-" + strategy, SimpleImputer(strategy=strategy), np.round(HOLES, 1), HOLED_ROWS
    yield "impute-constant", SimpleImputer(strategy="constant", fill_value=-7), HOLES, HOLED_ROWS
    yield "impute-indicator", SimpleImputer(add_indicator=True), HOLES, HOLED_ROWS
    yield "impute-indicator-some", SimpleImputer(add_indicator=True), np.column_stack([X[:, :2], HOLES[:, 2:]]), HOLED_ROWS
    empty = np.column_stack([HOLES[:, :3], np.full(240, np.nan), HOLES[:, 3]])
    yield "impute-empty", SimpleImputer(add_indicator=True), empty, HOLED_ROWS
    if since("sklearn", "1.2"):
        yield "impute-keep-empty", SimpleImputer(keep_empty_features=True), empty, HOLED_ROWS
    zero = np.where(np.isnan(HOLES), 0, HOLES)
    yield "impute-zeros", SimpleImputer(missing_values=0, add_indicator=True), zero, np.where(np.isnan(HOLED_ROWS), 0, ROWS)
    yield "missing-indicator", MissingIndicator(), HOLES, HOLED_ROWS
    yield "missing-indicator-all", MissingIndicator(features="all"), np.column_stack([X[:, :2], HOLES[:, 2:]]), HOLED_ROWS
    yield "missing-indicator-new", MissingIndicator(), np.column_stack([X[:, :2], HOLES[:, 2:]]), HOLED_ROWS
    yield "knn", KNNImputer(n_neighbors=3), HOLES, HOLED_NEAR
    if since("sklearn", "1.3"):  # before, it left the marks out where nothing was missing
        yield "knn-indicator", KNNImputer(n_neighbors=7, add_indicator=True), HOLES, HOLED_NEAR


def choosing():
    y = BINARY
    yield "k-best", fs.SelectKBest(k=2), X, y
    yield "k-best-all", fs.SelectKBest(fs.mutual_info_classif, k="all"), X, y
    yield "percentile", fs.SelectPercentile(percentile=40), X, y
    yield "fpr", fs.SelectFpr(alpha=0.2), X, y
    yield "fdr", fs.SelectFdr(alpha=0.2), X, y
    yield "fwe", fs.SelectFwe(alpha=0.2), X, y
    for mode, param in [("k_best", 3), ("percentile", 60), ("fpr", 0.3), ("fdr", 0.3), ("fwe", 0.3)]:
        yield "generic-" + mode, fs.GenericUnivariateSelect(mode=mode, param=param), X, y
    yield "variance", fs.VarianceThreshold(1.0), X, y
    yield "from-model", fs.SelectFromModel(LogisticRegression()), X, y
    yield "from-model-classes", fs.SelectFromModel(LogisticRegression(), threshold="1.1*median", max_features=2), X, THREE
    yield "from-model-number", fs.SelectFromModel(Ridge(), threshold=0.25), X, SCORE
    yield "rfe", fs.RFE(LogisticRegression(), n_features_to_select=2), X, y
    yield "rfecv", fs.RFECV(LogisticRegression(), cv=3), X, y
    yield "sequential", fs.SequentialFeatureSelector(LogisticRegression(), n_features_to_select=3, cv=3), X, y


def encoding():
    one, rows = lambda **kw: pp.OneHotEncoder(**kw), CATEGORY_ROWS
    yield "onehot", one(), CATEGORIES, rows
    yield "onehot-ignore", one(handle_unknown="ignore"), CATEGORIES, rows
    yield "onehot-first", one(drop="first"), CATEGORIES, rows
    yield "onehot-first-ignore", one(drop="first", handle_unknown="ignore"), CATEGORIES, rows
    yield "onehot-binary", one(drop="if_binary"), NUMBERED, NUMBERED_ROWS
    yield "onehot-given", one(drop=["gold", "north"]), CATEGORIES, rows
    yield "onehot-missing", one(), GONE, GONE_ROWS
    yield "onehot-missing-ignored", one(handle_unknown="ignore"), CATEGORIES, GONE_ROWS
    yield "onehot-categories", one(categories=[["silver", "gold", "basic", "caf\u00e9", "none"], ["south", "east", "north"]]), CATEGORIES, rows
    yield "onehot-numbers", one(handle_unknown="ignore"), NUMBERED, NUMBERED_ROWS
    yield "onehot-number-missing", one(handle_unknown="ignore"), HOLED_SIZES, SIZE_ROWS
    yield "onehot-matrix", one(handle_unknown="ignore"), CATEGORIES.to_numpy(), rows.to_numpy()
    many = pd.DataFrame({"id": ["user%d" % (i % 120) for i in range(240)], "region": MIXED["region"]})
    yield "onehot-many", one(handle_unknown="ignore"), many, pd.DataFrame({"id": ["user%d" % (3 * i) for i in range(50)], "region": MIXED_ROWS["region"]})
    if since("sklearn", "1.1"):
        rare = dict(min_frequency=30)
        yield "onehot-rare", one(handle_unknown="infrequent_if_exist", **rare), CATEGORIES, rows
        yield "onehot-rare-most", one(handle_unknown="infrequent_if_exist", max_categories=2), CATEGORIES, rows
        yield "onehot-rare-error", one(**rare), CATEGORIES, rows
        yield "onehot-rare-first", one(handle_unknown="ignore", drop="first", **rare), CATEGORIES, rows
        yield "onehot-rare-given", one(handle_unknown="infrequent_if_exist", drop=["basic", "north"], **rare), CATEGORIES, rows
        yield "onehot-rare-missing", one(handle_unknown="infrequent_if_exist", min_frequency=40), GONE, GONE_ROWS
    if since("sklearn", "1.6"):
        yield "onehot-warn", one(handle_unknown="warn", min_frequency=30), CATEGORIES, rows
    yield "ordinal", pp.OrdinalEncoder(), CATEGORIES, rows
    yield "ordinal-unknown", pp.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), CATEGORIES, rows
    yield "ordinal-numbers", pp.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=99), NUMBERED, NUMBERED_ROWS
    yield "ordinal-unknown-missing", pp.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), CATEGORIES, GONE_ROWS
    if since("sklearn", "1.1"):
        yield "ordinal-missing", pp.OrdinalEncoder(encoded_missing_value=-5), GONE, GONE_ROWS
        yield "ordinal-both", pp.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-5), GONE, GONE_ROWS
    if since("sklearn", "1.3"):
        yield "ordinal-rare", pp.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, min_frequency=30), CATEGORIES, rows
        yield "ordinal-rare-error", pp.OrdinalEncoder(max_categories=3), CATEGORIES, rows


def targets():
    yield "target-binary", pp.TargetEncoder(random_state=0), CATEGORIES, BINARY, CATEGORY_ROWS
    yield "target-continuous", pp.TargetEncoder(smooth=5.0, random_state=0), CATEGORIES, SCORE, CATEGORY_ROWS
    yield "target-missing", pp.TargetEncoder(random_state=0), GONE, SCORE, GONE_ROWS
    yield "target-numbers", pp.TargetEncoder(random_state=0), NUMBERED, BINARY, NUMBERED_ROWS
    if since("sklearn", "1.4"):
        yield "target-classes", pp.TargetEncoder(random_state=0), CATEGORIES, THREE, CATEGORY_ROWS


def imputed_texts():
    for name, imputer in [("most-frequent", SimpleImputer(strategy="most_frequent")),
                          ("constant", SimpleImputer(strategy="constant", fill_value="none")),
                          ("indicator", SimpleImputer(strategy="most_frequent", add_indicator=True))]:
        yield "texts-" + name, make_pipeline(imputer, pp.OneHotEncoder(handle_unknown="ignore")), GONE, GONE_ROWS
    marked = GONE.fillna("?")
    yield "texts-marked", make_pipeline(SimpleImputer(missing_values="?", strategy="most_frequent"), pp.OneHotEncoder(handle_unknown="ignore")), marked, GONE_ROWS.fillna("?")


def together():
    texts, numbers = ["plan", "region"], ["age", "charges"]
    onehot = pp.OneHotEncoder(handle_unknown="ignore")
    logistic = LogisticRegression(max_iter=1000)

    def columns(*parts, **kw):
        return make_column_transformer(*parts, **kw)

    yield "columns-names", make_pipeline(columns((onehot, texts), (pp.StandardScaler(), numbers)), logistic)
    yield "columns-passthrough", make_pipeline(columns((onehot, texts), remainder="passthrough"), logistic)
    yield "columns-remainder", make_pipeline(columns((onehot, [0, 1]), remainder=pp.MinMaxScaler()), logistic)
    yield "columns-selector", make_pipeline(columns(
        (onehot, make_column_selector(dtype_include=object)), (pp.RobustScaler(), make_column_selector(dtype_include=np.number))), logistic)
    yield "columns-weights", make_pipeline(ColumnTransformer(
        [("a", onehot, texts), ("b", pp.StandardScaler(), numbers), ("c", "drop", ["paperless"])], transformer_weights={"a": 0.5, "b": 2}), logistic)
    if since("sklearn", "1.1"):
        yield "columns-union", make_pipeline(columns((onehot, texts), (make_union(pp.StandardScaler(), PCA(1), "passthrough"), numbers)), logistic)
    yield "columns-tree", make_pipeline(columns(
        (pp.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), texts), remainder="passthrough"), DecisionTreeClassifier(max_depth=4, random_state=0))
    yield "columns-bool", make_pipeline(columns((onehot, texts + ["paperless"]), (pp.StandardScaler(), numbers)), logistic)
    yield "columns-through", make_pipeline(columns(("passthrough", texts), ("passthrough", ["age"])), columns((onehot, [0, 1]), remainder="passthrough"), logistic)


def models():
    summed = ("pca", "svd", "ica", "knn")
    for family in (numeric, imputing):
        for name, step, data, rows in family():
            tolerance = {"tolerance": SUMMED} if any(part in name for part in summed) else {}
            yield Case("steps-" + name, probe(step).fit(data), rows, **tolerance)
    for name, step, data, y in choosing():
        yield Case("steps-" + name, probe(step).fit(data, y), HOLED_ROWS if name == "variance" else ROWS)
    for name, step, data, rows in encoding():
        yield Case("steps-" + name, probe(step).fit(data), rows)
    if since("sklearn", "1.3"):
        for name, step, data, y, rows in targets():
            yield Case("steps-" + name, make_pipeline(step, LinearRegression()).fit(data, y), rows)
    for name, step, data, rows in imputed_texts():
        yield Case("steps-" + name, make_pipeline(step, LogisticRegression()).fit(data, BINARY), rows)
    for name, model in together():
        yield Case("steps-" + name, model.fit(MIXED, BINARY), MIXED_ROWS)
    holed = MIXED.copy()
    holed.loc[::5, "age"] = np.nan
    holed_rows = MIXED_ROWS.copy()
    holed_rows.loc[::4, "age"] = np.nan
    holed_rows.loc[2, "charges"] = np.nan
    whole = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="most_frequent"), pp.OneHotEncoder(handle_unknown="ignore")), ["plan"]),
        (make_pipeline(SimpleImputer(add_indicator=True), pp.StandardScaler()), ["age"]),
        (pp.StandardScaler(), ["charges"]))
    yield Case("steps-columns-imputed", make_pipeline(whole, LogisticRegression()).fit(holed, BINARY), holed_rows)
    yield Refused("steps-own-function", make_pipeline(pp.FunctionTransformer(np.nan_to_num), Ridge()).fit(X, SCORE), "numpy")
    yield Refused("steps-nmf", make_pipeline(NMF(2), Ridge()).fit(POSITIVE, SCORE), "NMF")
    yield Refused("steps-two-kinds", make_pipeline(FeatureUnion([("a", pp.OneHotEncoder(categories=[["1", "2"]], handle_unknown="ignore")), ("b", pp.StandardScaler())]), Ridge()).fit(
        np.array([["1"], ["2"]] * 20, dtype=object), np.arange(40)), "is taken as a text in one place and as a number in another")
