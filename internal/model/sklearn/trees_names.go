package sklearn

import (
	"strings"

	"serin/internal/model"
	"serin/internal/pickle"
)

const (
	treeModule = "sklearn.tree._classes"
	histModule = "sklearn.ensemble._hist_gradient_boosting"
	lossModule = "sklearn._loss"
)

// What stands inside the estimators.
var (
	treeClass       = pickle.Global{Module: "sklearn.tree._tree", Name: "Tree"}
	treePredictor   = pickle.Global{Module: histModule + ".predictor", Name: "TreePredictor"}
	binMapper       = pickle.Global{Module: histModule + ".binning", Name: "_BinMapper"}
	ordinalEncoder  = pickle.Global{Module: "sklearn.preprocessing._encoders", Name: "OrdinalEncoder"}
	labelEncoder    = pickle.Global{Module: "sklearn.preprocessing._label", Name: "LabelEncoder"}
	checkArray      = pickle.Global{Module: "sklearn.utils.validation", Name: "check_array"}
	partialCall     = pickle.Global{Module: "functools", Name: "partial"}
	dummyClassifier = pickle.Global{Module: "sklearn.dummy", Name: "DummyClassifier"}
	dummyRegressor  = pickle.Global{Module: "sklearn.dummy", Name: "DummyRegressor"}
)

// treeReader chooses what reads an estimator that is made of trees; nil for others.
func treeReader(class pickle.Global) func(p place, object *pickle.Object) (fitted, *model.Refusal) {
	switch class.Name {
	case "DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor":
		return place.decisionTree
	case "RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor":
		return place.randomForest
	case "GradientBoostingClassifier", "GradientBoostingRegressor":
		return place.gradientBoosting
	case "HistGradientBoostingClassifier", "HistGradientBoostingRegressor":
		return place.histBoosting
	case "IsolationForest":
		return place.isolation
	}
	return nil
}

// treeNames are the names that files with trees hold besides the estimators'.
// The objects of losses lie there for fitting: of them only the outermost's
// name is looked at.
func treeNames() []pickle.Global {
	names := []pickle.Global{
		treeClass, treePredictor, binMapper, ordinalEncoder, labelEncoder, checkArray, partialCall, dummyClassifier, dummyRegressor,
	}
	add := func(module, list string) {
		for name := range strings.FieldsSeq(list) {
			names = append(names, pickle.Global{Module: module, Name: name})
		}
	}
	add(treeModule, "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor")
	add("sklearn.ensemble._forest", "RandomForestClassifier RandomForestRegressor ExtraTreesClassifier ExtraTreesRegressor")
	add("sklearn.ensemble._iforest", "IsolationForest")
	add("sklearn.ensemble._gb", "GradientBoostingClassifier GradientBoostingRegressor")
	add("sklearn.ensemble._gb_losses", "BinomialDeviance MultinomialDeviance ExponentialLoss LeastSquaresError LeastAbsoluteError HuberLossFunction QuantileLossFunction")
	add(histModule+".gradient_boosting", "HistGradientBoostingClassifier HistGradientBoostingRegressor")
	add(histModule+".loss", "BinaryCrossEntropy CategoricalCrossEntropy LeastAbsoluteDeviation LeastSquares Poisson")
	add(lossModule+".link", "HalfLogitLink IdentityLink Interval LogLink LogitLink MultinomialLogit")
	// By what a model was stopped early.
	add("sklearn.metrics._scorer", "_PredictScorer _ProbaScorer _ThresholdScorer _Scorer _PassthroughScorer")
	add("sklearn.metrics._classification", "accuracy_score balanced_accuracy_score f1_score log_loss brier_score_loss precision_score recall_score")
	add("sklearn.metrics._ranking", "roc_auc_score average_precision_score")
	add("sklearn.metrics._regression", "mean_squared_error mean_absolute_error median_absolute_error r2_score root_mean_squared_error")
	for _, loss := range []string{"AbsoluteError", "ExponentialLoss", "HalfBinomialLoss", "HalfGammaLoss", "HalfMultinomialLoss", "HalfPoissonLoss", "HalfSquaredError", "HuberLoss", "PinballLoss"} {
		add(lossModule+".loss", loss)
		add(lossModule+"._loss", "Cy"+loss+" __pyx_unpickle_Cy"+loss)
		add("_loss", "Cy"+loss+" __pyx_unpickle_Cy"+loss) // scikit-learn 1.5 to 1.8
	}
	return names
}
