package infer

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
	rpcmeta "google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"serin/internal/infer/inferencepb"
	"serin/internal/infer/oip"
	"serin/internal/keys"
	"serin/internal/model"
	"serin/internal/route"
	"serin/internal/trace"
)

// RPC is the Open Inference Protocol over gRPC, with grpc.health.v1 and server
// reflection beside it. Every request is dealt for itself, however many share a
// connection.
type RPC struct {
	server *grpc.Server
	health *health.Server
}

// GRPC makes the gRPC server of the model's predictions. It does not serve, and
// is not healthy, before it is told. The options are of its listener: TLS.
func (p *Protocols) GRPC(options ...grpc.ServerOption) *RPC {
	r := &RPC{health: health.NewServer(), server: grpc.NewServer(append(options,
		grpc.MaxRecvMsgSize(smallBody), // of all but ModelInfer
		grpc.StaticStreamWindowSize(window),
		grpc.StaticConnWindowSize(connWindow),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.ForceServerCodecV2(codec{encoding.GetCodecV2("proto")}),
		experimental.BufferPool(&pages),
		grpc.ConnectionTimeout(5*time.Second),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 2 * time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.InTapHandle(briefly(p.admitted(p.lost.front.lasting))),
		grpc.UnaryInterceptor(refused), // before those in a chain
		grpc.StreamInterceptor(refusedStream),
		grpc.ChainStreamInterceptor(p.lastingly),
		grpc.ChainUnaryInterceptor(p.recovered, p.scoped),
	)...)}
	s := &service{Protocols: p}
	methods := inferencepb.GRPCInferenceService_ServiceDesc
	methods.Methods = slices.Clone(methods.Methods)
	for i := range methods.Methods {
		if m := &methods.Methods[i]; m.MethodName == "ModelInfer" {
			m.Handler = s.handleInfer
		}
	}
	r.server.RegisterService(&methods, s)
	healthpb.RegisterHealthServer(r.server, r.health)
	reflection.Register(r.server)
	r.Ready(false)
	return r
}

// maxStreams bounds the calls that one connection may have under way. Clients keep
// more than that back by themselves.
const maxStreams = 100

// connWindow is how much all calls of a connection may have sent that was not read
// from it yet, in bytes.
const connWindow = 1 << 20

// Serve answers on a listener until Stop. It returns nil after that.
func (r *RPC) Serve(l net.Listener) error {
	if err := r.server.Serve(links{l}); !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}

// Ready says to those who ask whether predictions are welcome.
func (r *RPC) Ready(yes bool) {
	state := healthpb.HealthCheckResponse_NOT_SERVING
	if yes {
		state = healthpb.HealthCheckResponse_SERVING
	}
	r.health.SetServingStatus("", state)
	r.health.SetServingStatus(inferencepb.GRPCInferenceService_ServiceDesc.ServiceName, state)
}

// Stop lets the requests under way finish, until ctx ends; then it cuts them off.
func (r *RPC) Stop(ctx context.Context) {
	r.health.Shutdown() // those who watch hear it, and let go of their streams
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.server.GracefulStop()
	}()
	select {
	case <-done:
	case <-ctx.Done():
		r.server.Stop()
		<-done
	}
}

// lasting lends a call the memory of its window, and ends one whose client neither
// sends all of it nor reads the answer: a connection that lives says nothing about
// its calls. Loading a model may take longer, and who watches stays for an hour at
// a time. Where predictions have no limit, these have none.
func (h *Handler) lasting(ctx context.Context, info *tap.Info) (context.Context, error) {
	rule, _ := keys.RPCRule(info.FullMethodName)
	from := h.gate.lendWindow(rule.Open())
	if from == nil {
		return nil, h.refusal(route.GRPC, overloaded, "").rpc()
	}
	limits := &h.gate.limits
	limit := limits.Standstill + limits.Timeout + limits.Standstill
	switch info.FullMethodName {
	case healthpb.Health_Watch_FullMethodName, inferencepb.GRPCInferenceService_RepositoryModelLoad_FullMethodName, inferencepb.GRPCInferenceService_RepositoryModelUnload_FullMethodName:
		limit = max(limit, time.Hour)
	}
	if limits.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit) //nolint:gosec // it ends with its parent, the call's
		_ = cancel
	}
	context.AfterFunc(ctx, func() { from.Add(-window) })
	return ctx, nil
}

