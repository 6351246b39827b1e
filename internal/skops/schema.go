package skops

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"serin/internal/pickle"
)

// node is a piece of JSON. An object keeps the order of its keys, since that is
// the order of a dict.
type node struct {
	kind  jsontext.Kind // '{' '[' '"' '0' 't' 'f' 'n'
	at    int64         // where in schema.json it ends, for messages
	text  string        // of a string, unquoted, or a number
	keys  []string      // of an object
	items []node        // of an object or array
}

// get returns a value of an object; nil where it is none or has no such key.
func (n *node) get(key string) *node {
	if n == nil || n.kind != '{' {
		return nil
	}
	for i, k := range n.keys {
		if k == key {
			return &n.items[i]
		}
	}
	return nil
}

// str returns a string of an object; empty where it has none.
func (n *node) str(key string) string {
	if v := n.get(key); v != nil && v.kind == '"' {
		return v.text
	}
	return ""
}

// A node takes some ten times the bytes of the shortest that make one, so
// beyond freeNodes their number is bounded by the archive's size as it is
// stored.
const (
	freeNodes    = 1 << 18
	nodesPerByte = 2
)

// parse reads JSON text. jsontext refuses duplicate keys and text that is not
// UTF-8. What it keeps on the side for that is freed with the decoder.
func parse(text []byte, nodes, depth int) (*node, *pickle.Error) {
	p := &parser{d: jsontext.NewDecoder(bytes.NewBuffer(text)), left: nodes}
	root := p.value(depth)
	if p.err == nil {
		if extra := bytes.TrimSpace(text[p.d.InputOffset():]); len(extra) > 0 {
			p.err = errors.New("text follows its end")
		}
	}
	if p.err != nil {
		return nil, &pickle.Error{Container: schemaName, Offset: p.d.InputOffset(), Reason: fmt.Sprintf("the schema is damaged: %v", p.err), Next: nextCopyAgain}
	}
	return &root, nil
}

type parser struct {
	d    *jsontext.Decoder
	left int // nodes
	err  error
}

func (p *parser) fail(err error) node {
	if p.err == nil {
		p.err = err
	}
	return node{}
}

func (p *parser) value(depth int) node {
	if p.left--; p.left < 0 {
		return p.fail(errors.New("it holds more values than a file of its size may"))
	}
	if depth == 0 {
		return p.fail(errors.New("it is nested too deep"))
	}
	token, err := p.d.ReadToken()
	if err != nil {
		return p.fail(err)
	}
	n := node{kind: token.Kind(), at: p.d.InputOffset()}
	switch n.kind {
	case '"', '0':
		n.text = token.String()
	case '{':
		for p.err == nil && p.d.PeekKind() != '}' {
			key, err := p.d.ReadToken()
			if err != nil {
				return p.fail(err)
			}
			n.keys = append(n.keys, key.String())
			n.items = append(n.items, p.value(depth-1))
		}
	case '[':
		for p.err == nil && p.d.PeekKind() != ']' {
			n.items = append(n.items, p.value(depth-1))
		}
	}
	if n.kind == '{' || n.kind == '[' {
		if _, err := p.d.ReadToken(); err != nil {
			return p.fail(err)
		}
	}
	return n
}
