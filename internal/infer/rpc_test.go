package infer

import (
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"math"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	pb "serin/internal/infer/inferencepb"
	"serin/internal/model"
	"serin/internal/route"
)

// piped serves over gRPC in memory, and leads there.
func piped(t testing.TB, server *RPC) *grpc.ClientConn {
	t.Helper()
	pipe := bufconn.Listen(1 << 20)
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(pipe); err != nil {
			t.Error(err)
		}
	})
	conn := through(t, pipe)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		server.Stop(ctx)
		serving.Wait()
	})
	return conn
}

// through is a client's end of a pipe.
func through(t testing.TB, pipe *bufconn.Listener) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///serin", grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
		return pipe.DialContext(ctx)
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// dial serves a model over gRPC, in memory.
func dial(t testing.TB, p model.Predictor, ready bool) (*grpc.ClientConn, *RPC, *route.Table) {
	t.Helper()
	table := &route.Table{Stable: armFor(p, route.Stable), Canary: armFor(p, route.Canary), Split: route.NewSplit(1000, 7)}
	var sw route.Switch
	sw.Swap(table)
	server := NewHandler(&sw, DefaultLimits(), slog.New(slog.DiscardHandler)).Protocols("churn", "0.1", func() bool { return ready }).GRPC()
	server.Ready(ready)
	return piped(t, server), server, table
}

func input(name, datatype string, contents *pb.InferTensorContents, shape ...int64) *pb.ModelInferRequest_InferInputTensor {
	return &pb.ModelInferRequest_InferInputTensor{Name: name, Datatype: datatype, Shape: shape, Contents: contents}
}

func two() []*pb.ModelInferRequest_InferInputTensor {
	return []*pb.ModelInferRequest_InferInputTensor{
		input("plan", "BYTES", &pb.InferTensorContents{BytesContents: [][]byte{[]byte("gold"), []byte("basic")}}, 2, 1),
		input("age", "FP32", &pb.InferTensorContents{Fp32Contents: []float32{75, 25}}, 2),
	}
}

func TestGRPC(t *testing.T) {
	t.Parallel()
	conn, _, _ := dial(t, scales(), true)
	client := pb.NewGRPCInferenceServiceClient(conn)
	out := func(name, datatype string, contents *pb.InferTensorContents, shape ...int64) *pb.ModelInferResponse_InferOutputTensor {
		return &pb.ModelInferResponse_InferOutputTensor{Name: name, Datatype: datatype, Shape: shape, Contents: contents}
	}
	is := func(what string, want, got proto.Message, err error) {
		t.Helper()
		if diff := cmp.Diff(want, got, protocmp.Transform()); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", what, err, diff)
		}
	}
	ctx := t.Context()
	live, err := client.ServerLive(ctx, &pb.ServerLiveRequest{})
	is("live", &pb.ServerLiveResponse{Live: true}, live, err)
	ready, err := client.ServerReady(ctx, &pb.ServerReadyRequest{})
	is("ready", &pb.ServerReadyResponse{Ready: true}, ready, err)
	about, err := client.ServerMetadata(ctx, &pb.ServerMetadataRequest{})
	is("server", &pb.ServerMetadataResponse{Name: "serin", Version: "0.1", Extensions: []string{"model_repository", "binary_tensor_data"}}, about, err)
	modelReady, err := client.ModelReady(ctx, &pb.ModelReadyRequest{Name: "churn", Version: "canary"})
	is("model ready", &pb.ModelReadyResponse{Ready: true}, modelReady, err)
	meta, err := client.ModelMetadata(ctx, &pb.ModelMetadataRequest{Name: "churn"})
	tensor := func(name, datatype string, shape ...int64) *pb.ModelMetadataResponse_TensorMetadata {
		return &pb.ModelMetadataResponse_TensorMetadata{Name: name, Datatype: datatype, Shape: shape}
	}
	is("metadata", &pb.ModelMetadataResponse{
		Name: "churn", Versions: []string{"model_stable", "model_canary"}, Platform: "scikit-learn 1.9.1",
		Inputs:  []*pb.ModelMetadataResponse_TensorMetadata{tensor("age", "FP64", -1, 1), tensor("plan", "BYTES", -1, 1)},
		Outputs: []*pb.ModelMetadataResponse_TensorMetadata{tensor("probabilities", "FP64", -1, 2), tensor("prediction", "BYTES", -1)},
	}, meta, err)
	index, err := client.RepositoryIndex(ctx, &pb.RepositoryIndexRequest{})
	is("index", &pb.RepositoryIndexResponse{Models: []*pb.RepositoryIndexResponse_ModelIndex{
		{Name: "churn", Version: "model_stable", State: "READY", Reason: "stable"}, {Name: "churn", Version: "model_canary", State: "READY", Reason: "canary"},
	}}, index, err)
	answer, err := client.ModelInfer(ctx, &pb.ModelInferRequest{ModelName: "churn", ModelVersion: "model_canary", Id: "7", Inputs: two()})
	is("infer", &pb.ModelInferResponse{ModelName: "churn", ModelVersion: "model_canary", Id: "7", Outputs: []*pb.ModelInferResponse_InferOutputTensor{
		out("probabilities", "FP64", &pb.InferTensorContents{Fp64Contents: []float64{0.25, 0.75, 0.75, 0.25}}, 2, 2),
		out("prediction", "BYTES", &pb.InferTensorContents{BytesContents: [][]byte{[]byte("goes"), []byte("stays")}}, 2),
	}}, answer, err)
}

