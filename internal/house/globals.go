package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
)

// fixedValues are the calls whose value a package-level variable may keep: nothing of
// it changes with use.
var fixedValues = []string{"errors.New", "fmt.Errorf", "regexp.MustCompile", "strings.Fields", "strings.NewReplacer",
	"time.Date", "append", "len", "int", "float64", "byte", "math.Log", "math.Sqrt", "math.Inf", "math.Exp"}

// CheckGlobals says which package-level variables of a package's files may remember
// something from one use of the package to the next: those that a function changes or
// gives the address of, and those that begin as the zero value or as a call's result.
// sources maps the files' paths to their text.
func CheckGlobals(sources map[string][]byte) (faults []string) {
	var files []*ast.File
	fset := token.NewFileSet()

	for path, src := range sources {
		file, err := parser.ParseFile(fset, path, src, 0)
		if err != nil {
			return []string{err.Error()}
		}
		files = append(files, file)
	}

	globals := map[string]bool{} // by name; the value says whether it was reported
	report := func(node ast.Node, name, what string) {
		if !globals[name] {
			faults = append(faults, fmt.Sprintf("%s %s %s", fset.Position(node.Pos()), name, what))
		}
		globals[name] = true
	}

	for _, file := range files {
		for _, decl := range file.Decls {
			general, ok := decl.(*ast.GenDecl)
			if !ok || general.Tok != token.VAR {
				continue
			}

			for _, spec := range general.Specs {
				declared := spec.(*ast.ValueSpec)
				for i, name := range declared.Names {
					globals[name.Name] = false

					switch {
					case name.Name == "_":
					case len(declared.Values) == 0:
						report(name, name.Name, "begins empty")
					case len(declared.Values) > i && callsSomething(declared.Values[i]):
						report(name, name.Name, "begins as the result of a call")
					}
				}
			}
		}
	}

	for _, file := range files {
		for _, decl := range file.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Body != nil {
				checkChanges(fn, globals, report)
			}
		}
	}
	slices.Sort(faults)

	return faults
}

// callsSomething says whether the value of an expression is made by a call that may
// remember something. What a function literal does is not looked at here.
func callsSomething(value ast.Expr) (found bool) {
	ast.Inspect(value, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.CallExpr:
			name := ""

			switch called := n.Fun.(type) {
			case *ast.Ident:
				name = called.Name
			case *ast.SelectorExpr:
				if in, ok := called.X.(*ast.Ident); ok {
					name = in.Name + "." + called.Sel.Name
				}
			case *ast.ArrayType, *ast.MapType: // a conversion
				return true
			}

			found = found || !slices.Contains(fixedValues, name)
		}

		return !found
	})

	return found
}

// checkChanges reports what fn does to package-level variables.
func checkChanges(fn *ast.FuncDecl, globals map[string]bool, report func(ast.Node, string, string)) {
	local := localNames(fn)
	look := func(changed ast.Expr, what string) {
		name := rootName(changed)
		if _, ok := globals[name]; ok && !local[name] {
			report(changed, name, what+" by "+fn.Name.Name)
		}
	}

	ast.Inspect(fn.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				for _, left := range n.Lhs {
					look(left, "is changed")
				}
			}
		case *ast.IncDecStmt:
			look(n.X, "is changed")
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				look(n.X, "is given away")
			}
		}

		return true
	})
}

// localNames are the names that fn declares itself.
func localNames(fn *ast.FuncDecl) map[string]bool {
	names := map[string]bool{}

	ast.Inspect(fn, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				for _, left := range n.Lhs {
					names[rootName(left)] = true
				}
			}
		case *ast.RangeStmt:
			names[rootName(n.Key)], names[rootName(n.Value)] = true, true
		case *ast.Field:
			for _, name := range n.Names {
				names[name.Name] = true
			}
		case *ast.ValueSpec:
			for _, name := range n.Names {
				names[name.Name] = true
			}
		}

		return true
	})

	return names
}

// rootName is the variable that an expression is a part of, "" for none.
func rootName(x ast.Expr) string {
	for {
		switch part := x.(type) {
		case *ast.Ident:
			return part.Name
		case *ast.SelectorExpr:
			x = part.X
		case *ast.IndexExpr:
			x = part.X
		case *ast.ParenExpr:
			x = part.X
		case *ast.StarExpr:
			x = part.X
		case *ast.SliceExpr:
			x = part.X
		default:
			return ""
		}
	}
}

// describeGlobal is the variable that a fault of CheckGlobals is about.
func describeGlobal(fault string) (name string) {
	_, rest, _ := strings.Cut(fault, " ")
	name, _, _ = strings.Cut(rest, " ")

	return name
}
