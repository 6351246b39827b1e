package sklearn

import (
	"errors"
	"math"
	"slices"
	"strings"

	"serin/internal/model"
	"serin/internal/model/gbdt"
	"serin/internal/pickle"
)

// The wrappers that XGBoost and LightGBM put around their Booster, so that it
// looks like an estimator of scikit-learn's. A pickled Booster holds a model file
// of its library, which package gbdt reads; what is left to the wrapper are the
// class labels and which rounds are used.

const (
	xgboostModule  = "xgboost.sklearn"
	lightgbmModule = "lightgbm.sklearn"
)

var (
	xgboostBooster  = pickle.Global{Module: "xgboost.core", Name: "Booster"}
	xgboostStopping = pickle.Global{Module: "xgboost.callback", Name: "EarlyStopping"}     // among the parameter callbacks
	xgboostEncoder  = pickle.Global{Module: "xgboost.compat", Name: "XGBoostLabelEncoder"} // before 1.6
	lightgbmBooster = pickle.Global{Module: "lightgbm.basic", Name: "Booster"}
)

// wrapperNames are the names that a wrapper's file holds.
func wrapperNames() []pickle.Global {
	names := []pickle.Global{xgboostBooster, xgboostStopping, xgboostEncoder, lightgbmBooster, labelEncoder}
	for name := range strings.FieldsSeq("XGBClassifier XGBRegressor XGBRanker XGBRFClassifier XGBRFRegressor") {
		names = append(names, pickle.Global{Module: xgboostModule, Name: name})
	}
	for name := range strings.FieldsSeq("LGBMClassifier LGBMRegressor LGBMRanker") {
		names = append(names, pickle.Global{Module: lightgbmModule, Name: name})
	}
	return names
}

// wrapperReader chooses what reads a wrapper; nil for others.
func wrapperReader(class pickle.Global) func(p place, object *pickle.Object) (fitted, *model.Refusal) {
	switch class.Module {
	case xgboostModule:
		return place.xgboost
	case lightgbmModule:
		return place.lightgbm
	}
	return nil
}

const (
	nextXGBoost  = "Save the booster itself, as XGBoost does: model.save_model(\"model.json\")."
	nextLightGBM = "Save the booster itself, as LightGBM does: model.booster_.save_model(\"model.txt\")."
)

// xgboostKnown are the parameters of XGBModel from 1.0 to 3.4, and what fit sets.
// All but missing, objective and booster are for fitting.
const xgboostKnown = "n_estimators objective max_depth max_leaves max_bin grow_policy learning_rate verbosity booster tree_method gamma min_child_weight " +
	"max_delta_step subsample sampling_method colsample_bytree colsample_bylevel colsample_bynode reg_alpha reg_lambda scale_pos_weight base_score missing " +
	"num_parallel_tree random_state n_jobs monotone_constraints interaction_constraints importance_type gpu_id device validate_parameters predictor " +
	"enable_categorical feature_types feature_weights max_cat_to_onehot max_cat_threshold multi_strategy eval_metric early_stopping_rounds callbacks kwargs " +
	"use_label_encoder silent nthread seed rate_drop skip_drop one_drop sample_type normalize_type " +
	"_Booster _le _features_count classes_ n_classes_ evals_result_ evals_result best_score best_iteration best_ntree_limit"

// xgboost reads XGBClassifier, XGBRegressor, XGBRanker and the forests
// (python-package/xgboost/sklearn.py).
func (p place) xgboost(object *pickle.Object) (fitted, *model.Refusal) {
	e := p.read(object, xgboostKnown)
	classifier := strings.HasSuffix(object.Class.Name, "Classifier")
	booster := e.inner("_Booster", xgboostBooster)
	var options gbdt.XGBoostOptions
	options.Best, options.Regression = true, !classifier
	if missing, ok := e.optional("missing").(int64); ok {
		number := float64(missing)
		options.Missing = &number
	} else if missing, ok := e.optional("missing").(float64); ok && !math.IsNaN(missing) {
		options.Missing = &missing
	} else if !ok && e.optional("missing") != nil {
		e.wrong("missing", e.optional("missing"), "a number")
	}
	if limit, ok := e.optional("best_ntree_limit").(int64); ok {
		options.Limit = int(min(max(limit, 0), 1<<30))
	}
	for _, name := range []string{"objective", "booster"} {
		if e.optional(name) != nil {
			_ = e.text(name)
		}
	}
	if e.err == nil {
		options.Names = texts(booster, "feature_names")
	}
	handle := e.handle(booster, "handle")
	if e.err != nil {
		e.err.Next = nextXGBoost
		return fitted{}, e.err
	}
	inside, err := gbdt.XGBoost(strings.NewReader(handle), options)
	return p.wrapped(e, inside, err, classifier)
}

// lightgbmKnown are the parameters of LGBMModel from 2.3 to 4.7, and what fit
// sets. Further parameters are in _other_params, and attributes, too.
const lightgbmKnown = "boosting_type num_leaves max_depth learning_rate n_estimators subsample_for_bin objective class_weight min_split_gain min_child_weight " +
	"min_child_samples subsample subsample_freq colsample_bytree reg_alpha reg_lambda random_state n_jobs silent importance_type " +
	"_Booster _best_iteration _best_score _class_map _class_weight _classes _eval_at _evals_result _fitted_with_feature_names _fobj _le _n_classes _n_features " +
	"_n_features_in _objective _other_params fitted_ _feature_names_in"

