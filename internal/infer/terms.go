package infer

import (
	"serin/internal/infer/oip"
	"serin/internal/model"
	"serin/internal/model/rows"
)

// terms are what a version's signature means to those who ask: what rows are, and
// what tensors are. They are made once for a version.
type terms struct {
	rows    *rows.Schema
	tensors *oip.Contract
}

func (t *terms) of(s *model.Signature) bool { return t != nil && t.rows.Signature() == s }

// known are the terms of a table's arms, nil where they have not been asked for
// or there is no such arm.
type known struct{ stable, canary *terms }

// termsOf finds the terms of an arm's signature: a load and two comparisons,
// however the requests are dealt.
func (h *Handler) termsOf(s *model.Signature) *terms {
	k := h.known.Load()
	switch {
	case k.stable.of(s):
		return k.stable
	case k.canary.of(s):
		return k.canary
	}
	return h.learn(k, s)
}

// learn makes terms, and keeps them while the version is on the table. Who learns
// at the same time may be forgotten, and learns again.
func (h *Handler) learn(old *known, s *model.Signature) *terms {
	made := &terms{rows.NewSchema(s), oip.NewContract(s)}
	table := h.table.Table()
	if table == nil {
		return made
	}
	keep := func(s *model.Signature) *terms {
		for _, t := range []*terms{made, old.stable, old.canary} {
			if t.of(s) {
				return t
			}
		}
		return nil
	}
	next := &known{stable: keep(table.Stable.Predictor.Signature())}
	if table.Canary != nil {
		next.canary = keep(table.Canary.Predictor.Signature())
	}
	h.known.Store(next)
	return made
}
