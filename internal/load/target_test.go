package load

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"serin/internal/infer/inferencepb"
	"serin/internal/infer/oip"
	"serin/internal/model"
	"serin/internal/model/rows"
)

// TestTensorsAreRead: what is made for a model with features of every kind is
// what the protocol's own reader takes it for.
func TestTensorsAreRead(t *testing.T) {
	t.Parallel()
	s := &model.Signature{Named: true, Features: []model.Feature{{Name: "plan", Kind: model.Text}, {Name: "age", Kind: model.Number, Missing: true}, {Name: "new", Kind: model.Bool}}}
	contract := oip.NewContract(s)
	takes := new(tensors)
	for _, in := range contract.Inputs() {
		takes.Inputs = append(takes.Inputs, tensor{Name: in.Name, Datatype: in.Datatype, Shape: in.Shape})
	}
	data := []json.RawMessage{
		json.RawMessage(`["gold", 75.5, true]`),
		json.RawMessage(`{"age": null, "new": false, "plan": "bäsic"}`),
		takes.example(),
	}
	target := Target{Protocol: "v2", Model: "a b", Rows: 3, Data: data}
	for _, binary := range []bool{false, true} {
		build := target.v2
		if binary {
			build = target.v2Binary
		}
		requests, err := build(takes)
		if err != nil || len(requests) != 1 || requests[0].Path != "/v2/models/a%20b/infer" {
			t.Fatalf("%+v, %v", requests, err)
		}
		header := -1
		if text := requests[0].Headers.Get("Inference-Header-Content-Length"); text != "" {
			header, _ = strconv.Atoi(text)
		}
		ask, err := oip.Parse(requests[0].Body, header)
		if err != nil {
			t.Fatalf("%s: %v", requests[0].Body, err)
		}
		var b rows.Batch
		if err := contract.Read(ask, &b, 10); err != nil {
			t.Fatalf("%s: %v", requests[0].Body, err)
		}
		if b.N != 3 || strings.Join(b.Texts, ",") != "gold,,,bäsic,,,a,," || b.Numbers[1] != 75.5 || !math.IsNaN(b.Numbers[4]) || b.Numbers[2] != 1 || b.Numbers[5] != 0 {
			t.Errorf("binary %t: %d rows, texts %q, numbers %v", binary, b.N, b.Texts, b.Numbers)
		}
	}
}

// TestBinaryValues holds the encodings to encoding/binary and math.
func TestBinaryValues(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		datatype, value string
		want            []byte
	}{
		{"FP64", "-1.5", binary.LittleEndian.AppendUint64(nil, math.Float64bits(-1.5))},
		{"FP32", "0.1", binary.LittleEndian.AppendUint32(nil, math.Float32bits(0.1))},
		{"INT64", "-3", binary.LittleEndian.AppendUint64(nil, ^uint64(2))},
		{"INT32", "7", []byte{7, 0, 0, 0}},
		{"BOOL", "true", []byte{1}},
		{"BYTES", `"ab"`, []byte{2, 0, 0, 0, 'a', 'b'}},
	} {
		got, err := appendRaw(nil, tt.datatype, json.RawMessage(tt.value))
		if err != nil || string(got) != string(tt.want) {
			t.Errorf("%s %s: %v, %v", tt.datatype, tt.value, got, err)
		}
	}
	if got, err := appendRaw(nil, "FP64", json.RawMessage("null")); err != nil || !math.IsNaN(math.Float64frombits(binary.LittleEndian.Uint64(got))) {
		t.Errorf("null is %v, %v", got, err)
	}
	for _, tt := range [][2]string{{"FP64", `"x"`}, {"BYTES", "1"}, {"FP8", "1"}, {"FP64", "1e999"}} {
		if got, err := appendRaw(nil, tt[0], json.RawMessage(tt[1])); err == nil {
			t.Errorf("%v is %v", tt, got)
		}
	}
}

