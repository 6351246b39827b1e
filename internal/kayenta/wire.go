package kayenta

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Bounds of a request. Two weeks of minutes are 20,160 values.
const (
	maxBody   = 4 << 20 // bytes
	maxPairs  = 500
	maxValues = 25_000 // of one sample
	maxGroups = 50     // of one metric
	maxName   = 200    // bytes of a group's name
)

// Request is what Kayenta sends to a remote judge. What is not needed for the
// verdict, such as queries and scopes, is passed over.
type Request struct {
	Config     config      `json:"canaryConfig"`
	Thresholds *thresholds `json:"scoreThresholds"`
	Pairs      []pair      `json:"metricSetPairList"`
}

type config struct {
	Metrics    []metric `json:"metrics"`
	Classifier struct {
		// Weights are percentages by group; groups without one share the rest.
		Weights map[string]float64 `json:"groupWeights"`
	} `json:"classifier"`
}

// metric is how a metric is judged.
type metric struct {
	Name     string   `json:"name"`
	Groups   []string `json:"groups"`
	Analysis struct {
		Canary analysis `json:"canary"`
	} `json:"analysisConfigurations"`
}

type analysis struct {
	Direction    string `json:"direction"`   // increase, decrease; else either
	NaNs         string `json:"nanStrategy"` // replace; else remove
	Critical     bool   `json:"critical"`
	MustHaveData bool   `json:"mustHaveData"`
	Muted        bool   `json:"muted"` // shown, and not counted
	Outliers     struct {
		Strategy string   `json:"strategy"` // remove; else keep
		Factor   *float64 `json:"outlierFactor"`
	} `json:"outliers"`
	Effect effect `json:"effectSize"`
}

// effect is how large a difference must be. Nil is no effect: 1, or for cles 0.5.
type effect struct {
	Measure          string   `json:"measure"` // cles: P(canary > baseline); else the ratio of the means
	AllowedIncrease  *float64 `json:"allowedIncrease"`
	AllowedDecrease  *float64 `json:"allowedDecrease"`
	CriticalIncrease *float64 `json:"criticalIncrease"`
	CriticalDecrease *float64 `json:"criticalDecrease"`
}

// thresholds are the least scores for Pass and for Marginal.
type thresholds struct {
	Pass     *float64 `json:"pass"`
	Marginal *float64 `json:"marginal"`
}

type pair struct {
	Name   string            `json:"name"`
	ID     string            `json:"id"`
	Tags   map[string]string `json:"tags"`
	Values struct {
		Experiment sample `json:"experiment"`
		Control    sample `json:"control"`
	} `json:"values"`
}

// sample holds a metric's values, NaN where there was none.
type sample []float64

// UnmarshalJSONFrom takes numbers, null, and the words that Java writes for
// floats that JSON has not.
func (s *sample) UnmarshalJSONFrom(from *jsontext.Decoder) error {
	*s = sample{}
	if from.PeekKind() != '[' {
		return errors.New("want a list of numbers")
	}
	if _, err := from.ReadToken(); err != nil {
		return err
	}
	for from.PeekKind() != ']' {
		if len(*s) == maxValues {
			return fmt.Errorf("more than %d values: ask for fewer, with a longer step", maxValues)
		}
		token, err := from.ReadToken()
		if err != nil {
			return err
		}
		value := math.NaN()
		switch {
		case token.Kind() == '0':
			if value, err = token.Float(); err != nil {
				return err
			}
		case token.Kind() == 'n', token.Kind() == '"' && token.String() == "NaN":
		case token.Kind() == '"' && token.String() == "Infinity":
			value = math.Inf(1)
		case token.Kind() == '"' && token.String() == "-Infinity":
			value = math.Inf(-1)
		default:
			return errors.New("want a number, null or \"NaN\"")
		}
		*s = append(*s, value)
	}
	_, err := from.ReadToken()
	return err
}

// plain says what is wrong with a body in its own words: the decoder's are about Go.
func plain(err error) string {
	if s, ok := errors.AsType[*json.SemanticError](err); ok {
		where := strings.ReplaceAll(strings.TrimPrefix(string(s.JSONPointer), "/"), "/", ".")
		switch {
		case errors.Is(err, strconv.ErrRange):
			return where + " is too large for a number"
		case s.Err != nil:
			return where + ": " + s.Err.Error()
		}
		wanted := "an object"
		switch s.GoType.Kind() {
		case reflect.Float64, reflect.Int, reflect.Int64, reflect.Uint64:
			wanted = "a number"
		case reflect.String:
			wanted = "a string"
		case reflect.Bool:
			wanted = "true or false"
		case reflect.Slice:
			wanted = "a list"
		}
		return cmp.Or(where, "it") + " should be " + wanted
	}
	return strings.TrimPrefix(err.Error(), "jsontext: ")
}

