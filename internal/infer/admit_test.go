package infer

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	rpcmeta "google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	pb "serin/internal/infer/inferencepb"
	"serin/internal/keys"
)

// guarded serves two models over gRPC to those who have a key; the tokens are of
// every role for churn, and of the owner for both.
func guarded(t *testing.T, elsewhere bool) (conn *grpc.ClientConn, server *RPC, tokens map[string]string) {
	t.Helper()
	tokens = map[string]string{"nobody": "", "wrong": "serin_wrong"}
	lines := ""
	for name, is := range map[string][2]string{"viewer": {"viewer", "churn"}, "predictor": {"predictor", "churn"}, "deployer": {"deployer", "churn"}, "admin": {"admin", "churn"}, "owner": {"admin", "*"}} {
		token, line, err := keys.Mint(name, is[0], is[1], "")
		if err != nil {
			t.Fatal(err)
		}
		tokens[name] = token
		lines += line + "\n"
	}
	ring, err := keys.Open("", lines)
	if err != nil {
		t.Fatal(err)
	}
	conn, server = behind(t, ring, elsewhere)
	return conn, server, tokens
}

// behind serves two models over gRPC to those who have a key of a ring.
func behind(t *testing.T, ring *keys.Ring, elsewhere bool) (*grpc.ClientConn, *RPC) {
	t.Helper()
	p, _, _ := twoModels(t)
	p.Guard(keys.NewGuard(ring, "churn", time.Now, slog.New(slog.DiscardHandler)), elsewhere)
	server := p.GRPC()
	server.Ready(true)
	return piped(t, server), server
}

// messageOf asks a method about a model.
func messageOf(method, model string) proto.Message {
	switch method[strings.LastIndexByte(method, '/')+1:] {
	case "ModelInfer":
		return &pb.ModelInferRequest{ModelName: model}
	case "ModelReady":
		return &pb.ModelReadyRequest{Name: model}
	case "ModelMetadata":
		return &pb.ModelMetadataRequest{Name: model}
	case "RepositoryModelLoad":
		return &pb.RepositoryModelLoadRequest{ModelName: model}
	case "RepositoryModelUnload":
		return &pb.RepositoryModelUnloadRequest{ModelName: model}
	default:
		return &pb.ServerLiveRequest{} // empty, as theirs may be
	}
}

// call calls a method by its name, whatever it is, and returns the code.
func call(t *testing.T, conn *grpc.ClientConn, method string, in proto.Message, authorization ...string) (codes.Code, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if authorization[0] != "Bearer " {
		ctx = rpcmeta.NewOutgoingContext(ctx, rpcmeta.MD{"authorization": authorization})
	}
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err == nil {
		if err = stream.SendMsg(in); err == nil {
			err = stream.CloseSend()
		}
		if e := stream.RecvMsg(new(pb.ServerLiveResponse)); e != nil {
			err = e
		}
	}
	return status.Code(err), status.Convert(err).Message()
}

// TestTheWalkOverGRPC calls every method that is registered with every kind of key.
func TestTheWalkOverGRPC(t *testing.T) {
	t.Parallel()
	for _, elsewhere := range []bool{false, true} {
		t.Run(fmt.Sprintf("control elsewhere %v", elsewhere), func(t *testing.T) {
			t.Parallel()
			conn, server, tokens := guarded(t, elsewhere)
			methods := 0
			for service, info := range server.server.GetServiceInfo() {
				for _, m := range info.Methods {
					methods++
					method := "/" + service + "/" + m.Name
					for who, token := range tokens {
						for _, model := range []string{"", "churn", "fraud"} {
							want := wanted(m.Name, who, model, elsewhere)
							code, text := call(t, conn, method, messageOf(method, model), "Bearer "+token)
							denied := code == codes.Unauthenticated || code == codes.PermissionDenied || code == codes.ResourceExhausted
							if denied == want {
								t.Errorf("%s calls %s about %q: %s %s", who, method, model, code, text)
							}
						}
					}
				}
			}
			if methods < 12 {
				t.Errorf("only %d methods were found", methods)
			}
		})
	}
}

