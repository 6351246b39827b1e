"""ONNX files of skl2onnx and onnxmltools, networks such as PyTorch exports, and what ONNX
Runtime answers for a row alone. It computes in float32 on one thread; in a batch
it adds up in another order and answers other last bits."""

import numpy as np
import onnx
import onnxruntime
from lightgbm import LGBMClassifier, LGBMRegressor
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.capi.onnxruntime_pybind11_state import Fail
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType as Floats
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import BooleanTensorType, DoubleTensorType, FloatTensorType, StringTensorType
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier, BaggingClassifier, ExtraTreesRegressor, GradientBoostingClassifier, GradientBoostingRegressor,
    HistGradientBoostingClassifier, HistGradientBoostingRegressor, IsolationForest, RandomForestClassifier,
    RandomForestRegressor, StackingClassifier, VotingClassifier, VotingRegressor,
)
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge, RidgeClassifier, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline, make_union
from sklearn.decomposition import PCA
from sklearn.preprocessing import (
    KBinsDiscretizer, MinMaxScaler, Normalizer, OneHotEncoder, OrdinalEncoder, PolynomialFeatures, RobustScaler, StandardScaler,
)
from sklearn.svm import SVC, SVR, LinearSVC, OneClassSVM
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier, XGBRegressor

from frame import BINARY, FLOAT32, HOLED_ROWS, HOLES, MIXED, MIXED_ROWS, ROWS, SCORE, THREE, WORDS, X, Case, Refused

SCALE = StandardScaler().fit(X)
Z, Z_ROWS = SCALE.transform(X), np.clip(SCALE.transform(ROWS), -50, 50)
TWO = np.column_stack([SCORE, X[:, 0] * 2 - X[:, 1]])


class Session:
    """A file as ONNX Runtime has it."""

    TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64,
             "tensor(string)": object, "tensor(bool)": bool}

    def __init__(self, file):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        self.session = onnxruntime.InferenceSession(file, options)
        self.column, self.complement = None, False

    def run(self, sample):
        inputs = self.session.get_inputs()
        if len(inputs) == 1:
            feeds = {inputs[0].name: np.asarray(sample, dtype=self.TYPES[inputs[0].type])}
        else:
            feeds = {i.name: np.array([[v]], dtype=self.TYPES[i.type]) for i, v in zip(inputs, np.asarray(sample)[0])}
        try:
            return [self.dense(out) for out in self.session.run(None, feeds)]
        except Fail as problem:  # a row that the model does not take
            raise ValueError(str(problem)) from problem

    @staticmethod
    def dense(out):
        """The maps of a ZipMap as the numbers in them."""
        return np.array([list(out[0].values())]) if isinstance(out, list) else out

    def values(self, sample):
        values = next(v for v in self.run(sample) if v.dtype.kind == "f")
        if self.complement:
            return np.hstack([1 - values.astype(float), values])
        return values if self.column is None else values[:, self.column]

    def label(self, sample):
        return next(v for v in self.run(sample) if v.dtype.kind != "f").ravel()[0]


def case(name, proto, rows, kind, classes=None, tolerance=FLOAT32, column=None, complement=False, library="skl2onnx 1.20.0", predict=None):
    """column: of two scores, the one that is positive for the second class.
    complement: the only score is the probability of the second class."""
    session = Session(proto.SerializeToString())
    session.column, session.complement = column, complement
    estimator = "/".join(dict.fromkeys(n.op_type for n in proto.graph.node if n.domain == "ai.onnx.ml")) or "network"
    return Case(name + ".onnx", None, rows, kind=kind, tolerance=tolerance, file=proto.SerializeToString(), library=library,
                classes=classes, estimators=[estimator], values=session.values, predict=predict or session.label)


def converted(model, data=FloatTensorType, zipmap=True, **options):
    final = model.steps[-1][1] if hasattr(model, "steps") else model
    if hasattr(final, "predict_proba") and not zipmap:
        options["options"] = {id(final): {"zipmap": False}}
    return convert_sklearn(model, initial_types=[("X", data([None, 5]))], **options)


