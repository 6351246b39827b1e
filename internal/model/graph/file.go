package graph

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"serin/internal/model"
)

// File is a ModelProto: what is said of the model, and its graph.
type File struct {
	Producer string // "skl2onnx 1.17.0"
	Inputs   []Port // that a request fills in
	Outputs  []Port
	opsets   map[string]int
	graph    *graph
	nodes    int // counted over all graphs
	size     int // bytes
	more     map[Name]func(*Call)
}

// graph is a GraphProto. Its nodes are in the order in which they run.
type graph struct {
	nodes       []*node
	constants   map[string]*Tensor // initializers
	inputs, out []Port
}

// node is a NodeProto: one operator and the names of what it takes and gives.
type node struct {
	domain, op, name string
	in, out          []string
	attributes       []attribute
	prepared         any // what its operator made of its attributes, once, while loading
}

// attribute is an AttributeProto. Lists and tensors stay in the bytes of the
// file until an operator asks for them.
type attribute struct {
	name string
	raw  []byte
	body *graph // of Scan
}

// Port is a ValueInfoProto: an input or output of a graph.
type Port struct {
	Name    string
	Element Elem    // ElemFloat, ...; 0 where it is no tensor or not told
	Shape   []int64 // -1: not fixed; nil with ranked false: unknown
	Ranked  bool
}

// readModel reads a ModelProto.
// Source: onnx/onnx.proto, message ModelProto.
func readModel(b []byte) *File {
	m := &File{opsets: make(map[string]int), size: len(b)}
	var name, version string
	fields("ModelProto", b, func(f field) {
		switch f.number {
		case 1, 4, 5, 6, 14: // ir_version, domain, model_version, doc_string, metadata_props
		case 2:
			name = f.text()
		case 3:
			version = f.text()
		case 7:
			if m.graph != nil {
				Refuse(NextExport, "the file has two graphs")
			}
			m.graph = m.readGraph(f.body(), 1)
		case 8:
			m.readOpset(f.body())
		case 20:
			Refuse("Export the model for inference, without its training graph.", "the file has a training graph")
		case 25:
			Refuse("Inline them before saving: onnx.save(onnx.inliner.inline_local_functions(onnx.load(path)), new_path).",
				"the model defines functions of its own")
		default:
			f.unknown()
		}
	})
	if m.graph == nil {
		Refuse(NextExport, "the file has no graph")
	}
	m.Outputs = m.graph.out
	for _, p := range m.graph.inputs {
		if _, given := m.graph.constants[p.Name]; !given {
			m.Inputs = append(m.Inputs, p)
		}
	}
	if len(m.Inputs) == 0 {
		Refuse(NextExport, "the model takes no input")
	}
	m.Producer = name
	if version != "" {
		m.Producer += " " + version
	}
	if name == "" {
		m.Producer = "ONNX"
	}
	return m
}

func (m *File) readOpset(b []byte) {
	var domain string
	var version int64
	fields("OperatorSetIdProto", b, func(f field) {
		switch f.number {
		case 1:
			domain = f.text()
		case 2:
			version = f.int()
		default:
			f.unknown()
		}
	})
	if version < 1 || version > 1<<20 {
		Refuse(NextExport, "the operator set %s has the version %d", model.Quote(domain), version)
	}
	m.opsets[plainDomain(domain)] = int(version)
}

// plainDomain gives the two names of the standard domain one spelling.
func plainDomain(domain string) string {
	if domain == "ai.onnx" {
		return ""
	}
	return domain
}

