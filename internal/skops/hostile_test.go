package skops

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"serin/internal/pickle"
)

const notExecuted = "nothing was executed"

// entry is a file in an archive.
type entry struct{ name, content string }

// archived makes a zip archive of stored entries.
func archived(t testing.TB, entries ...entry) []byte {
	t.Helper()
	data, err := stored(entries)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func stored(entries []entry) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		w, err := z.CreateRaw(&zip.FileHeader{
			Name: e.name, CRC32: crc32.ChecksumIEEE([]byte(e.content)),
			CompressedSize64: uint64(len(e.content)), UncompressedSize64: uint64(len(e.content)),
		})
		if err != nil {
			return nil, err
		}
		if _, err := io.WriteString(w, e.content); err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return b.Bytes(), err
}

// entries takes an archive apart.
func entries(t testing.TB, data []byte) []entry {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var all []entry
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, entry{f.Name, string(content)})
	}
	return all
}

// nodeOf is a node of a class in JSON, with more fields.
func nodeOf(loader, module, class, more string) string {
	return fmt.Sprintf(`{"__class__": %q, "__module__": %q, "__loader__": %q%s}`, class, module, loader, more)
}

// schema is a whole schema.json with one node at its root.
func schema(root string) entry {
	return entry{schemaName, strings.TrimSuffix(root, "}") + `, "protocol": 2, "_skops_version": "0.16.0"}`}
}

// npyOf is an .npy file with a header as numpy writes it.
func npyOf(header, elements string) string {
	header += "\n"
	return "\x93NUMPY\x01\x00" + string(binary.LittleEndian.AppendUint16(nil, uint16(len(header)))) + header + elements
}

const (
	f8     = "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }"
	eight  = "\x00\x00\x00\x00\x00\x00\xf0\x3f"
	none   = `{"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": "null"}`
	sparse = `{"__class__": "csr_matrix", "__module__": "scipy.sparse._csr", "__loader__": "SparseMatrixNode", "type": "scipy", "file": "1.npz"}`
	number = `{"__class__": "ndarray", "__module__": "numpy", "__loader__": "NdArrayNode", "type": "numpy", "file": "1.npy"}`
)

func listOf(items ...string) string {
	return nodeOf("ListNode", "builtins", "list", `, "content": [`+strings.Join(items, ",")+`]`)
}

func wantRefused(t *testing.T, name string, data []byte, reason string) {
	t.Helper()
	v, err := Read(data, options())
	refused, ok := errors.AsType[*pickle.Error](err)
	switch {
	case !ok:
		t.Errorf("%s: read %s, %v; want a refusal", name, pickle.Describe(v), err)
	case !strings.Contains(err.Error(), reason):
		t.Errorf("%s: refused with %q, want %q", name, err, reason)
	case refused.Next == "":
		t.Errorf("%s: the refusal has no next step", name)
	}
}