// wanted says who may, in other words than the table's.
func wanted(method, who, model string, elsewhere bool) bool {
	roles, everyModel, about := []string{"viewer", "predictor", "deployer", "admin"}, false, false
	switch method {
	case "Check", "List", "Watch", "ServerLive", "ServerReady":
		return true
	case "ModelInfer":
		roles, about = []string{"predictor", "admin"}, true
	case "ModelReady", "ModelMetadata":
		about = true
	case "RepositoryIndex":
		everyModel = true
	case "RepositoryModelLoad", "RepositoryModelUnload":
		if elsewhere {
			return false
		}
		roles, about = []string{"admin"}, true
	}
	if who == "owner" {
		return true
	}
	return slices.Contains(roles, who) && !everyModel && (!about || model != "fraud")
}

// TestTricksOverGRPC: what has opened other servers.
func TestTricksOverGRPC(t *testing.T) {
	t.Parallel()
	conn, _, tokens := guarded(t, false)
	infer := pb.GRPCInferenceService_ModelInfer_FullMethodName
	for _, method := range []string{
		infer[1:], "/" + infer, infer + "/", strings.ToLower(infer), strings.ReplaceAll(infer, "ModelInfer", "modelInfer"), "/inference.GRPCInferenceService/../inference.GRPCInferenceService/ServerLive",
		"/inference.GRPCInferenceService/", "/inference.GRPCInferenceService/Nothing", "/grpc.health.v1.Health/Check/ModelInfer", "/", "//", "/grpc.channelz.v1.Channelz/GetServers", "/inference.GRPCInferenceService%2FModelInfer",
	} {
		for _, who := range []string{"nobody", "predictor"} {
			if code, text := call(t, conn, method, messageOf(infer, "fraud"), "Bearer "+tokens[who]); code == codes.OK || code == codes.InvalidArgument {
				t.Errorf("%s calls %s: %s %s", who, method, code, text)
			}
		}
	}
	for name, values := range map[string][]string{
		"a wrong value and a right one": {"Bearer x", "Bearer " + tokens["owner"]},
		"a right value and a wrong one": {"Bearer " + tokens["owner"], "Bearer x"},
		"no scheme":                     {tokens["owner"]},
		"two in one":                    {"Bearer x, Bearer " + tokens["owner"]},
	} {
		if code, _ := call(t, conn, infer, messageOf(infer, "churn"), values...); code != codes.Unauthenticated && code != codes.ResourceExhausted {
			t.Errorf("%s: %s", name, code)
		}
	}
	// Of two names in a message the last one counts, for the lock as for the desk.
	twice, err := proto.Marshal(&pb.ModelInferRequest{ModelName: "churn"})
	if err != nil {
		t.Fatal(err)
	}
	last, err := proto.Marshal(&pb.ModelInferRequest{ModelName: "fraud"})
	if err != nil {
		t.Fatal(err)
	}
	in := new(pb.ServerLiveRequest)
	if err := proto.Unmarshal(slices.Concat(twice, last), in); err != nil { // as fields that it does not know
		t.Fatal(err)
	}
	if code, text := call(t, conn, infer, in, "Bearer "+tokens["predictor"]); code != codes.PermissionDenied {
		t.Errorf("a message with two names: %s %s", code, text)
	}
	// Who watches needs no key, and is no door to anything else.
	if out, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil || out.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("health: %v %v", out, err)
	}
}

