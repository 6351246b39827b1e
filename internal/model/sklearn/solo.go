package sklearn

import (
	"fmt"
	"strings"

	"serin/internal/model"
	"serin/internal/model/heads"
	"serin/internal/model/steps"
	"serin/internal/pickle"
)

// solo reads an estimator that holds no other one.
type solo struct {
	known string // its attributes
	read  func(e *estimator, n int) *methods
}

// solos are the readers by class.
var solos = soloReaders()

func soloReaders() map[pickle.Global]solo {
	readers := map[pickle.Global]solo{}
	add := func(module, names, known string, read func(*estimator, int) *methods) {
		for name := range strings.SplitSeq(names, ",") {
			readers[pickle.Global{Module: "sklearn." + module, Name: name}] = solo{known, read}
		}
	}
	for family := range strings.FieldsSeq(linearModules) {
		module, names, _ := strings.Cut(family, ":")
		for name := range strings.SplitSeq(names, ",") {
			read := linearRegressor
			if strings.HasSuffix(name, "Classifier") || strings.HasSuffix(name, "ClassifierCV") || strings.HasPrefix(name, "Logistic") || name == "Perceptron" {
				read = linearClassifier
			}
			add("linear_model."+module, name, linearKnown, read)
		}
	}
	add("linear_model._glm.glm", "PoissonRegressor,GammaRegressor,TweedieRegressor", glmKnown, generalized)
	add("svm._classes", "LinearSVC", linearKnown, linearClassifier)
	add("svm._classes", "LinearSVR", linearKnown, linearRegressor)
	add("svm._classes", "SVC,NuSVC", machineKnown, machineClassifier)
	add("svm._classes", "SVR,NuSVR", machineKnown, machineRegressor)
	add("svm._classes", "OneClassSVM", machineKnown, machineOneClass)
	add("discriminant_analysis", "LinearDiscriminantAnalysis", "_max_components _n_features_out classes_ coef_ covariance_ covariance_estimator "+
		"explained_variance_ratio_ intercept_ means_ n_components priors priors_ scalings_ shrinkage solver store_covariance tol xbar_", discriminant)
	add("discriminant_analysis", "QuadraticDiscriminantAnalysis", "classes_ covariance_ covariance_estimator means_ priors priors_ reg_param rotations_ "+
		"scalings_ shrinkage solver store_covariance tol", quadratic)
	add("naive_bayes", "GaussianNB", "class_count_ class_prior_ classes_ epsilon_ priors theta_ var_ var_smoothing", gaussian)
	add("naive_bayes", "BernoulliNB,MultinomialNB,ComplementNB", bayesKnown+" binarize norm feature_all_", eventModel)
	add("naive_bayes", "CategoricalNB", bayesKnown+" category_count_ min_categories n_categories_", categorical)
	add("neighbors._classification", "KNeighborsClassifier", neighborsKnown, neighbors)
	add("neighbors._regression", "KNeighborsRegressor", neighborsKnown, neighbors)
	add("neighbors._nearest_centroid", "NearestCentroid", "centroids_ class_prior_ classes_ deviations_ metric priors shrink_threshold within_class_std_dev_", centroid)
	add("neural_network._multilayer_perceptron", "MLPClassifier,MLPRegressor", networkKnown, network)
	add("dummy", "DummyClassifier,DummyRegressor", "_strategy class_prior_ classes_ constant constant_ n_classes_ n_outputs_ quantile random_state "+
		"sparse_output_ strategy", dummy)
	return readers
}

