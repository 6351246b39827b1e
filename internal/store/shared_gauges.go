package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"

	"serin/internal/store/heard"
)

// gauged are the gauges that the server is known to have had, so that those which are
// still as they were need not come over the wire again: of each replica those of all
// epochs but the last, those of replicas that are gone, and those that were told from
// here. The server still says which these are, by their checksums: nothing is taken for
// there that is not.
type gauged = heard.Rows[whose, summed]

type whose struct {
	replica string
	epoch   uint64
}

// summed is a gauge and its checksum.
type summed struct {
	GaugeRow
	sum []byte
}

func (r *summed) whose() whose { return whose{r.Replica, r.Epoch} }

// markBytes of a checksum tell one gauge from all others; the statement below has the same.
const markBytes = 8

// gauges are those that are not known, and of the known ones those that are there.
func (p *shared) gauges(ctx context.Context, name, rolloutID string) ([]GaugeRow, error) {
	t, err := p.begin(ctx)
	if err != nil {
		return nil, err
	}
	known := p.gauged.Of(name, rolloutID)
	rows, there, err := t.gauges(ctx, name, rolloutID, known)
	if err == nil && len(rows) != there { // some are gone
		p.gauged.Forget(name)
		rows, _, err = t.gauges(ctx, name, rolloutID, nil)
	}
	if err != nil {
		return nil, err
	}
	var found []GaugeRow
	var damage error
	for at, r := range rows {
		if before, same := known[at]; same && string(before.sum) == string(r.sum) {
			found = append(found, r.GaugeRow)
		} else if string(r.sum) == string(r.GaugeRow.sum()) {
			found = append(found, r.GaugeRow)
			p.gauged.Keep(name, rolloutID, at, r)
		} else {
			damage = flaw("the gauge of replica %q in rollout %s of model %q does not have the checksum that it was written with", r.Replica, rolloutID, name)
		}
	}
	slices.SortFunc(found, func(a, b GaugeRow) int {
		return cmp.Or(cmp.Compare(a.Replica, b.Replica), cmp.Compare(a.Epoch, b.Epoch))
	})
	return found, damage
}

// gauges are the known ones and those that the server has beside or in their place, and
// how many it has in all.
func (t tables) gauges(ctx context.Context, name, rolloutID string, known map[whose]summed) (rows map[whose]summed, there int, err error) {
	rows = map[whose]summed{}
	marks := [][]byte{}
	for at, r := range known {
		rows[at] = r
		marks = append(marks, r.sum[:markBytes])
	}
	query := `SELECT replica, epoch, data, checksum FROM gauges WHERE model = $1 AND rollout = $2 AND substring(checksum FOR 8) <> ALL ($3)
		UNION ALL SELECT '', count(*), NULL, NULL FROM gauges WHERE model = $1 AND rollout = $2`
	err = t.each(ctx, query, []any{name, rolloutID, marks}, func(read *sql.Rows) (bool, error) {
		r := summed{GaugeRow: GaugeRow{Gauge: Gauge{Model: name, Rollout: rolloutID}}}
		if err := read.Scan(&r.Replica, &r.Epoch, &r.Data, &r.sum); err != nil {
			return false, err
		}
		if r.Replica == "" {
			there = int(r.Epoch)
		} else {
			rows[r.whose()] = r
		}
		return true, nil
	})
	return rows, there, err
}