// recovered fails one request where a handler panics, and not the process. What
// fails has an id, by which the log has it, too.
func (p *Protocols) recovered(ctx context.Context, in any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (out any, err error) {
	defer func() {
		if v := recover(); v != nil {
			p.lost.front.log.Error("a gRPC handler panicked", "method", info.FullMethod, "panic", v, "stack", string(debug.Stack()))
			out, err = nil, status.Error(codes.Internal, "the server failed on this request; its log says how")
		}
		if id := trace.Called(ctx, err != nil); status.Code(err) == codes.Internal {
			p.lost.front.log.Error("a gRPC call failed", "request_id", id, "method", info.FullMethod, "err", err)
		}
	}()
	return handler(ctx, in)
}

// service is the protocol's service.
type service struct {
	inferencepb.UnimplementedGRPCInferenceServiceServer
	*Protocols
}

func (s *service) ServerLive(context.Context, *inferencepb.ServerLiveRequest) (*inferencepb.ServerLiveResponse, error) {
	return &inferencepb.ServerLiveResponse{Live: true}, nil
}

func (s *service) ServerReady(context.Context, *inferencepb.ServerReadyRequest) (*inferencepb.ServerReadyResponse, error) {
	return &inferencepb.ServerReadyResponse{Ready: s.ready() && s.desks.Load().loaded()}, nil
}

func (s *service) ServerMetadata(context.Context, *inferencepb.ServerMetadataRequest) (*inferencepb.ServerMetadataResponse, error) {
	return &inferencepb.ServerMetadataResponse{Name: "serin", Version: s.server, Extensions: extensions}, nil
}

func (s *service) ModelReady(ctx context.Context, in *inferencepb.ModelReadyRequest) (*inferencepb.ModelReadyResponse, error) {
	d, err := s.find(in.GetName())
	if err == nil {
		_, _, err = d.choose(choice{version: in.GetVersion()})
	}
	if t, ok := errors.AsType[*trouble](err); ok && (t.status == http.StatusServiceUnavailable || s.rests(ctx, in.GetName())) {
		return &inferencepb.ModelReadyResponse{}, nil
	}
	if err != nil {
		return nil, d.status(err)
	}
	return &inferencepb.ModelReadyResponse{Ready: s.ready()}, nil
}

func (s *service) ModelMetadata(_ context.Context, in *inferencepb.ModelMetadataRequest) (*inferencepb.ModelMetadataResponse, error) {
	d, err := s.find(in.GetName())
	if err != nil {
		return nil, d.status(err)
	}
	m, err := d.metadata(choice{version: in.GetVersion()})
	if err != nil {
		return nil, d.status(err)
	}
	specs := func(all []oip.Spec) []*inferencepb.ModelMetadataResponse_TensorMetadata {
		out := make([]*inferencepb.ModelMetadataResponse_TensorMetadata, len(all))
		for i, t := range all {
			out[i] = &inferencepb.ModelMetadataResponse_TensorMetadata{Name: t.Name, Datatype: t.Datatype, Shape: t.Shape}
		}
		return out
	}
	return &inferencepb.ModelMetadataResponse{Name: m.Name, Versions: m.Versions, Platform: m.Platform, Inputs: specs(m.Inputs), Outputs: specs(m.Outputs)}, nil
}

func (s *service) RepositoryIndex(ctx context.Context, in *inferencepb.RepositoryIndexRequest) (*inferencepb.RepositoryIndexResponse, error) {
	out := &inferencepb.RepositoryIndexResponse{}
	for _, e := range s.index(ctx, in.GetReady()) {
		out.Models = append(out.Models, &inferencepb.RepositoryIndexResponse_ModelIndex{Name: e.Name, Version: e.Version, State: e.State, Reason: e.Reason})
	}
	return out, nil
}

// infer answers a message, the request's body.
func (s *service) infer(ctx context.Context, a *asking) (mem.BufferSlice, error) {
	to, err := addressOf(a.body)
	if err != nil {
		return nil, s.lost.status(err)
	}
	if err := s.covered(ctx, to.model); err != nil {
		return nil, err
	}
	d, err := s.find(to.model)
	if err != nil {
		return nil, d.status(err)
	}
	a.asked, _ = ctx.Deadline()
	var ask *oip.Request
	var raw bool
	err = d.answer(ctx, a, choice{version: to.version}, func() (err error) {
		in := new(inferencepb.ModelInferRequest)
		if err := inPlace(a.body, in); err != nil {
			return err
		}
		contract := d.contractOf(a.arm)
		if most := len(contract.Signature().Features); len(in.GetInputs()) > most {
			return troubled(http.StatusBadRequest, "The request has %d inputs, and the model takes at most %d.", len(in.GetInputs()), most)
		}
		if ask, raw, err = tensors(in); err != nil {
			return err
		}
		a.timeout(ask.Timeout)
		return contract.Read(ask, &a.batch, maxRows)
	})
	if err != nil {
		return nil, d.status(err)
	}
	out := reply(d.contractOf(a.arm), ask, a, raw)
	out.ModelName = d.name
	if s := trace.From(ctx); s != nil {
		s.Predicted(told(a.arm, route.GRPC, a.batch.N, to.version == ""))
	}
	answer, err := a.encode(ctx, d.front.gate, out)
	if err != nil {
		return nil, d.status(err)
	}
	// Without a stream to put them on (a test that calls by hand) nobody reads them.
	_ = grpc.SetHeader(ctx, rpcmeta.Pairs("serin-model-used", string(a.arm.Role)))
	a.arm.Served.Time(route.GRPC, time.Since(a.arrived))
	return answer, nil
}

// tensors translates a message. raw tells how its values came, which is how the
// answer's go.
func tensors(in *inferencepb.ModelInferRequest) (r *oip.Request, raw bool, err error) {
	raw = len(in.GetRawInputContents()) > 0
	if raw && len(in.GetRawInputContents()) != len(in.GetInputs()) {
		return nil, raw, troubled(http.StatusBadRequest, "The request has %d inputs and %d raw_input_contents: give one for each input, or none.", len(in.GetInputs()), len(in.GetRawInputContents()))
	}
	r = &oip.Request{ID: in.GetId(), Inputs: make([]oip.Tensor, len(in.GetInputs()))}
	if p := in.GetParameters()["timeout"]; p != nil {
		r.Timeout = p.GetInt64Param()
		if u := p.GetUint64Param(); u > 0 {
			r.Timeout = int64(min(u, math.MaxInt64))
		}
		if _, text := p.GetParameterChoice().(*inferencepb.InferParameter_StringParam); text || r.Timeout < 0 {
			return nil, raw, troubled(http.StatusBadRequest, "The parameter timeout is %v: give a whole number of microseconds.", model.Clip(p.String()))
		}
	}
	for i, input := range in.GetInputs() {
		t := oip.Tensor{Name: input.GetName(), Datatype: input.GetDatatype(), Shape: input.GetShape()}
		if len(t.Shape) > oip.MaxAxes {
			return nil, raw, troubled(http.StatusBadRequest, "Input %q: a shape has at most %d axes.", model.Clip(t.Name), oip.MaxAxes)
		}
		if raw {
			if input.GetContents() != nil {
				return nil, raw, troubled(http.StatusBadRequest, "Input %s has contents and raw_input_contents: give one of them.", model.Quote(t.Name))
			}
			t.Raw = in.GetRawInputContents()[i]
		} else if err := contents(&t, input.GetContents()); err != nil {
			return nil, raw, err
		}
		r.Inputs[i] = t
	}
	for _, output := range in.GetOutputs() {
		r.Outputs = append(r.Outputs, oip.Wish{Name: output.GetName()})
	}
	return r, raw, nil
}

// contents takes the values from the field that the datatype names.
func contents(t *oip.Tensor, c *inferencepb.InferTensorContents) error {
	switch t.Datatype {
	case "BOOL":
		t.Numbers = make([]float64, len(c.GetBoolContents()))
		for i, v := range c.GetBoolContents() {
			if v {
				t.Numbers[i] = 1
			}
		}
	case "INT8", "INT16", "INT32":
		t.Numbers = floats(c.GetIntContents())
	case "INT64":
		t.Numbers = floats(c.GetInt64Contents())
	case "UINT8", "UINT16", "UINT32":
		t.Numbers = floats(c.GetUintContents())
	case "UINT64":
		t.Numbers = floats(c.GetUint64Contents())
	case "FP32":
		t.Numbers = floats(c.GetFp32Contents())
	case "FP64":
		t.Numbers = c.GetFp64Contents()
	case "BYTES":
		for _, v := range c.GetBytesContents() {
			t.Texts = append(t.Texts, string(v))
		}
	case "FP16":
		return troubled(http.StatusBadRequest, "Input %s is FP16, which has no contents: send raw_input_contents.", model.Quote(t.Name))
	}
	return t.Within()
}

func floats[T int32 | int64 | uint32 | uint64 | float32](values []T) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(v)
	}
	return out
}

