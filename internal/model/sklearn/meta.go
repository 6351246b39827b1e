package sklearn

import (
	"fmt"
	"slices"
	"strings"

	"serin/internal/model"
	"serin/internal/model/heads"
	"serin/internal/pickle"
)

// meta reads an estimator that is made of others: its own attributes, and the
// others as they are read.
type meta struct {
	*estimator

	place   place
	n       int // features of a row; 0 until something says how many
	members []fitted
	texts   []string
}

// metaReader reads one kind of them.
type metaReader struct {
	known string // its attributes
	read  func(m *meta) *methods
}

// metaOf finds the reader of a class. It is a function because they are part of each other.
func metaOf(class pickle.Global) (metaReader, bool) {
	for _, family := range metaFamilies() {
		if family.module == class.Module && slices.Contains(strings.Fields(family.names), class.Name) {
			return metaReader{family.known, family.read}, true
		}
	}
	return metaReader{}, false
}

type metaFamily struct {
	module, names, known string
	read                 func(m *meta) *methods
}

const (
	baggingKnown = "_max_features _max_samples _n_samples _sample_weight _seeds base_estimator base_estimator_ bootstrap bootstrap_features classes_ " +
		"estimator estimator_ estimator_params estimators_ estimators_features_ max_features max_samples n_classes_ n_estimators n_jobs oob_score " +
		"oob_score_ oob_decision_function_ oob_prediction_ random_state verbose warm_start"
	boostKnown = "algorithm base_estimator base_estimator_ classes_ estimator estimator_ estimator_errors_ estimator_params estimator_weights_ " +
		"estimators_ learning_rate loss n_classes_ n_estimators random_state"
	stackingKnown = "_label_encoder _le _n_feature_outs classes_ cv estimators estimators_ final_estimator final_estimator_ n_jobs named_estimators_ " +
		"passthrough stack_method stack_method_ verbose"
	searchKnown = "_checked_cv_orig best_estimator_ best_index_ best_params_ best_score_ cv cv_results_ error_score estimator multimetric_ n_iter n_jobs " +
		"n_splits_ param_distributions param_grid pre_dispatch random_state refit refit_time_ return_train_score scorer_ scoring verbose " +
		"aggressive_elimination factor max_resources min_resources resource n_candidates force_exhaust_resources n_candidates_ n_iterations_ n_possible_iterations_ " +
		"n_remaining_candidates_ n_required_iterations_ n_resources_ max_resources_ min_resources_ _n_samples_orig"
	thresholdKnown = "_curve_scorer best_score_ best_threshold_ cv cv_results_ estimator estimator_ n_jobs pos_label random_state refit response_method " +
		"scoring store_cv_results threshold thresholds classes_"
)

func metaFamilies() []metaFamily {
	return []metaFamily{
		{"sklearn.ensemble._voting", "VotingClassifier VotingRegressor", "classes_ estimators estimators_ flatten_transform le_ n_jobs named_estimators_ verbose voting weights", voting},
		{"sklearn.ensemble._stacking", "StackingClassifier StackingRegressor", stackingKnown, stacking},
		{"sklearn.ensemble._bagging", "BaggingClassifier BaggingRegressor", baggingKnown, bagging},
		{"sklearn.ensemble._weight_boosting", "AdaBoostClassifier", boostKnown, boosting},
		{"sklearn.ensemble._weight_boosting", "AdaBoostRegressor", boostKnown, boostedMedian},
		{"sklearn.calibration", "CalibratedClassifierCV", "base_estimator calibrated_classifiers_ classes_ cv ensemble estimator method n_jobs", calibrated},
		{"sklearn.multiclass", "OneVsRestClassifier", "classes_ estimator estimators_ label_binarizer_ n_jobs verbose", oneVsRest},
		{"sklearn.multiclass", "OneVsOneClassifier", "classes_ estimator estimators_ n_jobs pairwise_indices_", oneVsOne},
		{"sklearn.multioutput", "MultiOutputRegressor", "estimator estimators_ n_jobs", multiOutput},
		{"sklearn.compose._target", "TransformedTargetRegressor", "_training_dim check_inverse func inverse_func regressor regressor_ transformer transformer_", transformedTarget},
		{"sklearn.model_selection._classification_threshold", "FixedThresholdClassifier TunedThresholdClassifierCV", thresholdKnown, threshold},
		{"sklearn.model_selection._search", "GridSearchCV RandomizedSearchCV", searchKnown, inside("best_estimator_")},
		{"sklearn.model_selection._search_successive_halving", "HalvingGridSearchCV HalvingRandomSearchCV", searchKnown, inside("best_estimator_")},
		{"sklearn.frozen._frozen", "FrozenEstimator", "estimator", inside("estimator")},
		{"sklearn.semi_supervised._self_training", "SelfTrainingClassifier", "base_estimator base_estimator_ classes_ criterion estimator estimator_ k_best labeled_iter_ " +
			"max_iter n_iter_ termination_condition_ threshold transduction_ verbose", inside("estimator_", "base_estimator_")},
		{"sklearn.linear_model._ransac", "RANSACRegressor", "base_estimator estimator estimator_ inlier_mask_ is_data_valid is_model_valid loss max_skips max_trials " +
			"min_samples n_skips_invalid_data_ n_skips_invalid_model_ n_skips_no_inliers_ n_trials_ random_state residual_threshold stop_n_inliers stop_probability stop_score", inside("estimator_")},
	}
}