// TestGRPCRaw: who sends raw contents gets them.
func TestGRPCRaw(t *testing.T) {
	t.Parallel()
	p := &scale{model.Signature{Features: model.Numbers(1, nil), Outputs: 2, Classes: []model.Label{"-9223372036854775808", "9223372036854775807"}}}
	conn, _, _ := dial(t, p, true)
	client := pb.NewGRPCInferenceServiceClient(conn)
	ask := &pb.ModelInferRequest{
		ModelName: "churn", Inputs: []*pb.ModelInferRequest_InferInputTensor{input("features", "FP64", nil, 2, 1)},
		RawInputContents: [][]byte{binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, math.Float64bits(75)), math.Float64bits(25))},
		Outputs:          []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "prediction"}},
	}
	answer, err := client.ModelInfer(t.Context(), ask)
	if err != nil || len(answer.GetOutputs()) != 1 || answer.GetOutputs()[0].GetContents() != nil || len(answer.GetRawOutputContents()) != 1 {
		t.Fatalf("%v: %v", err, answer)
	}
	raw := answer.GetRawOutputContents()[0]
	if int64(binary.LittleEndian.Uint64(raw)) != math.MaxInt64 || int64(binary.LittleEndian.Uint64(raw[8:])) != math.MinInt64 {
		t.Errorf("%x", raw)
	}
	ask.RawInputContents, ask.Inputs[0].Datatype = nil, "INT64"
	ask.Inputs[0].Contents = &pb.InferTensorContents{Int64Contents: []int64{75, 25}}
	answer, err = client.ModelInfer(t.Context(), ask)
	if diff := cmp.Diff([]int64{math.MaxInt64, math.MinInt64}, answer.GetOutputs()[0].GetContents().GetInt64Contents()); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func TestGRPCRefusals(t *testing.T) {
	t.Parallel()
	conn, _, table := dial(t, scales(), true)
	client := pb.NewGRPCInferenceServiceClient(conn)
	plan, age := two()[0], two()[1]
	deep := input("age", "FP32", &pb.InferTensorContents{}, 1, 1, 1, 1, 1, 1, 1, 1, 1)
	half := input("age", "FP16", &pb.InferTensorContents{}, 2)
	big := input("age", "INT8", &pb.InferTensorContents{IntContents: []int32{1, 300}}, 2)
	few := input("age", "FP32", &pb.InferTensorContents{Fp32Contents: []float32{1}}, 2)
	unknown := input("plan", "BYTES", &pb.InferTensorContents{BytesContents: [][]byte{[]byte("gold"), []byte("unknown")}}, 2)
	type inputs = []*pb.ModelInferRequest_InferInputTensor
	many := make(inputs, 3)
	for i := range many {
		many[i] = &pb.ModelInferRequest_InferInputTensor{}
	}
	for _, tt := range []struct {
		ask  *pb.ModelInferRequest
		code codes.Code
		want string
	}{
		{&pb.ModelInferRequest{ModelName: "fraud"}, codes.NotFound, `There is no model "fraud"`},
		{&pb.ModelInferRequest{ModelName: "churn", ModelVersion: "9"}, codes.NotFound, `no version "9"`},
		{&pb.ModelInferRequest{ModelName: "churn"}, codes.InvalidArgument, "no inputs"},
		{&pb.ModelInferRequest{ModelName: "churn", RawInputContents: [][]byte{make([]byte, maxBody+1)}}, codes.ResourceExhausted, "is larger than 8388608 bytes"},
		{&pb.ModelInferRequest{ModelName: "churn", Inputs: many}, codes.InvalidArgument, "has 3 inputs, and the model takes at most 2"},
		{&pb.ModelInferRequest{ModelName: "churn", Inputs: inputs{plan}}, codes.InvalidArgument, `Input "age" is missing`},
		{&pb.ModelInferRequest{ModelName: "churn", Inputs: inputs{plan, few}}, codes.InvalidArgument, "has 1 values: shape [2] needs 2"},
		{&pb.ModelInferRequest{ModelName: "churn", Inputs: inputs{plan, deep}}, codes.InvalidArgument, "at most 8 axes"},
		{&pb.ModelInferRequest{ModelName: "churn", Inputs: inputs{plan, half}}, codes.InvalidArgument, "send raw_input_contents"},
		{&pb.ModelInferRequest{ModelName: "churn", Inputs: inputs{plan, big}}, codes.InvalidArgument, "element 1: 300 is no INT8"},
		{&pb.ModelInferRequest{ModelName: "churn", Inputs: inputs{plan, age}, RawInputContents: [][]byte{{}}}, codes.InvalidArgument, "2 inputs and 1 raw_input_contents"},
		{&pb.ModelInferRequest{ModelName: "churn", Inputs: inputs{plan, age}, RawInputContents: [][]byte{{}, {}}}, codes.InvalidArgument, "give one of them"},
		{&pb.ModelInferRequest{ModelName: "churn", Inputs: inputs{age, unknown}}, codes.InvalidArgument, `Row 1, feature "plan": the value "unknown"`},
	} {
		_, err := client.ModelInfer(t.Context(), tt.ask)
		if s := status.Convert(err); s.Code() != tt.code || !strings.Contains(s.Message(), tt.want) {
			t.Errorf("%.200v: %v, want %v %s", tt.ask, err, tt.code, tt.want)
		}
	}
	if _, err := client.ModelMetadata(t.Context(), &pb.ModelMetadataRequest{Name: "fraud"}); status.Code(err) != codes.NotFound {
		t.Error(err)
	}
	// The row without an answer was dealt; the others were not.
	s, c := table.Stable.Evidence.Snapshot(), table.Canary.Evidence.Snapshot()
	if s.Started+c.Started != 1 || s.Failures+c.Failures != 1 {
		t.Errorf("%d and %d started", s.Started, c.Started)
	}
}

