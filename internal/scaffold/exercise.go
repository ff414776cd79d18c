package scaffold

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strings"
)

// exercised is a source file, and what a benchmark uses of it.
type exercised struct {
	file  string
	names []string // functions, methods and types that the file defines
	score float64
}

// definitions match where a source file defines a name, by the ending of the file's name.
// One of the groups is the name.
var definitions = map[string]func() *regexp.Regexp{
	".go": compileLazily(`(?m)^func (?:\([^)]*\) )?(\w+)[\[(]|^type (\w+) `),
	".py": compileLazily(`(?m)^[ \t]*(?:async )?(?:def|class) +(\w+)`),
	".js": compileLazily(`(?m)\bfunction\*? +(\w+)|^(?:export )?(?:default )?(?:class|const|let|var) +(\w+)|^\s+(?:static |async |get )*(\w+)\([^()]*\) *\{|\bexports\.(\w+) *=|\.prototype\.(\w+) *=`),
	".rs": compileLazily(`\bfn +(\w+)|\b(?:struct|enum|trait) +(\w+)`),
	".c":  compileLazily(`(?m)^[A-Za-z_][\w\s*:&<>,\[\]]*?\b(\w+)\([^;{}]*\)\s*(?:const\s*|noexcept\s*)*\{|^(?:class|struct) +(\w+)`),
	".java": compileLazily(
		`\b(?:class|interface|record|enum) +(\w+)|(?m)^\s+(?:public |protected |static |final )+[\w<>\[\], ]+ (\w+)\(`),
}

// sameLanguage are the endings of the files that are written in an ending's language.
var sameLanguage = map[string][]string{
	".go":   {".go"},
	".py":   {".py"},
	".js":   {".js", ".mjs", ".cjs", ".ts", ".mts", ".jsx", ".tsx"},
	".rs":   {".rs"},
	".c":    {".c", ".cc", ".cpp", ".cxx", ".h", ".hpp"},
	".java": {".java"},
}

var nameExpr = compileLazily(`[A-Za-z_]\w{2,}`)

// languageOf is the ending that stands for a file's language in definitions, "" for one
// that is not known.
func languageOf(file string) string {
	for language, endings := range sameLanguage {
		if slices.Contains(endings, path.Ext(file)) {
			return language
		}
	}

	return ""
}

// findExercised orders the source files by how much body, the text of a benchmark in
// the file bench, uses of what they define; those of which it uses nothing are left out.
// A name that several files define counts a part for each. What the benchmark imports
// counts more, and so does a file or a function that has the benchmark's own name.
func findExercised(folder *tree, bench, body string) []exercised {
	language := languageOf(bench)
	if language == "" {
		return nil
	}
	sources, defined := folder.listDefinitions(language)
	sources = slices.DeleteFunc(slices.Clone(sources), func(name string) bool { return name == bench })

	scores := map[string]*exercised{}
	for _, file := range sources {
		scores[file] = &exercised{file: file}
	}

	used := map[string]bool{}
	for _, name := range nameExpr().FindAllString(withoutImports(body, language), -1) {
		if used[name] {
			continue
		}
		used[name] = true

		for _, file := range defined[name] {
			if found := scores[file]; found != nil {
				found.score += 1 / float64(len(defined[name]))
				found.names = append(found.names, name)
			}
		}
	}

	for file, weight := range relatedFiles(folder, language, bench, sources) {
		if found := scores[file]; found != nil {
			found.score += weight
		}
	}

	var found []exercised
	for _, file := range sources {
		if one := *scores[file]; one.score >= minScore {
			one.names = one.names[:min(len(one.names), 3)]
			found = append(found, one)
		}
	}
	slices.SortStableFunc(found, func(a, b exercised) int { return cmp.Compare(b.score, a.score) })

	return found
}

// minScore is how much of a file a benchmark must use.
const minScore = .2

// codeIndex is which sources a folder has in one language, and which of them define a name.
type codeIndex struct {
	sources []string
	defined map[string][]string
}

// listDefinitions are the sources in a language that a program may be made of (no tests,
// no generated code, nothing that is for another system), and by a name the files that
// define it.
func (t *tree) listDefinitions(language string) (sources []string, defined map[string][]string) {
	if found, ok := t.indexes[language]; ok {
		return found.sources, found.defined
	}
	defined = map[string][]string{}

	for _, file := range t.files {
		if !slices.Contains(sameLanguage[language], path.Ext(file)) || aboutTests().MatchString(file) {
			continue
		}
		text := t.readStart(file)

		if language == ".go" && !goBuilt(file, text) || isGenerated(text) {
			continue
		}
		sources = append(sources, file)

		for _, name := range definedNames(language, text) {
			if !slices.Contains(defined[name], file) {
				defined[name] = append(defined[name], file)
			}
		}
	}

	if t.indexes == nil {
		t.indexes = map[string]codeIndex{}
	}
	t.indexes[language] = codeIndex{sources: sources, defined: defined}

	return sources, defined
}

