package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// longBody is the number of lines above which a body must show its steps.
const longBody = 12

// widthLimit is the widest that a line may be, in columns, a tab being four.
const widthLimit = 120

// Figures describe how the sources of a tree are laid out, tests left out.
type Figures struct {
	Lines     int
	Wide      int // lines over widthLimit
	Body      int // lines of bodies longer than longBody
	Blank     int // of these, blank ones
	Comments  int // of these, comments
	Names     int // identifiers in bodies
	OneLetter int // of these, of one letter
	Functions int
	NameBytes int            // of the functions' names
	Files     map[string]int // by folder
	Methods   map[string]int // by folder and type
}

// Measure reads every Go file below root that is neither a test nor generated.
func Measure(root string) (Figures, error) {
	figures := Figures{Files: map[string]int{}, Methods: map[string]int{}}
	err := eachSource(root, func(path string, src []byte) error {
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}

		return figures.add(filepath.ToSlash(rel), src)
	})

	return figures, err
}

// eachSource calls visit for each Go file below root that is neither a test nor
// generated, in the order of paths.
func eachSource(root string, visit func(path string, src []byte) error) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}

		if d.IsDir() {
			skip := []string{".git", "testdata", "vendor", "node_modules"}
			if slices.Contains(skip, d.Name()) || path != root && strings.HasPrefix(d.Name(), "_") {
				return filepath.SkipDir
			}

			return nil
		}

		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}

		src, err := os.ReadFile(path)
		if err != nil || strings.Contains(string(src[:min(len(src), 2000)]), "DO NOT EDIT") {
			return err
		}

		return visit(path, src)
	})
}

// add counts one file.
func (f *Figures) add(path string, src []byte) error {
	fset := token.NewFileSet()

	file, err := parser.ParseFile(fset, path, src, parser.ParseComments)
	if err != nil {
		return err
	}

	dir := filepath.ToSlash(filepath.Dir(path))
	f.Files[dir]++

	lines := strings.Split(string(src), "\n")
	f.Lines += len(lines)

	for _, line := range lines {
		if columns(line) > widthLimit {
			f.Wide++
		}
	}

	for _, decl := range file.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}

		f.Functions++
		f.NameBytes += len(fn.Name.Name)

		if receiver := receiverType(fn); receiver != "" {
			f.Methods[dir+"."+receiver]++
		}

		first, last := fset.Position(fn.Body.Lbrace).Line, fset.Position(fn.Body.Rbrace).Line
		if last-first > longBody {
			f.addBody(lines[first : last-1])
		}

		ast.Inspect(fn.Body, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				f.Names++

				if len(id.Name) == 1 && id.Name != "_" {
					f.OneLetter++
				}
			}

			return true
		})
	}

	return nil
}

func (f *Figures) addBody(lines []string) {
	for _, line := range lines {
		text := strings.TrimSpace(line)
		f.Body++

		switch {
		case text == "":
			f.Blank++
		case strings.HasPrefix(text, "//"):
			f.Comments++
		}
	}
}

// columns is the width of a line on a screen.
func columns(line string) int { return len([]rune(strings.ReplaceAll(line, "\t", "    "))) }

// receiverType is the name of a method's type, "" for a function.
func receiverType(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return ""
	}

	t := fn.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}

	if generic, ok := t.(*ast.IndexExpr); ok {
		t = generic.X
	}

	if id, ok := t.(*ast.Ident); ok {
		return id.Name
	}

	return ""
}

// Largest is the key with the largest count.
func Largest(counts map[string]int) (key string, count int) {
	for k, n := range counts {
		if n > count || n == count && k < key {
			key, count = k, n
		}
	}

	return key, count
}

// Share is part of whole, in percent.
func Share(part, whole int) float64 { return 100 * float64(part) / float64(max(whole, 1)) }
