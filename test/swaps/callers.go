package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// requestLimit bounds each request; a run ends.
const requestLimit = time.Minute

// row is what everybody sends.
var row = [...]float64{0.5, 1.2, 0.8, 0.3, 1.1}

const rowJSON = `{"features": [0.5, 1.2, 0.8, 0.3, 1.1]}`

// callers make a caller for each protocol, and what closes their connections.
func (f *flight) callers() (map[string]caller, func(), error) {
	one := &http.Transport{MaxIdleConnsPerHost: f.connections, DisableCompression: true}
	var onlyHTTP2 http.Protocols
	onlyHTTP2.SetUnencryptedHTTP2(true)
	two := &http.Transport{Protocols: &onlyHTTP2, DisableCompression: true}
	// Nothing is tried again: a request that fails is a fault.
	conn, err := grpc.NewClient("passthrough:///"+f.server.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())
	if err != nil {
		return nil, nil, fmt.Errorf("dialling gRPC: %w", err)
	}
	calls := map[string]caller{
		"HTTP/1.1": overHTTP(one, f.server.URL, 1),
		"HTTP/2":   overHTTP(two, f.server.URL, 2),
		"gRPC":     overGRPC(conn),
	}
	return calls, func() {
		one.CloseIdleConnections()
		two.CloseIdleConnections()
		_ = conn.Close() // nobody waits for it any more
	}, nil
}

// overHTTP asks POST /predict in a version of HTTP.
func overHTTP(transport *http.Transport, url string, major int) caller {
	client := &http.Client{Transport: transport, Timeout: requestLimit}
	return func(ctx context.Context) (answer, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/predict", strings.NewReader(rowJSON))
		if err != nil {
			return answer{}, fmt.Errorf("making a request: %w", err)
		}
		request.Header.Set("Content-Type", "application/json")
		request.GetBody = nil // or the transport would send it again by itself
		got, err := client.Do(request)
		if err != nil {
			return answer{}, err
		}
		text, err := io.ReadAll(io.LimitReader(got.Body, 1<<16))
		if err = errors.Join(err, got.Body.Close()); err != nil {
			return answer{}, fmt.Errorf("reading the answer: %w", err)
		}
		if got.StatusCode != http.StatusOK || got.ProtoMajor != major {
			return answer{}, fmt.Errorf("%s %s: %s", got.Proto, got.Status, text)
		}
		var a struct {
			Probability  float64 `json:"probability"`
			ModelUsed    string  `json:"model_used"`
			ModelVersion string  `json:"model_version"`
		}
		if err := json.Unmarshal(text, &a); err != nil {
			return answer{}, fmt.Errorf("reading %s: %w", text, err)
		}
		return answer{a.ModelUsed, a.ModelVersion, a.Probability}, nil
	}
}

// asIs is gRPC's codec for messages that are bytes already.
type asIs struct{}

func (asIs) Name() string { return "proto" }

func (asIs) Marshal(v any) (mem.BufferSlice, error) {
	message, ok := v.([]byte)
	if !ok {
		return nil, errNoBytes
	}
	return mem.BufferSlice{mem.SliceBuffer(message)}, nil
}

func (asIs) Unmarshal(data mem.BufferSlice, v any) error {
	message, ok := v.(*[]byte)
	if !ok {
		return errNoBytes
	}
	*message = data.Materialize()
	return nil
}

var errNoBytes = errors.New("the message is not bytes")

var _ encoding.CodecV2 = asIs{}

// overGRPC asks inference.GRPCInferenceService/ModelInfer. The messages are
// written here, by their field numbers, as a client that is not ours would.
func overGRPC(conn *grpc.ClientConn) caller {
	request := inferRequest()
	return func(ctx context.Context) (answer, error) {
		ctx, cancel := context.WithTimeout(ctx, requestLimit)
		defer cancel()
		var reply []byte
		if err := conn.Invoke(ctx, "/inference.GRPCInferenceService/ModelInfer", request, &reply, grpc.ForceCodecV2(asIs{})); err != nil {
			return answer{}, err
		}
		return inferReply(reply)
	}
}

// inferRequest is a ModelInferRequest of the row, as raw FP64.
func inferRequest() []byte {
	text := func(to []byte, field protowire.Number, s string) []byte {
		return protowire.AppendString(protowire.AppendTag(to, field, protowire.BytesType), s)
	}
	block := func(to []byte, field protowire.Number, b []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(to, field, protowire.BytesType), b)
	}
	input := text(text(nil, 1, "features"), 2, "FP64")
	input = block(input, 3, []byte{1, byte(len(row))}) // the shape
	var raw []byte
	for _, v := range row {
		raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(v))
	}
	output := text(nil, 1, "probabilities")
	return block(block(block(text(nil, 1, "churn"), 5, input), 6, output), 7, raw)
}

// inferReply takes the version and the last probability from a ModelInferResponse.
func inferReply(message []byte) (a answer, err error) {
	for len(message) > 0 {
		field, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return a, protowire.ParseError(n)
		}
		message = message[n:]
		n = protowire.ConsumeFieldValue(field, kind, message)
		if n < 0 {
			return a, protowire.ParseError(n)
		}
		if kind == protowire.BytesType {
			value, _ := protowire.ConsumeBytes(message)
			switch {
			case field == 2:
				a.version = string(value)
			case field == 6 && len(value) == 16: // raw: the probabilities of two classes
				a.probability = math.Float64frombits(binary.LittleEndian.Uint64(value[8:]))
			}
		}
		message = message[n:]
	}
	return a, nil
}
