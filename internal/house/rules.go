package house

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The limits of the house. A package, type or body beyond them is a sign that
// something has no home of its own; it is no aim to come close.
const (
	mostFiles    = 30  // of a package, without tests
	mostMethods  = 40  // of a type
	leastBlank   = 8.0 // percent of the lines of long bodies
	leastCovered = 50  // percent of a package's statements, by its own tests
)

// CheckSizes says which packages and types are too large, and whether long bodies
// show their steps.
func CheckSizes(figures Figures) (faults []string) {
	for dir, n := range figures.Files {
		if n > mostFiles {
			faults = append(faults,
				fmt.Sprintf("%s has %d files that are not tests, at most %d: give a part of it a package of its own",
					dir, n, mostFiles))
		}
	}

	for name, n := range figures.Methods {
		if n > mostMethods {
			faults = append(faults,
				fmt.Sprintf("%s has %d methods, at most %d: make functions of those that need only a part of it",
					name, n, mostMethods))
		}
	}

	if share := Share(figures.Blank, figures.Body); share < leastBlank {
		faults = append(faults,
			fmt.Sprintf("%.1f %% of the lines in bodies of more than %d lines are blank, at least %g: a function that acts in steps shows them",
				share, longBody, leastBlank))
	}

	slices.Sort(faults)

	return faults
}

// CheckWidth names the lines of a file that are too wide. Lines that are wide because
// of one long text are not: a message that is cut can't be searched for.
func CheckWidth(path string, src []byte) (faults []string) {
	fset := token.NewFileSet()

	file, err := parser.ParseFile(fset, path, src, parser.ParseComments)
	if err != nil {
		return []string{err.Error()}
	}

	texts := map[int]bool{} // lines that hold a long text
	ast.Inspect(file, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return true
		}

		first, last := fset.Position(lit.Pos()).Line, fset.Position(lit.End()).Line
		for line := first; line <= last; line++ {
			if last > first || len(lit.Value) > widthLimit/2 {
				texts[line] = true
			}
		}

		return true
	})

	for i, line := range strings.Split(string(src), "\n") {
		comment := strings.HasPrefix(strings.TrimSpace(line), "//")
		if columns(line) > widthLimit && !texts[i+1] && !comment {
			faults = append(faults, fmt.Sprintf("%s:%d has %d columns, at most %d", path, i+1, columns(line),
				widthLimit))
		}
	}

	return faults
}

// CheckTreeWidth is CheckWidth for every file below root that is neither a test nor
// generated.
func CheckTreeWidth(root string) (faults []string) {
	err := eachSource(root, func(path string, src []byte) error {
		faults = append(faults, CheckWidth(path, src)...)
		return nil
	})
	if err != nil {
		faults = append(faults, err.Error())
	}

	return faults
}

var coverageLine = regexp.MustCompile(`^(?:ok\s+)?\s*(\S+)\s.*coverage: ([0-9.]+)% of statements`)

// CheckCoverage reads what `go test -cover` printed, and names the packages whose own
// tests cover too little of them. excused packages have the reason as their value.
func CheckCoverage(output io.Reader, excused map[string]string) (faults []string, err error) {
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, 1<<20)

	for lines.Scan() {
		m := coverageLine.FindStringSubmatch(lines.Text())
		if m == nil || excused[m[1]] != "" {
			continue
		}

		share, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return nil, fmt.Errorf("read the coverage of %s: %w", m[1], err)
		}

		if share < leastCovered {
			faults = append(faults, fmt.Sprintf("%s: its own tests cover %.1f %% of it, at least %d %%", m[1], share,
				leastCovered))
		}
	}

	return faults, lines.Err()
}
