package app

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"serin/internal/fetch"
	"serin/internal/model/format"
	"serin/internal/rollout"
)

// Model is a model that a server is asked to serve.
type Model struct {
	// Name is what it is asked for by; see CheckName.
	Name string
	// Path is the file that it starts with where the state directory does not know
	// it. "" is for one that the state directory must know.
	Path string
	// Plan is what its deploys get where they ask for nothing else; nil for the
	// server's.
	Plan *rollout.Plan
}

// legal are names that can be a segment of a path, in front of a colon, too, and
// of a file's name, and that look the same in a metric's label.
var legal = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// CheckName says what is wrong with the name of a model.
func CheckName(name string) error {
	if legal.MatchString(name) {
		return nil
	}
	return fmt.Errorf("%q cannot be the name of a model: a name has 1 to 63 of the letters a-z and A-Z, the digits, '.', '_' and '-', and begins with a letter or a digit", name)
}

// checkModels says what is wrong with the models that are named.
func (c *Config) checkModels() error {
	if len(c.Models) == 0 && c.Folder == "" {
		return errors.New("no model is named: give the file of one")
	}
	seen := map[string]bool{}
	for _, m := range c.Models {
		if err := CheckName(m.Name); err != nil {
			return err
		}
		if seen[m.Name] {
			return fmt.Errorf("two models are called %s: give each a name of its own, as in --model %s-2=FILE", m.Name, m.Name)
		}
		seen[m.Name] = true
		if m.Plan == nil {
			continue
		}
		if err := m.Plan.Check(); err != nil {
			return fmt.Errorf("model %s: %w", m.Name, err)
		}
	}
	return nil
}

// models are those that are named, and those of the folder.
func (c *Config) models(root *os.Root) ([]Model, error) {
	if c.Folder == "" {
		return c.Models, nil
	}
	found, err := new(folder).models(root, c.Folder, c.Log)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(c.Models)
	for _, m := range found {
		if i := slices.IndexFunc(all, func(other Model) bool { return other.Name == m.Name }); i >= 0 {
			return nil, fmt.Errorf("two models are called %s: %s and %s; rename one of the files, or give it another name with --model NAME=FILE and move it out of the folder", m.Name, all[i].Path, m.Path)
		}
		all = append(all, m)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("the folder %s has no model files that can be served: put some there, or name one with --model NAME=FILE", c.Folder)
	}
	return all, nil
}

// later are the models that lie in the folder by now.
func (y *yard) later() ([]Model, error) {
	if y.config.Folder == "" {
		return nil, nil
	}
	return y.folder.models(y.root, y.config.Folder, y.config.Log)
}

// folder is what is known of the files in the folder of models: each is opened, and
// what is wrong with it said, once for as long as it stays the same file.
type folder struct {
	mu    sync.Mutex
	files map[string]glance
}

// glance is what a file looked like. It is another file where its size, its time or
// its place on the disk is another one.
type glance struct {
	size  int64
	at    time.Time
	node  uint64
	other string // what it is, "" for what may be a model
}

// models finds the models of a folder: each file whose first bytes may be a
// model's, called as the file without its extension, in the order of names. What is
// wrong with one file is said, and keeps nobody from the others. Folders and hidden
// files are passed over, and what cannot be a model, such as a README or golden
// predictions.
func (f *folder) models(root *os.Root, name string, log *slog.Logger) (found []Model, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	inside, err := fetch.Folder{Root: root}.Inside(name)
	if err != nil {
		return nil, fmt.Errorf("the folder of models: %w", err)
	}
	entries, err := fs.ReadDir(root.FS(), path.Clean(filepath.ToSlash(inside)))
	if err != nil {
		return nil, fmt.Errorf("the folder of models: %w", err)
	}
	before := f.files
	f.files = make(map[string]glance, len(entries))
	for _, entry := range entries {
		file := entry.Name()
		if strings.HasPrefix(file, ".") || strings.HasSuffix(file, goldenSuffix) {
			continue
		}
		now, err := glanceAt(root, filepath.Join(inside, file), before[file])
		if err != nil { // it may be readable the next time
			log.Warn("a file in the folder of models cannot be read: let this server read it, or move it out of the folder", "err", err)
			continue
		}
		fresh := now != before[file]
		f.files[file] = now
		m := Model{Name: stem(file), Path: filepath.Join(name, file)}
		switch err := CheckName(m.Name); {
		case now.other != "" && fresh:
			noModel(log, m.Path, now.other)
		case now.other != "":
		case err == nil:
			found = append(found, m)
		case fresh:
			log.Warn("a file in the folder of models cannot be served by its name: rename it, or move it out of the folder and give it a name with --model NAME=FILE", "file", m.Path, "err", err)
		}
	}
	return found, nil
}

// noModel tells of a file that is not served: as a warning where it was meant to be.
func noModel(log *slog.Logger, file, is string) {
	if !slices.Contains(extensions, strings.ToLower(filepath.Ext(file))) {
		log.Info("no model", "file", file, "is", is)
		return
	}
	log.Warn("a file in the folder of models is called like one and cannot be served: write it again, or move it out of the folder; serin inspect says more", "file", file, "is", is)
}

// extensions are of files that are meant to be models, whatever is in them.
var extensions = []string{".joblib", ".pkl", ".pickle", ".skops", ".ubj", ".cbm", ".onnx"}

// glanceAt is what a file looks like now. One that is as it was is not opened.
func glanceAt(root *os.Root, name string, before glance) (glance, error) {
	info, err := root.Stat(name)
	if err != nil {
		return glance{}, err
	}
	now := glance{size: info.Size(), at: info.ModTime(), other: before.other}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		now.node = s.Ino
	}
	if now != before {
		now.other, err = looks(root, name)
	}
	return now, err
}

// looks says what a file is that is no model, "" for what may be one.
func looks(root *os.Root, name string) (string, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "no regular file", nil
	}
	other, err := format.Looks(f)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return other, nil
}
