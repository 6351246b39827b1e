package house_test

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
)

// inspector reads parsed sources and collects what is wrong with them. It looks
// at syntax only, so it needs neither a build nor a network and takes
// milliseconds.
type inspector struct {
	fset       *token.FileSet
	packages   map[string]*pkg // by folder
	complaints []string
}

// pkg is what is in one folder.
type pkg struct {
	dir   string
	files []*file
	lines int // of non-test files
}

type file struct {
	path   string
	syntax *ast.File
	test   bool
	// generated code has no budgets.
	generated bool
}

// inspect checks Go sources, given by their path from the repository's root,
// against the table and the budgets. It returns one line for each complaint,
// which says where, what and why.
func inspect(sources map[string]string) []string {
	in := &inspector{fset: token.NewFileSet(), packages: make(map[string]*pkg)}
	for _, name := range sortedKeys(sources) {
		in.add(name, sources[name])
	}
	for _, dir := range sortedKeys(in.packages) {
		p := in.packages[dir]
		in.checkPlace(p)
		in.checkPackage(p)
		for _, f := range p.files {
			in.checkArrows(p, f)
			if !f.generated {
				in.checkSizes(f)
				in.checkCalls(p, f)
			}
		}
	}
	in.checkLayers()
	return in.complaints
}

func (in *inspector) complainf(format string, args ...any) {
	in.complaints = append(in.complaints, fmt.Sprintf(format, args...))
}

// at writes a position as path:line.
func (in *inspector) at(pos token.Pos) string {
	position := in.fset.Position(pos)
	return position.Filename + ":" + strconv.Itoa(position.Line)
}

// add parses one file into its package.
func (in *inspector) add(name, text string) {
	syntax, err := parser.ParseFile(in.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		in.complainf("%v", err)
		return
	}
	dir := path.Dir(name)
	p := in.packages[dir]
	if p == nil {
		p = &pkg{dir: dir}
		in.packages[dir] = p
	}
	f := &file{path: name, syntax: syntax, test: strings.HasSuffix(name, "_test.go"), generated: ast.IsGenerated(syntax)}
	p.files = append(p.files, f)
	if f.generated { // nobody reads or writes it; what it imports still counts
		return
	}
	lines := in.fset.File(syntax.Pos()).LineCount()
	if !f.test {
		p.lines += lines
	}
	if lines > maxFileLines {
		in.complainf("%s: %d lines, at most %d: split the file by idea", name, lines, maxFileLines)
	}
}

// checkPlace finds rooms that the table does not know and folders too deep.
func (in *inspector) checkPlace(p *pkg) {
	name, outside := roomOf(p.dir)
	if outside {
		return
	}
	if depth := strings.Count(p.dir, "/"); strings.HasPrefix(p.dir, "internal/") && depth > maxDepth {
		in.complainf("%s: %d folders below internal/, at most %d", p.dir, depth, maxDepth)
	}
	if _, known := rowOf(name); !known {
		in.complainf("%s: room %q is not in the table: put the code into the room that it belongs to, or, if a room is missing, "+
			"describe it in ARCHITECTURE.md and give it a row in house_test.go, with what it may import and why", p.dir, name)
	}
}

// checkPackage looks at what a package is as a whole.
func (in *inspector) checkPackage(p *pkg) {
	if most := cmp.Or(roomier[p.dir], maxPackageLines); p.lines > most {
		in.complainf("%s: %d lines without tests, at most %d: find the second room in it", p.dir, p.lines, most)
	}
	if names := exportedNames(p); len(names) > maxExported {
		in.complainf("%s: %d exported names, at most %d: make the door smaller (%s)", p.dir, len(names), maxExported, strings.Join(names, ", "))
	}
	onlyTests := !slices.ContainsFunc(p.files, func(f *file) bool { return !f.test })
	commented := slices.ContainsFunc(p.files, func(f *file) bool {
		return f.test == onlyTests && f.syntax.Doc != nil && strings.HasPrefix(f.syntax.Doc.Text(), packageWord(f))
	})
	if !commented {
		in.complainf("%s: no package comment (%q...): say what the package is for, what may not happen in it, and its terms",
			p.dir, packageWord(p.files[0]))
	}
}

// packageWord is how a package comment begins: "Package x" or, for a program, "Command x".
func packageWord(f *file) string {
	if f.syntax.Name.Name == "main" {
		return "Command "
	}
	return "Package " + f.syntax.Name.Name
}