def classifiers():
    for name, model, target in [
        ("logistic", LogisticRegression(), BINARY), ("logistic-words", LogisticRegression(max_iter=500), WORDS[THREE]),
        ("sgd-log", SGDClassifier(loss="log_loss", random_state=0), BINARY), ("tree", DecisionTreeClassifier(max_depth=5), THREE),
        ("forest", RandomForestClassifier(8, max_depth=5, random_state=0), BINARY),
        ("forest-three", RandomForestClassifier(8, max_depth=5, random_state=0), WORDS[THREE]),
        ("boosting", GradientBoostingClassifier(n_estimators=10, random_state=0), BINARY),
        ("boosting-three", GradientBoostingClassifier(n_estimators=5, random_state=0), THREE),
        ("lda", LinearDiscriminantAnalysis(), THREE), ("bernoulli", BernoulliNB(), THREE),
        ("adaboost", AdaBoostClassifier(n_estimators=5, random_state=0), THREE),
        ("bagging", BaggingClassifier(DecisionTreeClassifier(max_depth=3), n_estimators=3, random_state=0), THREE),
        ("one-vs-rest", OneVsRestClassifier(LogisticRegression()), THREE),
        ("calibrated", CalibratedClassifierCV(LinearSVC(random_state=0), cv=2), BINARY),
        ("calibrated-isotonic", CalibratedClassifierCV(DecisionTreeClassifier(max_depth=3), method="isotonic", cv=2), THREE),
        ("voting", VotingClassifier([("a", LogisticRegression()), ("b", DecisionTreeClassifier(max_depth=3))], voting="soft", flatten_transform=False), THREE),
        ("stacking", StackingClassifier([("a", LogisticRegression()), ("b", DecisionTreeClassifier(max_depth=3))], cv=2), BINARY),
        ("polynomial", make_pipeline(StandardScaler(), PolynomialFeatures(2), LogisticRegression()), BINARY),
        ("union", make_pipeline(make_union(RobustScaler(), PCA(2)), LogisticRegression()), THREE),
        ("bins", make_pipeline(KBinsDiscretizer(4, encode="ordinal"), LogisticRegression()), BINARY),
        ("selected", make_pipeline(MinMaxScaler(clip=True), Normalizer(), SelectKBest(k=3), LogisticRegression()), BINARY),
    ]:
        labels = np.unique(target).tolist()
        yield case(name, converted(model.fit(Z, target)), Z_ROWS, "proba", labels)
    labels = [0, 1, 2]
    yield case("neighbours", converted(KNeighborsClassifier().fit(Z[:80], THREE[:80])), Z_ROWS, "proba", labels)
    yield case("neighbours-distance", converted(KNeighborsClassifier(weights="distance").fit(Z[:80], THREE[:80]), zipmap=False), Z_ROWS, "proba", labels)
    yield case("bayes", converted(GaussianNB().fit(Z, THREE)), Z_ROWS, "proba", labels)
    yield case("qda", converted(QuadraticDiscriminantAnalysis().fit(Z, THREE)), Z_ROWS, "proba", labels)
    yield case("svc", converted(SVC(probability=True, random_state=0).fit(Z, THREE)), Z_ROWS, "proba", labels)
    yield case("svc-scores", converted(SVC(random_state=0).fit(Z, BINARY)), Z_ROWS, "decision", [0, 1], column=0)
    yield case("linear-svc", converted(LinearSVC(random_state=0).fit(Z, BINARY)), Z_ROWS, "decision", [0, 1])
    yield case("ridge-classifier", converted(RidgeClassifier().fit(Z, THREE)), Z_ROWS, "decision", labels)
    yield case("perceptron", converted(MLPClassifier((8, 4), max_iter=60, random_state=0).fit(Z, THREE)), Z_ROWS, "proba", labels)
    yield case("hist", converted(HistGradientBoostingClassifier(max_iter=8, max_depth=3).fit(HOLES, BINARY)), HOLED_ROWS, "proba", [0, 1])
    yield case("hist-three", converted(HistGradientBoostingClassifier(max_iter=5, max_depth=3).fit(HOLES, THREE), zipmap=False), HOLED_ROWS, "proba", labels)
    yield case("imputed", converted(make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()).fit(HOLES, BINARY)),
               np.clip(HOLED_ROWS, -1e3, 1e3), "proba", [0, 1])
    yield case("isolation", converted(IsolationForest(n_estimators=4, max_samples=32, random_state=0).fit(Z), target_opset={"": 18, "ai.onnx.ml": 3}),
               Z_ROWS, "decision", [-1, 1])
    yield case("one-class", converted(OneClassSVM().fit(Z)), Z_ROWS, "decision", [-1, 1])