// TestGRPCIsSplitByRequest: 200 requests on one connection give the canary 20.
func TestGRPCIsSplitByRequest(t *testing.T) {
	t.Parallel()
	conn, _, table := dial(t, scales(), true)
	client := pb.NewGRPCInferenceServiceClient(conn)
	for range 200 {
		if _, err := client.ModelInfer(t.Context(), &pb.ModelInferRequest{ModelName: "churn", Inputs: two()}); err != nil {
			t.Fatal(err)
		}
	}
	if n := table.Canary.Evidence.Snapshot().Count; n != 20 {
		t.Errorf("%d canary requests", n)
	}
}

// TestGRPCHealth: a probe hears of it when the server stops, and is let go.
func TestGRPCHealth(t *testing.T) {
	t.Parallel()
	conn, server, _ := dial(t, scales(), false)
	probe := healthpb.NewHealthClient(conn)
	check := func(want healthpb.HealthCheckResponse_ServingStatus) {
		t.Helper()
		for _, service := range []string{"", "inference.GRPCInferenceService"} {
			got, err := probe.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
			if err != nil || got.GetStatus() != want {
				t.Errorf("%q: %v, %v", service, got, err)
			}
		}
	}
	check(healthpb.HealthCheckResponse_NOT_SERVING)
	client := pb.NewGRPCInferenceServiceClient(conn)
	if r, err := client.ModelReady(t.Context(), &pb.ModelReadyRequest{Name: "churn"}); err != nil || r.GetReady() {
		t.Errorf("%v, %v", r, err)
	}
	server.Ready(true)
	check(healthpb.HealthCheckResponse_SERVING)
	watch, err := probe.Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := watch.Recv(); err != nil || got.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("%v, %v", got, err)
	}
	server.Ready(false)
	over, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond) // the watch never ends by itself
	defer cancel()
	server.Stop(over)
	heard := false
	for {
		got, err := watch.Recv()
		if err != nil {
			break
		}
		heard = heard || got.GetStatus() == healthpb.HealthCheckResponse_NOT_SERVING
	}
	if !heard {
		t.Error("cut off without being told")
	}
}

