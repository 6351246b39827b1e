package main

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"serin/internal/api"
	"serin/internal/app"
	"serin/internal/settings"
)

const (
	// variables is how those of the environment begin that set a flag.
	variables = "SERIN_"
	// modelsKey has the models in a file of settings, as a mapping from their names.
	modelsKey = "models"
)

// aside are the flags that are about the settings, and are none.
var aside = []string{"config", "print-config", "help"}

// beside are the variables of that name that no flag of serve has.
var beside = []string{"SERIN_SERVER", "SERIN_TOKEN", "SERIN_TOKEN_FILE", "SERIN_CA", "SERIN_CERT", "SERIN_CERT_KEY", "SERIN_WEBHOOK_SECRET", "SERIN_SPEED"}

// misspelt warns of variables that were meant for a flag, and says nothing of what
// is in them.
func misspelt(flags *pflag.FlagSet, log *slog.Logger) {
	meant := settings.Misspelt(flags, variables, os.Environ(), beside...)
	for _, name := range slices.Sorted(maps.Keys(meant)) {
		log.Warn("a variable of the environment sets nothing: there is no setting of that name", "variable", name, "meant", meant[name])
	}
}

// configure sets what the command line has not, and returns what prints it all.
func (s *serving) configure(flags *pflag.FlagSet) (printed func(io.Writer) error, err error) {
	file := &settings.File{}
	path := s.file
	if path == "" {
		path = os.Getenv(settings.Variable(variables, "config"))
	}
	if path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("the file of settings: %w", err)
		}
		if file, err = settings.Read(path, text, modelsKey); err != nil {
			return nil, err
		}
	}
	sources, err := settings.Set(flags, file, variables, os.Getenv, aside...)
	if err != nil {
		return nil, err
	}
	groups := file.Groups
	if place, there := sources["model"]; there && len(groups) > 0 && strings.HasPrefix(place, path+":") {
		return nil, fmt.Errorf("%s: model and the mapping of models are both there, and only one of them can be meant; put all models below models", place)
	}
	if len(s.given) > 0 || s.config.Folder != "" { // they go before those of the file
		groups = nil
	}
	s.modelsChosen = len(s.given)+len(groups) > 0
	if s.config.Models = modelsOf(s.given, s.name, s.config); groups != nil {
		if s.config.Models, err = s.grouped(file, groups); err != nil {
			return nil, err
		}
	}
	return func(w io.Writer) error {
		skip := aside
		if s.config.Folder == "" { // as a mapping, they can be read again with all that they have
			skip = append([]string{"model", "name", modelsKey}, aside...)
			if groups == nil {
				groups = groupsOf(s.config.Models)
			}
		}
		return settings.Print(w, flags, sources, modelsKey, groups, skip...)
	}, nil
}

// grouped are the models of a file's mapping, each with the server's plan but for
// what it says itself.
func (s *serving) grouped(file *settings.File, groups []settings.Group) ([]app.Model, error) {
	var models []app.Model
	for _, g := range groups {
		own := s.config
		m := app.Model{Name: g.Name, Plan: &own.Plan}
		flags := pflag.NewFlagSet(g.Name, pflag.ContinueOnError)
		flags.StringVar(&m.Path, "path", "", "its file")
		planFlags(flags, &own)
		if err := file.SetGroup(g, flags); err != nil {
			return nil, err
		}
		if m.Path == "" {
			return nil, fmt.Errorf("%s:%d: model %s has no path: give the file that it starts with, as path: models/model_v1.joblib", file.Path, g.Line, g.Name)
		}
		models = append(models, m)
	}
	return models, nil
}

// groupsOf are models as a file of settings has them.
func groupsOf(models []app.Model) []settings.Group {
	var groups []settings.Group
	for _, m := range models {
		groups = append(groups, settings.Group{Name: m.Name, Settings: []settings.Setting{{Key: "path", Values: []string{m.Path}}}})
	}
	return groups
}

// modelsOf are the models that are given as NAME=FILE, or as FILE alone. Without
// any, and without a folder of them, it is the default one.
func modelsOf(given []string, name string, c app.Config) []app.Model {
	if len(given) == 0 && c.Folder != "" {
		return nil
	}
	if len(given) == 0 {
		given = []string{c.Models[0].Path}
	}
	var models []app.Model
	for _, text := range given {
		m := app.Model{Name: name, Path: text}
		// What is in front of a = may as well be a part of a path, which has a slash.
		if before, after, ok := strings.Cut(text, "="); ok && !strings.ContainsAny(before, "/\\") {
			m = app.Model{Name: before, Path: after}
		}
		models = append(models, m)
	}
	return models
}

// weightFlag is a flag for a share of the requests: "10%" or "0.1".
type weightFlag struct{ of *app.Config }

func (w weightFlag) String() string { return w.of.Plan.Weight.String() }

// Type names the values in the help.
func (w weightFlag) Type() string { return "share" }

// Set reads a share.
func (w weightFlag) Set(text string) (err error) {
	w.of.Plan.Weight, err = api.ParseWeight(text)
	return err
}

// storeFlag is a flag for the address of a store. It is shown without the password
// that may be in it.
type storeFlag struct{ to *string }

func (s storeFlag) String() string {
	if u, err := url.Parse(*s.to); err == nil {
		return u.Redacted()
	}
	return "an address that is not understood" // and may have a password in it
}

// Type names the values in the help.
func (s storeFlag) Type() string { return "string" }

// Set takes an address.
func (s storeFlag) Set(text string) error {
	*s.to = text
	return nil
}