def regressors():
    for name, model, target in [
        ("linear", LinearRegression(), SCORE), ("ridge-two", Ridge(), TWO), ("poisson", PoissonRegressor(), np.exp(SCORE / 4)),
        ("svr", SVR(), SCORE), ("forest-two", RandomForestRegressor(5, max_depth=5, random_state=0), TWO),
        ("extra-trees", ExtraTreesRegressor(5, max_depth=5, random_state=0), SCORE),
        ("boosting-regressor", GradientBoostingRegressor(n_estimators=10, random_state=0), SCORE),
        ("neighbours-regressor", KNeighborsRegressor().fit(Z[:80], SCORE[:80]), SCORE),
        ("voting-regressor", VotingRegressor([("a", Ridge()), ("b", LinearRegression())]), SCORE),
        ("perceptron-regressor", MLPRegressor(hidden_layer_sizes=(8,), max_iter=60, random_state=0, activation="tanh"), SCORE),
    ]:
        data, wanted = (Z[:80], target[:80]) if name.startswith("neighbours") else (Z, target)
        yield case(name, converted(model.fit(data, wanted)), Z_ROWS, "predict")
    yield case("linear-double", converted(LinearRegression().fit(X, SCORE), DoubleTensorType), ROWS, "predict", tolerance={"absolute": 1e-12, "relative": 1e-12})
    yield case("hist-regressor", converted(HistGradientBoostingRegressor(max_iter=8, max_depth=3).fit(HOLES, SCORE)), HOLED_ROWS, "predict")


def columns():
    text, numbers = ["plan", "region"], ["age", "charges"]
    types = [(name, kind([None, 1])) for name, kind in [
        ("plan", StringTensorType), ("region", StringTensorType), ("age", FloatTensorType), ("charges", FloatTensorType), ("paperless", BooleanTensorType)]]
    target = (MIXED["charges"] > 5).astype(int)

    def mixed(encoder, estimator):
        return make_pipeline(make_column_transformer((StandardScaler(), numbers), (encoder, text)), estimator).fit(MIXED, target)

    for name, model in [
        ("columns", mixed(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())),
        ("columns-drop", mixed(OneHotEncoder(drop="first", handle_unknown="ignore"), LogisticRegression())),
        ("columns-ordinal", mixed(OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), RandomForestClassifier(5, max_depth=4, random_state=0))),
        ("columns-strict", mixed(OneHotEncoder(), LogisticRegression())),
    ]:
        used = types[:4]
        yield case(name, convert_sklearn(model, initial_types=used), MIXED_ROWS[[n for n, _ in used]], "proba", [0, 1])