// soloNames are the names that the files of these estimators hold.
func soloNames() []pickle.Global {
	var names []pickle.Global
	for class := range solos {
		names = append(names, class)
	}
	add := func(module, list string) {
		for name := range strings.FieldsSeq(list) {
			names = append(names, pickle.Global{Module: module, Name: name})
		}
	}
	names = append(names, labelBinarizer)
	// What follows is about how a model was fitted; it is let in and not looked at.
	add("sklearn.linear_model._sgd_fast", "EpsilonInsensitive Hinge Huber Log ModifiedHuber SquaredEpsilonInsensitive SquaredHinge SquaredLoss")
	add("sklearn._loss.glm_distribution", "DistributionBoundary GammaDistribution PoissonDistribution TweedieDistribution")
	add("sklearn.linear_model._glm.link", "IdentityLink LogLink")
	for _, loss := range []string{"HalfTweedieLoss", "HalfTweedieLossIdentity"} {
		add(lossModule+".loss", loss)
		add(lossModule+"._loss", "Cy"+loss+" __pyx_unpickle_Cy"+loss)
		add("_loss", "Cy"+loss+" __pyx_unpickle_Cy"+loss)
	}
	add("sklearn.neural_network._stochastic_optimizers", "AdamOptimizer SGDOptimizer")
	add("sklearn.neighbors._ball_tree", "BallTree BallTree64 newObj")
	add("sklearn.neighbors._kd_tree", "KDTree KDTree64 newObj")
	add("sklearn.metrics._dist_metrics", "newObj")
	for _, metric := range []string{"Euclidean", "Manhattan", "Chebyshev", "Minkowski"} {
		add("sklearn.metrics._dist_metrics", metric+"Distance "+metric+"Distance64")
	}
	add("sklearn.model_selection._split", "KFold StratifiedKFold GroupKFold StratifiedGroupKFold LeaveOneOut LeavePOut PredefinedSplit RepeatedKFold "+
		"RepeatedStratifiedKFold ShuffleSplit StratifiedShuffleSplit GroupShuffleSplit TimeSeriesSplit _CVIterableWrapper")
	return names
}

var labelBinarizer = pickle.Global{Module: "sklearn.preprocessing._label", Name: "LabelBinarizer"}

// solo reads an estimator of the table.
func (p place) solo(object *pickle.Object, s solo) (fitted, *model.Refusal) {
	e := p.read(object, s.known)
	n := p.width
	switch {
	case n == 0 && strings.HasPrefix(object.Class.Name, "Dummy") && !e.has("n_features_in_"):
		e.fail("Fit it with scikit-learn 1.5 or newer, or behind a step of a pipeline.", "it does not say how many features a row has")
	case n == 0 || e.has("n_features_in_"):
		n = e.features(p)
	}
	m := s.read(e, n)
	if e.err != nil {
		return fitted{}, e.err
	}
	m = m.each(func(e model.Engine) model.Engine {
		if s, ok := e.(heads.Sparse); ok {
			return sparse{s}
		}
		return e
	})
	return fitted{methods: m, in: n, names: e.names(n)}, e.err
}

// sparse lets a linear engine answer the sparse rows of steps.
type sparse struct{ heads.Sparse }

func (s sparse) PredictSparse(row steps.Row, out model.Answers) error {
	return s.PredictAt(row.Numbers, row.At, out)
}

// More ways to read an attribute.

// follow takes over what went wrong inside.
func (e *estimator) follow(inner *estimator) {
	if e.err == nil {
		e.err = inner.err
	}
}

// part begins to read an object that is an attribute.
func (e *estimator) part(name string, class pickle.Global) *estimator {
	v := e.value(name)
	object, ok := v.(*pickle.Object)
	if e.err == nil && (!ok || object.Class != class) {
		e.wrong(name, v, "a "+class.Name)
	}
	inner := &estimator{object: object, path: e.path + " " + name, budget: e.budget, err: e.err}
	if object == nil {
		inner.object = &pickle.Object{}
	}
	return inner
}

// grid reads a two-dimensional array of finite numbers, row by row.
func (e *estimator) grid(name string, rows, columns int) []float64 {
	a := e.array(name)
	if e.err == nil && (len(a.Shape) != 2 || a.Shape[0] != rows || a.Shape[1] != columns) {
		e.wrong(name, a, fmt.Sprintf("an array of shape (%d, %d)", rows, columns))
	}
	return e.finite(name, a)
}

// list reads a list of n things.
func (e *estimator) list(name string, n int) []pickle.Value {
	v := e.value(name)
	all := items(v)
	if e.err == nil && len(all) != n {
		e.wrong(name, v, fmt.Sprintf("a list of %d", n))
	}
	if e.err != nil {
		return nil
	}
	return all
}

// number reads a finite number.
func (e *estimator) number(name string) float64 {
	v := e.value(name)
	x, ok := number(v)
	if (!ok || x-x != 0) && e.err == nil {
		e.wrong(name, v, "a number")
	}
	return x
}
