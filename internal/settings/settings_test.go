package settings

import (
	"bytes"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// program is flags of every kind.
type program struct {
	*pflag.FlagSet

	listen string
	drain  time.Duration
	queue  int
	on     bool
	hosts  []string
}

func newProgram(args ...string) *program {
	p := &program{FlagSet: pflag.NewFlagSet("test", pflag.ContinueOnError)}
	p.StringVar(&p.listen, "listen", "default:1", "")
	p.DurationVar(&p.drain, "drain-time", time.Second, "")
	p.IntVar(&p.queue, "queue", 1, "")
	p.BoolVar(&p.on, "on", true, "")
	p.StringSliceVar(&p.hosts, "host", nil, "")
	p.String("config", "", "")
	if err := p.Parse(args); err != nil {
		panic(err)
	}
	return p
}

// TestWhoGoesFirst: the command line, the environment, the file, the default.
func TestWhoGoesFirst(t *testing.T) {
	t.Parallel()
	p := newProgram("--listen", "line:1", "--host", "a")
	file, err := Read("x.yaml", []byte("listen: file:1\ndrain-time: 2s\nqueue: 3 # of us\nhost: [b, c]\n"), "groups")
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"T_LISTEN": "env:1", "T_DRAIN_TIME": "4s", "T_HOST": "d,e", "T_ON": "", "T_OTHER": "x"}
	sources, err := Set(p.FlagSet, file, "T_", func(name string) string { return env[name] }, "config")
	if err != nil {
		t.Fatal(err)
	}
	if p.listen != "line:1" || p.drain != 4*time.Second || p.queue != 3 || !p.on || !slices.Equal(p.hosts, []string{"a"}) {
		t.Errorf("%+v", p)
	}
	want := map[string]string{"listen": "command line", "host": "command line", "drain-time": "T_DRAIN_TIME", "queue": "x.yaml:3"}
	if !maps.Equal(sources, want) {
		t.Errorf("%v", sources)
	}
	p = newProgram()
	env = map[string]string{"T_HOST": "d,e"}
	if _, err := Set(p.FlagSet, nil, "T_", func(name string) string { return env[name] }); err != nil || !slices.Equal(p.hosts, []string{"d", "e"}) {
		t.Errorf("%v, %v", p.hosts, err)
	}
}

// TestWhatIsPrintedIsReadAgain with the same values, groups and all.
func TestWhatIsPrintedIsReadAgain(t *testing.T) {
	t.Parallel()
	const text = "listen: \"a # b\"\nqueue: 5\nhost: [x, 'y: z', \"yes\"]\ngroups:\n  b: {path: 1e3, on: 'null'}\n  a:\n    path: ~x\n"
	read := func(text string) (*program, *File) {
		t.Helper()
		p := newProgram()
		file, err := Read("x.yaml", []byte(text), "groups")
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if _, err := Set(p.FlagSet, file, "T_", func(string) string { return "" }, "config"); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		return p, file
	}
	p, file := read(text)
	var out bytes.Buffer
	if err := Print(&out, p.FlagSet, map[string]string{"queue": "somewhere"}, "groups", file.Groups, "config"); err != nil {
		t.Fatal(err)
	}
	again, same := read(out.String())
	if again.listen != "a # b" || again.queue != 5 || !slices.Equal(again.hosts, []string{"x", "y: z", "yes"}) || !strings.Contains(out.String(), "queue: 5 # somewhere\n") {
		t.Errorf("%+v from\n%s", again, out.String())
	}
	if len(same.Groups) != 2 || same.Groups[0].Name != "b" || same.Groups[0].Settings[0].Values[0] != "1e3" || same.Groups[0].Settings[1].Values[0] != "null" {
		t.Errorf("%+v from\n%s", same.Groups, out.String())
	}
}