def boosters():
    types = [("X", Floats([None, 5]))]
    library = "OnnxMLTools 1.16.0"
    for name, model, target in [("xgb", XGBClassifier(n_estimators=8, max_depth=3), BINARY), ("xgb-three", XGBClassifier(n_estimators=4, max_depth=3), THREE),
                                ("xgb-regressor", XGBRegressor(n_estimators=8, max_depth=3), SCORE), ("xgb-poisson", XGBRegressor(n_estimators=8, max_depth=3, objective="count:poisson"), np.exp(SCORE / 4))]:
        labels = None if "XGBRegressor" in str(type(model)) else np.unique(target).tolist()
        yield case(name, convert_xgboost(model.fit(HOLES, target), initial_types=types, target_opset=15), HOLED_ROWS,
                   "proba" if labels else "predict", labels, library=library)
    categories = HOLES.copy()
    categories[:, 0] = np.arange(len(X)) % 12
    asked = HOLED_ROWS.copy()
    asked[:, 0] = np.arange(50) % 15 - 1.5 * (np.arange(50) % 7 == 0)
    light = {"n_estimators": 6, "max_depth": 4, "verbose": -1, "random_state": 0}
    for name, model, data, target, rows, options in [
        ("lgb", LGBMClassifier(**light), HOLES, BINARY, HOLED_ROWS, {}), ("lgb-three", LGBMClassifier(**light), HOLES, THREE, HOLED_ROWS, {}),
        ("lgb-regressor", LGBMRegressor(**light), HOLES, SCORE, HOLED_ROWS, {}),
        ("lgb-categories", LGBMClassifier(min_data_per_group=1, cat_smooth=1, max_cat_to_onehot=1, **light), categories, (categories[:, 0] % 3 == 0).astype(int), asked, {"categorical_feature": [0]}),
    ]:
        labels = None if isinstance(model, LGBMRegressor) else np.unique(target).tolist()
        yield case(name, convert_lightgbm(model.fit(data, target, **options), initial_types=types, target_opset=15), rows,
                   "proba" if labels else "predict", labels, library=library)


def network(nodes, shapes, width, opset=17):
    """A graph as torch.onnx.export writes it: weights by name, and the nodes."""
    random = np.random.RandomState(5)
    weights = {name: random.normal(size=shape).astype(np.float32) * 0.7 for name, shape in shapes.items()}
    for name in weights:
        if "var" in name:
            weights[name] = np.abs(weights[name]) + 0.5
    g = helper.make_graph([helper.make_node(op, i.split(), o.split(), **a) for op, i, o, a in nodes], "main_graph",
                          [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 5])],
                          [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", width])],
                          [numpy_helper.from_array(w, n) for n, w in weights.items()])
    return helper.make_model(g, producer_name="onnx.helper", producer_version=onnx.__version__, ir_version=8, opset_imports=[helper.make_opsetid("", opset)])


def networks():
    dense = {"transB": 1, "alpha": 1.0, "beta": 1.0}
    hidden = {"w0": (16, 5), "b0": (16,), "w1": (8, 16), "b1": (8,)}
    body = [("Gemm", "x w0 b0", "a", dense), ("Relu", "a", "b", {}), ("Gemm", "b w1 b1", "c", dense)]
    library = "onnx.helper " + onnx.__version__

    def best(file):
        session = Session(file.SerializeToString())

        def ask(sample):
            values = session.values(sample).ravel()
            return int(values[0] > 0.5) if len(values) == 1 else int(values.argmax())
        return ask

    proto = network([*body, ("Relu", "c", "d", {}), ("Gemm", "d w2 b2", "e", dense), ("Softmax", "e", "y", {"axis": 1})], {**hidden, "w2": (3, 8), "b2": (3,)}, 3)
    yield case("network-softmax", proto, Z_ROWS, "proba", [0, 1, 2], library=library, predict=best(proto))
    proto = network([*body, ("Tanh", "c", "d", {}), ("Gemm", "d w2 b2", "y", dense)], {**hidden, "w2": (2, 8), "b2": (2,)}, 2)
    yield case("network-regression", proto, Z_ROWS, "predict", library=library)
    proto = network([
        *body, ("BatchNormalization", "c s m mean var", "d", {"epsilon": 1e-5, "momentum": 0.9}), ("LeakyRelu", "d", "e", {"alpha": 0.02}),
        ("LayerNormalization", "e g h", "f", {"axis": -1, "epsilon": 1e-5}), ("Constant", "", "half", {"value_float": 0.70710678}), ("Mul", "f half", "i", {}),
        ("Erf", "i", "j", {}), ("Add", "j f", "k", {}), ("MatMul", "k w2", "l", {}), ("Add", "l b2", "y", {}),
    ], {**hidden, "s": (8,), "m": (8,), "mean": (8,), "var": (8,), "g": (8,), "h": (8,), "w2": (8, 1), "b2": (1,)}, 1)
    yield case("network-normalized", proto, Z_ROWS, "predict", library=library)
    proto = network([
        *body, ("Mul", "c s", "c1", {}), ("Erf", "c1", "c2", {}), ("Add", "c2 one", "c3", {}), ("Mul", "c c3", "d", {}),
        ("Gemm", "d w2 b2", "e", dense), ("Elu", "e", "f", {"alpha": 0.7}), ("Softplus", "f", "h", {}), ("MatMul", "h w3", "i", {}),
        ("ReduceMean", "i", "j", {"axes": [1], "keepdims": 1}), ("Sub", "i j", "k", {}), ("ReduceL2", "k", "l", {"axes": [1], "keepdims": 1}),
        ("Div", "k l", "m", {}), ("Gemm", "m w4 b4", "n", dense), ("Sigmoid", "n", "y", {}),
    ], {**hidden, "s": (1,), "one": (1,), "w2": (300, 8), "b2": (300,), "w3": (300, 9), "w4": (1, 9), "b4": (1,)}, 1)
    yield case("network-deep", proto, Z_ROWS, "proba", [0, 1], library=library, predict=best(proto), complement=True)


