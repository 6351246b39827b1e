package sklearn

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"serin/internal/model"
	"serin/internal/pickle"
)

// The names that a model file may hold. Everything else is refused by its name.
const (
	columnsModule = "sklearn.compose._column_transformer"
)

var (
	pipelineClass       = pickle.Global{Module: "sklearn.pipeline", Name: "Pipeline"}
	featureUnion        = pickle.Global{Module: "sklearn.pipeline", Name: "FeatureUnion"}
	columnTransformer   = pickle.Global{Module: columnsModule, Name: "ColumnTransformer"}
	functionTransformer = pickle.Global{Module: "sklearn.preprocessing._function_transformer", Name: "FunctionTransformer"}
)

var allowed = with(slices.Concat(treeNames(), wrapperNames(), soloNames(), metaNames(), transformerNames()), map[pickle.Global]bool{
	pipelineClass:     true,
	featureUnion:      true,
	columnTransformer: true,
	// How columns were chosen; the choice itself is stored beside it.
	{Module: columnsModule, Name: "make_column_selector"}: true,
	{Module: columnsModule, Name: "_RemainderColsList"}:   true,
})

// with adds names to a set of them.
func with(names []pickle.Global, set map[pickle.Global]bool) map[pickle.Global]bool {
	for _, name := range names {
		set[name] = true
	}
	return set
}

// The next steps of refusals.
const (
	nextSupported = "serin reads LogisticRegression and other linear models, trees, forests, boosting, support vectors, neighbours, naive Bayes, networks and what is made of them, behind scalers, encoders, imputers, projections, selectors and vectorizers. Fit one of these, or keep this model in Python until serin reads it, too."
	nextRefit     = "Fit the model, check that model.predict_proba(X) answers in Python, and save it with joblib.dump(model, path)."
)

// maxBytes bounds a file after decompression: what maxNumbers take, and 16 MiB for
// the rest.
const maxBytes = 8*maxNumbers + 16<<20

// Load reads one file to its end. Refusals of its content are *model.Refusal;
// any other error is r's own.
func Load(r io.Reader) (model.Predictor, error) {
	value, err := pickle.Read(r, pickle.Options{Allow: allowed, MaxBytes: maxBytes})
	if err != nil {
		if refused, ok := errors.AsType[*pickle.Error](err); ok {
			return nil, translate(refused)
		}
		return nil, fmt.Errorf("loading a scikit-learn model: %w", err)
	}
	return fromValue(value)
}

// translate adds to pickle's refusals what is known about scikit-learn's names.
func translate(e *pickle.Error) *model.Refusal {
	refusal := &model.Refusal{Reason: e.Where() + ": " + e.Reason, Next: e.Next}
	switch module := e.Refused.Module; {
	case module == "builtins" && e.Refused.Name == "getattr":
		// _raw_predict, which fit leaves behind where it stops early by a metric.
		refusal.Next = "If this is a HistGradientBoosting that was fitted with a scoring of its own, run `del model._raw_predict` and save it again."
	case hasPrefix(module, "sklearn.model_selection"):
		refusal.Next = "Save the fitted estimator inside it: joblib.dump(search.best_estimator_, path)."
	case hasPrefix(module, "sklearn"):
		refusal.Next = nextSupported
	case hasPrefix(module, "__main__"), hasPrefix(module, "numpy"):
		refusal.Next = "A function or class of your own cannot be served, because nothing from a file is executed. Apply it before you send the features, and fit the model without it."
	case hasPrefix(module, "scipy.sparse"):
		refusal.Next = "Call model.densify() before saving, so that the coefficients are an ordinary array."
	}
	return refusal
}

// hasPrefix reports whether module is package name or lies in it.
func hasPrefix(module, name string) bool {
	return len(module) >= len(name) && module[:len(name)] == name && (len(module) == len(name) || module[len(name)] == '.')
}

// refuse makes the refusal of a whole model.
func refuse(next, format string, args ...any) *model.Refusal {
	return &model.Refusal{Reason: fmt.Sprintf(format, args...), Next: next}
}