// reply makes the answer's message.
func reply(c *oip.Contract, ask *oip.Request, a *asking, raw bool) *inferencepb.ModelInferResponse {
	out := &inferencepb.ModelInferResponse{ModelVersion: a.arm.Version.Name, Id: ask.ID}
	specs := c.Outputs()
	a.reply = a.reply[:0]
	c.Each(ask, a.batch.N, func(i int, shape []int64, _ bool) {
		t := &inferencepb.ModelInferResponse_InferOutputTensor{Name: specs[i].Name, Datatype: specs[i].Datatype, Shape: shape}
		out.Outputs = append(out.Outputs, t)
		from := len(a.reply)
		a.reply = c.AppendRaw(a.reply, i, &a.batch)
		data := a.reply[from:]
		if raw {
			out.RawOutputContents = append(out.RawOutputContents, data)
		} else {
			t.Contents = unpacked(specs[i].Datatype, data)
		}
	})
	return out
}

// unpacked puts our own binary data into the field that their datatype names.
func unpacked(datatype string, data []byte) *inferencepb.InferTensorContents {
	c := &inferencepb.InferTensorContents{}
	for len(data) > 0 {
		n := 8
		switch datatype {
		case "FP64":
			c.Fp64Contents = append(c.Fp64Contents, math.Float64frombits(binary.LittleEndian.Uint64(data)))
		case "INT64":
			c.Int64Contents = append(c.Int64Contents, int64(binary.LittleEndian.Uint64(data)))
		case "BOOL":
			n = 1
			c.BoolContents = append(c.BoolContents, data[0] != 0)
		default: // BYTES
			n = 4 + int(binary.LittleEndian.Uint32(data))
			c.BytesContents = append(c.BytesContents, data[4:n])
		}
		data = data[n:]
	}
	return c
}

// status tells of an error in the words of gRPC.
func (d *desk) status(err error) error { return d.front.refusal(route.GRPC, err, "").rpc() }
