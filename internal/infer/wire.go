package infer

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"serin/internal/infer/inferencepb"
)

// ModelInfer reads and writes its messages itself. grpc-go would take a whole
// message, up to 8 MiB, before anybody is asked whether there is room for it,
// decode it outside of the gate, and copy what is in it twice.
//
//	headers ──> 5 bytes: its length ──> the message, part by part ──> gate ──> fields
//	   │                                   │                                   │
//	the call counts with its window    each part is lent                raw contents stay
//	(lasting, in rpc.go)               memory, or refused               where they are
//
//	fields of the answer ──> one buffer, lent memory if it is large ──> free when sent;
//	                           a client that does not read it is cut off
//
// The other methods have small messages, and leave them to grpc-go.

// window is how much of a message a client may send before it is asked for, in
// bytes: a thousand rows of twenty numbers, without a pause. Each call counts with
// so much from its headers to its end. Of a larger message as much is asked for at
// once, and then three times as much as there is already.
const window = 256 << 10

// maxFields bounds the fields of a message, not counting those within its fields:
// an empty one takes two bytes of the message and a hundred of memory.
const maxFields = 1 << 16

// incoming is what grpc-go's streams can do beneath its interfaces.
type incoming interface {
	ReadMessageHeader(header []byte) error
	Read(n int) (mem.BufferSlice, error)
}

// handleInfer is grpc-go's handler for ModelInfer.
func (s *service) handleInfer(_ any, ctx context.Context, _ func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) { //nolint:revive // the order is grpc-go's
	info := &grpc.UnaryServerInfo{Server: s, FullMethod: inferencepb.GRPCInferenceService_ModelInfer_FullMethodName}
	return interceptor(ctx, nil, info, func(ctx context.Context, _ any) (any, error) {
		stream, ok := grpc.ServerTransportStreamFromContext(ctx).(incoming)
		if !ok {
			return nil, s.lost.status(errors.New("this version of grpc-go has another stream"))
		}
		a := &asking{request: requests.Get().(*request), arrived: time.Now()}
		defer a.release()
		if t := a.receive(ctx, stream, s.lost.front.gate); t != nil {
			return nil, s.lost.status(t)
		}
		return s.infer(ctx, a)
	})
}

// receive takes a call's message, in memory that the gate lends for what is there.
func (req *request) receive(ctx context.Context, from incoming, g *gate) *trouble {
	into := req.body[:0]
	into = append(into, 0, 0, 0, 0, 0) // at first for the length
	defer func() { req.body = into }()
	if err := from.ReadMessageHeader(into); err != nil {
		return unreceived(ctx)
	}
	if into[0] != 0 {
		return &trouble{status: http.StatusUnsupportedMediaType, detail: "The message is compressed: send it uncompressed."}
	}
	n := int64(binary.BigEndian.Uint32(into[1:]))
	if n > maxBody {
		return tooLarge
	}
	into = into[:0]
	taken := cap(into) // with what was outgrown, which is the collector's at a time of its own
	for missing := int(n); missing > 0; missing = int(n) - len(into) {
		part := min(missing, max(3*len(into), window))
		grows := cap(into) < len(into)+part
		if grows {
			taken += len(into) + part
		}
		if !req.borrow(g, taken+part) { // the part is in grpc-go's memory before it is in ours
			return overloaded
		}
		if grows {
			into = append(make([]byte, 0, len(into)+part), into...)
		}
		data, err := from.Read(part)
		if err != nil {
			return unreceived(ctx)
		}
		for _, buffer := range data {
			into = append(into, buffer.ReadOnlyData()...)
		}
		data.Free()
	}
	req.giveBackTo(taken)
	return nil
}

func unreceived(ctx context.Context) *trouble {
	switch err := ctx.Err(); {
	case errors.Is(err, context.DeadlineExceeded):
		return tooSlow
	case err != nil:
		return gone
	}
	return troubled(http.StatusBadRequest, "The call ends before its message does: send one whole message.")
}

// addressed is to whom a message is, which is known before it is decoded.
type addressed struct{ model, version string }

// addressOf finds it, as proto.Unmarshal would, and refuses what is no message or
// has too many fields.
func addressOf(message []byte) (to addressed, err error) {
	fields := 0
	err = eachField(message, func(number protowire.Number, kind protowire.Type, _, value, end int) error {
		if fields++; fields > maxFields {
			return troubled(http.StatusBadRequest, "The message has more than %d fields: send the values of an input in one.", maxFields)
		}
		if kind == protowire.BytesType && (number == 1 || number == 2) {
			text, _ := protowire.ConsumeBytes(message[value:end])
			if number == 1 {
				to.model = string(text)
			} else {
				to.version = string(text)
			}
		}
		return nil
	})
	return to, err
}

// rawField is the number of raw_input_contents.
const rawField = 7