// lightgbm reads LGBMClassifier, LGBMRegressor and LGBMRanker
// (python-package/lightgbm/sklearn.py).
func (p place) lightgbm(object *pickle.Object) (fitted, *model.Refusal) {
	known := []string{lightgbmKnown}
	others, _ := object.Attr("_other_params")
	if others, ok := others.(*pickle.Dict); ok {
		for _, entry := range others.Entries {
			if name, ok := entry.Key.(string); ok && !strings.Contains(name, "pred") && !strings.Contains(name, "raw") && !strings.Contains(name, "start_iteration") {
				known = append(known, name)
			}
		}
	}
	e := p.read(object, strings.Join(known, " "))
	booster := e.inner("_Booster", lightgbmBooster)
	name := "_handle"
	if _, ok := attribute(booster, name); !ok {
		name = "handle" // before 4.0
	}
	text := e.handle(booster, name)
	rounds := 0
	if best, ok := attribute(booster, "best_iteration"); ok {
		if n, ok := best.(int64); ok && n > 0 {
			rounds = int(min(n, math.MaxInt32))
		}
	}
	if e.err != nil {
		e.err.Next = nextLightGBM
		return fitted{}, e.err
	}
	inside, margins, err := gbdt.LightGBM(strings.NewReader(text), rounds)
	f, refused := p.wrapped(e, inside, err, strings.HasSuffix(object.Class.Name, "Classifier"))
	if _, ok := object.Attr("_fitted_with_feature_names"); ok && refused == nil && margins != nil {
		f.methods.decision = margins // decision_function came with that attribute, in 4.7
	}
	return f, refused
}

// wrapped makes an estimator of what the booster is.
func (p place) wrapped(e *estimator, inside model.Predictor, err error, classifier bool) (fitted, *model.Refusal) {
	if refusal, ok := errors.AsType[*model.Refusal](err); ok {
		return fitted{}, &model.Refusal{Reason: e.path + ": its booster: " + refusal.Reason, Next: refusal.Next}
	} else if err != nil {
		return fitted{}, p.refuse(nextRefit, "its booster: %v", err)
	}
	s := inside.Signature()
	if p.width != 0 && len(s.Features) != p.width {
		e.fail(nextRefit, "it expects %d features and the step before it gives %d", len(s.Features), p.width)
	}
	if p.width != 0 && slices.ContainsFunc(s.Features, func(f model.Feature) bool { return f.Kind == model.Text }) {
		e.fail("Encode the categories as numbers in the step before it.", "it was fitted on text categories, and the step before it gives numbers")
	}
	f := fitted{methods: &methods{}, names: s.Names(), features: s.Features, in: len(s.Features), library: s.Library}
	if (s.Task == model.Classification) != classifier {
		e.fail("Fit a classifier with an objective for classes, and a regressor with one for numbers.", "its booster is a %s", s.Task)
	}
	if !classifier {
		f.methods.predict, f.methods.outputs = inside, s.Outputs
		return f, e.err
	}
	f.methods.classes, f.methods.proba = e.wrappedClasses(s.Classes), inside
	if e.err == nil && len(f.methods.classes) != len(s.Classes) {
		e.fail(nextRefit, "it has %d classes and its booster %d", len(f.methods.classes), len(s.Classes))
	}
	return f, e.err
}

// wrappedClasses are the labels: those of the label encoder, if there is one, or
// those that the wrapper keeps, or else 0, 1, and so on, as the booster has them.
func (e *estimator) wrappedClasses(plain []model.Label) []model.Label {
	if e.err != nil {
		return nil
	}
	if v, ok := e.object.Attr("_le"); ok && v != nil {
		encoder, ok := v.(*pickle.Object)
		if !ok || encoder.Class != labelEncoder && encoder.Class != xgboostEncoder {
			e.wrong("_le", v, "a LabelEncoder")
			return nil
		}
		inner := &estimator{object: encoder, path: e.path + ": _le", budget: e.budget}
		classes := inner.classes()
		if e.err == nil {
			e.err = inner.err
		}
		return classes
	}
	if e.has("classes_") {
		return e.classes()
	}
	return plain
}

// optional returns an attribute, nil where there is none.
func (e *estimator) optional(name string) pickle.Value {
	v, _ := e.object.Attr(name)
	return v
}

// inner reads an attribute that is an object of a class.
func (e *estimator) inner(name string, class pickle.Global) *pickle.Object {
	if !e.has(name) {
		e.fail(nextRefit, "it is not fitted: it has no %s", name)
		return nil
	}
	v := e.value(name)
	object, ok := v.(*pickle.Object)
	if !ok || object.Class != class {
		e.wrong(name, v, "a Booster")
		return nil
	}
	return object
}

// handle reads the model file that a Booster holds.
func (e *estimator) handle(booster *pickle.Object, name string) string {
	v, _ := attribute(booster, name)
	switch v := v.(type) {
	case pickle.Bytes:
		return string(v)
	case string:
		return v
	}
	if e.err == nil {
		e.wrong(name+" of the Booster", v, "a model file")
	}
	return ""
}

func attribute(object *pickle.Object, name string) (pickle.Value, bool) {
	if object == nil {
		return nil, false
	}
	return object.Attr(name)
}

// texts reads a list of strings that may not be there.
func texts(object *pickle.Object, name string) []string {
	v, _ := attribute(object, name)
	list, ok := v.(*pickle.List)
	if !ok {
		return nil
	}
	var all []string
	for _, item := range list.Items {
		text, ok := item.(string)
		if !ok {
			return nil
		}
		all = append(all, text)
	}
	return all
}
