package oip

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"serin/internal/model"
)

// Parse reads the body of an infer request. With the binary extension, header is
// how many bytes of it are JSON (Inference-Header-Content-Length), and the
// values of binary tensors follow; without it, header is negative. The request
// keeps parts of body. Its error is a *Fault.
func Parse(body []byte, header int) (*Request, error) {
	rest := []byte(nil)
	if header >= 0 {
		if header > len(body) {
			return nil, fault("Inference-Header-Content-Length is %d and the body has %d bytes.", header, len(body))
		}
		body, rest = body[:header], body[header:]
	}
	p := &parser{d: jsontext.NewDecoder(bytes.NewReader(body)), binary: header >= 0, rest: rest}
	if err := p.request(); err != nil {
		if f, ok := errors.AsType[*Fault](err); ok {
			return nil, f
		}
		return nil, fault("The request is not JSON at byte %d: %v.", p.d.InputOffset(), plain(err))
	}
	if len(p.rest) > 0 {
		return nil, fault("%d bytes follow the data of the last binary tensor.", len(p.rest))
	}
	return &p.r, nil
}

// plain leaves out the place that the caller tells.
func plain(err error) error {
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return syntactic.Err
	}
	return err
}

type parser struct {
	d      *jsontext.Decoder
	r      Request
	binary bool   // the body is JSON and binary data
	rest   []byte // binary data that no tensor has taken
}

