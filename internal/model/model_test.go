package model

import (
	"errors"
	"fmt"
	"testing"
)

func TestCompatible(t *testing.T) {
	t.Parallel()
	stable := &Signature{Features: 2, Names: []string{"tenure", "calls"}, Classes: []Label{"0", "1"}}
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
		{"names unknown", Signature{Features: 2, Classes: stable.Classes}, ""},
		{"other width", Signature{Features: 3, Classes: stable.Classes}, "it expects 3 features, stable expects 2"},
		{"other names", Signature{Features: 2, Names: []string{"tenure", "age"}, Classes: stable.Classes}, `its feature 1 is "age", stable's is "calls"`},
		{"other classes", Signature{Features: 2, Classes: []Label{"0", `"yes"`}}, `it answers classes [0, "yes"], stable answers [0, 1]`},
		{"many classes", Signature{Features: 2, Classes: many}, "it answers classes [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, and 2 more], stable answers [0, 1]"},
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

func TestRefusalSaysWhatToDo(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("loading x.joblib: %w", &Refusal{Reason: "the file is empty", Next: "Save the model again."})
	var refusal *Refusal
	if !errors.As(err, &refusal) || err.Error() != "loading x.joblib: the file is empty. Save the model again." {
		t.Errorf("got %q", err)
	}
}