// inPlace is proto.Unmarshal, but raw contents stay where they are in the message.
func inPlace(message []byte, into *inferencepb.ModelInferRequest) error {
	var raw [][]byte
	var rest []byte // the other fields
	from := 0
	err := eachField(message, func(number protowire.Number, kind protowire.Type, at, value, end int) error {
		if number == rawField && kind == protowire.BytesType {
			contents, _ := protowire.ConsumeBytes(message[value:end])
			raw, rest, from = append(raw, contents), append(rest, message[from:at]...), end
		}
		return nil
	})
	if err == nil {
		err = proto.Unmarshal(append(rest, message[from:]...), into)
	}
	if err != nil {
		return noMessage(err)
	}
	into.RawInputContents = raw
	return nil
}

// eachField calls do for each field of a message: from at to end, with its value
// behind its tag.
func eachField(message []byte, do func(number protowire.Number, kind protowire.Type, at, value, end int) error) error {
	for at := 0; at < len(message); {
		number, kind, tag := protowire.ConsumeTag(message[at:])
		if tag < 0 {
			return noMessage(protowire.ParseError(tag))
		}
		size := protowire.ConsumeFieldValue(number, kind, message[at+tag:])
		if size < 0 {
			return noMessage(protowire.ParseError(size))
		}
		if err := do(number, kind, at, at+tag, at+tag+size); err != nil {
			return err
		}
		at += tag + size
	}
	return nil
}

func noMessage(err error) *trouble {
	return troubled(http.StatusBadRequest, "The message is no ModelInferRequest: %v.", err)
}

// codec is grpc-go's for protocol buffers, and lets through what is encoded already.
type codec struct{ encoding.CodecV2 }

// Marshal is grpc-go's.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if encoded, ok := v.(mem.BufferSlice); ok {
		return encoded, nil
	}
	return c.CodecV2.Marshal(v)
}

// encode makes the answer's buffer. If it is large, the gate lends the memory until
// it is sent, which its client must let happen in time.
func (req *request) encode(ctx context.Context, g *gate, answer proto.Message) (mem.BufferSlice, error) {
	size := proto.Size(answer)
	pool := mem.BufferPool(&pages)
	if size > smallBody {
		if !g.lend(int64(size)) {
			return nil, overloaded
		}
		pool = newLoan(ctx, g, int64(size))
	}
	buffer := pool.Get(size)
	encoded, err := proto.MarshalOptions{UseCachedSize: true}.MarshalAppend((*buffer)[:0], answer)
	if err != nil {
		pool.Put(buffer)
		return nil, err
	}
	*buffer = encoded
	return mem.BufferSlice{mem.NewBuffer(buffer, pool)}, nil
}

// loan is the memory of one large answer. It ends when grpc-go has sent the answer,
// or forgets it, as it does with a connection that is lost.
type loan struct {
	gate  *gate
	bytes int64
	late  *time.Timer
	ended sync.Once
}

// newLoan is of memory that was lent already. If it does not end in time, the
// client's connection does: of a single call nobody can let go.
func newLoan(ctx context.Context, g *gate, bytes int64) *loan {
	l := &loan{gate: g, bytes: bytes}
	if from, ok := peer.FromContext(ctx); ok {
		if at, ok := from.Addr.(linkAddr); ok {
			l.late = time.AfterFunc(g.limits.Standstill, func() { _ = at.conn.Close() })
		}
	}
	return l
}

// Get is the answer's buffer.
func (l *loan) Get(size int) *[]byte {
	buffer := make([]byte, size)
	at := &buffer
	runtime.AddCleanup(at, (*loan).end, l)
	return at
}

// Put is for grpc-go.
func (l *loan) Put(*[]byte) { l.end() }

func (l *loan) end() {
	l.ended.Do(func() {
		l.gate.lent.Add(-l.bytes)
		if l.late != nil {
			l.late.Stop()
		}
	})
}

// links are connections that can be found and closed from a call's context.
type links struct{ net.Listener }

// Accept is the listener's.
func (l links) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return link{conn}, nil
}

type link struct{ net.Conn }

// RemoteAddr is the client's, and leads back here.
func (l link) RemoteAddr() net.Addr { return linkAddr{l.Conn.RemoteAddr(), l.Conn} }

type linkAddr struct {
	net.Addr

	conn net.Conn
}

// pages are buffers for frames and small answers. Unlike grpc-go's own they are
// not wiped before they are used again, which takes as long as to copy a message;
// who gets one fills it.
var pages = pagePool{sizes: [...]int{4 << 10, 16 << 10, 64 << 10}}

type pagePool struct {
	sizes [3]int
	free  [3]sync.Pool
}

// Get returns a buffer of a length.
func (p *pagePool) Get(n int) *[]byte {
	for i, size := range p.sizes {
		if n <= size {
			buffer, ok := p.free[i].Get().(*[]byte)
			if !ok {
				fresh := make([]byte, size)
				buffer = &fresh
			}
			*buffer = (*buffer)[:n]
			return buffer
		}
	}
	huge := make([]byte, n)
	return &huge
}

// Put keeps one of Get's for another time.
func (p *pagePool) Put(buffer *[]byte) {
	for i, size := range p.sizes {
		if cap(*buffer) == size {
			p.free[i].Put(buffer)
			return // it may be somebody's already
		}
	}
}