// exportedNames lists what counts against a room's door: each exported
// top-level type, function, variable and constant of the non-test files, except
// the named values of an exported enumeration type, which count with their
// type. Methods and fields do not count, for they belong to a type that does.
func exportedNames(p *pkg) []string {
	var names []string
	for _, f := range p.files {
		if f.test || f.generated {
			continue
		}
		for _, decl := range f.syntax.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				if decl.Recv == nil && decl.Name.IsExported() {
					names = append(names, decl.Name.Name)
				}
			case *ast.GenDecl:
				names = append(names, exportedSpecs(decl)...)
			}
		}
	}
	return names
}

// exportedSpecs lists the exported names of one type, var or const declaration.
func exportedSpecs(decl *ast.GenDecl) []string {
	var names []string
	enumeration := false
	for _, spec := range decl.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Name.IsExported() {
				names = append(names, spec.Name.Name)
			}
		case *ast.ValueSpec:
			if spec.Type != nil || len(spec.Values) > 0 { // else it repeats the line above, as after iota
				enumeration = decl.Tok == token.CONST && isEnumeration(spec)
			}
			for _, name := range spec.Names {
				if name.IsExported() && !enumeration {
					names = append(names, name.Name)
				}
			}
		}
	}
	return names
}

// isEnumeration tells whether constants have an exported type of their own
// package: const Held Phase = 1, or const Held = Phase(1).
func isEnumeration(spec *ast.ValueSpec) bool {
	typ := spec.Type
	if typ == nil {
		if call, ok := spec.Values[0].(*ast.CallExpr); ok {
			typ = call.Fun
		}
	}
	name, ok := typ.(*ast.Ident)
	return ok && name.IsExported()
}

// checkArrows holds the imports of non-test files against the table.
func (in *inspector) checkArrows(p *pkg, f *file) {
	if f.test {
		return
	}
	name, outside := roomOf(p.dir)
	row, known := rowOf(name)
	for _, spec := range f.syntax.Imports {
		target := importPath(spec)
		for _, library := range testLibraries {
			if target == library || strings.HasPrefix(target, library+"/") {
				in.complainf("%s: only test files may import %s, because users would get it in their binary", in.at(spec.Pos()), target)
			}
		}
		dir, inHouse := strings.CutPrefix(target, module+"/")
		if !inHouse {
			continue
		}
		to, elsewhere := roomOf(dir)
		switch {
		case outside && elsewhere: // what tests and measures may share its means
		case outside:
			in.complainf("%s: %s may not import %s: code outside internal/ and cmd/ imports no room, because it sees the product as a user does",
				in.at(spec.Pos()), p.dir, to)
		case known && to != name && !mayImport(row, to): // a program may have packages of its own
			in.complainf("%s: %s may not import %s: %s may import %s, because %s. If the wall is in the wrong place, move it in ARCHITECTURE.md "+
				"and in house_test.go in one commit, with the reason", in.at(spec.Pos()), name, to, name, list(row), row.why)
		}
	}
}

func importPath(spec *ast.ImportSpec) string {
	unquoted, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return spec.Path.Value // the parser lets no such literal through
	}
	return unquoted
}

// checkSizes holds functions and interfaces against their budgets.
func (in *inspector) checkSizes(f *file) {
	ast.Inspect(f.syntax, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.FuncDecl:
			in.checkFunc(node, node.Name.Name)
			if node.Name.Name == "init" && node.Recv == nil {
				in.complainf("%s: no init(): what must happen first is called by somebody who can pass arguments and get an error", in.at(node.Pos()))
			}
		case *ast.FuncLit:
			in.checkFunc(node, "a function literal")
		case *ast.InterfaceType:
			if n := methods(node); n > maxMethods {
				in.complainf("%s: an interface of %d methods, at most %d: the caller declares what it needs", in.at(node.Pos()), n, maxMethods)
			}
		}
		return true
	})
}

func (in *inspector) checkFunc(node ast.Node, name string) {
	lines := in.fset.Position(node.End()).Line - in.fset.Position(node.Pos()).Line + 1
	if lines > maxFuncLines {
		in.complainf("%s: %s has %d lines, at most %d: name its parts", in.at(node.Pos()), name, lines, maxFuncLines)
	}
}

