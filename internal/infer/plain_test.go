package infer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"serin/internal/model"
	"serin/internal/model/rows"
	"serin/internal/route"
)

// The plain reading of a body: encoding/json makes a tree of it, and rows are taken
// from the tree by the rules in the simplest words there are. It is slow and has
// no messages; what the real readers accept, and the values that they read, must
// be the same.

// node is a JSON value: nil, bool, json.Number, string, []node or members.
type node any

type members []member

type member struct {
	name  string
	value node
}

func (m members) get(name string) (node, bool) {
	i := slices.IndexFunc(m, func(o member) bool { return o.name == name })
	if i < 0 {
		return nil, false
	}
	return m[i].value, true
}

func (m members) only(names ...string) bool {
	return !slices.ContainsFunc(m, func(o member) bool { return !slices.Contains(names, o.name) })
}

// tree reads a body that is one JSON value in UTF-8 without a name that is there
// twice. ok is false for any other.
func tree(body []byte) (n node, ok bool) {
	if !json.Valid(body) || !utf8.Valid(body) {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	return grow(d)
}

func grow(d *json.Decoder) (n node, ok bool) {
	token, err := d.Token()
	if err != nil {
		return nil, false
	}
	switch token {
	case json.Delim('['):
		list := []node{}
		for d.More() {
			n, ok := grow(d)
			if !ok {
				return nil, false
			}
			list = append(list, n)
		}
		_, err = d.Token()
		return list, err == nil
	case json.Delim('{'):
		all := members{}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, false
			}
			n, ok := grow(d)
			if _, twice := all.get(name.(string)); twice || !ok {
				return nil, false
			}
			all = append(all, member{name.(string), n})
		}
		_, err = d.Token()
		return all, err == nil
	}
	return token, true
}

// table is what was read.
type table struct {
	numbers []float64
	texts   []string
	n       int
}

// add takes one row.
func (t *table) add(s *model.Signature, row node) bool {
	cells := make([]node, len(s.Features))
	switch row := row.(type) {
	case []node:
		if len(row) != len(cells) {
			return false
		}
		copy(cells, row)
	case members:
		if !s.Named || !row.only(s.Names()...) {
			return false
		}
		for i, f := range s.Features {
			var there bool
			if cells[i], there = row.get(f.Name); !there && f.Kind != model.Unused {
				return false
			}
		}
	default:
		return false
	}
	for i, f := range s.Features {
		number, text, ok := cell(f, cells[i])
		if !ok {
			return false
		}
		t.numbers, t.texts = append(t.numbers, number), append(t.texts, text)
	}
	t.n++
	return true
}

func cell(f model.Feature, n node) (number float64, text string, ok bool) {
	if f.Kind == model.Unused {
		return 0, "", true
	}
	switch n := n.(type) {
	case nil:
		return math.NaN(), "", f.Missing
	case bool:
		if n {
			number = 1
		}
		return number, "", f.Kind != model.Text
	case json.Number:
		number, err := strconv.ParseFloat(string(n), 64)
		return number, "", err == nil && f.Kind == model.Number
	case string:
		return 0, n, f.Kind == model.Text
	}
	return 0, "", false
}

func (t *table) list(s *model.Signature, n node) bool {
	list, ok := n.([]node)
	for _, row := range list {
		ok = ok && t.add(s, row)
	}
	return ok && len(list) > 0
}

// plainPredict, plainV1 and plainScoring read the bodies of /predict, V1 and
// /invocations.
func plainPredict(s *model.Signature, n node) (t table, ok bool) {
	m, _ := n.(members)
	if row, one := m.get("features"); one && len(m) == 1 {
		return t, t.add(s, row)
	}
	list, many := m.get("instances")
	return t, many && len(m) == 1 && t.list(s, list)
}

func plainV1(s *model.Signature, n node) (t table, ok bool) {
	m, _ := n.(members)
	instances, one := m.get("instances")
	inputs, other := m.get("inputs")
	if one {
		inputs = instances
	}
	return t, one != other && t.list(s, inputs)
}

