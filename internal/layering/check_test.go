package layering

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A tree is the Go code of one module.
type tree struct {
	module string
	fset   *token.FileSet
	files  []file
}

// A file is one parsed file, named relative to the root of the tree.
type file struct {
	name string
	dir  string
	test bool
	ast  *ast.File
}

// parse reads all Go files below root, except those of other modules, in
// testdata and in hidden directories.
func parse(root, module string) (*tree, error) {
	t := &tree{module: module, fset: token.NewFileSet()}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != root && foreign(name, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parser.ParseFile(t.fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		t.files = append(t.files, file{rel, path.Dir(rel), strings.HasSuffix(rel, "_test.go"), f})
		return nil
	})
	return t, err
}

// foreign tells whether a directory's code belongs to no package of the tree.
func foreign(name, base string) bool {
	if base == "testdata" || base == "node_modules" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return true
	}
	_, err := os.Stat(filepath.Join(name, "go.mod"))
	return err == nil
}

// check returns a line for every violation of the rules on code.
func (t *tree) check() []string {
	var found []string
	found = append(found, t.checkImports()...)
	found = append(found, t.checkPackages()...)
	found = append(found, t.checkFunctions()...)
	found = append(found, t.checkVariables()...)
	slices.Sort(found)
	return slices.Compact(found)
}

func (t *tree) checkImports() []string {
	var found []string
	for _, f := range t.files {
		r := ruleOf(f.dir)
		if r == nil {
			found = append(found, fmt.Sprintf("%s: no row in the table of rules", f.dir))
			continue
		}
		for _, name := range importsOf(f) {
			if why := t.forbidden(f, r, name); why != "" {
				found = append(found, fmt.Sprintf("%s: imports %s: %s", f.name, name, why))
			}
		}
	}
	return found
}

func importsOf(f file) []string {
	var names []string
	for _, spec := range f.ast.Imports {
		if name, err := strconv.Unquote(spec.Path.Value); err == nil {
			names = append(names, name)
		}
	}
	return names
}

func ruleOf(dir string) *rule {
	i := slices.IndexFunc(rules, func(r rule) bool { return r.dir == dir })
	if i < 0 {
		return nil
	}
	return &rules[i]
}

// forbidden says why a file must not import the named package, or nothing.
func (t *tree) forbidden(f file, r *rule, name string) string {
	for _, e := range engines {
		if below(name, e.module) && !slices.Contains(e.dirs, f.dir) {
			return "this engine belongs in " + strings.Join(e.dirs, " and ")
		}
	}
	if own, ok := t.own(name); ok {
		if f.test || slices.Contains(r.own, own) || slices.Contains(r.own, "*") {
			return ""
		}
		return f.dir + " is not above it"
	}
	if first, _, _ := strings.Cut(name, "/"); !strings.Contains(first, ".") {
		return "" // the standard library
	}
	allowed := r.third
	if f.test || strings.HasSuffix(f.dir, "test") {
		allowed = slices.Concat(allowed, testModules)
	}
	if !slices.ContainsFunc(allowed, func(module string) bool { return below(name, module) }) {
		return "not among the dependencies of " + f.dir
	}
	return ""
}

// own returns the directory of a package of this module.
func (t *tree) own(name string) (string, bool) {
	if name == t.module {
		return ".", true
	}
	return strings.CutPrefix(name, t.module+"/")
}

// below tells whether a package is the named one or lies below it; a module
// covers its later major versions.
func below(name, module string) bool {
	rest, ok := strings.CutPrefix(name, module)
	return ok && (rest == "" || rest[0] == '/')
}

func (t *tree) checkPackages() []string {
	var found []string
	documented := map[string]bool{}
	for _, f := range t.files {
		if slices.Contains(vagueNames, f.ast.Name.Name) || slices.Contains(vagueNames, path.Base(f.dir)) {
			found = append(found, fmt.Sprintf("%s: a package's name says what it holds; %q does not", f.dir, f.ast.Name.Name))
		}
		if !f.test {
			documented[f.dir] = documented[f.dir] || f.ast.Doc.Text() != ""
		}
	}
	for dir, ok := range documented {
		if !ok {
			found = append(found, dir+": no package comment")
		}
	}
	return found
}

