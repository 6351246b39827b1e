package gbdt

import (
	"errors"
	"io"
	"math"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"serin/internal/model"
)

// XGBoost writes NaN into its JSON, which has no such number. nanReader passes
// it on as a string that nobody else writes, and changes nothing else: a string
// that begins as that one does is no JSON to it, and so refused.
type nanReader struct {
	from              io.Reader
	inString, escaped bool
	first             bool // the next byte is the first of a string
	seen              int  // letters of NaN
}

const (
	nanWord   = "NaN"
	nanString = "\"\x7f\"" // in the text, of the same length
	nanText   = "\x7f"     // as it is decoded
)

func (r *nanReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	for i, b := range p[:n] {
		switch {
		case r.escaped:
			r.escaped = false
		case r.inString:
			r.escaped = b == '\\'
			r.inString = b != '"'
			if r.first && b == nanText[0] {
				p[i] = 0
			}
			r.first = false
		case b == '"':
			r.inString, r.first = true, true
		case r.seen > 0 || b == nanWord[0]:
			p[i] = 0 // no JSON at all
			if b == nanWord[r.seen] {
				p[i] = nanString[r.seen]
			}
			r.seen = (r.seen + 1) % len(nanWord)
		}
	}
	return n, err //nolint:wrapcheck // a reader's error passes through
}

// jsonReader reads JSON token by token.
type jsonReader struct {
	tokens *jsontext.Decoder
	schema schema
	spent  spending
	// numbers are those of the array at hand, until it is known how many there are.
	numbers vector
}

func readJSON(r io.Reader, s schema) (any, error) {
	j := &jsonReader{tokens: jsontext.NewDecoder(&nanReader{from: r}), schema: s}
	root, err := j.value(0)
	if err == nil {
		_, err = j.tokens.ReadToken() // the end, or something that should not be there
		if err == io.EOF {            //nolint:errorlint // jsontext returns it bare
			return root, nil
		}
		if err == nil {
			err = malformed("byte %d: something follows the end of the document", j.tokens.InputOffset())
		}
	}
	return nil, j.explain(err)
}

// explain tells what is wrong with the text from trouble with its source.
func (j *jsonReader) explain(err error) error {
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return unexpected(io.EOF)
		}
		return malformed("byte %d: %v", syntax.ByteOffset, syntax.Err)
	}
	return unexpected(err)
}

func (j *jsonReader) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, malformed("byte %d: it is nested more than %d deep", j.tokens.InputOffset(), maxDepth)
	}
	token, err := j.tokens.ReadToken()
	if err != nil {
		return nil, err
	}
	if err := j.spent.other(); err != nil {
		return nil, err
	}
	switch token.Kind() {
	case '{':
		return j.object(depth)
	case '[':
		return j.array(depth)
	case '"':
		if text := token.String(); text != nanText {
			return text, nil
		}
		return math.NaN(), nil
	case '0':
		return number(token)
	case 't', 'f':
		return token.Bool(), nil
	}
	return nil, nil
}

// number reads a number that float64 can hold.
func number(token jsontext.Token) (float64, error) {
	x, err := token.Float()
	if err != nil {
		return 0, malformed("the number %s cannot be held", model.Quote(token.String()))
	}
	return x, nil
}

func (j *jsonReader) object(depth int) (any, error) {
	var members object // made when there is something to put in
	for {
		token, err := j.tokens.ReadToken()
		if err != nil {
			return nil, err
		}
		if token.Kind() == '}' {
			return members, nil
		}
		name := token.String()
		switch {
		case j.schema.stream[name] && j.tokens.PeekKind() == '[':
			err = j.stream(depth)
		case j.schema.keep[name]:
			if members == nil {
				members = object{}
			}
			members[name], err = j.value(depth + 1)
		default:
			err = j.tokens.SkipValue()
		}
		if err != nil {
			return nil, err
		}
	}
}

// stream hands the elements of an array over, one after the other.
func (j *jsonReader) stream(depth int) error {
	if _, err := j.tokens.ReadToken(); err != nil {
		return err
	}
	before := j.spent
	for j.tokens.PeekKind() != ']' {
		j.spent = before
		element, err := j.value(depth + 1)
		if err != nil {
			return err
		}
		if err := j.schema.take(element); err != nil {
			return err
		}
	}
	_, err := j.tokens.ReadToken()
	return err
}

// array reads a vector as long as there are only numbers, and a list otherwise.
func (j *jsonReader) array(depth int) (any, error) {
	numbers := j.numbers[:0]
	defer func() { j.numbers = numbers }()
	for {
		var x float64
		var err error
		switch kind := j.tokens.PeekKind(); kind {
		case ']':
			_, err = j.tokens.ReadToken()
			return slices.Clone(numbers), err
		case '0':
			var token jsontext.Token
			if token, err = j.tokens.ReadToken(); err == nil {
				x, err = number(token)
			}
		case 't', 'f':
			if kind == 't' {
				x = 1
			}
			_, err = j.tokens.ReadToken()
		case '"':
			var item any
			if item, err = j.value(depth + 1); err == nil {
				var isNaN bool
				if x, isNaN = item.(float64); !isNaN {
					return j.list(slices.Clone(numbers), item, depth)
				}
			}
		default:
			own := slices.Clone(numbers) // an inner array overwrites them
			item, err := j.value(depth + 1)
			if err != nil {
				return nil, err
			}
			return j.list(own, item, depth)
		}
		if err == nil {
			err = j.spent.number()
		}
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, x)
	}
}

// list reads the rest of an array of which some numbers and the first other
// item have been read.
func (j *jsonReader) list(numbers vector, item any, depth int) (any, error) {
	items := make(list, 0, len(numbers)+1)
	for _, x := range numbers {
		items = append(items, x)
	}
	items = append(items, item)
	for j.tokens.PeekKind() != ']' {
		item, err := j.value(depth + 1)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	_, err := j.tokens.ReadToken()
	return items, err
}
