package train

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

const (
	// maxCells bounds a table at 400 MB of numbers.
	maxCells = 50_000_000
	// shownErrors is how many bad cells are told before the rest is a number.
	shownErrors = 10
)

// ReadCSV reads a table: a header row of column names, then one row a line, all
// columns but target numbers. The target has two different values: integers,
// true and false, or words.
//
// Each bad cell is told with its line, its column and what to do, ten of them at
// most. At least two rows, at most 1,000 features and 50 million numbers.
func ReadCSV(r io.Reader, target string) (Dataset, error) {
	lines := csv.NewReader(skipByteOrderMark(r))
	lines.ReuseRecord = true
	header, err := lines.Read()
	if errors.Is(err, io.EOF) {
		return Dataset{}, errors.New("the file is empty; it needs a header row with the column names")
	}
	if err != nil {
		return Dataset{}, fmt.Errorf("reading the header row: %w", err)
	}
	t, err := newTable(slices.Clone(header), target)
	if err != nil {
		return Dataset{}, err
	}
	for {
		record, err := lines.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Dataset{}, fmt.Errorf("reading the table: %w; each row needs the header's %d columns, and quotes come in pairs", err, len(t.header))
		}
		line, _ := lines.FieldPos(0)
		t.add(line, record)
		if len(t.data.X) > maxCells {
			return Dataset{}, fmt.Errorf("the table has more than %d numbers; fit on a sample of it", maxCells)
		}
	}
	return t.finish()
}

// skipByteOrderMark drops what spreadsheet programs put before the first name.
func skipByteOrderMark(r io.Reader) io.Reader {
	b := bufio.NewReader(r)
	if start, _ := b.Peek(3); string(start) == "\ufeff" {
		_, _ = b.Discard(3) // peeked, so there
	}
	return b
}

// table is a CSV file that is being read.
type table struct {
	header []string
	target int
	data   Dataset
	labels []string // the target's different values, in order of appearance
	second []bool   // for each row, whether it has the second of them
	bad    []error
	badAll int
}

func newTable(header []string, target string) (*table, error) {
	for i, name := range header {
		header[i] = strings.TrimSpace(name)
		if header[i] == "" {
			return nil, fmt.Errorf("column %d of the header row has no name; give each column one, or write the table without pandas' index: to_csv(path, index=False)", i+1)
		}
		if slices.Contains(header[:i], header[i]) {
			return nil, fmt.Errorf("two columns are called %q; rename one", header[i])
		}
	}
	column := slices.Index(header, target)
	if column < 0 {
		return nil, fmt.Errorf("no column is called %q; the header row has %s (columns are separated by commas)", target, quoted(header))
	}
	if len(header) < 2 {
		return nil, fmt.Errorf("%q is the only column; the numbers to predict it from are missing", target)
	}
	if len(header)-1 > maxFeatures {
		return nil, fmt.Errorf("the table has %d feature columns; at most %d can be fitted", len(header)-1, maxFeatures)
	}
	t := &table{header: header, target: column}
	t.data.Names = slices.Delete(slices.Clone(header), column, column+1)
	return t, nil
}

func quoted(names []string) string {
	const shown = 20
	var b strings.Builder
	for i, name := range names[:min(len(names), shown)] {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Quote(name))
	}
	if len(names) > shown {
		fmt.Fprintf(&b, " and %d more", len(names)-shown)
	}
	return b.String()
}

func (t *table) add(line int, record []string) {
	for i, cell := range record {
		cell = strings.TrimSpace(cell)
		if i == t.target {
			t.label(line, cell)
			continue
		}
		x, err := strconv.ParseFloat(cell, 64)
		switch {
		case cell == "":
			t.complain(line, i, "is empty; fill it in or leave the row out")
		case errors.Is(err, strconv.ErrRange) || err == nil && math.IsInf(x, 0):
			t.complain(line, i, fmt.Sprintf("is %q, beyond the range of numbers; correct it or leave the row out", clip(cell)))
		case err != nil || math.IsNaN(x):
			t.complain(line, i, fmt.Sprintf("is %q, not a number; write it as one (1 or 0.5), or leave out the column", clip(cell)))
		}
		t.data.X = append(t.data.X, x)
	}
}

func (t *table) label(line int, cell string) {
	known := slices.Index(t.labels, cell)
	switch {
	case cell == "":
		t.complain(line, t.target, "is empty; every row needs its class")
	case known < 0 && len(t.labels) == 2:
		t.complain(line, t.target, fmt.Sprintf("is %q, a third class after %q and %q; two can be told apart", clip(cell), t.labels[0], t.labels[1]))
	case known < 0:
		known = len(t.labels)
		t.labels = append(t.labels, strings.Clone(cell))
	}
	t.second = append(t.second, known == 1)
}

func (t *table) complain(line, column int, what string) {
	t.badAll++
	if t.badAll <= shownErrors {
		t.bad = append(t.bad, fmt.Errorf("line %d, column %q %s", line, t.header[column], what))
	}
}

// clip keeps a message readable whatever a cell holds.
func clip(cell string) string {
	const longest = 40
	if len(cell) <= longest {
		return cell
	}
	return strings.ToValidUTF8(cell[:longest], "") + "..."
}

func (t *table) finish() (Dataset, error) {
	if t.badAll > shownErrors {
		t.bad = append(t.bad, fmt.Errorf("and %d more", t.badAll-shownErrors))
	}
	if t.badAll > 0 {
		return Dataset{}, errors.Join(t.bad...)
	}
	if len(t.labels) < 2 {
		return Dataset{}, fmt.Errorf("column %q holds %d different values in %d rows; rows of two classes are needed", t.header[t.target], len(t.labels), len(t.second))
	}
	classes, swapped, err := sortClasses(t.labels[0], t.labels[1])
	if err != nil {
		return Dataset{}, fmt.Errorf("column %q: %w", t.header[t.target], err)
	}
	t.data.Classes = classes
	t.data.Positive = t.second
	if swapped {
		for i := range t.data.Positive {
			t.data.Positive[i] = !t.data.Positive[i]
		}
	}
	return t.data, nil
}

// sortClasses reads two labels as what numpy would make of the column, in
// numpy's order, and tells whether that is the other way round.
func sortClasses(a, b string) (classes [2]any, swapped bool, err error) {
	if x, y, ok := both(a, b, func(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) }); ok {
		if x == y {
			return classes, false, fmt.Errorf("%q and %q are the same number; write it one way", a, b)
		}
		return [2]any{min(x, y), max(x, y)}, x > y, nil
	}
	if x, y, ok := both(a, b, truth); ok {
		if x == y {
			return classes, false, fmt.Errorf("%q and %q mean the same; write it one way", a, b)
		}
		return [2]any{false, true}, x, nil
	}
	if _, _, ok := both(a, b, func(s string) (float64, error) { return strconv.ParseFloat(s, 64) }); ok {
		return classes, false, fmt.Errorf("the classes are the numbers %s and %s; write whole numbers such as 0 and 1, or words", clip(a), clip(b))
	}
	return [2]any{min(a, b), max(a, b)}, a > b, nil
}

func both[T any](a, b string, parse func(string) (T, error)) (x, y T, ok bool) {
	x, errA := parse(a)
	y, errB := parse(b)
	return x, y, errA == nil && errB == nil
}

func truth(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, strconv.ErrSyntax
}