// FuzzModelInfer: any message is an answer or a refusal in gRPC's words.
func FuzzModelInfer(f *testing.F) {
	for _, ask := range []*pb.ModelInferRequest{
		{ModelName: "churn", Inputs: two()},
		{ModelName: "churn", Inputs: []*pb.ModelInferRequest_InferInputTensor{input("plan", "BYTES", nil, 1), input("age", "FP32", nil, 1)}, RawInputContents: [][]byte{{1, 0, 0, 0, 'a'}, {0, 0, 0, 0}}},
	} {
		wire, err := proto.Marshal(ask)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	var sw route.Switch
	sw.Swap(&route.Table{Stable: armFor(scales(), route.Stable)})
	s := &service{Protocols: NewHandler(&sw, DefaultLimits(), slog.New(slog.DiscardHandler)).Protocols("churn", "0.1", func() bool { return true })}
	f.Fuzz(func(t *testing.T, wire []byte) {
		var ask pb.ModelInferRequest
		if proto.Unmarshal(wire, &ask) != nil {
			return
		}
		answer, err := s.ModelInfer(t.Context(), &ask)
		if _, known := status.FromError(err); !known || status.Code(err) == codes.Internal {
			t.Fatal(err)
		}
		if err == nil && len(answer.GetOutputs()) == 0 {
			t.Fatal("an answer without outputs")
		}
	})
}

func BenchmarkGRPCThousandRows(b *testing.B) {
	p := &scale{model.Signature{Features: model.Numbers(20, nil), Outputs: 2, Classes: []model.Label{"0", "1"}}}
	conn, _, _ := dial(b, p, true)
	client := pb.NewGRPCInferenceServiceClient(conn)
	ask := &pb.ModelInferRequest{ModelName: "churn", Inputs: []*pb.ModelInferRequest_InferInputTensor{input("features", "FP64", nil, 1000, 20)}, RawInputContents: [][]byte{make([]byte, 160_000)}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.ModelInfer(b.Context(), ask); err != nil {
			b.Fatal(err)
		}
	}
}

// TestGRPCThatComesToNoEnd: a message of which the rest never comes is let go, on a
// connection that lives.
func TestGRPCThatComesToNoEnd(t *testing.T) {
	t.Parallel()
	limits := DefaultLimits()
	limits.Timeout, limits.Standstill = time.Millisecond, time.Millisecond
	h, client := onTCP(t, limits)
	for _, method := range []string{pb.GRPCInferenceService_ModelInfer_FullMethodName, pb.GRPCInferenceService_ModelReady_FullMethodName, healthpb.Health_Check_FullMethodName, reflectionpb.ServerReflection_ServerReflectionInfo_FullMethodName} {
		body, sender := io.Pipe()
		if got := client.call(method, io.MultiReader(strings.NewReader("\x00\x00\x00\x10\x00half"), body)); got != codes.DeadlineExceeded {
			t.Errorf("%s: %v", method, got)
		}
		_ = sender.Close()
	}
	settled(t, h.gate)
}