// members calls f for the name of each member of an object; f reads its value,
// or leaves it and returns skip. Members that nobody knows are extensions.
func (p *parser) members(what string, f func(name string) error) error {
	if p.d.PeekKind() != '{' {
		if err := p.d.SkipValue(); err != nil {
			return err
		}
		return fault("%s is no object.", what)
	}
	if _, err := p.d.ReadToken(); err != nil {
		return err
	}
	for p.d.PeekKind() != '}' {
		token, err := p.d.ReadToken()
		if err != nil {
			return err
		}
		if err := f(token.String()); errors.Is(err, errSkip) {
			err = p.d.SkipValue()
			if err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
	}
	_, err := p.d.ReadToken()
	return err
}

var errSkip = errors.New("skip this member")

// items calls f for each element of an array.
func (p *parser) items(what string, f func(i int) error) error {
	if p.d.PeekKind() != '[' {
		if err := p.d.SkipValue(); err != nil {
			return err
		}
		return fault("%s is no array.", what)
	}
	if _, err := p.d.ReadToken(); err != nil {
		return err
	}
	for i := 0; p.d.PeekKind() != ']'; i++ {
		if err := f(i); err != nil {
			return err
		}
	}
	_, err := p.d.ReadToken()
	return err
}

func (p *parser) text(what string) (string, error) {
	if p.d.PeekKind() != '"' {
		if err := p.d.SkipValue(); err != nil {
			return "", err
		}
		return "", fault("%s is no string.", what)
	}
	token, err := p.d.ReadToken()
	if err != nil {
		return "", err
	}
	return token.String(), nil
}

func (p *parser) request() error {
	err := p.members("The request", func(name string) (err error) {
		switch name {
		case "id":
			p.r.ID, err = p.text("id")
		case "parameters":
			err = p.parameters(func(name string, v jsontext.Value) error {
				switch name {
				case "binary_data_output":
					p.r.Binary = string(v) == "true"
				case "timeout":
					return p.timeout(v)
				}
				return nil
			})
		case "inputs":
			p.r.Inputs = nil
			err = p.items("inputs", func(int) error { return p.tensor() })
		case "outputs":
			p.r.Outputs = []Wish{}
			err = p.items("outputs", func(int) error { return p.wish() })
		default:
			err = errSkip
		}
		return err
	})
	if err != nil {
		return err
	}
	if _, err := p.d.ReadToken(); !errors.Is(err, io.EOF) {
		return fault("Something follows the JSON object of the request.")
	}
	for i, w := range p.r.Outputs {
		if w.Name == "" {
			return fault("Output %d has no name.", i)
		}
	}
	return nil
}

// timeout reads Triton's parameter.
func (p *parser) timeout(v jsontext.Value) (err error) {
	if p.r.Timeout, err = strconv.ParseInt(string(v), 10, 64); err != nil || p.r.Timeout < 0 {
		return fault("The parameter timeout is %s, and must be a whole number of microseconds.", model.Quote(string(v)))
	}
	return nil
}

// parameters calls f for each parameter: a string, a number or a boolean.
func (p *parser) parameters(f func(name string, v jsontext.Value) error) error {
	return p.members("parameters", func(name string) error {
		v, err := p.d.ReadValue()
		if err != nil {
			return err
		}
		if kind := v.Kind(); kind == '{' || kind == '[' || kind == 'n' {
			return fault("Parameter %s is no string, number or boolean.", model.Quote(name))
		}
		return f(name, v)
	})
}

func (p *parser) wish() error {
	w := Wish{Binary: p.r.Binary}
	err := p.members("An output", func(name string) (err error) {
		switch name {
		case "name":
			w.Name, err = p.text("An output's name")
		case "parameters":
			err = p.parameters(func(name string, v jsontext.Value) error {
				if name == "binary_data" {
					w.Binary = string(v) == "true"
				}
				return nil
			})
		default:
			err = errSkip
		}
		return err
	})
	p.r.Outputs = append(p.r.Outputs, w)
	return err
}

// maxInputs bounds the tensors of a request: no model takes more features.
const maxInputs = 1 << 16

func (p *parser) tensor() error {
	if len(p.r.Inputs) == maxInputs {
		return fault("The request has more than %d inputs.", maxInputs)
	}
	var t Tensor
	size := -1
	var data jsontext.Value
	err := p.members("An input", func(name string) (err error) {
		switch name {
		case "name":
			t.Name, err = p.text("An input's name")
		case "datatype":
			t.Datatype, err = p.text("An input's datatype")
		case "shape":
			t.Shape, err = p.shape()
		case "parameters":
			err = p.parameters(func(name string, v jsontext.Value) (err error) {
				if name == "binary_data_size" {
					if size, err = strconv.Atoi(string(v)); err != nil || size < 0 {
						return fault("binary_data_size is %s, and must be a number of bytes.", model.Quote(string(v)))
					}
				}
				return nil
			})
		case "data":
			data, err = p.d.ReadValue()
			data = slices.Clone(data) // the decoder uses its memory again
		default:
			err = errSkip
		}
		return err
	})
	if err != nil {
		return err
	}
	switch {
	case size >= 0 && !p.binary:
		return fault("Input %s has binary_data_size, and the request no header Inference-Header-Content-Length.", model.Quote(t.Name))
	case size > len(p.rest):
		return fault("Input %s claims %d bytes of binary data and %d are left.", model.Quote(t.Name), size, len(p.rest))
	case size >= 0 && data != nil:
		return fault("Input %s has both data and binary_data_size.", model.Quote(t.Name))
	case size >= 0:
		t.Raw, p.rest = p.rest[:size:size], p.rest[size:]
	case data == nil:
		return fault("Input %s has no data.", model.Quote(t.Name))
	default:
		if err := t.decode(data); err != nil {
			return err
		}
	}
	p.r.Inputs = append(p.r.Inputs, t)
	return nil
}

func (p *parser) shape() ([]int64, error) {
	var shape []int64
	err := p.items("An input's shape", func(int) error {
		v, err := p.d.ReadValue()
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(string(v), 10, 64)
		if err != nil || n < 0 {
			return fault("A shape is made of whole numbers, not of %s.", model.Quote(string(v)))
		}
		if len(shape) == MaxAxes {
			return fault("A shape has more than %d axes.", MaxAxes)
		}
		shape = append(shape, n)
		return nil
	})
	return shape, err
}

// MaxAxes bounds the axes of a shape; no row-shaped tensor has as many.
const MaxAxes = 8
