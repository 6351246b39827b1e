package stats

import (
	"fmt"
	"iter"
	"slices"
)

// tie is a value of two pooled samples, and how often each of them has it.
type tie struct {
	value  float64
	n1, n2 int
}

// pooled goes over the different values of two sorted samples, upwards.
func pooled(one, two []float64) iter.Seq[tie] {
	return func(yield func(tie) bool) {
		for i, j := 0, 0; i < len(one) || j < len(two); {
			next := tie{}
			if j == len(two) || i < len(one) && one[i] <= two[j] {
				next.value = one[i]
			} else {
				next.value = two[j]
			}
			for ; i < len(one) && one[i] == next.value; i++ {
				next.n1++
			}
			for ; j < len(two) && two[j] == next.value; j++ {
				next.n2++
			}
			if !yield(next) {
				return
			}
		}
	}
}

// sorted checks a sample whose values are to be compared and sorts a copy.
func sorted(name string, values []float64) ([]float64, error) {
	if len(values) == 0 {
		return nil, fmt.Errorf("%s has no values; at least 1 is needed", name)
	}
	for i, v := range values {
		if !finite(v) {
			return nil, fmt.Errorf("%s: value %d is %v; it must be a finite number", name, i, v)
		}
	}
	return slices.Sorted(slices.Values(values)), nil
}