// metaNames are the names that their files hold.
func metaNames() []pickle.Global {
	var names []pickle.Global
	add := func(module, list string) {
		for name := range strings.FieldsSeq(list) {
			names = append(names, pickle.Global{Module: module, Name: name})
		}
	}
	for _, family := range metaFamilies() {
		add(family.module, family.names)
	}
	add("sklearn.calibration", "_CalibratedClassifier _SigmoidCalibration _TemperatureScaling")
	names = append(names, isotonicRegression, labelEncoder, labelBinarizer)
	// What follows is about how a model was fitted; it is let in and not looked at.
	add("sklearn.utils", "Bunch")
	add("sklearn.utils._bunch", "Bunch")
	add("sklearn.utils._metadata_requests", "MetadataRequest MethodMetadataRequest")
	add("sklearn.metrics._scorer", "_CurveScorer _PassthroughScorer _MultimetricScorer _PredictScorer _ProbaScorer _Scorer _ThresholdScorer _passthrough_scorer")
	add("sklearn.model_selection._classification_threshold", "_CurveScorer")
	add("sklearn.metrics._classification", "accuracy_score balanced_accuracy_score f1_score fbeta_score precision_score recall_score jaccard_score log_loss "+
		"matthews_corrcoef brier_score_loss cohen_kappa_score")
	add("sklearn.metrics._ranking", "roc_auc_score average_precision_score top_k_accuracy_score")
	add("sklearn.metrics._regression", "r2_score mean_squared_error mean_absolute_error median_absolute_error max_error explained_variance_score root_mean_squared_error "+
		"mean_absolute_percentage_error mean_squared_log_error mean_poisson_deviance mean_gamma_deviance")
	return names
}

// meta reads an estimator that is made of others.
func (p place) meta(object *pickle.Object, r metaReader) (fitted, *model.Refusal) {
	e := p.read(object, r.known)
	m := &meta{estimator: e, place: p, n: p.width}
	if e.has("n_features_in_") {
		m.n = e.features(p)
	}
	answers := r.read(m)
	names := e.names(m.n)
	if e.err != nil {
		return fitted{}, e.err
	}
	f := fitted{methods: answers, in: m.n, names: names, text: textOf(object.Class.Name, slices.Compact(m.texts))}
	for _, member := range m.members {
		if f.names == nil && member.in == m.n {
			f.names = member.names
		}
	}
	var err *model.Refusal
	f.features, err = m.features()
	return f, err
}

// features are what all members want of a row: nil where none wants anything special.
func (m *meta) features() ([]model.Feature, *model.Refusal) {
	special := func(f fitted) bool { return f.features != nil }
	if !slices.ContainsFunc(m.members, special) {
		return nil, nil
	}
	return m.place.agreed(m.n, m.members...)
}

// inner reads a member that gets the whole row.
func (m *meta) inner(where string, v pickle.Value) fitted {
	f := m.apart(where, v, m.n, m.place.filled)
	if m.err == nil {
		m.n = f.in
		m.members = append(m.members, f)
	}
	return f
}

// apart reads a member that gets rows of so many numbers, 0 where it decides, in
// which imputers have filled what filled says.
func (m *meta) apart(where string, v pickle.Value, width int, filled []gap) fitted {
	if m.err != nil {
		return fitted{}
	}
	p := m.place
	p.path, p.width, p.sparse, p.filled = p.path+" "+where, width, false, filled
	f, err := p.step(v)
	if err == nil && f.methods == nil {
		err = p.refuse(nextRefit, "it is a transformer, and no estimator")
	}
	if m.err = err; err != nil {
		return fitted{}
	}
	m.texts = append(m.texts, f.text)
	return f
}

