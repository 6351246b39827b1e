package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// head names the last row of the journal: how many rows there are and the hash
// of the last one, which covers all before it.
type head struct {
	seq  uint64
	hash []byte
}

// genesis is what the first row follows.
var genesis = make([]byte, sha256.Size)

// headFile is head.json, for people and for the check at the next start. A
// last member, the SHA-256 of every byte before it, is put on as text; see seal.
type headFile struct {
	Note   string                     `json:"note"`
	Seq    uint64                     `json:"seq"`
	Hash   string                     `json:"hash"`
	States map[string]json.RawMessage `json:"states"`
	SHA256 string                     `json:"sha256,omitempty"`
}

const headNote = "The end of the journal in serin.db and the state of each model there. Written by serin at each commit; do not edit."

// writeHead makes head.json name the end of the journal, durably.
func (s *Store) writeHead(v view) error {
	file := headFile{Note: headNote, Seq: v.head.seq, Hash: hex.EncodeToString(v.head.hash), States: make(map[string]json.RawMessage)}
	for name, m := range v.models {
		file.States[name] = json.RawMessage(m.state)
	}
	text, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding %s: %w", s.path(headName), err)
	}
	if err := s.replaceFile(s.path(headName), seal(bytes.TrimSuffix(text, []byte("\n}")))); err != nil {
		return fmt.Errorf("writing the journal's head: %w", err)
	}
	s.headDue = false
	return nil
}

// seal ends a JSON object, given without its closing brace, with the digest of
// all its bytes. What it appends has a fixed length and follows from the rest,
// so there is no byte in the file that could change unseen.
func seal(open []byte) []byte {
	digest := sha256.Sum256(open)
	return fmt.Appendf(slices.Clip(open), ",\n  \"sha256\": %q\n}\n", hex.EncodeToString(digest[:]))
}

// readHead returns what head.json names; nil if there is no such file.
func readHead(path string) (*head, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the journal's head: %w", err)
	}
	damage := &Damage{path, "its checksum does not fit its contents", restore}
	open := len(data) - len(seal(nil))
	if open < 0 || !bytes.Equal(seal(data[:open]), data) {
		return nil, damage
	}
	var file headFile
	if err := decodeJSON(string(data), &file); err != nil {
		damage.What = "it is not understood, perhaps because a newer serin wrote it: " + err.Error()
		return nil, damage
	}
	hash, err := hex.DecodeString(file.Hash)
	if err != nil {
		damage.What = "its hash is not hexadecimal"
		return nil, damage
	}
	return &head{file.Seq, hash}, nil
}