// TestHostileNodes names what somebody would send who wants skops to call it.
func TestHostileNodes(t *testing.T) {
	t.Parallel()
	str := func(s string) string {
		return nodeOf("JsonNode", "builtins", "str", fmt.Sprintf(`, "content": %q`, fmt.Sprintf("%q", s)))
	}
	tuple := func(items ...string) string {
		return nodeOf("TupleNode", "builtins", "tuple", `, "content": [`+strings.Join(items, ",")+`]`)
	}
	content := func(node string) string { return `, "content": ` + node }
	system := nodeOf("FunctionNode", "os", "system", "")
	for name, tt := range map[string]struct{ root, reason string }{
		"function":              {system, "the file names os.system"},
		"function, protocol 0":  {nodeOf("FunctionNode", "builtins", "function", `, "content": {"module_path": "os", "function": "system"}`), "names os.system"},
		"type":                  {nodeOf("TypeNode", "builtins", "eval", ""), "names builtins.eval"},
		"getattr":               {nodeOf("TypeNode", "builtins", "getattr", ""), "names builtins.getattr"},
		"object":                {nodeOf("ObjectNode", "subprocess", "Popen", content(none)), "names subprocess.Popen"},
		"object of a function":  {nodeOf("ObjectNode", "numpy", "float64", content(none)), "makes an instance of numpy.float64"},
		"dotted":                {nodeOf("ObjectNode", "sklearn.pipeline", "Pipeline.__init__", ""), "names sklearn.pipeline.Pipeline.__init__"},
		"constructor":           {nodeOf("ConstructorFromReduceNode", "os", "system", content(tuple(str("id")))), "names os.system"},
		"partial":               {nodeOf("PartialNode", "functools", "partial", `, "content": {"func": `+system+`, "args": `+tuple()+`, "kwds": `+none+`, "namespace": `+none+`}`), "names os.system"},
		"method":                {nodeOf("MethodNode", "sklearn.pipeline", "Pipeline", `, "content": {"func": "fit", "obj": `+none+`}`), "a method or operator to call, of sklearn.pipeline.Pipeline; " + notExecuted},
		"operator":              {nodeOf("OperatorFuncNode", "operator", "methodcaller", `, "attrs": `+tuple(str("system"))), "a method or operator to call, of operator.methodcaller; " + notExecuted},
		"loss":                  {nodeOf("LossNode", "os", "system", `, "__reduce__": {"args": `+tuple(str("id"))+`}`+content(none)), "names os.system"},
		"tree":                  {nodeOf("TreeNode", "posix", "system", `, "__reduce__": {"args": `+tuple(str("id"))+`}`+content(none)), "names posix.system"},
		"named tuple":           {nodeOf("TupleNode", "os", "system", `, "content": []`), "names os.system"},
		"subclass of dict":      {nodeOf("DictNode", "shelve", "Shelf", `, "content": {}, "key_types": `+listOf()), "names shelve.Shelf"},
		"subclass of list":      {nodeOf("ListNode", "os", "system", `, "content": []`), "a list is of the class os.system"},
		"set":                   {nodeOf("SetNode", "os", "system", `, "content": []`), "a set is of the class os.system"},
		"missing values":        {nodeOf("DefaultDictNode", "collections", "defaultdict", `, "content": {"main": `+none+`, "default_factory": `+system+`}`), "names os.system"},
		"types of keys":         {nodeOf("DictNode", "builtins", "dict", `, "content": {"a": `+none+`}, "key_types": `+listOf(system)), "names os.system"},
		"keys of type bool":     {nodeOf("DictNode", "builtins", "dict", `, "content": {"a": `+none+`}, "key_types": `+listOf(nodeOf("TypeNode", "builtins", "bool", ""))), "the key \"a\" of type the name builtins.bool"},
		"too few types":         {nodeOf("DictNode", "builtins", "dict", `, "content": {"a": `+none+`}, "key_types": `+listOf()), "other keys than types"},
		"generator":             {nodeOf("RandomGeneratorNode", "numpy.random", "Generator", `, "content": {"bit_generator": `+system+`}`), "names os.system"},
		"state with a method":   {nodeOf("ObjectNode", "sklearn.linear_model._ridge", "Ridge", content(nodeOf("DictNode", "builtins", "dict", `, "content": {"__reduce__": `+none+`}, "key_types": `+listOf(nodeOf("TypeNode", "builtins", "str", ""))))), "sets __reduce__"},
		"unknown loader":        {nodeOf("QuantileForestNode", "quantile_forest", "Forest", ""), `holds a node "QuantileForestNode"`},
		"no loader":             {`{"__class__": "system", "__module__": "os"}`, `holds a node ""`},
		"in itself":             {nodeOf("ListNode", "builtins", "list", `, "__id__": 1, "content": [{"__id__": 1}]`), "contains itself"},
		"id of text":            {nodeOf("ListNode", "builtins", "list", `, "__id__": "1", "content": []`), "an __id__ that is no number"},
		"no node":               {nodeOf("ListNode", "builtins", "list", `, "content": [1]`), "a node is missing"},
		"no content":            {nodeOf("ListNode", "builtins", "list", ""), "a node is missing"},
		"key twice":             {nodeOf("ListNode", "builtins", "list", `, "content": [], "content": []`), "duplicate"},
		"deep":                  {strings.Repeat(`{"__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "content": [`, 600) + strings.Repeat("]}", 600), "nested too deep"},
		"billion laughs":        {laughs(40), "more than"},
		"plain value of code":   {nodeOf("JsonNode", "builtins", "str", `, "content": "__import__('os')"`), "a plain value is"},
		"plain value of a list": {nodeOf("JsonNode", "builtins", "str", `, "content": "[1]"`), "a plain value is"},
		"half a character":      {nodeOf("JsonNode", "builtins", "str", `, "content": "\"\\ud800\""`), "a plain value is"},
		"digits":                {nodeOf("JsonNode", "builtins", "str", `, "content": "`+strings.Repeat("9", 5000)+`"`), "is no number"},
		"beyond float64":        {nodeOf("JsonNode", "builtins", "str", `, "content": "1e999"`), "is no number"},
		"rows that differ":      {nodeOf("NdArrayNode", "numpy", "ndarray", `, "type": "json", "shape": `+tuple(str("x"))+`, "content": []`), "as a length"},
		"slice without a step":  {nodeOf("SliceNode", "builtins", "slice", `, "content": {"start": 1, "stop": 2}`), "a slice has no step"},
	} {
		wantRefused(t, name, archived(t, schema(tt.root)), tt.reason)
	}
}

