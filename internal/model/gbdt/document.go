package gbdt

import (
	"bufio"
	"fmt"
	"io"
	"math"

	"serin/internal/model"
)

// What a JSON or UBJSON document holds, as far as a schema wants it: nil, bool,
// float64, string, or one of these.
type (
	// vector is an array of nothing but numbers and booleans, which count as 0 and 1.
	vector []float64
	// list is any other array; an empty one is an empty vector.
	list []any
	// object is what stands between braces.
	object map[string]any
)

// schema says what to keep of a document. Everything else is checked and
// skipped, so that memory goes to what is used.
type schema struct {
	// keep are the names of members that are wanted, at any depth.
	keep map[string]bool
	// stream are members whose array is never held as a whole: each of its
	// elements goes to take, in order, and is forgotten.
	stream map[string]bool
	take   func(element any) *model.Refusal
}

// The budgets of one document.
const (
	maxDepth   = 32
	maxNumbers = 1 << 27 // in vectors
	maxOthers  = 1 << 20 // strings, lists, objects and lonely numbers, streamed elements not counted
)

// spending counts what a document has cost.
type spending struct{ numbers, others int }

func (s *spending) number() error {
	if s.numbers++; s.numbers > maxNumbers {
		return malformed("it holds more than %d numbers, the limit", maxNumbers)
	}
	return nil
}

func (s *spending) other() error {
	if s.others++; s.others > maxOthers {
		return malformed("it holds more than %d values beside arrays of numbers, the limit", maxOthers)
	}
	return nil
}

// damage is what makes a document unreadable, as opposed to trouble with the
// reader it comes from.
type damage string

func (d damage) Error() string { return string(d) }

func malformed(format string, args ...any) error { return damage(fmt.Sprintf(format, args...)) }

// part is a value with its place in the document: "learner.objective.name".
type part struct {
	value any
	path  string
	in    *intake
}

// intake keeps the first thing that is wrong with a document. Every later read
// returns a zero value, so that the reading code is a plain list of what it
// wants.
type intake struct {
	next string // the next step of refusals
	err  *model.Refusal
}

func (in *intake) refuse(next, format string, args ...any) {
	if in.err == nil {
		in.err = &model.Refusal{Reason: fmt.Sprintf(format, args...), Next: next}
	}
}

func (p part) fail(format string, args ...any) {
	p.in.refuse(p.in.next, "%s: %s", p.path, fmt.Sprintf(format, args...))
}

func (p part) wrong(want string) {
	p.fail("it is %s instead of %s", describe(p.value), want)
}

// at steps into a member that must be there.
func (p part) at(name string) part {
	inner := part{path: p.path + "." + name, in: p.in}
	if p.path == "" {
		inner.path = name
	}
	if members, ok := p.value.(object); ok {
		inner.value = members[name]
		if _, ok := members[name]; !ok && p.in.err == nil {
			inner.fail("it is missing")
		}
	} else if p.in.err == nil {
		p.wrong("an object")
	}
	return inner
}

// has tells whether there is such a member.
func (p part) has(name string) bool {
	members, _ := p.value.(object)
	_, ok := members[name]
	return ok
}

func (p part) text() string {
	s, ok := p.value.(string)
	if !ok && p.in.err == nil {
		p.wrong("a string")
	}
	return s
}

// number reads a number that is finite.
func (p part) number() float64 {
	x, ok := p.value.(float64)
	if (!ok || math.IsNaN(x) || math.IsInf(x, 0)) && p.in.err == nil {
		p.wrong("a number")
		return 0
	}
	return x
}

// count reads a whole number from 0 to most.
func (p part) count(most int) int { return p.whole(p.number(), most) }

func (p part) whole(x float64, most int) int {
	if p.in.err != nil {
		return 0
	}
	if x < 0 || x > float64(most) || x != math.Trunc(x) {
		p.fail("it is %v instead of a whole number from 0 to %d", x, most)
		return 0
	}
	return int(x)
}

// numbers reads an array of numbers.
func (p part) numbers() []float64 {
	v, ok := p.value.(vector)
	if !ok && p.in.err == nil {
		p.wrong("an array of numbers")
	}
	return v
}

// fixed reads an array of n numbers.
func (p part) fixed(n int) []float64 {
	v := p.numbers()
	if p.in.err == nil && len(v) != n {
		p.fail("it has %d numbers instead of %d", len(v), n)
	}
	if p.in.err != nil {
		return nil
	}
	return v
}

// parts reads an array of anything.
func (p part) parts() []part {
	var all []part
	add := func(i int, v any) {
		all = append(all, part{value: v, path: fmt.Sprintf("%s[%d]", p.path, i), in: p.in})
	}
	switch v := p.value.(type) {
	case list:
		for i, item := range v {
			add(i, item)
		}
	case vector:
		for i, x := range v {
			add(i, x)
		}
	default:
		if p.in.err == nil {
			p.wrong("an array")
		}
	}
	return all
}

// texts reads an array of strings.
func (p part) texts() []string {
	var all []string
	for _, item := range p.parts() {
		all = append(all, item.text())
	}
	return all
}

func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return "the string " + model.Quote(v)
	case bool, float64:
		return fmt.Sprint(v)
	case vector:
		return fmt.Sprintf("an array of %d numbers", len(v))
	case list:
		return fmt.Sprintf("an array of %d", len(v))
	}
	return "an object"
}

// readDocument reads JSON or UBJSON, whichever it is, to its end. The first
// error is damage, a *model.Refusal of schema.take, or the reader's own.
func readDocument(r *bufio.Reader, s schema) (object, error) {
	var root any
	var err error
	if prefix, _ := r.Peek(2); string(prefix) == "{L" {
		root, err = readUBJSON(r, s)
	} else {
		root, err = readJSON(r, s)
	}
	if err != nil {
		return nil, err
	}
	if members, ok := root.(object); ok {
		return members, nil
	}
	return nil, malformed("it holds %s instead of an object", describe(root))
}

// unexpected turns the end of a file in the middle into damage, and leaves
// trouble of the reader as it is.
func unexpected(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF { //nolint:errorlint // readers return these two bare
		return malformed("the file ends in the middle")
	}
	return err
}
