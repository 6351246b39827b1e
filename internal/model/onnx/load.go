package onnx

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"serin/internal/model"
	"serin/internal/model/graph"
)

// The newest operator sets whose operators were read when this was written.
const (
	newestStandard = 26
	newestLearned  = 5
)

// Load reads an ONNX model to its end. Refusals of its content are
// *model.Refusal; any other error is r's own.
func Load(r io.Reader) (p model.Predictor, err error) {
	return load(r, func(file *graph.File) *engine {
		check(file)
		return newEngine(file, nil)
	})
}

// Host makes another program compute a graph, from the bytes of its file and the
// names of its inputs and outputs. Its error goes into the refusal of the file.
type Host func(data []byte, inputs, outputs []string) (graph.Foreign, error)

// ByHost ends Signature.Library where a host computes.
const ByHost = ", computed by ONNX Runtime"

// LoadWith is Load, but a model that needs operators that serin does not have is
// computed by host. What the outputs mean is found out as for all others.
func LoadWith(r io.Reader, host Host) (p model.Predictor, err error) {
	var data bytes.Buffer
	p, err = load(io.TeeReader(r, &data), func(file *graph.File) *engine {
		if len(file.Missing()) == 0 {
			check(file)
			return newEngine(file, nil)
		}
		return newEngine(file, invite(file, data.Bytes(), host))
	})
	return p, err
}

func load(r io.Reader, prepare func(*graph.File) *engine) (p model.Predictor, err error) {
	refusal := graph.Try(func() {
		var file *graph.File
		if file, err = graph.Read(r, operators); err != nil {
			err = fmt.Errorf("loading an ONNX model: %w", err)
			return
		}
		e := prepare(file)
		p = model.New(e.describe(), e)
	})
	if refusal != nil {
		return nil, refusal
	}
	return p, err
}

// invite hands a file to a host, once nothing in it points outside.
func invite(file *graph.File, data []byte, host Host) graph.Foreign {
	file.CheckForeign()
	if slices.Contains(file.Operators(), fitted("ZipMap")) {
		graph.Refuse(`Export it with options={"zipmap": False}.`, "the model needs ONNX Runtime and answers maps (ZipMap), which serin does not take from there")
	}
	foreign, err := host(data, names(file.Inputs), names(file.Outputs))
	if err != nil {
		graph.Refuse(graph.NextExport, "ONNX Runtime does not take the model: %v", err)
	}
	return foreign
}

func names(ports []graph.Port) []string {
	list := make([]string, len(ports))
	for i, p := range ports {
		list[i] = p.Name
	}
	return list
}

// check refuses a model that asks for what serin does not have, all of it at
// once.
func check(m *graph.File) {
	if list := m.Missing(); len(list) > 0 {
		what := "the operator"
		if len(list) > 1 {
			what = "the operators"
		}
		graph.Refuse("Export one that does without (skl2onnx has options for most estimators), or name the shared library of ONNX Runtime (--onnxruntime).",
			"the model needs %s %s, which serin does not have", what, strings.Join(list, ", "))
	}
	for domain, newest := range map[string]int{"": newestStandard, learned: newestLearned} {
		if version := m.Version(domain); version > newest {
			graph.Refuse(fmt.Sprintf("Export it with target_opset=%d or less.", newest),
				"the model uses the operator set %s of version %d; serin knows up to %d", graph.Name{Domain: domain, Op: "*"}, version, newest)
		}
	}
}

// kindOf is what a feature of an input must be.
func kindOf(p *graph.Port) model.Kind {
	switch p.Element {
	case graph.ElemFloat, graph.ElemDouble, graph.ElemInt64, graph.ElemInt32:
		return model.Number
	case graph.ElemString:
		return model.Text
	case graph.ElemBool:
		return model.Bool
	}
	graph.Refuse("Export the model with float inputs.", "the input %s has the element type %d", model.Quote(p.Name), p.Element)
	return 0
}

// textLabel is a text as JSON.
func textLabel(text string) model.Label {
	b, err := json.Marshal(strings.ToValidUTF8(text, "\uFFFD"))
	if err != nil {
		return `""` // cannot happen: every valid text has its JSON
	}
	return model.Label(b)
}

// features describes a row.
func (e *engine) features() (list []model.Feature, named bool) {
	names := make(map[string]bool)
	named = true
	for _, p := range e.file.Inputs {
		named = named && p.Columns() == 1 && p.Name != "" && !names[p.Name]
		names[p.Name] = true
		for range p.Columns() {
			list = append(list, model.Feature{Kind: kindOf(&p), Known: e.known[len(list)]})
		}
	}
	if len(e.file.Inputs) == 1 { // one tensor, of one column by chance
		named = false
	}
	for i := range list {
		if named {
			list[i].Name = e.file.Inputs[i].Name
		}
		list[i].Missing = e.missing[i]
	}
	return list, named
}

// describe makes the signature. What the values mean is told by what they are:
// the engine tried some rows.
func (e *engine) describe() model.Signature {
	features, named := e.features()
	s := model.Signature{
		Features: features, Named: named, Task: model.Classification, Values: model.Probabilities,
		Outputs: e.width, Classes: e.labels, Library: e.file.Producer, Estimator: estimator(e.file),
	}
	if e.foreign != nil {
		s.Library += ByHost
	}
	switch {
	case e.labels == nil:
		s.Task, s.Values = model.Regression, model.Quantities
	case !e.probable:
		s.Values = model.Scores
	}
	return s
}

// estimator names the operators that say what the model is, in order: those of
// ai.onnx.ml, or all where there are none.
func estimator(m *graph.File) string {
	const shown = 6
	var fitted, all []string
	for _, n := range m.Operators() {
		if n.Domain == learned && n.Op != "ZipMap" && n.Op != "ArrayFeatureExtractor" && !slices.Contains(fitted, n.Op) {
			fitted = append(fitted, n.Op)
		}
		if !slices.Contains(all, n.Op) {
			all = append(all, n.Op)
		}
	}
	if len(fitted) == 0 {
		fitted = all
	}
	rest := ""
	if len(fitted) > shown {
		fitted, rest = fitted[:shown], ", ..."
	}
	return "Graph(" + strings.Join(fitted, ", ") + rest + ")"
}