// readGraph reads a GraphProto that lies depth graphs deep.
func (m *File) readGraph(b []byte, depth int) *graph {
	if depth > maxDepth {
		Refuse(NextExport, "graphs lie more than %d deep inside each other", maxDepth)
	}
	g := &graph{constants: make(map[string]*Tensor)}
	fields("GraphProto", b, func(f field) {
		switch f.number {
		case 2, 10, 13, 16: // name, doc_string, value_info, metadata_props
		case 1:
			if m.nodes++; m.nodes > maxNodes {
				Refuse(NextSmaller, "the model has more than %d nodes", maxNodes)
			}
			g.nodes = append(g.nodes, m.readNode(f.body(), depth))
		case 5:
			name, t := readTensor(f.body())
			if _, twice := g.constants[name]; twice || name == "" {
				Refuse(NextExport, "two initializers are called %s", model.Quote(name))
			}
			g.constants[name] = t
		case 11:
			g.inputs = append(g.inputs, readPort(f.body()))
		case 12:
			g.out = append(g.out, readPort(f.body()))
		case 14:
			Refuse("Export the model before quantizing it.", "the graph is annotated for quantization")
		case 15:
			Refuse(NextExport, "the graph has sparse initializers")
		default:
			f.unknown()
		}
	})
	return g
}

func (m *File) readNode(b []byte, depth int) *node {
	n := &node{}
	fields("NodeProto", b, func(f field) {
		switch f.number {
		case 1:
			n.in = append(n.in, f.text())
		case 2:
			n.out = append(n.out, f.text())
		case 3:
			n.name = f.text()
		case 4:
			n.op = f.text()
		case 5:
			n.attributes = append(n.attributes, m.readAttribute(f.body(), depth))
		case 7:
			n.domain = plainDomain(f.text())
		case 6, 9: // doc_string, metadata_props
		default: // overload, device_configurations
			f.unknown()
		}
	})
	return n
}

func (m *File) readAttribute(b []byte, depth int) attribute {
	a := attribute{raw: b}
	for len(b) > 0 {
		var f field
		f, b = nextField("AttributeProto", b)
		switch f.number {
		case 1:
			a.name = f.text()
		case 6:
			a.body = m.readGraph(f.body(), depth+1)
		case 7, 8, 9: // floats, ints, strings: the operator that wants them reads on
			if a.name != "" {
				return a
			}
		case 2, 3, 4, 5, 13, 20: // f, i, s, t, doc_string, type
		default:
			Refuse(NextExport, "the attribute %s holds what serin does not read (field %d)", model.Quote(a.name), f.number)
		}
	}
	return a
}

func readPort(b []byte) Port {
	p := Port{}
	fields("ValueInfoProto", b, func(f field) {
		switch f.number {
		case 1:
			p.Name = f.text()
		case 2:
			fields("TypeProto", f.body(), func(f field) {
				if f.number == 1 {
					p.readTensorType(f.body())
				} // sequences and maps: ZipMap tells what it gives
			})
		case 3, 4: // doc_string, metadata_props
		default:
			f.unknown()
		}
	})
	return p
}

func (p *Port) readTensorType(b []byte) {
	fields("TypeProto.Tensor", b, func(f field) {
		switch f.number {
		case 1:
			p.Element = Elem(f.int())
		case 2:
			p.Ranked = true
			fields("TensorShapeProto", f.body(), func(f field) {
				if f.number != 1 {
					f.unknown()
				}
				size := int64(-1)
				fields("Dimension", f.body(), func(f field) {
					if f.number == 1 {
						size = f.int()
					} // a name, or a denotation: not fixed
				})
				if len(p.Shape) == maxRank {
					Refuse(NextExport, "the value %s has more than %d dimensions", model.Quote(p.Name), maxRank)
				}
				p.Shape = append(p.Shape, size)
			})
		default:
			f.unknown()
		}
	})
}

// Elem is an element type, by the number that TensorProto.DataType gives it.
type Elem int64

// The element types that serin computes with.
const (
	ElemFloat  Elem = 1
	ElemUint8  Elem = 2 // only read
	ElemInt32  Elem = 6
	ElemInt64  Elem = 7
	ElemString Elem = 8
	ElemBool   Elem = 9
	ElemDouble Elem = 11
)

// parts are the fields of a TensorProto before its type is known to all.
type parts struct {
	name    string
	dims    []int64
	element Elem
	floats  []float32
	doubles []float64
	ints    []int64 // int32_data and int64_data
	texts   []string
	raw     []byte
	hasRaw  bool
}