// TestBodies holds the words of each protocol.
func TestBodies(t *testing.T) {
	t.Parallel()
	arrays := []json.RawMessage{json.RawMessage(`[1,2]`), json.RawMessage(`[3,4]`), json.RawMessage(`[5,6]`)}
	objects := []json.RawMessage{json.RawMessage(`{"a":1}`)}
	for _, tt := range []struct {
		name   string
		target Target
		want   []string // path and body
	}{
		{"one row each", Target{Protocol: "predict", Rows: 1, Data: arrays[:2]}, []string{`/predict {"features":[1,2]}`, `/predict {"features":[3,4]}`}},
		{"batches go round", Target{Protocol: "predict", Model: "fraud/eu", Rows: 2, Data: arrays}, []string{
			`/models/fraud%2Feu/predict {"instances":[[1,2],[3,4]]}`, `/models/fraud%2Feu/predict {"instances":[[5,6],[1,2]]}`,
		}},
		{"v1", Target{Protocol: "v1", Model: "m", Rows: 1, Data: objects}, []string{`/v1/models/m:predict {"instances":[{"a":1}]}`}},
		{"by position", Target{Protocol: "invocations", Rows: 1, Data: arrays[:1]}, []string{`/invocations {"inputs":[[1,2]]}`}},
		{"by name", Target{Protocol: "invocations", Model: "m", Rows: 1, Data: objects}, []string{`/models/m/invocations {"dataframe_records":[{"a":1}]}`}},
		{"v2", Target{Protocol: "v2", Model: "m", Rows: 3, Data: arrays}, []string{
			`/v2/models/m/infer {"inputs":[{"name":"features","datatype":"FP64","shape":[3,2],"data":[1,2,3,4,5,6]}]}`,
		}},
		{"given", Target{Protocol: "predict", Rows: 1, Given: &Request{Path: "/x", Body: []byte("y")}}, []string{`/x y`}},
	} {
		requests, err := tt.target.requestsOf(nil)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		var got []string
		for _, r := range requests {
			got = append(got, r.Path+" "+string(r.Body))
		}
		if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
			t.Errorf("%s: got\n%s", tt.name, strings.Join(got, "\n"))
		}
	}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	target := Target{Protocol: "grpc", Model: "m", Rows: 2, Data: []json.RawMessage{json.RawMessage(`[1,2]`), json.RawMessage(`[3,4]`)}}
	requests, err := target.requestsOf(&tensors{Inputs: []tensor{{Name: "x", Datatype: "FP32", Shape: []int64{-1, 2}}}})
	if err != nil || len(requests) != 1 {
		t.Fatal(len(requests), err)
	}
	var message inferencepb.ModelInferRequest
	if err := proto.Unmarshal(requests[0].Body, &message); err != nil {
		t.Fatal(err)
	}
	in := message.GetInputs()[0]
	if message.GetModelName() != "m" || in.GetName() != "x" || in.GetDatatype() != "FP32" || in.GetShape()[0] != 2 || in.GetShape()[1] != 2 || len(message.GetRawInputContents()[0]) != 16 {
		t.Errorf("%v", &message)
	}
}

