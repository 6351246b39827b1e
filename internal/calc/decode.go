package calc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// kind makes a Kind of a function from a question to its answer. The
// question's fields that are pointers or slices must be given, unless tagged
// optional; the others begin as in defaults.
func kind[Q, A any](name, does string, examples []string, defaults Q, answer func(Q) (A, error)) Kind {
	return Kind{name, does, examples, func(line []byte) (any, error) {
		q := defaults
		if err := decode(line, &q, examples[0]); err != nil {
			return nil, err
		}
		return answer(q)
	}}
}

// fieldError is an error about one field of a line; detail begins with a verb.
type fieldError struct{ field, detail string }

func (e *fieldError) Error() string { return e.field + " " + e.detail }

func wrong(field, format string, args ...any) error {
	return &fieldError{field, fmt.Sprintf(format, args...)}
}

// An error may repeat what was read, whatever that was.
var replaceInvalid = jsontext.AllowInvalidUTF8(true)

var strict = json.JoinOptions(
	json.RejectUnknownMembers(true),
	json.WithUnmarshalers(json.JoinUnmarshalers(json.UnmarshalFromFunc(readNumber), json.UnmarshalFromFunc(readCount), json.UnmarshalFromFunc(readDirection))),
)

// decode reads one line into a question. What it refuses, it refuses with the
// field and with what to write instead.
func decode(line []byte, question any, example string) error {
	err := json.Unmarshal(line, question, strict)
	if err == nil && line[0] != '{' { // null, which the library lets pass
		return notObject('n', example)
	}
	if err == nil {
		return complete(question, example)
	}
	if f, ok := errors.AsType[*fieldError](err); ok { // from readNumber or readCount
		if about, is := errors.AsType[*json.SemanticError](err); is {
			return wrong(place(about.JSONPointer), "%s", f.detail)
		}
		return f
	}
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return malformed(line, syntax)
	}
	about, ok := errors.AsType[*json.SemanticError](err)
	switch {
	case ok && errors.Is(about.Err, json.ErrUnknownName):
		return wrong(clip(about.JSONPointer.LastToken()), "is no field of this kind; the fields are %s", strings.Join(fields(question), ", "))
	case ok && about.JSONPointer == "":
		return notObject(about.JSONKind, example)
	case ok:
		want := "a string"
		if about.GoType != nil && about.GoType.Kind() == reflect.Slice {
			want = "an array of numbers"
		}
		return wrong(place(about.JSONPointer), "is %s; give %s", kindName(about.JSONKind), want)
	}
	return fmt.Errorf("the line cannot be read: %w; give an object, such as %s", err, example)
}

func notObject(kind jsontext.Kind, example string) error {
	return fmt.Errorf("the line is %s; give an object, such as %s", kindName(kind), example)
}

func malformed(line []byte, syntax *jsontext.SyntacticError) error {
	at := min(int(syntax.ByteOffset), len(line))
	rest := bytes.TrimLeft(line[at:], " \t\r,:[-")
	for _, word := range []string{"NaN", "nan", "Infinity", "inf"} {
		if bytes.HasPrefix(rest, []byte(word)) {
			return fmt.Errorf("%s at byte %d is no JSON: give a finite number, or leave the line out", word, len(line)-len(rest))
		}
	}
	switch {
	case errors.Is(syntax, jsontext.ErrDuplicateName):
		return wrong(clip(syntax.JSONPointer.LastToken()), "stands there twice; give it once")
	case errors.Is(syntax, io.ErrUnexpectedEOF):
		return errors.New("the line is not JSON: it ends too early; give one whole object a line")
	}
	return fmt.Errorf("the line is not one JSON object: %s at byte %d", clip(strings.TrimPrefix(syntax.Err.Error(), "jsontext: ")), at)
}

// complete names the first field that must be given and is not.
func complete(question any, example string) error {
	v := reflect.ValueOf(question).Elem()
	for _, f := range reflect.VisibleFields(v.Type()) {
		kind := f.Type.Kind()
		if kind != reflect.Pointer && kind != reflect.Slice || f.Tag.Get("calc") == "optional" {
			continue
		}
		if v.FieldByIndex(f.Index).IsNil() {
			return wrong(f.Tag.Get("json"), "is missing; a line looks like %s", example)
		}
	}
	return nil
}

// fields are the names that a line may have.
func fields(question any) []string {
	var names []string
	for _, f := range reflect.VisibleFields(reflect.TypeOf(question).Elem()) {
		if name := f.Tag.Get("json"); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// place writes where a value stands as in a program: x[3].
func place(p jsontext.Pointer) string {
	out := &strings.Builder{}
	for token := range p.Tokens() {
		if out.Len() > 0 {
			token = "[" + token + "]"
		}
		out.WriteString(clip(token))
	}
	return out.String()
}

// clip keeps the beginning of what a stranger wrote.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

func kindName(kind jsontext.Kind) string {
	switch kind {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '[':
		return "an array"
	case '{':
		return "an object"
	default:
		return "a number"
	}
}

// readNumber reads any finite number.
func readNumber(d *jsontext.Decoder, v *float64) error {
	raw, err := numeral(d, "a number")
	if err != nil {
		return err
	}
	if *v, err = strconv.ParseFloat(string(raw), 64); err != nil {
		return wrong("", "is %s; give a number between -1.8e308 and 1.8e308", clip(string(raw)))
	}
	return nil
}

// largestCount is what counts may be: every whole number up to it is a float64.
const largestCount = 1e15

// readCount reads a whole number, also one that is written like 20.0 or 1e3.
func readCount(d *jsontext.Decoder, v *uint64) error {
	raw, err := numeral(d, "a count")
	if err != nil {
		return err
	}
	x, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || x < 0 || x > largestCount || x != math.Trunc(x) {
		return wrong("", "is %s; give a whole number from 0 to %g", clip(string(raw)), largestCount)
	}
	*v = uint64(x)
	return nil
}

func numeral(d *jsontext.Decoder, want string) (jsontext.Value, error) {
	if kind := d.PeekKind(); kind != '0' && kind != jsontext.KindInvalid {
		return nil, wrong("", "is %s; give %s", kindName(kind), want)
	}
	return d.ReadValue()
}

// direction is what a test is meant to show.
type direction string

const (
	twoSided direction = "two-sided"
	greater  direction = "greater"
	less     direction = "less"
)

// readDirection reads the names that SciPy and statsmodels have for it.
func readDirection(d *jsontext.Decoder, v *direction) error {
	token, err := d.ReadToken()
	if err != nil {
		return err
	}
	word := token.String() // of what is no string: its kind or digits
	switch {
	case token.Kind() != '"':
		return wrong("", "is %s; give \"two-sided\", \"greater\" or \"less\"", kindName(token.Kind()))
	case word == "larger":
		*v = greater
	case word == "smaller":
		*v = less
	case direction(word) == twoSided, direction(word) == greater, direction(word) == less:
		*v = direction(word)
	default:
		return wrong("", "is %q; give \"two-sided\", \"greater\" or \"less\"", clip(word))
	}
	return nil
}
