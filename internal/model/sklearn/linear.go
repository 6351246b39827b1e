package sklearn

import (
	"fmt"
	"math"
	"slices"

	"serin/internal/model"
	"serin/internal/model/heads"
	"serin/internal/pickle"
)

// Linear models: coef_ and intercept_, and what the scores mean. Everything else
// that they keep is about how they were fitted.
const (
	linearModules = "_logistic:LogisticRegression,LogisticRegressionCV _ridge:RidgeClassifier,RidgeClassifierCV,Ridge,RidgeCV " +
		"_stochastic_gradient:SGDClassifier,SGDRegressor _perceptron:Perceptron _passive_aggressive:PassiveAggressiveClassifier,PassiveAggressiveRegressor " +
		"_base:LinearRegression _bayes:BayesianRidge,ARDRegression _omp:OrthogonalMatchingPursuit,OrthogonalMatchingPursuitCV " +
		"_huber:HuberRegressor _theil_sen:TheilSenRegressor _quantile:QuantileRegressor " +
		"_least_angle:Lars,LarsCV,LassoLars,LassoLarsCV,LassoLarsIC " +
		"_coordinate_descent:Lasso,LassoCV,ElasticNet,ElasticNetCV,MultiTaskLasso,MultiTaskLassoCV,MultiTaskElasticNet,MultiTaskElasticNetCV"
	linearKnown = "C C_ Cs Cs_ X_offset_ X_scale_ _alphas _average_coef _average_intercept _expanded_class_weight _label_binarizer _loss_function_ " +
		"_max_subpopulation _normalize _residues _standard_coef _standard_intercept _store_cv_results active_ alpha alpha_ alpha_1 alpha_2 alpha_init alpha_per_target alphas alphas_ " +
		"average best_score_ breakdown_ class_weight classes_ coef_ coef_path_ coefs_paths_ compute_score copy copy_X criterion criterion_ cv cv_alphas_ dual " +
		"dual_gap_ early_stopping eps eps_ epsilon eta0 fit_intercept fit_path gcv_mode intercept_ intercept_scaling jitter l1_ratio l1_ratio_ " +
		"l1_ratios l1_ratios_ lambda_ lambda_1 lambda_2 lambda_init learning_rate loss loss_function_ max_iter max_n_alphas max_subpopulation " +
		"mse_path_ multi_class n_alphas n_iter n_iter_ n_iter_no_change n_jobs n_nonzero_coefs n_nonzero_coefs_ n_subpopulation_ n_subsamples " +
		"noise_variance noise_variance_ normalize outliers_ penalty positive power power_t precompute quantile random_state rank_ refit scale_ scores_ " +
		"scoring selection shuffle sigma_ singular_ solver solver_ solver_options store_cv_results store_cv_values t_ threshold_lambda tol " +
		"use_legacy_attributes validation_fraction verbose warm_start"
	glmKnown = "alpha fit_intercept link power solver max_iter tol warm_start verbose coef_ intercept_ n_iter_ _base_loss _family_instance _link_instance"
)

// linearClassifier reads coef_, a row for each class or a single one for the
// second of two.
func linearClassifier(e *estimator, n int) *methods {
	classes := e.binarizedClasses()
	scores := e.scores(n, len(classes))
	m := &methods{classes: classes}
	proba, has := e.link(len(classes))
	if e.err != nil {
		return nil
	}
	m.decision = heads.New(scores, heads.Decision)
	if has {
		m.proba = heads.New(scores, proba)
	}
	return m
}

// scores reads the coefficients of a classifier.
func (e *estimator) scores(n, classes int) heads.Scorer {
	rows := decisions(classes)
	a := e.array("coef_")
	if e.err == nil && !slices.Equal(a.Shape, []int{rows, n}) && (rows > 1 || !slices.Equal(a.Shape, []int{n})) {
		e.wrong("coef_", a, fmt.Sprintf("an array of shape (%d, %d)", rows, n))
	}
	coef := e.finite("coef_", a)
	intercept := e.intercepts(rows)
	if e.err != nil {
		return nil
	}
	return heads.Linear(coef, intercept, rows, n)
}

// binarizedClasses reads classes_ of an estimator that has a LabelBinarizer, which
// knows whether there was one label a row; some keep classes_ only there.
func (e *estimator) binarizedClasses() []model.Label {
	if !e.has("_label_binarizer") {
		return e.classes()
	}
	inner := e.part("_label_binarizer", labelBinarizer)
	if kind := inner.text("y_type_"); inner.err == nil && kind != "binary" && kind != "multiclass" {
		inner.wrong("y_type_", kind, "binary or multiclass: serin serves classifiers that answer one class")
	}
	if !e.has("classes_") {
		classes := inner.classes()
		e.follow(inner)
		return classes
	}
	e.follow(inner)
	return e.classes()
}

// intercepts reads intercept_, which is one number where nothing was fitted.
func (e *estimator) intercepts(rows int) []float64 {
	v := e.value("intercept_")
	if e.err != nil {
		return nil
	}
	b, ok := number(v)
	if !ok {
		return e.vector("intercept_", rows)
	}
	if math.IsNaN(b) || math.IsInf(b, 0) {
		e.fail(nextRefit, "intercept_ is %v", b)
	}
	all := make([]float64, rows)
	for i := range all {
		all[i] = b
	}
	return all
}

