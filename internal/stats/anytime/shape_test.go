package anytime

import "testing"

func TestShapeSeesASlowCanary(t *testing.T) {
	t.Parallel()
	reference := make([]uint64, 200)
	for i := range 40 {
		reference[80+i] = uint64(1 + 10*min(i, 39-i))
	}
	s := NewSlower(reference, 0.019)
	canary := make([]uint64, 200)
	copy(canary[10:], reference)
	if got := s.LogE(canary, reference, 0.5); got < 10 {
		t.Errorf("ln E of a canary that is 21 %% slower is %v", got)
	}
	if got := s.LogE(reference, canary, 0.5); got > 0 {
		t.Errorf("ln E of a canary that is 17 %% faster is %v", got)
	}
}
