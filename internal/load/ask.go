package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"serin/internal/infer/inferencepb"
)

// patience is how long the server may take to say what its model takes.
const patience = 10 * time.Second

// refusal is a server's no to a question.
type refusal struct{ status, detail string }

func (r *refusal) Error() string {
	if r.detail == "" {
		return "it answers " + r.status
	}
	return r.status + ": " + r.detail
}

// ask finds out what has to be known of the model: its name and its tensors in
// the Open Inference Protocol, a row that fits elsewhere.
func (t *Target) ask(ctx context.Context) (takes *tensors, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	switch {
	case t.Given != nil:
		return nil, nil
	case t.Protocol == "grpc":
		takes, err = t.askGRPC(ctx)
	case t.Protocol == "v2" || t.Protocol == "v2-binary":
		takes, err = t.tensorsFrom(t.httpSource(ctx))
	case len(t.Data) == 0 || t.Protocol == "v1" && t.Model == "":
		err = t.askRow(ctx)
	}
	refused, no := errors.AsType[*refusal](err)
	switch {
	case err == nil:
		return takes, nil
	case no && t.Protocol == "predict" && t.Model == "":
		return nil, nil // not serin: there the seed's row is as good as any
	case no:
		return nil, fmt.Errorf("the server does not say what its model takes: %w", refused)
	default:
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
}

// askRow asks serin for a row that fits, and V1's path for the model's name.
func (t *Target) askRow(ctx context.Context) error {
	var says struct {
		Model   string
		Example json.RawMessage
	}
	if err := t.question(ctx, http.MethodGet, t.below("signature"), &says); err != nil {
		return err
	}
	if len(t.Data) == 0 && len(says.Example) > 0 {
		t.Data = []json.RawMessage{says.Example}
	}
	if t.Protocol == "v1" {
		t.Model = says.Model
	}
	return nil
}

// source answers questions about models.
type source struct {
	first    func() (string, error)
	metadata func(name string) (*tensors, error)
}

func (t *Target) tensorsFrom(s source) (_ *tensors, err error) {
	if t.Model == "" {
		if t.Model, err = s.first(); err != nil {
			return nil, err
		}
	}
	return s.metadata(t.Model)
}

func (t *Target) askGRPC(ctx context.Context) (*tensors, error) {
	conn, err := grpc.NewClient("passthrough:///"+address(t.Server), grpc.WithTransportCredentials(credentialsFor(t.Server, t.secured())))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	if t.Token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", t.bearer())
	}
	return t.tensorsFrom(grpcSource(ctx, conn))
}

var errNoModel = &refusal{status: "it has no model"}

func (t *Target) httpSource(ctx context.Context) source {
	return source{
		first: func() (string, error) {
			var index []struct{ Name string }
			err := t.question(ctx, http.MethodPost, "/v2/repository/index", &index)
			if err == nil && len(index) == 0 {
				err = errNoModel
			}
			if err != nil {
				return "", err
			}
			return index[0].Name, nil
		},
		metadata: func(name string) (*tensors, error) {
			takes := new(tensors)
			return takes, t.question(ctx, http.MethodGet, "/v2/models/"+url.PathEscape(name), takes)
		},
	}
}

// maxMetadata bounds what is read of an answer to a question, in bytes.
const maxMetadata = 16 << 20

func (t *Target) question(ctx context.Context, method, path string, answer any) error {
	request, err := http.NewRequestWithContext(ctx, method, Request{Path: path}.url(t.Server), nil)
	if err != nil {
		return err
	}
	if t.Token != "" {
		request.Header.Set("Authorization", t.bearer())
	}
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: t.secured()}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return unwrapped("connecting", err)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxMetadata))
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return unwrapped("reading", err)
	}
	if response.StatusCode != http.StatusOK {
		return &refusal{response.Status, detailOf(body)}
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return &refusal{status: method + " " + path + " is answered with something else"}
	}
	return nil
}

func grpcSource(ctx context.Context, conn *grpc.ClientConn) source {
	client := inferencepb.NewGRPCInferenceServiceClient(conn)
	return source{
		first: func() (string, error) {
			index, err := client.RepositoryIndex(ctx, &inferencepb.RepositoryIndexRequest{})
			if err == nil && len(index.GetModels()) == 0 {
				return "", errNoModel
			}
			if err != nil {
				return "", refusedRPC(err)
			}
			return index.GetModels()[0].GetName(), nil
		},
		metadata: func(name string) (*tensors, error) {
			m, err := client.ModelMetadata(ctx, &inferencepb.ModelMetadataRequest{Name: name})
			if err != nil {
				return nil, refusedRPC(err)
			}
			takes := new(tensors)
			for _, in := range m.GetInputs() {
				takes.Inputs = append(takes.Inputs, tensor{Name: in.GetName(), Datatype: in.GetDatatype(), Shape: in.GetShape()})
			}
			return takes, nil
		},
	}
}

// refusedRPC tells a server's no from a server that is not there.
func refusedRPC(err error) error {
	s := status.Convert(err)
	if s.Code() == codes.Unavailable || s.Code() == codes.DeadlineExceeded {
		return errors.New(s.Message())
	}
	return &refusal{s.Code().String(), printable([]byte(s.Message()))}
}

// maxDetail bounds what is kept of why a request was refused, in bytes.
const maxDetail = 512

// detailOf is the sentence in the body of a refusal, in whichever protocol's
// shape it comes, or the body itself.
func detailOf(body []byte) string {
	var problem struct {
		Detail  any `json:"detail"`
		Error   any `json:"error"`
		Message any `json:"message"`
	}
	if json.Unmarshal(body, &problem) == nil {
		for _, said := range []any{problem.Detail, problem.Error, problem.Message} {
			if text, ok := said.(string); ok && text != "" {
				return printable([]byte(text))
			}
		}
	}
	return printable(body)
}

// printable is text that may be shown on a terminal, in one line.
func printable(text []byte) string {
	text = bytes.ToValidUTF8(text[:min(len(text), maxDetail)], nil)
	return strings.Join(strings.FieldsFunc(string(text), func(r rune) bool { return r <= ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 }), " ")
}
