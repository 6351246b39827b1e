package house_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

// A wall that cannot fail protects nothing, so each one is shown sources that
// break it, and sources that come close and may stand.

const law = "// Package rollout is here.\npackage rollout\n"

func TestInspect(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		sources map[string]string
		want    []string // a part of each complaint, in order; none means that all is well
	}{
		{"an allowed arrow", map[string]string{
			"internal/rollout/law.go": law,
			"internal/judge/judge.go": "// Package judge is here.\npackage judge\nimport _ \"serin/internal/rollout\"",
		}, nil},
		{"a forbidden arrow", map[string]string{
			"internal/store/store.go": "// Package store is here.\npackage store\n\nimport \"serin/internal/control\"\n",
		}, []string{"internal/store/store.go:4: store may not import control: store may import only rollout, record, because it remembers"}},
		{"an arrow out of a room without any", map[string]string{
			"internal/pickle/p.go": "// Package pickle is here.\npackage pickle\nimport \"serin/internal/model\"",
		}, []string{"pickle may import no other room, because bytes from strangers"}},
		{"a test file may import any room", map[string]string{
			"internal/rollout/law.go":      law,
			"internal/rollout/law_test.go": "package rollout\nimport \"serin/internal/app\"",
		}, nil},
		{"an engine may import the door", map[string]string{
			"internal/model/tree/t.go": "// Package tree is here.\npackage tree\nimport \"serin/internal/model\"",
		}, nil},
		{"an engine may not import another", map[string]string{
			"internal/model/tree/t.go": "// Package tree is here.\npackage tree\nimport \"serin/internal/model/sklearn\"",
		}, []string{"model/tree may not import model/sklearn"}},
		{"cmd may import the engines, not the store", map[string]string{
			"cmd/serin/main.go": "// Command serin is here.\npackage main\nimport (\n\"serin/internal/model/sklearn\"\n\"serin/internal/store\"\n)",
		}, []string{"cmd/serin/main.go:5: cmd may not import store"}},
		{"app may import every room but cmd", map[string]string{
			"internal/app/a.go": "// Package app is here.\npackage app\nimport (\n\"serin/internal/store\"\n\"serin/cmd/serin\"\n)",
		}, []string{"app may not import cmd: app may import every room but cmd"}},
		{"code outside imports no room", map[string]string{
			"bench/main.go": "// Command bench is here.\npackage main\nimport \"serin/internal/stats\"",
		}, []string{"bench may not import stats: code outside"}},
		{"an unknown room", map[string]string{
			"internal/util/u.go": "// Package util is here.\npackage util",
		}, []string{`room "util" is not in the table: put the code into the room that it belongs to`}},
		{"code in internal itself", map[string]string{
			"internal/i.go": "// Package internal is here.\npackage internal",
		}, []string{`room "" is not in the table`}},
		{"too deep", map[string]string{
			"internal/model/tree/split/s.go": "// Package split is here.\npackage split",
		}, []string{"3 folders below internal/, at most 2", "not in the table"}},
		{"a test library in the product", map[string]string{
			"internal/rollout/law.go": law + "import \"testing/iotest\"",
		}, []string{"only test files may import testing/iotest"}},
		{"not Go", map[string]string{"internal/rollout/law.go": "package"}, []string{"internal/rollout/law.go:1:8: expected"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			wantComplaints(t, inspect(tt.sources), tt.want)
		})
	}
}

func TestInspectBudgets(t *testing.T) {
	t.Parallel()
	values := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format+"\n", i)
		}
		return b.String()
	}
	function := func(lines int) string { return "func f() {\n" + strings.Repeat("\n", lines-2) + "}\n" }
	tests := []struct {
		name, source, want string
	}{
		{"600 lines", law + strings.Repeat("\n", 598), ""},
		{"601 lines", law + strings.Repeat("\n", 599), "601 lines, at most 600"},
		{"a function of 80 lines", law + function(80), ""},
		{"a function of 81 lines", law + function(81), "law.go:3: f has 81 lines, at most 80"},
		{"a literal of 81 lines", law + "var f = func() {" + strings.Repeat("\n", 80) + "}", "a function literal has 81 lines"},
		{"25 names", law + values(25, "func F%d() {}"), ""},
		{"26 names", law + values(26, "func F%d() {}"), "26 exported names, at most 25"},
		{"names of every kind", law + values(9, "func F%d() {}") + values(9, "type T%d int") + values(8, "var V%d, v int"), "26 exported names"},
		{"unexported names and methods", law + values(30, "func f%d() {}") + "type T int\n" + values(30, "func (T) M%d() {}"), ""},
		{"an enumeration counts with its type", law + "type Phase int\nconst (\nP Phase = iota\n" + values(30, "P%d") + ")\n", ""},
		{"so do converted constants", law + "type Phase int\n" + values(30, "const P%d = Phase(1)"), ""},
		{"untyped constants count", law + "const (\nP = iota\n" + values(25, "P%d") + ")\n", "26 exported names"},
		{"constants of a foreign type count", law + "import \"time\"\n" + values(26, "const P%d time.Duration = 1"), "26 exported names"},
		{"4 methods", law + "type I interface { A(); B(); C(); D() }", ""},
		{"5 methods", law + "type I interface { A(); B(); C(); D(); E() }", "an interface of 5 methods, at most 4"},
		{"an embedded interface counts", law + "import \"io\"\nvar i interface { A(); B(); C(); D(); io.Reader }", "an interface of 5 methods"},
		{"a constraint has no methods", law + "type Number interface { ~int | ~int8 | ~int16 | ~int32 | ~int64 }", ""},
		{"no package comment", "package rollout", `internal/rollout: no package comment ("Package rollout"...)`},
		{"a licence is no package comment", "// Copyright.\npackage rollout", "no package comment"},
		{"init", law + "func init() {}", "law.go:3: no init()"},
		{"a method named init", law + "type T int\nfunc (T) init() {}", ""},
		{"sleep", law + "import \"time\"\nfunc f() { time.Sleep(1) }", "law.go:4: no time.Sleep"},
		{"sleep by another name", law + "import clock \"time\"\nvar nap = clock.Sleep", "no time.Sleep"},
		{"another package's Sleep", law + "import time \"x/y\"\nfunc f() { time.Sleep(1) }", ""},
		{"TODO", law + "import \"context\"\nvar c = context.TODO()", "no context.TODO"},
		{"exit", law + "import \"os\"\nfunc f() { os.Exit(1) }", "no os.Exit: return an error"},
		{"fatal", law + "import \"log\"\nfunc f() { log.Fatalf(\"\") }", "no log.Fatalf"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			wantComplaints(t, inspect(map[string]string{"internal/rollout/law.go": tt.source}), nonEmpty(tt.want))
		})
	}
}