func (t *tree) checkFunctions() []string {
	var found, long []string
	all := 0
	for _, f := range t.files {
		if f.test {
			continue
		}
		for _, fn := range functionsOf(f) {
			all++
			name := f.dir + "." + funcName(fn)
			lines := t.fset.Position(fn.End()).Line - t.fset.Position(fn.Pos()).Line + 1
			if fn.Name.Name == "init" && fn.Recv == nil {
				found = append(found, f.name+": has an init function")
			}
			if lines > maxLines && longFunctions[name] == "" {
				found = append(found, fmt.Sprintf("%s: %s has %d lines, more than %d", f.name, name, lines, maxLines))
			}
			if lines > longLines {
				long = append(long, name)
			}
		}
	}
	if len(long)*100 > all*longShare {
		found = append(found, fmt.Sprintf("%d of %d functions have more than %d lines, which is more than %d %%: %s",
			len(long), all, longLines, longShare, strings.Join(long, ", ")))
	}
	return found
}

func functionsOf(f file) []*ast.FuncDecl {
	var functions []*ast.FuncDecl
	for _, decl := range f.ast.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok {
			functions = append(functions, fn)
		}
	}
	return functions
}

func funcName(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return fn.Name.Name
	}
	typ := fn.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if index, ok := typ.(*ast.IndexExpr); ok {
		typ = index.X
	}
	if id, ok := typ.(*ast.Ident); ok {
		return id.Name + "." + fn.Name.Name
	}
	return fn.Name.Name
}

// checkVariables finds package-level variables that code of the package
// writes to. It sees assignments only and knows scopes roughly: a function
// that declares the same name anywhere is not looked into for it.
func (t *tree) checkVariables() []string {
	vars := map[string]map[string]bool{} // by directory and package
	for _, f := range t.files {
		key := f.dir + " " + f.ast.Name.Name
		if vars[key] == nil {
			vars[key] = map[string]bool{}
		}
		if !f.test {
			packageVars(f.ast, vars[key])
		}
	}
	var found []string
	for _, f := range t.files {
		if f.test {
			continue
		}
		known := vars[f.dir+" "+f.ast.Name.Name]
		for _, fn := range functionsOf(f) {
			for name := range written(fn) {
				if known[name] && mutable[f.dir+"."+name] == "" {
					found = append(found, fmt.Sprintf("%s: %s writes to the package-level variable %s", f.name, funcName(fn), name))
				}
			}
		}
	}
	return found
}

func packageVars(f *ast.File, into map[string]bool) {
	for _, decl := range f.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.VAR {
			continue
		}
		for _, spec := range gen.Specs {
			for _, id := range spec.(*ast.ValueSpec).Names {
				into[id.Name] = id.Name != "_"
			}
		}
	}
}

// written returns the names of variables that a function assigns to, directly
// or through an index or field, and does not declare.
func written(fn *ast.FuncDecl) map[string]bool {
	names, declared := map[string]bool{}, map[string]bool{}
	ast.Inspect(fn, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, lhs := range n.Lhs {
				if n.Tok == token.DEFINE {
					declared[baseName(lhs)] = true
				} else {
					names[baseName(lhs)] = true
				}
			}
		case *ast.IncDecStmt:
			names[baseName(n.X)] = true
		case *ast.RangeStmt:
			for _, lhs := range []ast.Expr{n.Key, n.Value} {
				if n.Tok == token.DEFINE {
					declared[baseName(lhs)] = true
				}
			}
		case *ast.Field:
			for _, id := range n.Names {
				declared[id.Name] = true
			}
		case *ast.ValueSpec:
			for _, id := range n.Names {
				declared[id.Name] = true
			}
		}
		return true
	})
	for name := range declared {
		delete(names, name)
	}
	return names
}

// baseName returns x for x, x[i], x.f and *x.
func baseName(e ast.Expr) string {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x.Name
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return ""
		}
	}
}

// checkText returns a line for every unwanted word in a file's text, where it
// stands first.
func checkText(name string, text []byte) []string {
	if len(text) > maxFile {
		return []string{fmt.Sprintf("%s: has %d bytes, more than %d; was it built by accident?", name, len(text), maxFile)}
	}
	var found []string
	for _, parts := range unwanted {
		word := parts[0] + parts[1]
		if before, _, ok := bytes.Cut(text, []byte(word)); ok {
			found = append(found, fmt.Sprintf("%s:%d: names %s", name, bytes.Count(before, []byte("\n"))+1, word))
		}
	}
	return found
}