// laughs is a list of two lists, each of two lists, and so on, in which every
// level is written once.
func laughs(levels int) string {
	root := nodeOf("ListNode", "builtins", "list", `, "__id__": 0, "content": []`)
	for i := range levels {
		root = nodeOf("ListNode", "builtins", "list", fmt.Sprintf(`, "__id__": %d, "content": [%s, {"__id__": %d}]`, i+1, root, i))
	}
	return root
}

func TestHostileArchives(t *testing.T) {
	t.Parallel()
	good := archived(t, schema(number), entry{"1.npy", npyOf(f8, eight)})
	if v, err := Read(good, options()); err != nil {
		t.Fatalf("the archive that is changed below: %s, %v", pickle.Describe(v), err)
	}
	// The table of contents is the last part; its lines begin with this.
	const line = "PK\x01\x02"
	changed := func(offset int, value string) []byte { // in the second line of the table
		data := bytes.Clone(good)
		at := bytes.LastIndex(data, []byte(line)) + offset
		copy(data[at:], value)
		return data
	}
	bad := bytes.Replace(bytes.Clone(good), []byte(eight), []byte("\x00\x00\x00\x00\x00\x00\xf1\x3f"), 1)
	inNPZ := func(entries ...entry) []byte {
		return archived(t, schema(sparse),
			entry{"1.npz", string(archived(t, entries...))})
	}
	for name, tt := range map[string]struct {
		data   []byte
		reason string
	}{
		"no archive":            {[]byte("PK\x03\x04"), "the zip archive is cut or damaged"},
		"cut":                   {good[:len(good)-1], "the zip archive is cut or damaged"},
		"no schema":             {archived(t, entry{"1.npy", ""}), `no entry "schema.json"`},
		"no array":              {archived(t, schema(number)), `no entry "1.npy"`},
		"array twice":           {archived(t, schema(listOf(number, number)), entry{"1.npy", npyOf(f8, eight)}), "or it is read twice"},
		"entry twice":           {archived(t, schema(none), schema(none)), "two entries of the name schema.json"},
		"traversal":             {archived(t, schema(none), entry{"../../etc/passwd", ""}), `an entry of the name "../../etc/passwd"`},
		"absolute":              {archived(t, schema(none), entry{"/etc/passwd", ""}), `an entry of the name "/etc/passwd"`},
		"backslash":             {archived(t, schema(none), entry{`..\evil.npy`, ""}), "which skops does not write"},
		"drive":                 {archived(t, schema(none), entry{"C:evil.npy", ""}), "which skops does not write"},
		"folder":                {archived(t, schema(none), entry{"1/", ""}), "which skops does not write"},
		"module":                {archived(t, schema(none), entry{"sitecustomize.py", ""}), "which skops does not write"},
		"pickle":                {archived(t, schema(none), entry{"data.pkl", ""}), "which skops does not write"},
		"file elsewhere":        {archived(t, schema(strings.Replace(number, "1.npy", "/etc/passwd", 1))), `no entry "/etc/passwd"`},
		"checksum":              {bad, "its checksum differs"},
		"checksum of 0":         {changed(16, "\x00\x00\x00\x00"), "its checksum differs"},
		"encrypted":             {changed(8, "\x01\x00"), "the entry is encrypted"},
		"bz2":                   {changed(10, "\x0c\x00"), "compressed by method 12"},
		"larger than stored":    {changed(24, "\xff\xff\xff\x7f"), "claims 2147483647 bytes that are stored in"},
		"larger than the file":  {changed(20, "\xff\xff\xff\x7f\xff\xff\xff\x7f"), "claims 2147483647 bytes that are stored in"},
		"outside of the file":   {changed(42, "\xff\xff\xff\x7f"), "lies outside of the file"},
		"zip64 without a size":  {changed(20, "\xff\xff\xff\xff\xff\xff\xff\xff"), "cut or damaged"},
		"garbage in between":    {changed(42, "\x07\x00\x00\x00"), "lies outside of the file"},
		"text behind":           {archived(t, entry{schemaName, `{"protocol": 2} {}`}), "text follows its end"},
		"no JSON":               {archived(t, entry{schemaName, `{"protocol": 2`}), "the schema is damaged"},
		"not UTF-8":             {archived(t, entry{schemaName, "{\"protocol\": 2, \"a\": \"\xff\"}"}), "the schema is damaged"},
		"protocol 3":            {archived(t, entry{schemaName, `{"protocol": 3}`}), "of no protocol"},
		"no protocol":           {archived(t, entry{schemaName, `[]`}), "of no protocol"},
		"array of objects":      {archived(t, schema(number), entry{"1.npy", npyOf(strings.Replace(f8, "<f8", "|O", 1), "cos\nsystem\n.")}), "arrays of dtype |O are not read"},
		"array of code":         {archived(t, schema(number), entry{"1.npy", npyOf("__import__('os').system('id')", eight)}), "something else where { is expected"},
		"array of 2^60":         {archived(t, schema(number), entry{"1.npy", npyOf(strings.Replace(f8, "(1,)", "(1152921504606846976,)", 1), eight)}), "an array claims more than"},
		"array cut":             {archived(t, schema(number), entry{"1.npy", npyOf(f8, eight[1:])}), "inside the 1.npy data: an array of 8 bytes is filled with 7"},
		"array of no array":     {archived(t, schema(number), entry{"1.npy", "PK\x03\x04PK\x03\x04PK\x03\x04"}), "does not begin as numpy writes it"},
		"number of another":     {archived(t, schema(strings.Replace(number, "ndarray", "int64", 1)), entry{"1.npy", npyOf(strings.Replace(f8, "(1,)", "()", 1), eight)}), "numpy.int64 is stored as a float64 array"},
		"number of a stranger":  {archived(t, schema(strings.NewReplacer("ndarray", "system", `"numpy", "__l`, `"os", "__l`).Replace(number)), entry{"1.npy", npyOf(strings.Replace(f8, "(1,)", "()", 1), eight)}), "names os.system"},
		"sparse of no zip":      {archived(t, schema(sparse), entry{"1.npz", "PK"}), "byte 0 inside the 1.npz data: the zip archive is cut or damaged"},
		"zip in a sparse":       {inNPZ(entry{"a.npz", ""}), "which skops does not write"},
		"sparse without parts":  {inNPZ(), `no entry "format.npy"`},
		"sparse of other form":  {inNPZ(entry{"format.npy", npyOf("", "csc")}), "is stored in another form"},
		"sparse without a size": {inNPZ(entry{"format.npy", npyOf("", "csr")}, entry{"shape.npy", npyOf(f8, eight)}), "has no two axes"},
	} {
		wantRefused(t, name, tt.data, tt.reason)
	}
}

