package app

import (
	"context"
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
	"syscall"

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
	found, bad, err := inFolder(root, c.Folder, c.Log)
	if err = errors.Join(err, bad); err != nil {
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
		return nil, fmt.Errorf("the folder %s has no model files: put some there, or name one with --model NAME=FILE", c.Folder)
	}
	return all, nil
}

// later are the models that lie in the folder by now. What is wrong with one file
// is said, and keeps nobody from the others.
func (y *yard) later() ([]Model, error) {
	if y.config.Folder == "" {
		return nil, nil
	}
	found, bad, err := inFolder(y.root, y.config.Folder, y.config.Log)
	if bad != nil {
		y.config.Log.Warn("a file in the folder of models cannot be one", "err", bad)
	}
	return found, err
}

// inFolder finds the models of a folder: each file whose first bytes may be a
// model's, called as the file without its extension, in the order of names. bad
// says of the others why they cannot be called so, or read. Folders and hidden
// files are passed over, and what cannot be a model, such as a README or golden
// predictions.
func inFolder(root *os.Root, folder string, log *slog.Logger) (found []Model, bad, err error) {
	inside, fault := resolve(root, folder)
	if fault != nil {
		return nil, nil, fmt.Errorf("the folder of models: %w", fault)
	}
	entries, err := fs.ReadDir(root.FS(), path.Clean(filepath.ToSlash(inside)))
	if err != nil {
		return nil, nil, fmt.Errorf("the folder of models: %w", err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, ".") || strings.HasSuffix(name, goldenSuffix) {
			continue
		}
		other, err := looks(root, filepath.Join(inside, name))
		if err != nil {
			bad = errors.Join(bad, fmt.Errorf("the folder of models: %w", err))
			continue
		}
		if other != "" {
			level := slog.LevelInfo
			if slices.Contains(extensions, strings.ToLower(filepath.Ext(name))) {
				level = slog.LevelWarn
			}
			log.Log(context.Background(), level, "no model", "file", filepath.Join(folder, name), "is", other)
			continue
		}
		m := Model{Name: stem(name), Path: filepath.Join(folder, name)}
		if err := CheckName(m.Name); err != nil {
			bad = errors.Join(bad, fmt.Errorf("%s: %w; rename the file, or move it out of the folder and give it a name with --model NAME=FILE", m.Path, err))
			continue
		}
		found = append(found, m)
	}
	return found, bad, nil
}

// extensions are of files that are meant to be models, whatever is in them.
var extensions = []string{".joblib", ".pkl", ".pickle", ".skops", ".ubj", ".cbm", ".onnx"}

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
