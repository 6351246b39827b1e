package sklearn

import (
	"bytes"
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"serin/internal/model"
	"serin/internal/pickle"
)

// odd are values that no attribute should have, or other attributes have.
func odd() []pickle.Value {
	return []pickle.Value{
		nil, true, int64(-1), int64(0), int64(2), int64(1 << 30), int64(1 << 40), 0.5, -1e300, math.NaN(), math.Inf(1), "", "poly", "predict_proba",
		list(), list(int64(1), int64(0)), tuple("a", nil), &pickle.Dict{}, &pickle.Array{}, &pickle.Array{Shape: []int{0, 5}}, &pickle.Object{},
		pickle.Global{Module: "numpy", Name: "exp"},
	}
}

// attributes are all places in a file where an object has an attribute.
func attributes(v pickle.Value, seen map[pickle.Value]bool, all *[]*pickle.Entry) {
	if seen[v] {
		return
	}
	seen[v] = true
	switch v := v.(type) {
	case *pickle.Object:
		if d, ok := v.State.(*pickle.Dict); ok {
			for i := range d.Entries {
				*all = append(*all, &d.Entries[i])
				attributes(d.Entries[i].Value, seen, all)
			}
		}
	case *pickle.List:
		for _, item := range v.Items {
			attributes(item, seen, all)
		}
	case *pickle.Tuple:
		for _, item := range v.Items {
			attributes(item, seen, all)
		}
	case *pickle.Array:
		objects, _ := v.Objects() // none in an array of numbers
		for _, item := range objects {
			attributes(item, seen, all)
		}
	}
}

// TestTamperedAttributes gives attributes of real files the values of others and
// values that nothing has. Each is refused, or answers without a panic.
func TestTamperedAttributes(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 3))
	refused, served := 0, 0
	for _, family := range []string{"linear", "meta"} {
		files := familyFiles(t, family, 100)
		for _, name := range slices.Sorted(maps.Keys(files)) {
			v, err := pickle.Read(bytes.NewReader(files[name]), pickle.Options{Allow: allowed})
			if err != nil {
				continue // it is in the corpus to be refused
			}
			var places []*pickle.Entry
			attributes(v, map[pickle.Value]bool{}, &places)
			for range 60 {
				at, from := places[rng.IntN(len(places))], places[rng.IntN(len(places))]
				before, wrong := at.Value, odd()
				if a, ok := from.Value.(*pickle.Array); ok && a.Type.Kind != 'O' { // nothing that might hold the place itself, as no file can
					wrong = append(wrong, a)
				}
				at.Value = wrong[rng.IntN(len(wrong))]
				p, err := FromValue(v)
				at.Value = before
				if err == nil {
					served++
					ask(p)
				} else if _, ok := errors.AsType[*model.Refusal](err); ok {
					refused++
				} else {
					t.Fatalf("%s: %v is no refusal", name, err)
				}
			}
		}
	}
	if refused < 1000 || served < 1000 {
		t.Errorf("%d files were refused and %d served: too few to tell anything", refused, served)
	}
}

// TestDamagedFiles changes bytes of real files.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 5))
	refused, served := 0, 0
	for _, family := range []string{"linear", "meta"} {
		files := familyFiles(t, family, 100)
		for _, name := range slices.Sorted(maps.Keys(files)) {
			for range 40 {
				content := slices.Clone(files[name])
				content[rng.IntN(len(content))] = byte(rng.Uint32() >> rng.IntN(32))
				p, err := Load(bytes.NewReader(content))
				if err == nil {
					served++
					ask(p)
				} else if _, ok := errors.AsType[*model.Refusal](err); ok {
					refused++
				} else {
					t.Fatalf("%s: %v is no refusal", name, err)
				}
			}
		}
	}
	if refused < 1000 || served < 1000 {
		t.Errorf("%d files were refused and %d served: too few to tell anything", refused, served)
	}
}