func TestInspectTestFiles(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, source, want string
	}{
		{"sleep", "import \"time\"\nfunc f() { time.Sleep(1) }", "no time.Sleep"},
		{"exit", "import \"os\"\nfunc f() { os.Exit(1) }", ""},
		{"init", "func init() {}", "no init()"},
		{"long", strings.Repeat("\n", 600), "601 lines, at most 600"},
		{"exported names are free", strings.Repeat("type T int\n", 30), ""},
		{"a skip that looks green", "func f(t T) { t.Skip() }", "law_test.go:2: a skip in a file that does not ask for SERIN_TEST_FULL"},
		{"a skip that knows", "func f(t T) { if os.Getenv(\"SERIN_TEST_FULL\") != \"1\" { t.Skipf(\"\") } }", ""},
		{"a skip of one drawn input", "func f(t T) { f.Fuzz(func(t T) { t.SkipNow() }) }", ""},
		{"a sleep in a fuzz function", "import \"time\"\nfunc g() { f.Fuzz(func(t T) { time.Sleep(1) }) }", "no time.Sleep"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sources := map[string]string{"internal/rollout/law.go": law, "internal/rollout/law_test.go": "package rollout\n" + tt.source}
			wantComplaints(t, inspect(sources), nonEmpty(tt.want))
		})
	}
}

func TestInspectPackageLines(t *testing.T) {
	t.Parallel()
	sources := map[string]string{"internal/rollout/law.go": law}
	for i := range 7 {
		sources[fmt.Sprintf("internal/rollout/part%d.go", i)] = "package rollout\n" + strings.Repeat("\n", 570)
	}
	sources["internal/rollout/law_test.go"] = "package rollout\n" + strings.Repeat("\n", 590)
	wantComplaints(t, inspect(sources), nil)
	sources["internal/rollout/more.go"] = "package rollout\n"
	wantComplaints(t, inspect(sources), nil) // 4000 lines
	sources["internal/rollout/most.go"] = "package rollout\n"
	wantComplaints(t, inspect(sources), []string{"internal/rollout: 4001 lines without tests, at most 4000"})
}

func TestInspectLayers(t *testing.T) {
	t.Parallel()
	room := func(name, target string) string {
		return "// Package " + name + " is here.\npackage " + name + "\nimport _ \"serin/internal/" + target + "\"\n"
	}
	sources := map[string]string{
		"cmd/serin/main.go":           "// Command serin is here.\npackage main\nimport _ \"serin/internal/app\"\n",
		"internal/app/app.go":         room("app", "api"),
		"internal/api/api.go":         room("api", "control"),
		"internal/control/control.go": room("control", "judge"),
		"internal/judge/judge.go":     room("judge", "rollout"),
		"internal/rollout/law.go":     law,
	}
	wantComplaints(t, inspect(sources), nil)
	sources["internal/rollout/law.go"] += "import _ \"serin/internal/stats\"\n"
	sources["internal/stats/stats.go"] = "// Package stats is here.\npackage stats\n"
	wantComplaints(t, inspect(sources), []string{
		"rollout may not import stats",
		"7 layers, at most 6: cmd/serin -> internal/app -> internal/api -> internal/control -> internal/judge -> internal/rollout -> internal/stats",
	})
	sources["internal/stats/stats.go"] += "import _ \"serin/internal/rollout\"\n" // a cycle must end
	if got := inspect(sources); len(got) < 3 {
		t.Errorf("a cycle: got %q", got)
	}
}

func TestReadTreePassesOverForeignCode(t *testing.T) {
	t.Parallel()
	tree := fstest.MapFS{
		"cmd/serin/main.go":            {Data: []byte("package main")},
		"cmd/serin/testdata/bad.go":    {},
		".venv/x.go":                   {},
		"_old/x.go":                    {},
		"bench/other/go.mod":           {},
		"bench/other/x.go":             {},
		"internal/rollout/picture.txt": {},
	}
	got := readTree(t, tree)
	if len(got) != 1 || got["cmd/serin/main.go"] != "package main" {
		t.Errorf("got %q", got)
	}
}

// nonEmpty makes the list of wanted complaints of a one-line table entry.
func nonEmpty(want string) []string {
	if want == "" {
		return nil
	}
	return []string{want}
}

func wantComplaints(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d complaints %q, want %d: %q", len(got), got, len(want), want)
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) {
			t.Errorf("complaint %d is %q, want it to contain %q", i, got[i], want[i])
		}
	}
}
