package model

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"
)

func TestCompatible(t *testing.T) {
	t.Parallel()
	named := func(names ...string) []Feature { return Numbers(len(names), names) }
	stable := &Signature{Features: named("tenure", "calls"), Named: true, Classes: []Label{"0", "1"}, Outputs: 2}
	with := func(change func(s *Signature)) Signature {
		s := *stable
		s.Features = named("tenure", "calls")
		change(&s)
		return s
	}
	many := make([]Label, 12)
	for i := range many {
		many[i] = Label(fmt.Sprint(i))
	}
	tests := []struct {
		name   string
		canary Signature
		want   string
	}{
		{"the same", *stable, ""},
		{"names unknown", with(func(s *Signature) { s.Features, s.Named = Numbers(2, nil), false }), ""},
		{"takes missing values", with(func(s *Signature) { s.Features[0].Missing = true }), ""},
		{"other width", with(func(s *Signature) { s.Features = named("tenure", "calls", "age") }), "it expects 3 features, stable expects 2"},
		{"other names", with(func(s *Signature) { s.Features = named("tenure", "age") }), `its feature 1 is "age", stable's is "calls"`},
		{"other kind", with(func(s *Signature) { s.Features[1].Kind = Text }), `its feature "calls" is a text, stable's is a number`},
		{"other kind, unnamed", with(func(s *Signature) { s.Named, s.Features[1].Kind = false, Bool }), `its feature 1 is a bool, stable's is a number`},
		{"scores", with(func(s *Signature) { s.Values, s.Outputs = Scores, 1 }), "it answers scores of a classification, stable answers probabilities of a classification"},
		{"a regression", with(func(s *Signature) { s.Task, s.Values, s.Classes = Regression, Quantities, nil }), "it answers quantities of a regression, stable answers probabilities of a classification"},
		{"other classes", with(func(s *Signature) { s.Classes = []Label{"0", `"yes"`} }), `it answers classes [0, "yes"], stable answers [0, 1]`},
		{"many classes", with(func(s *Signature) { s.Classes = many }), "it answers classes [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, and 2 more], stable answers [0, 1]"},
		{"more numbers", with(func(s *Signature) { s.Outputs = 3 }), "it answers 3 numbers, stable answers 2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.canary.Compatible(stable); got != tt.want {
				t.Errorf("Compatible = %q, want %q", got, tt.want)
			}
		})
	}
}

// TestUnused: a feature may fall out of use, and not come into it.
func TestUnused(t *testing.T) {
	t.Parallel()
	stable, canary := Signature{Features: Numbers(1, nil)}, Signature{Features: Numbers(1, nil)}
	canary.Features[0].Kind = Unused
	if got := canary.Compatible(&stable); got != "" {
		t.Error(got)
	}
	if got := stable.Compatible(&canary); got != "its feature 0 is a number, stable does not use it" {
		t.Error(got)
	}
}

// TestMissingMustStayLegal: a row that stable answers must not be refused by its canary.
func TestMissingMustStayLegal(t *testing.T) {
	t.Parallel()
	stable, canary := Signature{Features: Numbers(1, nil)}, Signature{Features: Numbers(1, nil)}
	stable.Features[0].Missing = true
	if got := canary.Compatible(&stable); got != "its feature 0 may not be missing, stable's may" {
		t.Error(got)
	}
}

func TestRefusalSaysWhatToDo(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("loading x.joblib: %w", &Refusal{Reason: "the file is empty", Next: "Save the model again."})
	var refusal *Refusal
	if !errors.As(err, &refusal) || err.Error() != "loading x.joblib: the file is empty. Save the model again." {
		t.Errorf("got %q", err)
	}
}

// TestASignatureDoesNotKeepItsModel: who keeps what a model answers does not
// keep its trees.
func TestASignatureDoesNotKeepItsModel(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	e := &heavy{}
	runtime.AddCleanup(e, func(c chan struct{}) { close(c) }, gone)
	s := New(Signature{Features: Numbers(1, nil)}, e).Signature()
	runtime.GC()
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Error("the model is still there")
	}
	runtime.KeepAlive(s)
}

type heavy struct{ weights [1000]float64 }

func (h *heavy) Predict(Rows, Answers) error { h.weights[0]++; return nil }
