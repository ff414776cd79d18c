package house_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the picture of the floors into docs/architecture.md")

const (
	pictureBegin = "<!-- floors -->\n```\n"
	pictureEnd   = "```\n<!-- end floors -->"
)

type floorName struct {
	from int // the lowest number of the floor
	name string
}

// floorNames are what the numbers in floors mean, from the top.
var floorNames = []floorName{
	{50, "floor 5   commands and wiring"},
	{39, "floor 4   MCP, HTTP, the page"},
	{25, "floor 3   one tool a file"},
	{20, "floor 2   the laboratory"},
	{10, "floor 1   one thing of the outside world each"},
	{0, "floor 0   pure"},
}

// The picture in docs/architecture.md is made from the imports.
func TestPictureIsFresh(t *testing.T) {
	const page = "../../docs/architecture.md"

	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}

	before, rest, found := strings.Cut(string(text), pictureBegin)
	old, after, ended := strings.Cut(rest, pictureEnd)

	if !found || !ended {
		t.Fatalf("%s has no place for the picture", page)
	}

	picture := drawFloors(list(t))
	if *update {
		err := os.WriteFile(page, []byte(before+pictureBegin+picture+pictureEnd+after), 0o644)
		if err != nil {
			t.Fatal(err)
		}

		return
	}

	if old != picture {
		t.Errorf("the picture of the floors is stale: go test ./internal/house -update\n%s", picture)
	}
}

// drawFloors lists the packages from the top floor down, each with the packages of
// ours that it imports.
func drawFloors(pkgs []pkg) string {
	imports := map[string][]string{}

	for _, p := range pkgs {
		at := room(p.ImportPath)
		if at != p.ImportPath { // a folder inside a room
			continue
		}

		for _, imp := range p.Imports {
			to := room(imp)
			if strings.HasPrefix(imp, "ratchet/") && to != at && !slices.Contains(imports[at], to) {
				imports[at] = append(imports[at], to)
			}
		}
	}

	names := make([]string, 0, len(floors))
	for p := range floors {
		names = append(names, p)
	}

	slices.SortFunc(names, func(a, b string) int {
		if floors[a] != floors[b] {
			return floors[b] - floors[a]
		}

		return strings.Compare(a, b)
	})

	var out strings.Builder

	last := -1
	for _, name := range names {
		group := slices.IndexFunc(floorNames, func(f floorName) bool { return floors[name] >= f.from })
		if group != last {
			fmt.Fprintf(&out, "%s\n", floorNames[group].name)
			last = group
		}

		var below []string
		for _, to := range imports[name] {
			below = append(below, strings.TrimPrefix(strings.TrimPrefix(to, "ratchet/"), "internal/"))
		}

		slices.Sort(below)
		fmt.Fprintf(&out, "  %-28s %s\n", strings.TrimPrefix(name, "ratchet/"), strings.Join(below, " "))
	}

	return out.String()
}

// named is a function, method or type that the page speaks of: `lab.Keep`.
var named = regexp.MustCompile("`([a-z]+)\\.([A-Za-z]+)(?:\\.([A-Za-z]+))?`")

// What the page calls by a package and a name is there.
func TestPageNamesWhatExists(t *testing.T) {
	text, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}

	folders := map[string]string{}
	for name := range floors {
		folders[path.Base(name)] = strings.TrimPrefix(name, "ratchet/")
	}

	count := 0
	for _, m := range named.FindAllStringSubmatch(string(text), -1) {
		folder, ours := folders[m[1]]
		if !ours || m[2] == "go" || m[2] == "md" {
			continue
		}
		count++

		member := m[3]
		if member == "" {
			member = m[2]
		}

		if !declares(t, filepath.Join("../..", folder), member) {
			t.Errorf("docs/architecture.md names %s, which is not in %s", m[0], folder)
		}
	}

	if count < 20 {
		t.Errorf("docs/architecture.md names only %d things of ours", count)
	}
}

// declares says whether a package declares a function, method, type, field or value
// of that name.
func declares(t *testing.T, folder, name string) bool {
	t.Helper()

	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}

	found := false
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}

		ast.Inspect(f, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.FuncDecl:
				found = found || x.Name.Name == name
			case *ast.TypeSpec:
				found = found || x.Name.Name == name
			case *ast.Field:
				found = found || slices.ContainsFunc(x.Names, func(id *ast.Ident) bool { return id.Name == name })
			case *ast.ValueSpec:
				found = found || slices.ContainsFunc(x.Names, func(id *ast.Ident) bool { return id.Name == name })
			}

			return !found
		})
	}

	return found
}