// definedNames are the names that a source defines.
func definedNames(language, text string) []string {
	var names []string

	for _, groups := range definitions[language]().FindAllStringSubmatch(text, -1) {
		for _, name := range groups[1:] {
			if len(name) > 2 && !slices.Contains(keywords, name) {
				names = append(names, name)
			}
		}
	}

	return names
}

// keywords are words that a definition's pattern may take for a name.
var keywords = []string{"for", "while", "switch", "catch", "return", "main", "constructor", "__init__", "sizeof"}

// withoutImports leaves out the lines that bring names in and use none.
func withoutImports(body, language string) string {
	if language != ".py" && language != ".js" {
		return body
	}
	var kept strings.Builder

	for line := range strings.Lines(body) {
		words := strings.Fields(line)
		if len(words) > 0 && (words[0] == "import" || words[0] == "from") {
			continue
		}
		kept.WriteString(line)
	}

	return kept.String()
}

// relatedFiles weighs the sources that a benchmark names: those that it imports, and
// the one that has its name.
func relatedFiles(folder *tree, language, bench string, sources []string) map[string]float64 {
	weights := map[string]float64{}
	text := folder.readStart(bench)

	switch language {
	case ".py":
		weighImports(weights, folder, sources, pythonImports(folder, bench, text))
	case ".js":
		weighImports(weights, folder, sources, jsImports(folder, bench, text))
	case ".c":
		for _, file := range cIncludes(sources, text) {
			weights[file]++
		}
	}
	base := strings.TrimSuffix(path.Base(bench), path.Ext(bench))
	own := benchWords().ReplaceAllString(strings.ToLower(base), "")

	for _, file := range sources {
		stem := strings.ToLower(strings.TrimSuffix(path.Base(file), path.Ext(file)))
		if own != "" && stem == own {
			weights[file]++
		}

		if path.Dir(file) == path.Dir(bench) && language == ".go" {
			weights[file] += 0.01 // the same package
		}
	}

	return weights
}

// cIncludes are the sources that a C or C++ file includes: of a header, the file of the
// same name that holds the code where there is one.
func cIncludes(sources []string, text string) (included []string) {
	for _, m := range cInclude().FindAllStringSubmatch(text, -1) {
		header := path.Clean("/" + m[1])

		i := slices.IndexFunc(sources, func(name string) bool { return strings.HasSuffix("/"+name, header) })
		if i < 0 {
			continue
		}
		stem := strings.TrimSuffix(sources[i], path.Ext(sources[i]))

		code := slices.IndexFunc(sources, func(name string) bool {
			isCode := strings.HasPrefix(path.Ext(name), ".c")
			return isCode && path.Base(strings.TrimSuffix(name, path.Ext(name))) == path.Base(stem)
		})
		if code >= 0 {
			i = code
		}
		included = append(included, sources[i])
	}

	return included
}

var cInclude = compileLazily(`(?m)^\s*#\s*include\s*["<](?:\.\.?/)*([\w./-]+)[">]`)

// weighImports weighs imported files. One that stands for its folder (__init__.py,
// index.js) often only passes on what the others define.
func weighImports(weights map[string]float64, folder *tree, sources, imported []string) {
	for _, file := range imported {
		base := strings.TrimSuffix(path.Base(file), path.Ext(file))
		isWhole := base == "__init__" || base == "index"

		if !isWhole || !passedOn().MatchString(folder.readStart(file)) {
			weights[file] += 2

			if isWhole { // the package itself, beside what it is compared with
				weights[file] += .5
			}

			continue
		}
		weights[file] += .4

		for _, other := range sources {
			if strings.HasPrefix(other, strings.TrimPrefix(path.Dir(file)+"/", "./")) {
				weights[other] += .2
			}
		}
	}
}

// passedOn matches a line by which a module passes on what another one defines.
var passedOn = compileLazily(`(?m)^\s*(?:from +\.|export +(?:\*|\{[^}]*\}) +from|(?:module\.)?exports.*= *require\()`)

// benchWords is what the name of a benchmark's file has besides the name of what it measures.
var benchWords = compileLazily(`^(test|bench|benchmark|perf)[_.-]|[_.-](test|tests|bench|benchmark|perf|spec)$`)