// patience is what a bomb may take: a fifth of a second on a quiet machine, ten
// under the race detector with neighbours.
const patience = 10 * time.Second

// TestBombs gives small archives that would unfold to much.
func TestBombs(t *testing.T) {
	zeros := func(size int) entry { return entry{"1.npy", strings.Repeat("\x00", size)} }
	for name, data := range map[string][]byte{
		"deflated zeros":  deflated(t, schema(none), zeros(64<<20)),
		"deflated braces": deflated(t, entry{schemaName, strings.Repeat("[", 12<<20)}),
		"many lists":      deflated(t, entry{schemaName, `{"protocol": 2, "content": [` + strings.Repeat("[],", 5<<20) + `[]]}`}),
		"shared rows":     deflated(t, sharedRows(2000, 20000)),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		v, err := Read(data, options())
		took := time.Since(began)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: read %s", name, pickle.Describe(v))
		}
		if grew := after.TotalAlloc - before.TotalAlloc; took > patience || grew > 256<<20 {
			t.Errorf("%s: %d bytes took %v and %d bytes of memory: %v", name, len(data), took, grew, err)
		}
	}
}

// sharedRows is an array of objects in which one long row is used many times.
func sharedRows(length, times int) entry {
	row := nodeOf("ListNode", "builtins", "list", `, "__id__": 1, "content": [`+none+strings.Repeat(`,{"__id__": 2}`, length-1)+`]`)
	row = strings.Replace(row, `"content": "null"`, `"content": "null", "__id__": 2`, 1)
	size := func(n int) string { return nodeOf("JsonNode", "builtins", "str", fmt.Sprintf(`, "content": "%d"`, n)) }
	return schema(nodeOf("NdArrayNode", "numpy", "ndarray", `, "type": "json", "content": [`+row+strings.Repeat(`,{"__id__": 1}`, times-1)+
		`], "shape": `+nodeOf("TupleNode", "builtins", "tuple", `, "content": [`+size(times)+","+size(length)+`]`)))
}

func deflated(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	for _, e := range entries {
		w, err := z.Create(e.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
