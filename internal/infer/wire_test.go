package infer

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	pb "serin/internal/infer/inferencepb"
	"serin/internal/route"
)

// ModelInfer is infer without a connection.
func (s *service) ModelInfer(ctx context.Context, in *pb.ModelInferRequest) (*pb.ModelInferResponse, error) {
	a := &asking{request: requests.Get().(*request), arrived: time.Now()}
	defer a.release()
	var err error
	if a.body, err = proto.Marshal(in); err != nil {
		return nil, err
	}
	answer, err := s.infer(ctx, a)
	if err != nil {
		return nil, err
	}
	defer answer.Free()
	out := new(pb.ModelInferResponse)
	return out, proto.Unmarshal(answer.Materialize(), out)
}

// FuzzInPlace holds the reading in place to proto.Unmarshal: the same messages, and
// the same in them.
func FuzzInPlace(f *testing.F) {
	for _, ask := range []*pb.ModelInferRequest{
		{},
		{ModelName: "churn", ModelVersion: "canary", Id: "7", Inputs: two(), Parameters: map[string]*pb.InferParameter{"timeout": {ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: 9}}}},
		{ModelName: "churn", Inputs: []*pb.ModelInferRequest_InferInputTensor{input("f", "FP64", nil, 1, 1)}, RawInputContents: [][]byte{make([]byte, 8), {}, {1}}},
	} {
		wire, err := proto.Marshal(ask)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
		f.Add(append(wire, wire...)) // the last name holds, and there are more contents
		f.Add(protowire.AppendVarint(protowire.AppendTag(wire, rawField, protowire.VarintType), 5))
		f.Add(append(wire, 0x3a, 0x7f))                         // contents that end too early
		f.Add(append(wire, 0x3b, 0x3a, 1, 'x', 0x3c))           // a group
		f.Add(append(wire, 0x0a, 0x01, 0xff))                   // a name that is no text
		f.Add(append(wire, 0x3a, 0x81, 0x80, 0x80, 0x00, 0xee)) // a length that is longer than need be
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		var want, got pb.ModelInferRequest
		plain, err := proto.Unmarshal(wire, &want), inPlace(wire, &got)
		if (plain == nil) != (err == nil) {
			t.Fatalf("%v, and proto.Unmarshal says %v", err, plain)
		}
		if err != nil {
			return
		}
		if !proto.Equal(&want, &got) {
			t.Fatalf("%v, want %v", &got, &want)
		}
		to, err := addressOf(wire)
		if err != nil || to.model != want.GetModelName() || to.version != want.GetModelVersion() {
			t.Fatalf("%+v, %v, want %q %q", to, err, want.GetModelName(), want.GetModelVersion())
		}
		for _, raw := range got.GetRawInputContents() {
			if len(raw) > 0 && !inside(raw, wire) {
				t.Fatal("raw contents were copied")
			}
		}
	})
}

// inside tells whether a slice is a part of another one's memory.
func inside(part, whole []byte) bool {
	for i := range whole {
		if &whole[i] == &part[0] {
			return true
		}
	}
	return false
}

// TestTooManyFields: a small message may not take a hundred times its memory.
func TestTooManyFields(t *testing.T) {
	t.Parallel()
	if _, err := addressOf([]byte(strings.Repeat("\x2a\x00", maxFields))); err != nil {
		t.Error(err)
	}
	if _, err := addressOf([]byte(strings.Repeat("\x2a\x00", maxFields+1))); err == nil || !strings.Contains(err.Error(), "more than 65536 fields") {
		t.Error(err)
	}
}

// onTCP serves gRPC on a port, and asks it as a plain client of HTTP/2.
func onTCP(t *testing.T, limits Limits) (*Handler, *caller) {
	t.Helper()
	var sw route.Switch
	sw.Swap(&route.Table{Stable: armFor(scales(), route.Stable)})
	h := NewHandler(&sw, limits, slog.New(slog.DiscardHandler))
	server := h.Protocols("churn", "0.1", func() bool { return true }).GRPC()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(l); err != nil {
			t.Error(err)
		}
	})
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols, HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10, MaxReceiveBufferPerConnection: 64 << 10}}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		transport.CloseIdleConnections()
		server.Stop(ctx)
		serving.Wait()
	})
	return h, &caller{t, ctx, "http://" + l.Addr().String(), transport}
}

// caller is a client that knows nothing of gRPC.
type caller struct {
	t         *testing.T
	ctx       context.Context //nolint:containedctx // it ends with the test
	address   string
	transport *http.Transport
}