// TestRefusedForYears: nothing is left of calls that are refused, however long they
// say that they would wait; and they are told the same.
func TestRefusedForYears(t *testing.T) {
	t.Parallel()
	conn, _, tokens := guarded(t, true)
	owner := "Bearer " + tokens["owner"]
	ctx, cancel := context.WithTimeout(t.Context(), 100*365*24*time.Hour)
	defer cancel()
	for method, want := range map[string]codes.Code{
		pb.GRPCInferenceService_ModelInfer_FullMethodName:           codes.Unauthenticated,
		pb.GRPCInferenceService_ModelReady_FullMethodName:           codes.Unauthenticated,
		"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": codes.Unauthenticated,
		pb.GRPCInferenceService_ServerLive_FullMethodName:           codes.OK,
	} {
		stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
		if err == nil {
			_ = stream.SendMsg(&pb.ServerLiveRequest{})
			_ = stream.CloseSend()
			err = stream.RecvMsg(new(pb.ServerLiveResponse))
		}
		if got := status.Code(err); got != want {
			t.Errorf("%s: %v, want %v", method, err, want)
		}
	}
	elsewhere := rpcmeta.NewOutgoingContext(ctx, rpcmeta.Pairs("authorization", owner))
	if err := conn.Invoke(elsewhere, pb.GRPCInferenceService_RepositoryModelLoad_FullMethodName, messageOf("/ModelInfer", ""), new(pb.ServerLiveResponse)); status.Code(err) != codes.PermissionDenied {
		t.Errorf("what is elsewhere: %v", err)
	}

	inside := make(chan context.Context, 1)
	pipe := bufconn.Listen(1 << 20)
	server := grpc.NewServer(grpc.UnaryInterceptor(refused), grpc.InTapHandle(briefly(func(ctx context.Context, _ *tap.Info) (context.Context, error) {
		inside <- ctx
		return ctx, status.Error(codes.PermissionDenied, "no")
	})))
	healthpb.RegisterHealthServer(server, health.NewServer())
	go func() { _ = server.Serve(pipe) }()
	defer server.Stop()
	other := through(t, pipe)
	if _, err := healthpb.NewHealthClient(other).Check(ctx, &healthpb.HealthCheckRequest{}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("%v", err)
	}
	select {
	case <-(<-inside).Done():
	case <-time.After(20 * time.Second):
		t.Error("the call that was refused is still on the clock")
	}
}

// TestStreamEndsWithItsKeyOverGRPC: an open stream is no way to go on without a key.
func TestStreamEndsWithItsKeyOverGRPC(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys")
	write := func(lines string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	token, line, err := keys.Mint("viewer", "viewer", "churn", "")
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := keys.Mint("other", "viewer", "churn", "")
	if err != nil {
		t.Fatal(err)
	}
	write(line + "\n" + other)
	ring, err := keys.Open(file, "")
	if err != nil {
		t.Fatal(err)
	}
	conn, _ := behind(t, ring, false)
	ctx, cancel := context.WithTimeout(rpcmeta.NewOutgoingContext(t.Context(), rpcmeta.Pairs("authorization", "Bearer "+token)), 20*time.Second)
	defer cancel()
	stream, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ask := func() error {
		if err := stream.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}); err != nil {
			t.Fatal(err)
		}
		_, err := stream.Recv()
		return err
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	write(other)
	if changed, err := ring.Reload(); !changed || err != nil {
		t.Fatal(changed, err)
	}
	if err := ask(); status.Code(err) != codes.Unauthenticated {
		t.Errorf("without its key the stream says %v", err)
	}
}

// TestNobodyIsToldOfOthersModels: what is not there and what is somebody else's are
// one to whose key is for some models, and no answer has the others' names.
func TestNobodyIsToldOfOthersModels(t *testing.T) {
	t.Parallel()
	token, line, err := keys.Mint("ghosts", "admin", "ghost", "")
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keys.Open("", line)
	if err != nil {
		t.Fatal(err)
	}
	conn, _ := behind(t, ring, false)
	for _, method := range []string{"ModelInfer", "ModelReady", "ModelMetadata", "RepositoryModelLoad", "RepositoryModelUnload", "RepositoryIndex"} {
		said := map[string]string{}
		for _, model := range []string{"ghost", "nothing", "fraud", "churn"} {
			code, text := call(t, conn, "/inference.GRPCInferenceService/"+method, messageOf(method, model), "Bearer "+token)
			if code == codes.OK || model == "ghost" && strings.Contains(text, "churn") || strings.Contains(text, "fraud") {
				t.Errorf("%s about %s: %s %s", method, model, code, text)
			}
			said[model] = code.String() + text
		}
		if said["nothing"] != said["fraud"] || said["churn"] != said["fraud"] {
			t.Errorf("%s says %q", method, said)
		}
	}
}