func TestWrongFiles(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"k0: 1":                         `x.yaml:1: there is no setting "k0"`,
		"lisen: x":                      `x.yaml:1: there is no setting "lisen"; did you mean listen?`,
		"\n\ndrain_time: 1s":            `x.yaml:3: there is no setting "drain_time"; did you mean drain-time?`,
		"completely: x":                 `x.yaml:1: there is no setting "completely"`,
		"config: x":                     `x.yaml:1: there is no setting "config"`,
		"listen: a\nlisten: b":          `x.yaml:2: "listen" is there twice; it is in line 1 already`,
		"queue: many":                   `x.yaml:1: queue: it is "many" and takes a whole number`,
		"on: yes":                       `x.yaml:1: on: it is "yes" and takes true or false`,
		"drain-time: 5":                 `x.yaml:1: drain-time: it is "5" and takes a duration like 1h30m or 20ms`,
		"listen: [a, b]":                `x.yaml:1: listen: it takes one value, and not a list of 2`,
		"listen: {a: b}":                `x.yaml:1: listen takes a value, or a list of values`,
		"listen:\nqueue: 1":             `x.yaml:1: listen has no value; give one, or leave the line out`,
		"listen: &a x\nhost: [*a]":      `x.yaml:2: host: references such as *a are not read here; write the value out`,
		"<<: {listen: x}":               `x.yaml:1: a key must be a word`,
		"[a]: b":                        `x.yaml:1: a key must be a word`,
		"- listen":                      `x.yaml:1: it must be a mapping`,
		"text":                          `x.yaml:1: it must be a mapping`,
		"listen: [a":                    `x.yaml:1: it is no YAML: `,
		"listen: a\n---\nlisten: b":     `x.yaml: it has a second document`,
		"groups: {a: x}":                `x.yaml:1: it must be a mapping`,
		"groups:\n  a: {q: 1}":          `x.yaml:2: there is no setting "q"`,
		"groups:\n  a: {queue: x}":      `x.yaml:2: a: queue: it is "x" and takes a whole number`,
		"groups: {a: {on: }, a: {}}":    `x.yaml:1: "a" is there twice`,
		strings.Repeat("# \n", 400_000): `x.yaml: it is larger than 1048576 bytes`,
	} {
		p := newProgram()
		file, err := Read("x.yaml", []byte(text), "groups")
		if err == nil {
			_, err = Set(p.FlagSet, file, "T_", func(string) string { return "" }, "config")
		}
		if err == nil {
			for _, g := range file.Groups {
				err = file.SetGroup(g, newProgram().FlagSet)
			}
		}
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.HasSuffix(err.Error(), "mean ?") {
			t.Errorf("%.40q: %v, want %s", text, err, want)
		}
	}
	for _, text := range []string{"", "# nothing\n", "---\n", "null"} {
		if file, err := Read("x.yaml", []byte(text), "groups"); err != nil || len(file.Settings) != 0 {
			t.Errorf("%q: %+v %v", text, file, err)
		}
	}
}

// FuzzRead: an error says where, and what is read is printed as something that is
// read in the same way.
func FuzzRead(f *testing.F) {
	for _, text := range []string{"", "listen: x\nhost: [a, b]\n", "groups:\n  a: {path: 'x y'}\n", "a: &b c\nd: *b\n", "? [a]\n: b\n", "host: [\"\\u0000\"]", "- a: b", "a: |\n  b\n  c\n", "%YAML 1.1\n---\na: 1\n...\n"} {
		f.Add([]byte(text))
	}
	where := regexp.MustCompile(`^x\.yaml(:\d+)?: .`)
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := Read("x.yaml", text, "groups")
		if err != nil {
			if !where.MatchString(err.Error()) {
				t.Fatalf("an error that does not say where: %v", err)
			}
			return
		}
		var out bytes.Buffer
		if err := Print(&out, pflag.NewFlagSet("x", pflag.ContinueOnError), nil, "groups", file.Groups); err != nil {
			t.Fatal(err)
		}
		again, err := Read("x.yaml", out.Bytes(), "groups")
		if err != nil || len(again.Groups) != len(file.Groups) {
			t.Fatalf("%v: %d groups of %d\n%s", err, len(again.Groups), len(file.Groups), out.String())
		}
	})
}

// TestMisspelt: what was meant for a flag and sets none is found, and nothing else.
func TestMisspelt(t *testing.T) {
	t.Parallel()
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.String("listen", "", "")
	flags.String("admin-listen", "", "")
	flags.String("tls-cert", "", "")
	got := Misspelt(flags, "SERIN_", []string{
		"SERIN_LISTEN=x", "SERIN_LISTENS=x", "SERIN_ADMIN-LISTEN=x", "SERIN_TLSCERT=x", "SERIN_listen=x", "SERIN_TOKEM=secret", "LISTENS=x", "SERIN_=x", "SERIN_COLOUR=blue", "",
		"SERIN_SERVICE_HOST=10.0.0.1", "SERIN_SERVICE_PORT=8000", "SERIN_SERVICE_PORT_HTTP=8000", "SERIN_PORT=tcp://10.0.0.1:8000", "SERIN_PORT_8000_TCP=tcp://10.0.0.1:8000", "SERIN_PORT_8000_TCP_ADDR=10.0.0.1", "SERIN_PORT_8000_TCP_PORT=8000", "SERIN_PORT_8000_TCP_PROTO=tcp", "SERIN_ADMIN_SERVICE_HOST=10.0.0.1", "SERIN_ADMIN_PORT=tcp://10.0.0.1:8001",
	}, "SERIN_TOKEN")
	want := map[string]string{"SERIN_LISTENS": "SERIN_LISTEN", "SERIN_ADMIN-LISTEN": "SERIN_ADMIN_LISTEN", "SERIN_TLSCERT": "SERIN_TLS_CERT", "SERIN_listen": "SERIN_LISTEN", "SERIN_TOKEM": "SERIN_TOKEN"}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
