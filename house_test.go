// Package house_test holds the walls of the house: which room may import which,
// and the budgets that keep every room livable. ARCHITECTURE.md tells the same
// story in words; here it fails the build, and says why.
//
//	cmd -> app -> api -> control -> judge -> stats      six layers at most
//	         \--> infer -> route -> model, record, rollout
//
// A wall in the wrong place is moved, never gone round: change ARCHITECTURE.md
// and the table below in the same commit, with the reason. A new room gets its
// row here first.
//
// Generated code has no budgets, since nobody writes it; its imports have walls.
//
// What test files may do: import any room, for it is in tests that rooms meet,
// and end the process, since a test may be a child that another test kills.
// What they may not: sleep for a result, use context.TODO, have an init, be
// longer than other files and functions, or skip while SERIN_TEST_FULL=1 asks
// for every test: a skip that looks green is worse than no test.
//
// Terms: a room is a package under internal/, named by its path there; cmd is
// every program under cmd/ taken together. Code elsewhere (bench, test, the root) is
// outside: it sees the product as a user does and imports no room.
package house_test

import (
	"cmp"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// module is the import path that all rooms share. TestHouse holds it against
// go.mod: with another name no arrow would be seen.
const module = "serin"

// The budgets.
const (
	maxFileLines    = 600
	maxFuncLines    = 80
	maxPackageLines = 4000 // without tests
	maxExported     = 25   // top-level names; see exportedNames for what counts
	maxMethods      = 4
	maxLayers       = 6 // packages on the longest chain of in-house imports
	maxDepth        = 2 // folders below internal/
)

// roomier are rooms that may have more lines than others, with the reason. The
// cut that would make this one smaller needs a seventh layer.
var roomier = map[string]int{
	"internal/model/sklearn": 7000, // a reader for each of some hundred classes
}

// room is one row of the table of walls.
type room struct {
	// may lists the rooms that this one may import. "model/*" is every engine,
	// anyRoom is every room.
	may []string
	// why completes "because ..." when somebody runs into the wall.
	why string
}

const anyRoom = "*"

// rooms is the table. It names the rooms that exist or may come, and no others.
var rooms = map[string]room{
	"rollout":   {nil, "the law is pure: a state, an event and a time in, a state and effects out"},
	"stats":     {nil, "the math takes numbers and answers numbers, and knows no product words"},
	"record":    {nil, "Observe is the hottest line we own, and everything that counts must be able to use it"},
	"pickle":    {nil, "bytes from strangers are parsed in a room from which nothing can be reached"},
	"model":     {nil, "the engines' door is what formats and callers agree on, so it depends on neither"},
	"web":       {nil, "the dashboard talks to the control HTTP, from the browser, like any other client"},
	"keys":      {nil, "who may do what must be decidable without product state"},
	"gatehouse": {[]string{"keys"}, "who may come in, and over which address, is decided before anybody knows what is asked"},
	"trace":     {nil, "for whom something is done is known before anything is done, in every room"},
	"load":      {[]string{"infer/inferencepb"}, "the load generator measures from outside, as a client does; the messages are generated from a protocol that is not ours"},
	"fetch":     {nil, "it brings bytes pinned by their digest and need not know what they are"},

	"calc": {[]string{"stats", "stats/anytime"}, "it puts the tests into words for scripts and has none of its own"},

	"assay": {[]string{"rollout", "judge"}, "it reads measurements and prints what the judge says of them, and has no verdict of its own"},

	"kayenta": {[]string{"stats"}, "it judges other systems' canaries by the rules of their judge, and knows none of ours"},

	"report":   {[]string{"rollout", "record", "judge"}, "it writes down what was judged, from what was stored, and asks nobody"},
	"settings": {nil, "whose flags they are is the program's business"},

	"judge":  {[]string{"rollout", "stats", "stats/anytime", "record"}, "a verdict is a pure function of policy and evidence, so it can be given again later and come out the same"},
	"sim":    {[]string{"rollout", "record", "judge", "route"}, "it flies the real record, judge and rollout in virtual time, and deals requests with the real split"},
	"notify": {[]string{"rollout"}, "it tells of committed events and decides nothing"},

	"stats/anytime": {nil, "it stands beside stats, below the judge: a layer between them would be the seventh"},
	"skops":         {[]string{"pickle"}, "another wrapping of the same inert values, under the same allow-list"},

	"model/forest":      {nil, "trees are flat numbers, whichever library grew them"},
	"model/kernel":      {nil, "dense arithmetic is numbers in, numbers out"},
	"model/heads":       {[]string{"model", "model/forest", "model/kernel"}, "an estimator's arithmetic does not know the file it came from"},
	"model/words":       {nil, "Python's rules of text are strings in, pieces out"},
	"model/steps":       {[]string{"model", "model/kernel", "model/words"}, "a transformer's arithmetic does not know the file it came from"},
	"model/sklearn":     {[]string{"model", "model/heads", "model/steps", "model/words", "model/forest", "model/gbdt", "pickle"}, "it reads attributes and builds engines; wrappers of other libraries lie in the same files"},
	"model/gbdt":        {[]string{"model", "model/forest"}, "a format turns bytes into a Predictor and knows nothing of serving"},
	"model/graph":       {[]string{"model", "model/kernel"}, "tensors and steps do not know what a classifier is"},
	"model/onnx":        {[]string{"model", "model/graph", "model/forest", "model/kernel"}, "a format turns bytes into a Predictor and knows nothing of serving"},
	"model/onnxruntime": {[]string{"model", "model/graph"}, "a native library gets tensors from a graph that was parsed here, and nothing else"},
	"model/format":      {[]string{"model", "model/*", "pickle", "skops"}, "the quay knows every format, so that nobody else need"},
	"model/rows":        {[]string{"model"}, "a row is the same for a request, a file and a golden prediction, and none of these may change it"},
	"model/*":           {[]string{"model"}, "a format turns bytes into a Predictor and knows nothing of serving"},
	"train":             {[]string{"model/sklearn", "pickle"}, "the workshop works offline: it fits, and writes a file"},

	"route":             {[]string{"rollout", "model", "record"}, "a request picks its arm from an immutable table, without a lock, a disk or control code"},
	"store":             {[]string{"store/wal", "store/line", "store/pack", "store/heard", "rollout", "record"}, "it remembers committed states, events and evidence, and judges nothing"},
	"store/wal":         {nil, "it reads a file format that is not ours"},
	"store/pack":        {nil, "it makes bytes fewer, and need not know whose they are"},
	"store/heard":       {nil, "what was heard is kept the same, whatever it is"},
	"store/line":        {nil, "whether a connection keeps its word does not depend on what is said over it"},
	"infer/inferencepb": {nil, "it is generated from a protocol that is not ours"},
	"infer/oip":         {[]string{"model", "model/rows"}, "tensors to rows and back, whichever wire they came over"},

	"infer":   {[]string{"infer/oip", "infer/inferencepb", "route", "model", "model/rows", "record", "keys", "trace"}, "predictions never depend on the store or on control"},
	"control": {[]string{"rollout", "judge", "record"}, "it declares the memory and the switch that it needs as interfaces, so that its loop is tested without them"},
	"api":     {[]string{"control", "rollout", "record", "judge", "keys", "notify", "trace"}, "it translates between HTTP and commands to control, the only writer"},

	"app": {[]string{anyRoom}, "it is the one room that knows every room; programs are started by nobody"},
	"cmd": {
		[]string{"app", "api", "keys", "rollout", "notify", "judge", "stats", "stats/anytime", "model", "model/*", "train", "sim", "load", "calc", "assay", "report", "settings"},
		"a command starts the app, calls a server through api, or works offline; it has no wiring of its own",
	},
}

// testLibraries may be imported by test files only, or they end up in the
// binary that users run.
var testLibraries = []string{
	"testing", "pgregory.net/rapid", "github.com/google/go-cmp", "go.uber.org/goleak", "github.com/rogpeppe/go-internal",
	"github.com/expr-lang/expr", "github.com/chromedp", "github.com/creack/pty",
}

func TestHouse(t *testing.T) {
	t.Parallel()
	if mod, err := os.ReadFile("go.mod"); err != nil || !strings.HasPrefix(string(mod), "module "+module+"\n") {
		t.Fatalf("go.mod must begin with %q, or the constant module in house_test.go must change with it (error: %v)", "module "+module, err)
	}
	sources := readTree(t, os.DirFS("."))
	if len(sources) < 3 {
		t.Fatalf("found only %d Go files: this test must run in the repository's root", len(sources))
	}
	for _, complaint := range inspect(sources) {
		t.Error(complaint)
	}
}

// TestArchitectureNamesEveryRoom keeps the words and the code together: a room
// that exists is in ARCHITECTURE.md.
func TestArchitectureNamesEveryRoom(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range readTree(t, os.DirFS(".")) {
		room, outside := roomOf(path.Dir(name))
		if !outside && room != "cmd" && !strings.Contains(string(text), "`"+room+"`") {
			t.Errorf("%s: the room `%s` is not in ARCHITECTURE.md: give it a row in its table", name, room)
		}
	}
}

// TestTableIsClosed keeps the table free of rooms that nobody may have.
func TestTableIsClosed(t *testing.T) {
	t.Parallel()
	for name, row := range rooms {
		if row.why == "" {
			t.Errorf("room %s: a wall needs its reason", name)
		}
		for _, target := range row.may {
			if _, known := rooms[target]; !known && target != anyRoom {
				t.Errorf("room %s may import %s, which is no room", name, target)
			}
		}
	}
}

// readTree reads the Go files of a tree by their slash-separated paths. It
// passes over what the go command passes over, and over nested modules.
func readTree(t *testing.T, tree fs.FS) map[string]string {
	t.Helper()
	sources := make(map[string]string)
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() {
			_, nested := fs.Stat(tree, path.Join(name, "go.mod"))
			if name != "." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || nested == nil) {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(base) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		sources[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatalf("reading the tree: %v", err)
	}
	return sources
}

// roomOf names the room of a folder; outside is true for code that is in none.
func roomOf(dir string) (name string, outside bool) {
	if below, ok := strings.CutPrefix(dir+"/", "internal/"); ok {
		return strings.TrimSuffix(below, "/"), false
	}
	if strings.HasPrefix(dir+"/", "cmd/") {
		return "cmd", false
	}
	return dir, true
}

// rowOf finds the table's row for a room.
func rowOf(name string) (row room, known bool) {
	if row, known = rooms[name]; known {
		return row, true
	}
	if path.Dir(name) == "model" {
		return rooms["model/*"], true
	}
	return room{}, false
}

// mayImport tells whether the table has the arrow from a row to a room.
func mayImport(row room, target string) bool {
	return slices.ContainsFunc(row.may, func(name string) bool {
		switch name {
		case anyRoom:
			return target != "cmd"
		case "model/*":
			return path.Dir(target) == "model"
		default:
			return name == target
		}
	})
}

// list writes the rooms of a row for a reader.
func list(row room) string {
	if len(row.may) == 0 {
		return "no other room"
	}
	if slices.Contains(row.may, anyRoom) {
		return "every room but cmd"
	}
	return "only " + strings.Join(row.may, ", ")
}

// sortedKeys makes the complaints come in the same order every time.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