// link chooses how scores become probabilities; has is false where an estimator
// gives none. LogisticRegression does as the version that wrote the file:
//
//	since 1.8   a sigmoid for two classes, softmax for more
//	before      multi_class decides; "auto" means one-vs-rest for two classes, for
//	            liblinear, and up to 1.5 for newton-cholesky; else softmax. Softmax
//	            of two classes is taken over (-score, score), so that it answers
//	            sigmoid(2 score).
func (e *estimator) link(classes int) (link heads.Link, has bool) {
	oneForEach, softmax := heads.OneVsRest, heads.Softmax
	if classes == 2 {
		oneForEach, softmax = heads.Sigmoid, heads.SoftmaxOfTwo
	}
	switch e.object.Class.Name {
	case "SGDClassifier":
		switch e.text("loss") {
		case "log", "log_loss":
			return oneForEach, true
		case "modified_huber":
			return heads.ModifiedHuber, true
		}
		return 0, false
	case "LogisticRegression", "LogisticRegressionCV":
	default:
		return 0, false
	}
	version := e.version()
	if e.err != nil {
		return 0, false
	}
	if atLeast(version, 1, 8) {
		if classes == 2 {
			return heads.Sigmoid, true
		}
		return heads.Softmax, true
	}
	solver := e.text("solver")
	switch multiClass := e.text("multi_class"); multiClass {
	case "ovr", "warn":
		return oneForEach, true
	case "auto", "deprecated":
		if classes == 2 || solver == "liblinear" || solver == "newton-cholesky" && !atLeast(version, 1, 6) {
			return oneForEach, true
		}
		return softmax, true
	case "multinomial":
		return softmax, true
	default:
		if e.err == nil {
			e.wrong("multi_class", multiClass, "auto, ovr or multinomial")
		}
		return 0, false
	}
}

// linearRegressor reads coef_, one row or, fitted on several outputs, one for each.
func linearRegressor(e *estimator, n int) *methods { return e.regression(n, heads.Quantities) }

func (e *estimator) regression(n int, link heads.Link) *methods {
	a := e.array("coef_")
	outputs := 1
	if e.err == nil && len(a.Shape) == 2 {
		outputs = a.Shape[0]
	}
	if e.err == nil && !slices.Equal(a.Shape, []int{n}) && !slices.Equal(a.Shape, []int{outputs, n}) {
		e.wrong("coef_", a, fmt.Sprintf("%d coefficients, or some rows of them", n))
	}
	coef := e.finite("coef_", a)
	intercept := e.intercepts(outputs)
	if e.err != nil || outputs == 0 {
		return nil
	}
	return &methods{outputs: outputs, predict: heads.New(heads.Linear(coef, intercept, outputs, n), link)}
}

// generalized reads PoissonRegressor, GammaRegressor and TweedieRegressor, whose
// link decides whether the scores are logarithms (TweedieRegressor._get_loss).
func generalized(e *estimator, n int) *methods {
	link := "log"
	if e.object.Class.Name == "TweedieRegressor" {
		power := e.number("power")
		if link = e.text("link"); link == "auto" {
			link = "log"
			if power <= 0 {
				link = "identity"
			}
		}
	}
	switch {
	case link == "identity":
		return e.regression(n, heads.Quantities)
	case link != "log" && e.err == nil:
		e.wrong("link", link, "auto, identity or log")
	}
	return e.regression(n, heads.Exponentials)
}

// discriminant reads LinearDiscriminantAnalysis.
func discriminant(e *estimator, n int) *methods {
	classes := e.classes()
	scores := e.scores(n, len(classes))
	if e.err != nil {
		return nil
	}
	link := heads.Softmax
	if len(classes) == 2 {
		link = heads.Sigmoid
	}
	return &methods{classes: classes, decision: heads.New(scores, heads.Decision), proba: heads.New(scores, link)}
}

// quadratic reads QuadraticDiscriminantAnalysis.
func quadratic(e *estimator, n int) *methods {
	classes := e.classes()
	k := len(classes)
	means, priors := e.grid("means_", k, n), e.vector("priors_", k)
	rotations, scalings := e.list("rotations_", k), e.list("scalings_", k)
	var centres, axes, variances [][]float64
	for i := range rotations {
		if e.err != nil {
			return nil
		}
		a, _ := scalings[i].(*pickle.Array)
		b, _ := rotations[i].(*pickle.Array)
		if a == nil || b == nil || len(a.Shape) != 1 || !slices.Equal(b.Shape, []int{n, a.Shape[0]}) {
			e.fail(nextRefit, "class %d has rotations_ and scalings_ that do not fit together", i)
			break
		}
		e.spend(a.Len() + b.Len())
		centres = append(centres, means[i*n:(i+1)*n])
		axes, variances = append(axes, e.finite("rotations_", b)), append(variances, e.finite("scalings_", a))
		if e.err == nil && slices.Min(append([]float64{1}, variances[i]...)) <= 0 {
			e.fail("Leave out columns that are made of others, or set reg_param, and fit again.", "scalings_ of class %d are not all above 0: its columns are collinear", i)
		}
	}
	if e.err != nil {
		return nil
	}
	s := heads.Quadratic(centres, axes, variances, priors)
	decision := heads.Decision
	if k == 2 {
		decision = heads.Difference
	}
	return &methods{classes: classes, decision: heads.New(s, decision), proba: heads.New(s, heads.Softmax)}
}