func plainScoring(s *model.Signature, n node) (t table, ok bool) {
	m, _ := n.(members)
	if !m.only("dataframe_split", "dataframe_records", "instances", "inputs", "params") {
		return t, false
	}
	m = slices.DeleteFunc(slices.Clone(m), func(o member) bool {
		return o.name == "params" || o.name == "dataframe_split" && o.value == nil
	})
	if len(m) != 1 {
		return t, false
	}
	byColumn, columns := m[0].value.(members)
	switch {
	case m[0].name == "dataframe_split":
		return t, columns && t.split(s, byColumn)
	case m[0].name == "inputs" && columns:
		return t, t.columns(s, byColumn)
	}
	return t, t.list(s, m[0].value)
}

func (t *table) split(s *model.Signature, m members) bool {
	names, _ := m.get("columns")
	columns, isList := names.([]node)
	data, _ := m.get("data")
	list, isData := data.([]node)
	if !m.only("columns", "index", "data") || !isList && names != nil || !isData {
		return false
	}
	if !s.Named || names == nil {
		return t.list(s, data) && numbersFit(columns)
	}
	picked := make([]node, len(list))
	for i := range list {
		row, ok := list[i].([]node)
		if !ok || len(row) != len(columns) {
			return false
		}
		var named members
		for k, column := range columns {
			named = append(named, member{fmt.Sprint(plainly(column)), row[k]})
		}
		picked[i] = named.known(s)
	}
	return t.list(s, picked) && numbersFit(columns)
}

// known leaves out the columns that no feature has; nil if two have one name.
func (m members) known(s *model.Signature) node {
	var kept members
	seen := map[string]bool{}
	for _, o := range m {
		if seen[o.name] {
			return nil
		}
		seen[o.name] = true
		if slices.Contains(s.Names(), o.name) {
			kept = append(kept, o)
		}
	}
	return kept
}

// plainly is a value as encoding/json has it where nobody says otherwise.
func plainly(n node) any {
	switch n := n.(type) {
	case json.Number:
		v, _ := n.Float64()
		return v
	case []node:
		list := make([]any, len(n))
		for i := range n {
			list[i] = plainly(n[i])
		}
		return list
	case members:
		all := map[string]any{}
		for _, o := range n {
			all[o.name] = plainly(o.value)
		}
		return all
	}
	return n
}

// numbersFit tells whether all numbers are within a float64.
func numbersFit(n node) bool {
	switch n := n.(type) {
	case json.Number:
		_, err := n.Float64()
		return err == nil
	case []node:
		return !slices.ContainsFunc(n, func(e node) bool { return !numbersFit(e) })
	case members:
		return !slices.ContainsFunc(n, func(o member) bool { return !numbersFit(o.value) })
	}
	return true
}

func (t *table) columns(s *model.Signature, m members) bool {
	n := -1
	for _, column := range m {
		values, ok := column.value.([]node)
		if !ok && column.value != nil || n >= 0 && len(values) != n {
			return false
		}
		n = len(values)
	}
	for i := range n {
		var row members
		for _, column := range m {
			row = append(row, member{column.name, column.value.([]node)[i]})
		}
		if !s.Named || !t.add(s, row.known(s)) {
			return false
		}
	}
	return n > 0
}