// Decode reads a request and checks what the verdict depends on. An error says
// where the request is wrong.
func Decode(data []byte) (Request, error) {
	var r Request
	if err := json.Unmarshal(data, &r); err != nil {
		return Request{}, fmt.Errorf("the body is not a request for a judge: %s", plain(err))
	}
	t := r.Thresholds
	if t == nil || t.Pass == nil || t.Marginal == nil {
		return Request{}, errors.New("scoreThresholds has no pass or no marginal: give both, such as 95 and 75")
	}
	if len(r.Pairs) > maxPairs {
		return Request{}, fmt.Errorf("metricSetPairList has %d metrics; at most %d are judged at a time", len(r.Pairs), maxPairs)
	}
	return r, errors.Join(r.Config.check(), checkPairs(r.Pairs))
}

func (c *config) check() error {
	total := 0.
	for group, weight := range c.Classifier.Weights {
		if !(weight >= 0 && weight <= 100) {
			return fmt.Errorf("canaryConfig.classifier.groupWeights: the weight of %q is %v; it must be from 0 to 100", group, weight)
		}
		total += weight
	}
	if total > 100+1e-6 {
		return fmt.Errorf("canaryConfig.classifier.groupWeights: the weights sum to %v; 100 is the most", total)
	}
	for i, m := range c.Metrics {
		if len(m.Groups) > maxGroups {
			return fmt.Errorf("canaryConfig.metrics[%d] is in %d groups; %d is the most", i, len(m.Groups), maxGroups)
		}
		for _, group := range m.Groups {
			if len(group) > maxName {
				return fmt.Errorf("canaryConfig.metrics[%d] has a group with a name of %d bytes; %d is the most", i, len(group), maxName)
			}
		}
		if f := m.Analysis.Canary.Outliers.Factor; f != nil && !(*f > 0) {
			return fmt.Errorf("canaryConfig.metrics[%d]: outlierFactor is %v; it must be above 0", i, *f)
		}
	}
	return nil
}

func checkPairs(pairs []pair) error {
	for i, p := range pairs {
		if p.Values.Experiment == nil || p.Values.Control == nil {
			return fmt.Errorf("metricSetPairList[%d].values lacks experiment or control: both are lists, empty where there is no data", i)
		}
	}
	return nil
}

// Answer is what Kayenta shows and stores.
type Answer struct {
	Judge   string   `json:"judgeName"`
	Results []result `json:"results"`
	Groups  []group  `json:"groupScores"`
	Score   score    `json:"score"`
}

type result struct {
	Name           string            `json:"name"`
	Tags           map[string]string `json:"tags"`
	ID             string            `json:"id"`
	Classification label             `json:"classification"`
	Reason         string            `json:"classificationReason,omitzero"`
	Groups         []string          `json:"groups"`
	Experiment     metadata          `json:"experimentMetadata"`
	Control        metadata          `json:"controlMetadata"`
	Result         ratio             `json:"resultMetadata"`
	Critical       bool              `json:"critical"`
	Muted          bool              `json:"muted"`
}

type metadata struct {
	Stats summary `json:"stats"`
}

// ratio is of the means, 1 where nothing was compared.
type ratio struct {
	Ratio number `json:"ratio"`
}

type group struct {
	Name           string  `json:"name"`
	Score          float64 `json:"score"`
	Classification string  `json:"classification"` // always "", as Kayenta's own
	Reason         string  `json:"classificationReason"`
}

type score struct {
	Score          float64 `json:"score"`
	Classification label   `json:"classification"`
	Reason         string  `json:"classificationReason"`
}

// number is a float that JSON may not have, in the words of Java.
type number float64

// MarshalJSONTo writes it.
func (n number) MarshalJSONTo(to *jsontext.Encoder) error {
	switch f := float64(n); {
	case math.IsNaN(f):
		return to.WriteToken(jsontext.String("NaN"))
	case math.IsInf(f, 0):
		return to.WriteToken(jsontext.String(map[bool]string{true: "Infinity", false: "-Infinity"}[f > 0]))
	default:
		return to.WriteToken(jsontext.Float(f))
	}
}