// FuzzMetadata: whatever a server says of its model, a row can be made up for it
// that goes into its tensors, in bounded memory.
func FuzzMetadata(f *testing.F) {
	for _, seed := range []string{
		`{"inputs":[{"name":"features","datatype":"FP64","shape":[-1,5]}]}`,
		`{"inputs":[{"name":"a","datatype":"BYTES","shape":[-1,1]},{"name":"b","datatype":"BOOL","shape":[-1,1]},{"name":"c","datatype":"INT64","shape":[]}]}`,
		`{"inputs":[{"shape":[-1,9223372036854775807]}]}`, `{"inputs":[{"shape":[-1,-7]}]}`, `{}`, `{"inputs":[{"datatype":""},{}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		takes := new(tensors)
		if json.Unmarshal(answer, takes) != nil {
			return
		}
		row := takes.example()
		filled, err := takes.fill([]json.RawMessage{row, row})
		if err != nil {
			t.Fatalf("%s does not fit: %v", row, err)
		}
		for _, in := range filled {
			if len(in.Shape) != 2 || in.Shape[0] != 2 || int64(len(in.Data)) != 2*in.Shape[1] || in.Shape[1] > maxWidth {
				t.Fatalf("%d values of shape %v", len(in.Data), in.Shape)
			}
		}
		_, _, _ = takes.raw([]json.RawMessage{row}) // datatypes that nobody knows are refused
	})
}

func TestRowsThatDoNotFit(t *testing.T) {
	t.Parallel()
	wide := &tensors{Inputs: []tensor{{Name: "x", Datatype: "FP64", Shape: []int64{-1, 2}}}}
	narrow := &tensors{Inputs: []tensor{{Name: "x", Datatype: "FP64", Shape: []int64{-1, 1}}, {Name: "y", Datatype: "BYTES", Shape: []int64{-1, 1}}}}
	for _, tt := range []struct {
		takes     *tensors
		row, want string
	}{
		{wide, `[1]`, "row 0 of a request has 1 values, and the model takes 2"},
		{wide, `{"x": 1}`, "is no array"},
		{narrow, `[1]`, "it has 1 values, and the model takes 2"},
	} {
		target := Target{Protocol: "v2", Model: "m", Rows: 1, Data: []json.RawMessage{json.RawMessage(tt.row)}}
		if _, err := target.requestsOf(tt.takes); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.row, err)
		}
	}
}

func TestReadRows(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                    "there is no row",
		"[1\n":                                "line 1: a row is a JSON array",
		"\n7\n":                               "line 2: a row is a JSON array",
		strings.Repeat("[1]\n", 100_001):      "more than 100000 rows",
		"[1]\n[" + strings.Repeat(" ", 2<<20): "line 2: ",
	} {
		if _, err := ReadRows(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

func TestBadTargets(t *testing.T) {
	t.Parallel()
	good := Target{Server: &url.URL{Scheme: "http", Host: "127.0.0.1:1"}, Protocol: "predict", Rows: 1, Given: &Request{}}
	for name, change := range map[string]func(*Target){
		"is no address":                          func(t *Target) { t.Server = &url.URL{Scheme: "ftp", Host: "x"} },
		"write http://":                          func(t *Target) { t.Server = &url.URL{Path: "127.0.0.1"} },
		"is no protocol: use one of predict, v2": func(t *Target) { t.Protocol = "v3" },
		"0 rows in a request":                    func(t *Target) { t.Rows = 0 },
		"over HTTP only":                         func(t *Target) { t.Protocol = "grpc" },
	} {
		target := good
		change(&target)
		if _, err := target.Dial(t.Context()); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := good.Dial(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestTheArmInParts: the arm is found wherever a body is cut.
func TestTheArmInParts(t *testing.T) {
	t.Parallel()
	const text = `{"predictions":["canary","stable"],"model_used":"canary","model_version":"model_used"}`
	for cut := range len(text) {
		for second := cut; second < len(text); second += 7 {
			var b body
			b.look([]byte(text[:cut]))
			b.look([]byte(text[cut:second]))
			b.look([]byte(text[second:]))
			b.end()
			if b.Arm != "canary" {
				t.Fatalf("cut at %d and %d: %q", cut, second, b.Arm)
			}
		}
	}
}

// TestDetails: what a server says is shown in one line that a terminal can show.
func TestDetails(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"detail":"Give 5 numbers.","status":422}`: "Give 5 numbers.",
		`{"error":"no model"}`:                      "no model",
		`{"error_code":"BAD","message":"a\nb"}`:     "a b",
		`{"detail":[{"loc":["body"]}]}`:             `{"detail":[{"loc":["body"]}]}`,
		"busy\x1b[31m\r\n":                          "busy [31m",
		"":                                          "",
		strings.Repeat("x", 1000):                   strings.Repeat("x", maxDetail),
	} {
		if got := detailOf([]byte(body)); got != want {
			t.Errorf("%q: %q", body, got)
		}
	}
}
