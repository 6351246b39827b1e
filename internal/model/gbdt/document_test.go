package gbdt

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"serin/internal/model"
)

// drawValue draws what a document may hold, in the form of encoding/json.
func drawValue(t *rapid.T, depth int) any {
	kind := rapid.IntRange(0, 6).Draw(t, "kind")
	if depth == 0 {
		kind %= 4
	}
	switch kind {
	case 0:
		return nil
	case 1:
		return []any{true, rapid.Bool().Draw(t, "bool")}
	case 2:
		return rapid.SampledFrom([]float64{0, 1, -3, 127, 255, 32767, -32768, 1 << 30, 1 << 40, 0.5, 1e300, 0.1}).Draw(t, "number")
	case 3:
		// What begins with the stand-in for NaN is refused; TestNaNInJSON says so.
		return strings.TrimLeft(rapid.StringN(0, 5, -1).Draw(t, "text"), nanText)
	case 4:
		numbers := make([]any, rapid.IntRange(0, 5).Draw(t, "length"))
		for i := range numbers {
			numbers[i] = float64(rapid.Int16().Draw(t, "element"))
		}
		return numbers
	case 5:
		items := make([]any, rapid.IntRange(0, 3).Draw(t, "length"))
		for i := range items {
			items[i] = drawValue(t, depth-1)
		}
		return items
	}
	return drawObject(t, depth-1)
}

func drawObject(t *rapid.T, depth int) map[string]any {
	members := make(map[string]any)
	for _, name := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "kept", "skipped"}), 0, 4).Draw(t, "names") {
		members[name] = drawValue(t, depth)
	}
	return members
}

// kept is what a schema that keeps a, b and kept makes of a value.
func kept(v any) any {
	switch v := v.(type) {
	case []any:
		var numbers vector
		var items list
		for _, item := range v {
			items = append(items, kept(item))
			switch x := item.(type) {
			case float64:
				numbers = append(numbers, x)
			case bool:
				numbers = append(numbers, map[bool]float64{true: 1}[x])
			}
		}
		if len(numbers) == len(v) {
			return numbers
		}
		return items
	case map[string]any:
		var members object
		for name, value := range v {
			if name != "skipped" {
				if members == nil {
					members = object{}
				}
				members[name] = kept(value)
			}
		}
		return members
	}
	return v
}

// ubjson writes a value as XGBoost does: counted arrays, typed where it can.
func ubjson(b *bytes.Buffer, v any) {
	length := func(n int) {
		b.WriteByte('L')
		_ = binary.Write(b, binary.BigEndian, int64(n))
	}
	switch v := v.(type) {
	case nil:
		b.WriteByte('Z')
	case bool:
		b.WriteByte(map[bool]byte{true: 'T', false: 'F'}[v])
	case float64:
		b.WriteByte('D')
		_ = binary.Write(b, binary.BigEndian, v)
	case string:
		b.WriteByte('S')
		length(len(v))
		b.WriteString(v)
	case []any:
		b.WriteByte('[')
		whole := !slices.ContainsFunc(v, func(item any) bool {
			x, ok := item.(float64)
			return !ok || x != float64(int16(x))
		})
		if whole {
			b.WriteString("$I#")
		} else {
			b.WriteString("#")
		}
		length(len(v))
		for _, item := range v {
			if x, ok := item.(float64); ok && whole {
				_ = binary.Write(b, binary.BigEndian, int16(x))
			} else {
				ubjson(b, item)
			}
		}
	case map[string]any:
		b.WriteByte('{')
		for name, value := range v {
			length(len(name))
			b.WriteString(name)
			ubjson(b, value)
		}
		b.WriteByte('}')
	}
}

// TestDocumentsAreEqual: JSON and UBJSON of the same values are read as the
// same, and only what is wanted is kept.
func TestDocumentsAreEqual(t *testing.T) {
	t.Parallel()
	s := schema{keep: keep("a b kept")}
	rapid.Check(t, func(t *rapid.T) {
		root := drawObject(t, 3)
		text, err := json.Marshal(root)
		if err != nil {
			t.Fatal(err)
		}
		fromText, err := readJSON(iotest.OneByteReader(bytes.NewReader(text)), s)
		if diff := cmp.Diff(kept(root), fromText, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Fatalf("%s: %v\n%s", text, err, diff)
		}
		var b bytes.Buffer
		ubjson(&b, root)
		fromBytes, err := readUBJSON(bufio.NewReaderSize(&b, 16), s)
		if diff := cmp.Diff(kept(root), fromBytes, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Fatalf("%q: %v\n%s", b.Bytes(), err, diff)
		}
	})
}

func TestNaNInJSON(t *testing.T) {
	t.Parallel()
	s := schema{keep: keep("a")}
	root, err := readJSON(iotest.OneByteReader(strings.NewReader(`{"a":[1,NaN,"NaN \"N",NaN]}`)), s)
	if err != nil {
		t.Fatal(err)
	}
	items, ok := root.(object)["a"].(list)
	if !ok || len(items) != 4 || items[2] != `NaN "N` {
		t.Fatalf("%v", root)
	}
	for _, i := range []int{1, 3} {
		if x, ok := items[i].(float64); !ok || !math.IsNaN(x) {
			t.Errorf("item %d is %v", i, items[i])
		}
	}
	for _, text := range []string{"{\"a\":\"\x7f\"}", "{\"\x7f\":1}", `{"a":NaM}`, `{"a":Na}`, `{"a":NNN}`, `{"a":Infinity}`} {
		if root, err := readJSON(strings.NewReader(text), s); err == nil {
			t.Errorf("%s is read as %v", text, root)
		}
	}
}

// TestStream: elements of a streamed array arrive one by one and are not kept.
func TestStream(t *testing.T) {
	t.Parallel()
	for _, document := range []string{
		`{"kept":1,"trees":[{"a":[1,2],"x":0},{"a":[3]}]}`,
		"{L\x00\x00\x00\x00\x00\x00\x00\x04keptU\x01L\x00\x00\x00\x00\x00\x00\x00\x05trees[" +
			"{L\x00\x00\x00\x00\x00\x00\x00\x01a[U\x01U\x02]}{L\x00\x00\x00\x00\x00\x00\x00\x01a[$U#L\x00\x00\x00\x00\x00\x00\x00\x01\x03}]}",
	} {
		var got []any
		root, err := readDocument(buffer(strings.NewReader(document)), schema{
			keep: keep("kept a"), stream: keep("trees"),
			take: func(element any) *model.Refusal { got = append(got, element); return nil },
		})
		if diff := cmp.Diff(object{"kept": 1.0}, root); err != nil || diff != "" {
			t.Errorf("%q: %v\n%s", document, err, diff)
		}
		if diff := cmp.Diff([]any{object{"a": vector{1, 2}}, object{"a": vector{3}}}, got); diff != "" {
			t.Errorf("%q: %s", document, diff)
		}
	}
}