// methods counts an interface's methods. An embedded interface counts as one,
// because only its own source, which is held to the same budget, could tell.
func methods(t *ast.InterfaceType) int {
	n := 0
	for _, field := range t.Methods.List {
		switch field.Type.(type) {
		case *ast.FuncType, *ast.Ident, *ast.SelectorExpr:
			n += max(1, len(field.Names))
		}
	}
	return n
}

// checkCalls finds calls that no file, or only some, may make.
func (in *inspector) checkCalls(p *pkg, f *file) {
	mayExit := f.test || f.syntax.Name.Name == "main" && !strings.HasPrefix(p.dir, "internal/")
	imported := importNames(f.syntax)
	knowsFull := false
	var skips []token.Pos
	var propertyEnd token.Pos // of the property run that the walk is inside of
	ast.Inspect(f.syntax, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.BasicLit:
			knowsFull = knowsFull || node.Kind == token.STRING && strings.Contains(node.Value, "SERIN_TEST_FULL")
		case *ast.CallExpr:
			if isPropertyRun(node) {
				propertyEnd = max(propertyEnd, node.End())
			}
		case *ast.SelectorExpr:
			name := node.Sel.Name
			if f.test && node.Pos() > propertyEnd && (name == "Skip" || name == "Skipf" || name == "SkipNow") {
				skips = append(skips, node.Pos())
			}
			if from, ok := node.X.(*ast.Ident); ok {
				in.checkName(node.Pos(), imported[from.Name]+"."+name, mayExit)
			}
		}
		return true
	})
	for _, pos := range skips {
		if !knowsFull {
			in.complainf("%s: a skip in a file that does not ask for SERIN_TEST_FULL: fail instead of skipping when it is 1", in.at(pos))
		}
	}
}

// isPropertyRun recognises f.Fuzz and rapid.Check, in whose functions a skip
// passes over one drawn input and hides no test.
func isPropertyRun(call *ast.CallExpr) bool {
	fun, ok := call.Fun.(*ast.SelectorExpr)
	return ok && (fun.Sel.Name == "Fuzz" || fun.Sel.Name == "Check" || fun.Sel.Name == "MakeCheck")
}

func (in *inspector) checkName(pos token.Pos, name string, mayExit bool) {
	switch name {
	case "time.Sleep":
		in.complainf("%s: no time.Sleep: wait for the event itself, with a channel, a timer that can be stopped, or testing/synctest", in.at(pos))
	case "context.TODO":
		in.complainf("%s: no context.TODO: take the context from the caller", in.at(pos))
	case "os.Exit", "log.Fatal", "log.Fatalf", "log.Fatalln":
		if !mayExit {
			in.complainf("%s: no %s: return an error, only a program's main ends the process", in.at(pos), name)
		}
	}
}

// importNames maps the names under which a file knows its imports to their
// paths. The last element of a path is its name unless the file renames it,
// which holds for the packages that checkName looks for.
func importNames(syntax *ast.File) map[string]string {
	names := make(map[string]string)
	for _, spec := range syntax.Imports {
		target := importPath(spec)
		name := path.Base(target)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = target
	}
	return names
}

// checkLayers finds the longest chain of in-house imports.
func (in *inspector) checkLayers() {
	chains := make(map[string][]string)
	for _, dir := range sortedKeys(in.packages) {
		if chain := in.longestChain(dir, chains); len(chain) > maxLayers {
			in.complainf("%d layers, at most %d: %s", len(chain), maxLayers, strings.Join(chain, " -> "))
		}
	}
}

// longestChain returns the folders on the longest chain that begins at dir.
// A package that is being looked at counts as a chain of its own, so a cycle,
// which the compiler refuses anyway, ends.
func (in *inspector) longestChain(dir string, chains map[string][]string) []string {
	if chain, done := chains[dir]; done {
		return chain
	}
	chains[dir] = []string{dir}
	var longest []string
	for _, f := range in.packages[dir].files {
		for _, spec := range f.syntax.Imports {
			target, inHouse := strings.CutPrefix(importPath(spec), module+"/")
			if f.test || !inHouse || in.packages[target] == nil {
				continue
			}
			if chain := in.longestChain(target, chains); len(chain) > len(longest) {
				longest = chain
			}
		}
	}
	chains[dir] = append([]string{dir}, longest...)
	return chains[dir]
}