// readTensor reads a TensorProto into a constant.
func readTensor(b []byte) (string, *Tensor) {
	var p parts
	fields("TensorProto", b, func(f field) {
		switch f.number {
		case 1:
			f.ints(&p.dims)
		case 2:
			p.element = Elem(f.int())
		case 4:
			f.floats(&p.floats)
		case 5, 7:
			f.ints(&p.ints)
		case 6:
			p.texts = append(p.texts, f.text())
		case 8:
			p.name = f.text()
		case 9:
			p.raw, p.hasRaw = f.body(), true
		case 10:
			f.doubles(&p.doubles)
		case 12, 16: // doc_string, metadata_props
		case 13:
			Refuse(nextEmbed, "the tensor %s lies in a file of its own, and serin opens no other file than the model", model.Quote(p.name))
		case 14:
			if f.typ != protowire.VarintType || f.value != 0 {
				Refuse(nextEmbed, "the tensor %s lies in a file of its own, and serin opens no other file than the model", model.Quote(p.name))
			}
		default:
			f.unknown()
		}
	})
	return p.name, p.tensor()
}

// tensor puts the data together with its type and shape.
func (p *parts) tensor() *Tensor {
	t := &Tensor{Fixed: true}
	switch p.element {
	case ElemFloat:
		t.Data = p.floats
		if p.hasRaw {
			t.Data = decodeRaw(p.raw, 4, float32Of)
		}
	case ElemDouble:
		t.Data = p.doubles
		if p.hasRaw {
			t.Data = decodeRaw(p.raw, 8, float64Of)
		}
	case ElemInt64:
		t.Data = p.ints
		if p.hasRaw {
			t.Data = decodeRaw(p.raw, 8, int64Of)
		}
	case ElemInt32:
		t.Data = Convert[int32](p.ints)
		if p.hasRaw {
			t.Data = decodeRaw(p.raw, 4, int32Of)
		}
	case ElemUint8: // the modes of TreeEnsemble; no operator computes with them
		t.Data = Convert[int32](p.ints)
		if p.hasRaw {
			t.Data = decodeRaw(p.raw, 1, func(b []byte) int32 { return int32(b[0]) })
		}
	case ElemBool:
		t.Data = truths(p.ints)
		if p.hasRaw {
			t.Data = decodeRaw(p.raw, 1, func(b []byte) bool { return b[0] != 0 })
		}
	case ElemString:
		t.Data = p.texts
	default:
		Refuse("Export the model in float32 or float64.", "the tensor %s has the element type %d; serin reads float, double, int32, int64, bool and string", model.Quote(p.name), p.element)
	}
	if len(p.dims) > maxRank {
		Refuse(NextExport, "the tensor %s has more than %d dimensions", model.Quote(p.name), maxRank)
	}
	for _, d := range p.dims {
		t.Shape = append(t.Shape, int(max(d, -1)))
	}
	if !sensible(t.Shape) || product(t.Shape) != t.Len() {
		Refuse(NextExport, "the tensor %s has the shape %v and %d elements", model.Quote(p.name), p.dims, t.Len())
	}
	return t
}

// Operators are the names of the operators in the order of the nodes.
func (m *File) Operators() []Name {
	list := make([]Name, len(m.graph.nodes))
	for i, n := range m.graph.nodes {
		list[i] = Name{n.domain, n.op}
	}
	return list
}

// Version is that of an operator set, 0 where the file does not name it.
func (m *File) Version(domain string) int { return m.opsets[domain] }

// Maker is the operator that computes an output, behind those that only hand
// values on.
func (m *File) Maker(output string) Name {
	n, _ := m.maker(output)
	if n == nil {
		return Name{}
	}
	return Name{n.domain, n.op}
}

// maker is that operator's node, and which of its outputs it is.
func (m *File) maker(output string) (n *node, place int) {
	for range len(m.graph.nodes) + 1 {
		at := slices.IndexFunc(m.graph.nodes, func(n *node) bool { return slices.Contains(n.out, output) })
		if at < 0 {
			break
		}
		n := m.graph.nodes[at]
		switch n.op {
		case "Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Dropout":
			if len(n.in) > 0 {
				output = n.in[0]
				continue
			}
		}
		return n, slices.Index(n.out, output)
	}
	return nil, 0
}
