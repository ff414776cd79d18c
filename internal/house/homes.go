package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// renames are the files outside of internal/atomicfile that may rename, and why.
var renames = map[string]string{
	"internal/atomicfile/atomicfile.go": "the home of atomic replaces",
	"internal/source/files.go":          "a symbolic link is replaced by another; it has no content",
	"internal/worker/workspace.go":      "a prepared folder gets its name; the faster process wins",
	"ledger/anchor.go":                  "each step is a fault point of the ledger's crash tests",
	"ledger/backup.go":                  "a verified ledger, which was synced as it was written, gets its name",
	"ledger/begin.go":                   "a new ledger, which bbolt has synced, gets its name",
	"sandbox/copies/collect_linux.go":   "what a run wrote is moved into its layer",
}

// ellipses are the files outside of internal/wording that may cut a text themselves.
var ellipses = map[string]string{
	"internal/wording/text.go": "the home of cut texts",
	"internal/report/text.go":  "a quotation has no blank before its …, and no character that could end it",
	"internal/chart/pen.go":    "a label is cut where its drawn width ends",
}

const wordingHome = "internal/wording/"

// plural is a format that makes a plural of any noun.
var plural = regexp.MustCompile(`%d ` + `%ss\b`)

// CheckHomes says where a source file does what has its home in internal/wording (the
// plural of a noun that is a value, a text cut with …) or in internal/atomicfile (a
// rename). path is relative to the module's root, with slashes.
func CheckHomes(path string, src []byte) (faults []string) {
	fset := token.NewFileSet()

	file, err := parser.ParseFile(fset, path, src, 0)
	if err != nil {
		return []string{err.Error()}
	}

	report := func(n ast.Node, text string) {
		faults = append(faults, fmt.Sprintf("%s:%d %s", path, fset.Position(n.Pos()).Line, text))
	}
	inWording := strings.HasPrefix(path, wordingHome)

	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if isPackage(n.X, "os") && n.Sel.Name == "Rename" && renames[path] == "" {
				report(n,
					"renames by itself: atomicfile.Write or Create says how durable it is and leaves nothing behind")
			}
		case *ast.BasicLit:
			if plural.MatchString(n.Value) && !inWording {
				report(n, "makes a plural: wording.Count does that for all")
			}
		case *ast.BinaryExpr:
			if n.Op == token.ADD {
				checkSum(path, n.X, n.Y, report)
			}
		case *ast.AssignStmt:
			if n.Tok == token.ADD_ASSIGN && literal(n.Rhs[0]) == "s" && !inWording {
				report(n, "makes a plural: wording.Count does that for all")
			}
		}

		return true
	})

	return faults
}

// checkSum looks at left + right.
func checkSum(path string, left, right ast.Expr, report func(ast.Node, string)) {
	text := literal(right)
	if text == "s" && !strings.HasPrefix(path, wordingHome) {
		report(right, "makes a plural: wording.Count does that for all")
	}

	if strings.HasPrefix(text, "…") && hasSlice(left) && ellipses[path] == "" {
		report(right, "cuts a text: wording.Clip, ClipBytes, Truncate and FirstWords do that for all")
	}
}

// CheckTreeHomes is CheckHomes for every file below root that is neither a test nor
// generated.
func CheckTreeHomes(root string) (faults []string) {
	err := eachSource(root, func(path string, src []byte) error {
		rel, err := filepath.Rel(root, path)
		if err == nil {
			faults = append(faults, CheckHomes(filepath.ToSlash(rel), src)...)
		}

		return err
	})
	if err != nil {
		faults = append(faults, err.Error())
	}

	return faults
}

func isPackage(x ast.Expr, name string) bool {
	id, ok := x.(*ast.Ident)
	return ok && id.Name == name
}

// literal is the value of a string literal, "" for any other expression.
func literal(x ast.Expr) string {
	lit, ok := x.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return ""
	}

	text, err := strconv.Unquote(lit.Value)
	if err != nil {
		return ""
	}

	return text
}

// hasSlice says whether an expression slices something.
func hasSlice(x ast.Expr) (found bool) {
	ast.Inspect(x, func(n ast.Node) bool {
		_, is := n.(*ast.SliceExpr)
		found = found || is

		return !found
	})

	return found
}