// FuzzAgainstEncodingJSON holds every reader of JSON rows to the plain reading: the
// same bodies, the same values, for models of every kind. The fast reader of
// /predict may refuse more.
func FuzzAgainstEncodingJSON(f *testing.F) {
	for _, tt := range badRequests {
		if len(tt.body) < 1000 {
			f.Add([]byte(tt.body))
		}
	}
	for _, tt := range asks {
		f.Add([]byte(tt.body))
	}
	for _, body := range []string{
		`{"features":[null,"north",true,"gold",1e3]}`, `{"features":[7,null,false,"a\u0020\"b\"",0]}`, `{"features": [0.5, 1.2, 0.8, 0.3, 1.1]}`, `{"features":[-0,1e-400,1.0E+05,4.9e-324,12345678901234567890]}`,
		`{"features":{"a": null, "b":"x","c":false,"d":"","e":null}}`, `{"features":{"\u0061":1,"b":"x","c":false,"d":"","e":[{}]}}`, `{"instances":[{"a":true,"b":null,"c":true,"d":"\ud83d\ude00"},[1,"","1",2,3]]}`,
		`{"dataframe_split":{"columns":[1e400],"data":[[1]]}}`, `{"dataframe_split":{"columns":["age","plan",["x"],{"y":1}],"index":7,"data":[[1,"a",2,3]]},"params":0}`, `{"dataframe_split":null,"inputs":[[1,"a"]]}`,
		`{"dataframe_split":{"columns":null,"data":[{"age":1,"plan":"a"}]}}`, `{"inputs":{"age":null,"plan":[]}}`, `{"inputs":{"age":[1],"plan":["a"],"plan ":[0]}}`, `{"INSTANCES":[[1,"a"]]}`, "{\"features\":[1,\"\xff\"]}", `{"instances":[[-0,"a"]],"other":{"a":[1,{}]}}`,
	} {
		f.Add([]byte(body))
	}
	signatures := []*model.Signature{
		scales().Signature(), twoClasses().Signature(),
		{Named: true, Features: []model.Feature{{Name: "a", Missing: true}, {Name: "b", Kind: model.Text, Missing: true}, {Name: "c", Kind: model.Bool}, {Name: "d", Kind: model.Text}, {Name: "e", Kind: model.Unused}}},
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if bytes.Contains(bytes.ToLower(body), []byte(`\ud`)) && !bytes.Contains(body, []byte(`\ud83d\ude00`)) || bytes.Count(body, []byte("["))+bytes.Count(body, []byte("{")) > 5000 {
			return // half of a character, which encoding/json repairs; and the limits of depth
		}
		for _, s := range signatures {
			schema := rows.NewSchema(s)
			n, isTree := tree(body)
			for name, reader := range map[string]struct {
				real  func(b *rows.Batch) error
				plain func(s *model.Signature, n node) (table, bool)
			}{
				"/predict": {func(b *rows.Batch) error {
					if _, t := parseDocument(body, b, schema); t != nil {
						return t
					}
					return nil
				}, plainPredict},
				"V1": {func(b *rows.Batch) error {
					_, err := readTable(body, b, schema, "instances", "inputs")
					return err
				}, plainV1},
				"/invocations": {func(b *rows.Batch) error { return readScoring(body, b, schema) }, plainScoring},
			} {
				var b rows.Batch
				err := reader.real(&b)
				want, ok := reader.plain(s, n)
				if ok = ok && isTree; ok != (err == nil) {
					t.Fatalf("%s of %q: %v, encoding/json accepts it: %v", name, strings.ToValidUTF8(string(body), "?"), err, ok)
				}
				if ok {
					want.hold(t, name, &b)
				}
				if name != "/predict" {
					continue
				}
				if fast := (rows.Batch{}); scanRow(body, &fast, schema) {
					if !ok {
						t.Fatalf("the fast reader accepts what is refused: %v", err)
					}
					want.hold(t, "the fast reader", &fast)
				}
			}
		}
	})
}

// hold compares what was read with the plain reading.
func (t *table) hold(test *testing.T, name string, b *rows.Batch) {
	test.Helper()
	same := func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }
	if b.N != t.n || !slices.EqualFunc(b.Numbers, t.numbers, same) || len(b.Texts) > 0 && !slices.Equal(b.Texts, t.texts) {
		test.Fatalf("%s: %d rows %v %q\nencoding/json: %d rows %v %q", name, b.N, b.Numbers, b.Texts, t.n, t.numbers, t.texts)
	}
}

// TestNumbersAreReadAsStrconvReadsThem, of any length, and as short as most are.
func TestNumbersAreReadAsStrconvReadsThem(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "number")
		s := scanner{body: []byte(text)}
		got, ok := s.number()
		want, err := strconv.ParseFloat(text, 64)
		if !ok || err != nil || math.Float64bits(got) != math.Float64bits(want) || !s.end() {
			t.Fatalf("%s is %v, %t, want %v, %v", text, got, ok, want, err)
		}
	})
}

// TestLatenciesAreWrittenAsStrconvWritesThem, to the nanosecond.
func TestLatenciesAreWrittenAsStrconvWritesThem(t *testing.T) {
	t.Parallel()
	arm := armFor(scales(), route.Stable)
	for _, ns := range []int64{0, 1, 312, 999_999, 1_000_000, 1_000_001, 20_123_456, 3_600_000_000_000} {
		want := `,"latency_ms":` + strconv.FormatFloat(float64(ns)/1e6, 'f', 6, 64) + "}"
		if got := appendTail(nil, arm, time.Duration(ns)); !strings.HasSuffix(string(got), want) {
			t.Errorf("%d ns: %s, want %s", ns, got, want)
		}
	}
}
