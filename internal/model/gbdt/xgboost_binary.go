package gbdt

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"

	"serin/internal/model"
)

// The old binary format (dmlc streams of raw structs, little endian) was written
// until 3.1: src/learner.cc LearnerIO::SaveModel, src/gbm/gbtree_model.cc Save,
// src/tree/tree_model.cc Save of those versions. It has no marks between its
// parts, so that all that can be checked is that they fit together.
const (
	configOffset   = "CONFIG-offset:" // of a pickled Booster before 1.3
	parametersSize = 136              // of LearnerModelParamLegacy
	treesSize      = 160              // of GBTreeModelParam
	treeSize       = 148              // of TreeParam
	nodeSize       = 20               // of RegTree::Node
	statisticSize  = 16               // of RTreeNodeStat, after the nodes
	linearSize     = 136              // of DeprecatedGBLinearModelParam
)

// binaryReader keeps the first error; what is read afterwards is zero.
type binaryReader struct {
	bytes *bufio.Reader
	err   error
}

// take reads n bytes, at most as many as the buffer holds.
func (r *binaryReader) take(n int) []byte {
	if r.err == nil {
		var raw []byte
		if raw, r.err = r.bytes.Peek(n); r.err == nil {
			_, r.err = r.bytes.Discard(n)
			return raw
		}
	}
	return make([]byte, n)
}

func (r *binaryReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = malformed(format, args...)
	}
}

func (r *binaryReader) skip(n int64) {
	if r.err == nil {
		_, r.err = io.CopyN(io.Discard, r.bytes, n)
	}
}

func (r *binaryReader) int32() int { return int(int32(binary.LittleEndian.Uint32(r.take(4)))) }

func (r *binaryReader) float32() float64 {
	return float64(math.Float32frombits(binary.LittleEndian.Uint32(r.take(4))))
}

// length reads the length of a string or vector.
func (r *binaryReader) length(most int) int {
	n := binary.LittleEndian.Uint64(r.take(8))
	if n > uint64(most) {
		r.fail("it has a part of the length %d, more than %d", n, most)
		return 0
	}
	return int(n)
}

func (r *binaryReader) text() string {
	var b strings.Builder
	for left := r.length(math.MaxInt32); left > 0 && r.err == nil; {
		raw := r.take(min(left, r.bytes.Size()))
		b.Write(raw)
		left -= len(raw)
	}
	return b.String()
}

// floats reads n float32.
func (r *binaryReader) floats(n int) []float64 {
	var all []float64
	for len(all) < n && r.err == nil {
		all = append(all, r.float32())
	}
	return all
}

// readXGBoostBinary reads the binary format to the end of the file.
func readXGBoostBinary(buffered *bufio.Reader) (*booster, error) {
	r := &binaryReader{bytes: buffered}
	pickled := false
	if prefix, _ := buffered.Peek(len(configOffset)); string(prefix) == configOffset {
		r.take(len(configOffset) + 8) // and where the configuration begins, behind the model
		pickled = true
	}
	if prefix, _ := buffered.Peek(4); string(prefix) == "binf" {
		r.take(4)
	}
	b := r.booster()
	if r.err == nil && !pickled && b.since(1, 0) {
		if _, err := buffered.ReadByte(); err == nil {
			r.fail("something follows the end of the model")
		}
	}
	if _, err := io.Copy(io.Discard, buffered); r.err == nil {
		r.err = err
	}
	if r.err != nil {
		return nil, unexpected(r.err)
	}
	return b, nil
}

func (r *binaryReader) booster() *booster {
	parameters := r.take(parametersSize)
	word := func(i int) int { return int(int32(binary.LittleEndian.Uint32(parameters[4*i:]))) }
	b := &booster{
		base:     []float32{math.Float32frombits(binary.LittleEndian.Uint32(parameters))},
		features: word(1), classes: word(2),
		targets: max(1, word(7)), // since 2.0; 0 before
		version: [3]int{word(5), word(6), 0},
	}
	hasAttributes := word(3) != 0
	b.library = fmt.Sprintf("XGBoost %d.%d", b.version[0], b.version[1])
	if b.version[0] < 1 {
		b.library, b.version, b.baseMargin = "XGBoost before 1.0", [3]int{}, true
	}
	for _, n := range []int{b.features, b.classes, b.targets, b.version[0], b.version[1]} {
		if n < 0 || n > maxFeatures {
			r.fail("its parameters are %d features, %d classes, %d targets, version %d.%d", b.features, b.classes, b.targets, b.version[0], b.version[1])
		}
	}
	if b.outputs() > maxOutputs {
		r.fail("it has %d outputs", b.outputs())
	}
	b.objective, b.kind = r.text(), r.text()
	if r.err != nil {
		return b
	}
	switch b.kind {
	case "gbtree", "dart":
		r.trees(b)
	case "gblinear":
		r.take(linearSize)
		b.linear = r.floats(r.length(maxNumbers))
	default:
		r.fail("its booster is %s", model.Quote(b.kind))
	}
	if hasAttributes && r.err == nil {
		b.attributes = map[string]string{}
		for n := r.length(1 << 16); n > 0 && r.err == nil; n-- {
			name := r.text()
			b.attributes[name] = r.text()
		}
	}
	return b
}

func (r *binaryReader) trees(b *booster) {
	parameters := r.take(treesSize)
	n := int(int32(binary.LittleEndian.Uint32(parameters)))
	b.parallel = max(1, int(int32(binary.LittleEndian.Uint32(parameters[4:]))))
	if n < 0 || b.parallel > 1<<20 {
		r.fail("it claims %d trees", n)
	}
	for i := 0; i < n && r.err == nil; i++ {
		in := &intake{next: nextXGBoost}
		raw := r.tree(i)
		if r.err != nil {
			return
		}
		b.trees = append(b.trees, raw.tree(part{path: fmt.Sprintf("tree %d", i), in: in}))
		if in.err != nil {
			r.err = in.err
		}
	}
	for len(b.groups) < n && r.err == nil {
		b.groups = append(b.groups, float64(r.int32()))
	}
	if b.kind == "dart" && n > 0 {
		b.drop = r.floats(r.length(n))
	}
}

// tree reads one tree into the arrays that documents have.
func (r *binaryReader) tree(i int) rawTree {
	parameters := r.take(treeSize)
	nodes := int(int32(binary.LittleEndian.Uint32(parameters[4:])))
	if width := binary.LittleEndian.Uint32(parameters[20:]); width > 1 || nodes < 1 {
		r.fail("tree %d: it has %d nodes and leaves of %d numbers", i, nodes, width)
	}
	var raw rawTree
	for at := 0; at < nodes && r.err == nil; at++ {
		node := r.take(nodeSize)
		word := func(i int) uint32 { return binary.LittleEndian.Uint32(node[4*i:]) }
		raw.left = append(raw.left, float64(int32(word(1))))
		raw.right = append(raw.right, float64(int32(word(2))))
		raw.feature = append(raw.feature, float64(word(3)&(1<<31-1)))
		raw.defaultLeft = append(raw.defaultLeft, float64(word(3)>>31))
		raw.condition = append(raw.condition, float64(math.Float32frombits(word(4))))
	}
	r.skip(int64(nodes) * statisticSize)
	return raw
}
