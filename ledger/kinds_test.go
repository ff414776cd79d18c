package ledger_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestLedgerKnowsNoKind: what a kind of record does is a row of the table in
// package history, and nothing here.
func TestLedgerKnowsNoKind(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}

	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}

		files := token.NewFileSet()

		file, err := parser.ParseFile(files, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}

		ast.Inspect(file, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if ok && strings.HasPrefix(s.Sel.Name, "Kind") && s.Sel.Name != "Kind" {
				t.Errorf("%s names the kind %s", files.Position(s.Pos()), s.Sel.Name)
			}

			return true
		})
	}
}
