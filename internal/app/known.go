package app

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"serin/internal/rollout"
)

// known is what this machine knows of a store that it shares: the last state of
// each model, in a file of the state directory, so that a start needs no store and
// takes none that is empty for a fresh one. The file is replaced as a whole.
type known struct {
	path string
	log  *slog.Logger
	head func() string // where the journal ended when it was heard last

	mu      sync.Mutex
	now     lastKnown
	failing bool // said once
}

// lastKnown is what is in the file.
type lastKnown struct {
	// Process is the name of the replica that wrote it, and Kills how many processes in
	// a row were killed here within a minute of their start, this one not counted.
	Process string `json:"process"`
	Kills   int    `json:"kills,omitempty"`
	// Head is where the journal ended when it was heard last.
	Head string `json:"head,omitempty"`
	// Models are their states, by name.
	Models map[string]rollout.State `json:"models"`
}

// knownName is the file's name in the state directory.
const knownName = "known.json"

// readKnown reads what is known, and checks it. No file is no knowledge.
func readKnown(dir string) (lastKnown, error) {
	path := filepath.Join(dir, knownName)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return lastKnown{}, nil
	}
	if err != nil {
		return lastKnown{}, fmt.Errorf("reading the last known state: %w", err)
	}
	last, err := decodeKnown(data)
	if err != nil {
		return lastKnown{}, fmt.Errorf("%s is damaged: %w. If the store is the one that it was, remove the file: it is written again", path, err)
	}
	return last, nil
}

// decodeKnown is the file's two lines: the SHA-256 of the second one, and JSON.
func decodeKnown(data []byte) (lastKnown, error) {
	sum, text, _ := bytes.Cut(data, []byte("\n"))
	if digest := sha256.Sum256(text); hex.EncodeToString(digest[:]) != string(sum) {
		return lastKnown{}, errors.New("it does not have the checksum that it was written with")
	}
	var last lastKnown
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&last); err != nil {
		return lastKnown{}, err
	}
	return last, nil
}

func encodeKnown(last lastKnown) ([]byte, error) {
	text, err := json.Marshal(last)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(text)
	return append(append(hex.AppendEncode(nil, digest[:]), '\n'), text...), nil
}

// note keeps a state that was committed, unless a later one is known.
func (k *known) note(s rollout.State) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if old, found := k.now.Models[s.Model]; found && old.Generation >= s.Generation || s.Generation == 0 {
		return
	}
	k.now.Models = maps.Clone(k.now.Models)
	if k.now.Models == nil {
		k.now.Models = map[string]rollout.State{}
	}
	k.now.Models[s.Model] = s
	k.write()
}

// survived says that this process was not killed within a minute.
func (k *known) survived() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.now.Kills > 0 {
		k.now.Kills = 0
		k.write()
	}
}

// write replaces the file. What cannot be written is said, and tried again with
// the next state: nothing was promised of it.
func (k *known) write() {
	if head := k.head(); head != "" {
		k.now.Head = head
	}
	data, err := encodeKnown(k.now)
	if err == nil {
		err = replace(k.path, data)
	}
	if err != nil && !k.failing {
		k.log.Error("the last known state cannot be written; a start without the store would not have it", "path", k.path, "err", err)
	}
	k.failing = err != nil
}

// replace writes a file beside, makes it durable, and lets it take the name.
func replace(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+"-*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// inProgress are the models with a rollout in progress, as far as it is known.
func (l *lastKnown) inProgress() []string {
	var names []string
	for name, s := range l.Models {
		if s.Rollout != nil {
			names = append(names, name)
		}
	}
	return slices.Sorted(slices.Values(names))
}