// all reads estimators_, each of which gets the whole row.
func (m *meta) all() []fitted {
	v := m.value("estimators_")
	list := items(v)
	if m.err == nil && len(list) == 0 {
		m.wrong("estimators_", v, "a list of estimators")
	}
	all := make([]fitted, 0, len(list))
	for i, v := range list {
		all = append(all, m.inner(fmt.Sprintf("member %d", i+1), v))
	}
	return all
}

// inside reads an estimator that answers what the one inside it answers.
func inside(names ...string) func(m *meta) *methods {
	return func(m *meta) *methods {
		for _, name := range names {
			if m.has(name) {
				return m.inner(name, m.value(name)).methods
			}
		}
		m.value(names[0])
		return nil
	}
}

// ask makes a member of an ensemble of what f answers to a method of
// scikit-learn's. A classifier that is asked to predict votes.
func (f fitted) ask(method string) (heads.Member, bool) {
	m := f.methods
	if m == nil {
		return heads.Member{}, false
	}
	k := decisions(len(m.classes))
	switch {
	case method == "predict" && m.classes == nil:
		return heads.Member{Engine: m.predict, Outputs: m.outputs, Weight: 1}, true
	case method == "predict_proba" && m.proba != nil:
		return heads.Member{Engine: m.proba, Outputs: len(m.classes), Weight: 1}, true
	case method == "decision_function" && m.decision != nil:
		return heads.Member{Engine: m.decision, Outputs: k, Weight: 1}, true
	case method == "predict":
		for _, e := range []model.Engine{m.decision, m.scores} {
			if e != nil {
				return heads.Member{Engine: e, Outputs: k, Weight: 1, Votes: true}, true
			}
		}
		return heads.Member{Engine: m.proba, Outputs: len(m.classes), Weight: 1, Votes: true}, true
	}
	return heads.Member{}, false
}

// decisions is the number of scores of so many classes.
func decisions(classes int) int {
	if classes == 2 {
		return 1
	}
	return classes
}

// askAll asks every one of them; ok is false where one has no such method.
func askAll(all []fitted, method string) (members heads.Members, ok bool) {
	for _, f := range all {
		m, ok := f.ask(method)
		if !ok {
			return nil, false
		}
		members = append(members, m)
	}
	return members, true
}

// encoded refuses members that were not fitted on the positions of the classes,
// 0 to k-1, as scikit-learn fits them.
func (m *meta) encoded(all []fitted, k int) {
	for i, f := range all {
		if m.err == nil && !slices.Equal(f.methods.classes, positions(k)) {
			m.fail(nextRefit, "member %d has other classes than 0 to %d", i+1, k-1)
		}
	}
}

// positions are the labels 0 to k-1.
func positions(k int) []model.Label {
	labels := make([]model.Label, k)
	for i := range labels {
		labels[i] = model.Label(fmt.Sprint(i))
	}
	return labels
}

// sameClasses refuses members that know other classes than the whole.
func (m *meta) sameClasses(all []fitted, classes []model.Label) {
	for i, f := range all {
		if m.err == nil && !slices.Equal(f.methods.classes, classes) {
			m.fail(nextRefit, "member %d has other classes than classes_", i+1)
		}
	}
}

// regressors refuses members that do not answer one number.
func (m *meta) regressors(all []fitted) heads.Members {
	for i, f := range all {
		if m.err == nil && (f.methods.predict == nil || f.methods.outputs != 1) {
			m.fail(nextRefit, "member %d is not a regressor of one output", i+1)
		}
	}
	if m.err != nil {
		return nil
	}
	members, _ := askAll(all, "predict")
	return members
}

// isClassifier goes by the class's name.
func (m *meta) isClassifier() bool { return strings.Contains(m.object.Class.Name, "Classifier") }

// numberList reads a list, tuple or array of finite numbers.
func (e *estimator) numberList(name string) []float64 {
	v := e.value(name)
	if a, ok := v.(*pickle.Array); ok && len(a.Shape) == 1 {
		e.spend(a.Len())
		return e.finite(name, a)
	}
	var all []float64
	for _, item := range items(v) {
		x, ok := number(item)
		if !ok || x-x != 0 {
			e.wrong(name, v, "a list of numbers")
			return nil
		}
		all = append(all, x)
	}
	if all == nil && e.err == nil {
		e.wrong(name, v, "a list of numbers")
	}
	return all
}
