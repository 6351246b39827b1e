package load

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// overGRPC calls the requests' methods in turns, one at a time on each
// connection. The messages are sent as they were encoded, and the answers' are
// not decoded: which arm answered is in their headers.
func overGRPC(server *url.URL, secured *tls.Config, bearer string, requests []Request) Dial {
	turn := new(atomic.Uint64)
	return func(ctx context.Context) (Caller, error) {
		plain := *server
		plain.Scheme, plain.Host = "http", address(server) // TLS is gRPC's
		conn, err := dialTo(ctx, &plain, nil)
		if err != nil {
			return nil, err
		}
		once := onlyOnce(conn)
		client, err := grpc.NewClient("passthrough:///"+server.Host,
			grpc.WithTransportCredentials(credentialsFor(server, secured)),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return once(ctx, "", "") }),
			grpc.WithDefaultCallOptions(grpc.ForceCodecV2(asIs{}), grpc.MaxCallRecvMsgSize(maxAnswer)),
			grpc.WithDisableRetry())
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		if bearer != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", bearer)
		}
		return &grpcCaller{ctx: ctx, conn: client, requests: requests, turn: turn}, nil
	}
}

func credentialsFor(server *url.URL, secured *tls.Config) credentials.TransportCredentials {
	if server.Scheme == "https" {
		return credentials.NewTLS(secured)
	}
	return insecure.NewCredentials()
}

type grpcCaller struct {
	ctx      context.Context
	conn     *grpc.ClientConn
	requests []Request
	turn     *atomic.Uint64
}

func (c *grpcCaller) Close() error { return c.conn.Close() }

func (c *grpcCaller) Call(deadline time.Time) (Answer, error) {
	ctx, cancel := context.WithDeadline(c.ctx, deadline)
	defer cancel()
	r := &c.requests[c.turn.Add(1)%uint64(len(c.requests))]
	var header metadata.MD
	err := c.conn.Invoke(ctx, r.Path, r.Body, nil, grpc.Header(&header))
	switch s := status.Convert(err); {
	case err == nil:
		var answer Answer
		if arm := header.Get(armHeader); len(arm) > 0 {
			answer.Arm = armOf([]byte(arm[0]))
		}
		return answer, nil
	case ctx.Err() != nil || c.conn.GetState() != connectivity.Ready:
		return Answer{}, errors.New("calling: " + s.Message())
	default:
		return Answer{Refused: s.Code().String(), Detail: printable([]byte(s.Message()))}, nil
	}
}

// asIs is a codec that sends bytes as they are and throws away what it gets.
type asIs struct{}

func (asIs) Name() string { return "proto" }

func (asIs) Marshal(v any) (mem.BufferSlice, error) {
	body, ok := v.([]byte)
	if !ok {
		return nil, errors.New("not a message that was encoded before")
	}
	return mem.BufferSlice{mem.SliceBuffer(body)}, nil
}

func (asIs) Unmarshal(mem.BufferSlice, any) error { return nil }
