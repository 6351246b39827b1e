package infer

import (
	"context"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/tap"

	"serin/internal/infer/inferencepb"
	"serin/internal/keys"
	"serin/internal/route"
)

// Guard lets nobody in by gRPC whom the guard does not admit, if there is one; and
// where control is elsewhere, nothing is loaded or unloaded by gRPC. By HTTP, that
// is the business of the mux that Register is given. It must be called before GRPC.
func (p *Protocols) Guard(g *keys.Guard, controlElsewhere bool) {
	p.guard, p.elsewhere = g, controlElsewhere
}

const (
	// soon is how long a call that is refused may have left by its own deadline, and
	// brief how long one has that has more.
	soon  = 10 * time.Second
	brief = time.Second
)

type refusedKey struct{}

// briefly lets grpc-go end a call that a tap has refused by itself. It keeps such a
// call's deadline, which its client chooses, on the clock until it has passed: who
// needs no key to be refused could fill the memory with deadlines of years. So one
// that has long to go comes in, with a second and the refusal, which refused and
// refusedStream return.
func briefly(next tap.ServerInHandle) tap.ServerInHandle {
	return func(ctx context.Context, info *tap.Info) (context.Context, error) {
		inside, err := next(ctx, info)
		if until, limited := ctx.Deadline(); err == nil || !limited || time.Until(until) <= soon {
			return inside, err
		}
		ctx, cancel := context.WithTimeout(ctx, brief) //nolint:gosec // it ends by itself, a second later
		_ = cancel
		return context.WithValue(ctx, refusedKey{}, err), nil
	}
}

func refused(ctx context.Context, in any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err, ok := ctx.Value(refusedKey{}).(error); ok {
		return nil, err
	}
	return handler(ctx, in)
}

func refusedStream(service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if err, ok := stream.Context().Value(refusedKey{}).(error); ok {
		return err
	}
	return handler(service, stream)
}

// admission is who calls, what he has shown, and what the method asks of him.
type admission struct {
	key   *keys.Key
	proof keys.Proof
	rule  keys.Rule
}

type admissionKey struct{}

// admitted looks at who calls before anything of the message is read, whatever the
// method: also of a stream, and of one that there is not. Where the method is about
// a model, scoped looks at which one as soon as it is known.
func (p *Protocols) admitted(next tap.ServerInHandle) tap.ServerInHandle {
	if p.guard == nil && !p.elsewhere {
		return next
	}
	return func(ctx context.Context, info *tap.Info) (context.Context, error) {
		rule, known := keys.RPCRule(info.FullMethodName)
		if !known {
			return ctx, p.denied(&keys.Refusal{Status: http.StatusForbidden, Detail: "This server has no such method, or it is for nobody."})
		}
		if p.elsewhere && !rule.Serves(keys.Predict) {
			return ctx, p.denied(&keys.Refusal{Status: http.StatusForbidden, Detail: "Models are loaded and unloaded at the server's address for control, which is another one."})
		}
		if p.guard == nil {
			return next(ctx, info)
		}
		proof := keys.Proof{Authorization: info.Header["authorization"]}
		if caller, ok := peer.FromContext(ctx); ok {
			proof.Address = caller.Addr.String()
			if secure, ok := caller.AuthInfo.(credentials.TLSInfo); ok && len(secure.State.VerifiedChains) > 0 {
				proof.Certificates = secure.State.PeerCertificates
			}
		}
		key, refusal := p.guard.Identify(&proof, rule)
		if refusal != nil {
			return ctx, p.denied(refusal)
		}
		if key != nil {
			ctx = context.WithValue(ctx, admissionKey{}, &admission{key, proof, rule})
		}
		return next(ctx, info)
	}
}

// lastingly looks again at who calls, with each message of a stream.
func (p *Protocols) lastingly(service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if a, _ := stream.Context().Value(admissionKey{}).(*admission); a != nil {
		stream = &askedAgain{stream, p, a}
	}
	return handler(service, stream)
}

type askedAgain struct {
	grpc.ServerStream

	protocols *Protocols
	admission *admission
}

// RecvMsg is the stream's, for as long as its key is good.
func (s *askedAgain) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	if _, refusal := s.protocols.guard.Identify(&s.admission.proof, s.admission.rule); refusal != nil {
		return s.protocols.denied(refusal)
	}
	return nil
}

// scoped looks at which model a message is about. ModelInfer reads its message
// itself, and asks covered.
func (p *Protocols) scoped(ctx context.Context, in any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	model := ""
	switch in := in.(type) {
	case interface{ GetModelName() string }:
		model = in.GetModelName()
	case interface{ GetName() string }:
		model = in.GetName()
	default:
		rule, known := keys.RPCRule(info.FullMethod)
		if rule.Named() && info.FullMethod != inferencepb.GRPCInferenceService_ModelInfer_FullMethodName || !known {
			return nil, p.denied(&keys.Refusal{Status: http.StatusForbidden, Detail: "This message does not say which model it is about."})
		}
		if rule.Named() || rule.Open() {
			return handler(ctx, in)
		}
	}
	if err := p.covered(ctx, model); err != nil {
		return nil, err
	}
	return handler(ctx, in)
}

// covered tells whether who has been admitted may ask about a model; "" is the
// default one.
func (p *Protocols) covered(ctx context.Context, model string) error {
	if p.guard == nil {
		return nil
	}
	a, _ := ctx.Value(admissionKey{}).(*admission)
	if a == nil { // cannot happen: the methods that are open to everybody have no model
		return p.denied(&keys.Refusal{Status: http.StatusForbidden, Detail: "This call came in by no door."})
	}
	if refusal := p.guard.May(a.key, a.rule, model); refusal != nil {
		return p.denied(refusal)
	}
	return nil
}

func (p *Protocols) denied(r *keys.Refusal) error {
	return p.lost.front.refusal(route.GRPC, troubled(r.Status, "%s", r.Detail), "").rpc()
}
