package sqlstate_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// engineFiles hold statements of one engine, which are not held against the
// subset.
func engineFiles() []string { return []string{"postgres.go", "postgres_listen.go", "sqlite.go"} }

// A subset is the SQL that statements keep to: words in upper case, from the
// list in the package comment, and names of the schema.
type subset struct{ words, names map[string]bool }

// readSubset reads the list in the package comment and the names that the
// migrations make.
func readSubset(t *testing.T) subset {
	t.Helper()
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	s := subset{words: map[string]bool{}, names: map[string]bool{}}
	word := regexp.MustCompile(`\b[A-Z]+\b|[=<>+]+`)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "//\t"); ok {
			for _, w := range word.FindAllString(rest, -1) {
				s.words[w] = true
			}
		}
	}
	if len(s.words) < 30 {
		t.Fatalf("the package comment lists only %d words", len(s.words))
	}
	name := regexp.MustCompile(`(?m)^CREATE (?:UNIQUE )?(?:TABLE|INDEX) ([a-z_]+)|^\t([a-z_]+) +(?:TEXT|BYTEA|BIGINT|BOOLEAN)|ADD COLUMN ([a-z_]+)`)
	for _, step := range migrationTexts(t) {
		for _, m := range name.FindAllStringSubmatch(step, -1) {
			s.names[m[1]+m[2]+m[3]] = true
		}
	}
	for _, known := range []string{"schema_version", "version", "excluded"} {
		s.names[known] = true
	}
	return s
}

func migrationTexts(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d migrations, %v", len(files), err)
	}
	texts := map[string]string{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		texts[f] = string(text)
	}
	return texts
}

// check returns what of a statement is outside the subset.
func (s subset) check(statement string) (outside []string) {
	statement = regexp.MustCompile(`--[^\n]*`).ReplaceAllString(statement, "")
	statement = regexp.MustCompile(`'[^']*'`).ReplaceAllString(statement, "")
	tokens := regexp.MustCompile(`\$[0-9]+|\$?%[ds]|\b[0-9]+\b|[A-Za-z_][A-Za-z_0-9]*|[=<>+]+|[(),.;\s]|.`)
	for _, token := range tokens.FindAllString(statement, -1) {
		switch first := token[0]; {
		case strings.ContainsAny(token, "(),.; \n\t"), first >= '0' && first <= '9':
		case first == '$', token == "%s": // filled in with parameters and names
		case s.words[token], s.names[token]:
		default:
			outside = append(outside, token)
		}
	}
	return outside
}

func TestSubset(t *testing.T) {
	s := readSubset(t)
	for name, text := range migrationTexts(t) {
		if outside := s.check(text); outside != nil {
			t.Errorf("%s: %q is not in the list of the package comment", name, outside)
		}
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	statements := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || slices.Contains(engineFiles(), name) {
			continue
		}
		for where, statement := range literals(t, name) {
			if !strings.HasPrefix(where, "`") {
				if regexp.MustCompile(`^\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|WITH|SET|WHERE)\b`).MatchString(statement) {
					t.Errorf("%s: SQL is written in back quotes, so that this test finds it: %s", name, statement)
				}
				continue
			}
			statements++
			if outside := s.check(statement); outside != nil {
				t.Errorf("%s: %s\n%q is not in the list of the package comment", name, statement, outside)
			}
		}
	}
	if statements < 40 {
		t.Errorf("only %d statements found", statements)
	}
}

// literals returns the texts of a file, under keys that begin with their
// quotes.
func literals(t *testing.T, name string) map[string]string {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		l, ok := n.(*ast.BasicLit)
		if !ok || l.Kind != token.STRING {
			return true
		}
		text, err := strconv.Unquote(l.Value)
		if err != nil {
			t.Fatal(err)
		}
		found[l.Value[:1]+fmt.Sprint(fset.Position(l.Pos()))] = text
		return true
	})
	return found
}

// The check finds what it is there to find.
func TestSubsetCheck(t *testing.T) {
	s := readSubset(t)
	for _, statement := range []string{
		`SELECT id FROM entries FOR UPDATE`,
		`SELECT id FROM entries WHERE id LIKE $1`,
		`INSERT OR REPLACE INTO entries (id) VALUES ($1)`,
		`CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT)`,
		`SELECT id::text FROM entries`,
		`SELECT id FROM entries WHERE id = ?`,
		`SELECT id || pass FROM entries`,
		`SELECT least(expires, $1) FROM entries`,
		`SELECT rowid FROM entries`,
		`SELECT "id" FROM entries`,
	} {
		if s.check(statement) == nil {
			t.Errorf("nothing wrong with %s", statement)
		}
	}
	if outside := s.check(`SELECT id FROM entries WHERE pass = $1 AND data >= 'any?' -- LIKE`); outside != nil {
		t.Errorf("%q is in the list", outside)
	}
}