// open begins a call.
func (c *caller) open(method string, body io.Reader) (*http.Response, error) {
	r, err := http.NewRequestWithContext(c.ctx, http.MethodPost, c.address+method, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/grpc")
	r.Header.Set("TE", "trailers")
	return c.transport.RoundTrip(r)
}

// call calls a method to its end.
func (c *caller) call(method string, body io.Reader) (code codes.Code) {
	res, err := c.open(method, body)
	if err != nil {
		c.t.Error(err)
		return codes.Unknown
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	if err := code.UnmarshalJSON([]byte(res.Header.Get("Grpc-Status") + res.Trailer.Get("Grpc-Status"))); err != nil {
		c.t.Errorf("%v: %v %v", err, res.Header, res.Trailer)
	}
	return code
}

// settled waits until the gate has got its memory back.
func settled(t *testing.T, g *gate) {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); g.lent.Load() != 0; runtime.Gosched() {
		if time.Now().After(limit) {
			t.Fatalf("%d bytes are still lent", g.lent.Load())
		}
	}
}

// framed is a message behind its length.
func framed(message []byte) string {
	n := len(message)
	return string([]byte{0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) + string(message)
}

func TestGRPCMessagesThatAreNone(t *testing.T) {
	t.Parallel()
	h, client := onTCP(t, DefaultLimits())
	for body, want := range map[string]codes.Code{
		"":                      codes.InvalidArgument, // no message
		"\x00\x00\x00":          codes.InvalidArgument,
		"\x00\x00\x00\x00\x05x": codes.InvalidArgument,   // which ends too early
		"\x01\x00\x00\x00\x00":  codes.InvalidArgument,   // compressed
		"\x00\x00\x80\x00\x01":  codes.ResourceExhausted, // a byte too long
		"\x00\xff\xff\xff\xff":  codes.ResourceExhausted,
		framed([]byte{0x3a, 5}): codes.InvalidArgument, // no ModelInferRequest
		framed(nil):             codes.InvalidArgument, // of the default model, without inputs
	} {
		if got := client.call(pb.GRPCInferenceService_ModelInfer_FullMethodName, strings.NewReader(body)); got != want {
			t.Errorf("%q: %v, want %v", body, got, want)
		}
	}
	if got := client.call(pb.GRPCInferenceService_ModelReady_FullMethodName, strings.NewReader(framed(make([]byte, smallBody+1)))); got != codes.ResourceExhausted {
		t.Errorf("a long message to another method: %v", got)
	}
	settled(t, h.gate)
}

// TestGRPCIsLentItsMemory: calls that are open, and messages that come, take from
// what all bodies may take; who finds none left is told to come again.
func TestGRPCIsLentItsMemory(t *testing.T) {
	t.Parallel()
	limits := DefaultLimits()
	limits.Bodies = 5 << 20
	h, client := onTCP(t, limits)
	ask, err := proto.Marshal(&pb.ModelInferRequest{Inputs: two(), RawInputContents: [][]byte{make([]byte, 2<<20)}})
	if err != nil {
		t.Fatal(err)
	}
	message := framed(ask)
	half, sender := io.Pipe()
	var others sync.WaitGroup
	others.Go(func() {
		if got := client.call(pb.GRPCInferenceService_ModelInfer_FullMethodName, half); got != codes.InvalidArgument { // the raw contents are nonsense
			t.Errorf("who had begun: %v", got)
		}
	})
	if _, err := io.WriteString(sender, message[:len(message)-1]); err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(20 * time.Second); h.gate.lent.Load() < 2<<20; runtime.Gosched() {
		if time.Now().After(limit) {
			t.Fatalf("%d bytes are lent to two million", h.gate.lent.Load())
		}
	}
	if got := client.call(pb.GRPCInferenceService_ModelInfer_FullMethodName, strings.NewReader(message)); got != codes.Unavailable {
		t.Errorf("another large one: %v", got)
	}
	_ = sender.Close()
	others.Wait()
	settled(t, h.gate)
	h.gate.lent.Add(limits.Bodies)
	if got := client.call(pb.GRPCInferenceService_ModelReady_FullMethodName, strings.NewReader(framed(nil))); got != codes.Unavailable {
		t.Errorf("where none is left: %v", got)
	}
	h.gate.lent.Add(-limits.Bodies)
}

// TestWhoNeedsNoKeyKeepsNobodyOut: calls that anybody may make take from a share of
// their own, whatever the others have taken.
func TestWhoNeedsNoKeyKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	limits := DefaultLimits()
	limits.Bodies = fewest * window
	h, client := onTCP(t, limits)
	var watching []io.Closer
	for range fewest {
		res, err := client.open(healthpb.Health_Watch_FullMethodName, strings.NewReader(framed(nil))) //nolint:bodyclose // all are closed together, below
		if err != nil {
			t.Fatal(err)
		}
		watching = append(watching, res.Body)
	}
	live, ready := pb.GRPCInferenceService_ServerLive_FullMethodName, pb.GRPCInferenceService_ModelReady_FullMethodName
	if got := client.call(live, strings.NewReader(framed(nil))); got != codes.Unavailable {
		t.Errorf("one more that needs no key: %v", got)
	}
	if got := client.call(ready, strings.NewReader(framed(nil))); got != codes.OK {
		t.Errorf("one that needs a key: %v", got)
	}
	for _, w := range watching {
		_ = w.Close()
	}
	for limit := time.Now().Add(20 * time.Second); h.gate.open.Load() != 0; runtime.Gosched() {
		if time.Now().After(limit) {
			t.Fatalf("%d bytes are still lent", h.gate.open.Load())
		}
	}
	h.gate.lent.Add(limits.Bodies)
	if got := client.call(live, strings.NewReader(framed(nil))); got != codes.OK {
		t.Errorf("the health, where others have all memory: %v", got)
	}
	h.gate.lent.Add(-limits.Bodies)
}

// TestAnAnswerThatNobodyReads ends with its connection, and its memory comes back.
func TestAnAnswerThatNobodyReads(t *testing.T) {
	t.Parallel()
	limits := DefaultLimits()
	limits.Standstill = 10 * time.Millisecond
	h, client := onTCP(t, limits)
	const rows = 50_000
	plans := make([][]byte, rows)
	for i := range plans {
		plans[i] = []byte("gold")
	}
	ask, err := proto.Marshal(&pb.ModelInferRequest{Inputs: []*pb.ModelInferRequest_InferInputTensor{
		input("plan", "BYTES", &pb.InferTensorContents{BytesContents: plans}, rows), input("age", "FP32", &pb.InferTensorContents{Fp32Contents: make([]float32, rows)}, rows),
	}})
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.open(pb.GRPCInferenceService_ModelInfer_FullMethodName, strings.NewReader(framed(ask)))
	settled(t, h.gate)
	if err != nil { // it ended before the headers had come
		return
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err == nil {
		t.Error("the answer came to its end")
	}
}

// TestALostAnswerIsNotLentForEver: grpc-go forgets what it has not sent when the
// connection is lost.
func TestALostAnswerIsNotLentForEver(t *testing.T) {
	t.Parallel()
	g := &gate{limits: Limits{Bodies: 1 << 20}}
	answer, err := new(request).encode(t.Context(), g, &pb.ModelInferResponse{RawOutputContents: [][]byte{make([]byte, 100_000)}})
	if err != nil || g.lent.Load() < 100_000 {
		t.Fatal(err, g.lent.Load())
	}
	runtime.KeepAlive(answer)
	for limit := time.Now().Add(20 * time.Second); g.lent.Load() != 0; runtime.GC() {
		if time.Now().After(limit) {
			t.Fatalf("%d bytes are still lent", g.lent.Load())
		}
	}
	sent, err := new(request).encode(t.Context(), g, &pb.ModelInferResponse{RawOutputContents: [][]byte{make([]byte, 100_000)}})
	if err != nil {
		t.Fatal(err)
	}
	sent.Free()
	if n := g.lent.Load(); n != 0 {
		t.Errorf("%d bytes are lent to an answer that was sent", n)
	}
	if _, err := new(request).encode(t.Context(), g, &pb.ModelInferResponse{RawOutputContents: [][]byte{make([]byte, 2<<20)}}); !errors.Is(err, overloaded) || g.lent.Load() != 0 {
		t.Errorf("%v, %d bytes are lent", err, g.lent.Load())
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 4 << 10, 4<<10 + 1, 16 << 10, 64 << 10, 64<<10 + 1, 1 << 20} {
		buffer := pages.Get(n)
		if len(*buffer) != n {
			t.Errorf("%d bytes, want %d", len(*buffer), n)
		}
		clear(*buffer)
		mem.NewBuffer(buffer, &pages).Free()
	}
}

// parts is a message that comes as it is asked for, and what is lent meanwhile.
type parts struct {
	t     *testing.T
	gate  *gate
	whole []byte
	at    int
	began uint64 // of what was allocated
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func (p *parts) ReadMessageHeader(header []byte) error {
	binary.BigEndian.PutUint32(header[1:], uint32(len(p.whole)))
	return nil
}

func (p *parts) Read(n int) (mem.BufferSlice, error) {
	taken := int64(allocated() - p.began)
	if most := p.gate.lent.Load() + smallBody + window; taken+int64(n) > most {
		p.t.Errorf("%d bytes are taken and %d more are asked for, with %d lent", taken, n, p.gate.lent.Load())
	}
	p.at += n
	return mem.BufferSlice{mem.SliceBuffer(p.whole[p.at-n : p.at])}, nil
}

// TestReceivingIsLent: nothing is allocated for a message that the gate has not lent,
// also where it is outgrown. It counts what the process allocates, so nothing runs
// beside it.
func TestReceivingIsLent(t *testing.T) { //nolint:paralleltest // see above
	g := &gate{limits: Limits{Bodies: 64 << 20}}
	req := &request{}
	p := &parts{t: t, gate: g, whole: make([]byte, maxBody)}
	defer runtime.GC() // for those who measure the heap after it
	p.began = allocated()
	if trouble := req.receive(t.Context(), p, g); trouble != nil || len(req.body) != maxBody {
		t.Fatal(trouble, len(req.body))
	}
	taken, lent := int64(allocated()-p.began), g.lent.Load()
	if lent+smallBody+window < taken || lent > 7*maxBody/4 {
		t.Errorf("%d bytes are lent for %d that were taken", lent, taken)
	}
	if req.giveBack(); g.lent.Load() != 0 {
		t.Errorf("%d bytes are still lent", g.lent.Load())
	}
}