def wide():
    """More columns, outputs and hidden units than one register or one block of sums holds."""
    random = np.random.RandomState(7)
    many = random.normal(size=(240, 40))
    rows = many[100:150] * np.repeat([0.1, 1, 3, 10, 40], 10)[:, None]
    score = many @ random.normal(size=(40, 9))
    nine = score.argmax(axis=1)

    def made(model, **options):
        return convert_sklearn(model, initial_types=[("X", FloatTensorType([None, 40]))], **options)

    for name, model in [
        ("wide-logistic", LogisticRegression(max_iter=300)), ("wide-lda", LinearDiscriminantAnalysis()),
        ("wide-bayes", GaussianNB()), ("wide-qda", QuadraticDiscriminantAnalysis(reg_param=0.5)),
        ("wide-neighbours", KNeighborsClassifier(weights="distance")),
        ("wide-perceptron", MLPClassifier((20, 12), activation="logistic", max_iter=40, random_state=0)),
        ("wide-svc", SVC(C=0.5, probability=True, random_state=0)),
        ("wide-pca", make_pipeline(StandardScaler(), PCA(11), Normalizer(), LogisticRegression())),
    ]:
        yield case(name, made(model.fit(many, nine)), rows, "proba", list(range(9)))
    for name, model, target in [
        ("wide-linear", LinearRegression(), score[:, 0]), ("wide-ridge", Ridge(), score[:, :7]),
        ("wide-svr", SVR(), score[:, 0]), ("wide-svr-linear", SVR(kernel="linear", max_iter=500), score[:, 0]),
        ("wide-svr-poly", SVR(kernel="poly", coef0=0.5), score[:, 0]), ("wide-svr-sigmoid", SVR(kernel="sigmoid"), score[:, 0]),
        ("wide-perceptron-regressor", MLPRegressor(hidden_layer_sizes=(300, 6), activation="tanh", max_iter=5, random_state=0), score[:, :2]),
    ]:
        yield case(name, made(model.fit(many, target)), rows, "predict")


def refused():
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 5])
    y = helper.make_tensor_value_info("y", TensorProto.INT64, [None, None])

    def graph(*nodes):
        return helper.make_model(helper.make_graph(list(nodes), "g", [x], [y]), opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()

    yield Refused("missing.onnx", None, "ai.onnx.NonZero (version 17), ai.onnx.Unique (version 17)",
                  graph(helper.make_node("Unique", ["x"], ["u"]), helper.make_node("NonZero", ["u"], ["y"])))
    yield Refused("label-only.onnx", None, "a label without probabilities or scores", graph(helper.make_node("ArgMax", ["x"], ["y"], axis=1)))


def models():
    for part in (classifiers, regressors, columns, boosters, networks, wide, refused):
        yield from part()
