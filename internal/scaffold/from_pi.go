package scaffold

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ratchet/internal/foreign"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/wording"
)

// piNames are the files of one of pi's layouts.
type piNames struct{ prompt, measure, checks, log, ideas, hooks string }

var (
	piNow    = piNames{"prompt.md", "measure.sh", "checks.sh", "log.jsonl", "ideas.md", "hooks"}
	piLegacy = piNames{"autoresearch.md", "autoresearch.sh", "autoresearch.checks.sh", "autoresearch.jsonl",
		"autoresearch.ideas.md", "autoresearch.hooks"}
	primary      = compileLazily("(?im)^[-*]?\\s*\\**primary(?: \\([^)]*\\))?\\**[ \\t]*:\\**[ \\t]*`?([A-Za-z_][\\w.µ-]*)`?[^(\\n]{0,24}(?:\\(([^)]*)\\))?(.*)$")
	primaryProse = compileLazily("(?is)primary metric[^:\\n]{0,40}:\\s*\\**`([A-Za-z_][\\w.µ-]*)`\\**\\s*\\(([^)]*)\\)()")
	inTicks      = compileLazily("`([^`\n]+)`")
)

// readPi reads pi-autoresearch's files in folder: the prompt is the direction,
// measure.sh the measured command, checks.sh the check.
func readPi(folder, dir string, names piNames) (*taken, error) {
	read := &taken{}

	measure := relativeTo(dir, filepath.Join(folder, names.measure))
	if _, err := os.Stat(filepath.Join(folder, names.measure)); err != nil || measure == "" {
		return nil, research.Errorf(research.CodeNotFound, "stand in the folder that it is below, or name it with -C",
			"there is no %s below %s", names.measure, dir)
	}
	read.Run = "bash " + measure
	read.addReason("run: " + measure)

	read.untraced = append(read.untraced, measure)
	script, err := readText(filepath.Join(folder, names.measure))
	if err != nil {
		return nil, err
	}
	here := relativeTo(dir, folder)

	if text, err := readText(filepath.Join(folder, names.prompt)); err == nil {
		read.text = text
		read.piScope(text, dir, piEvaluator{here, script, names})
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}

	if _, err := os.Stat(filepath.Join(folder, names.checks)); err == nil {
		read.Check = "bash " + relativeTo(dir, filepath.Join(folder, names.checks))
		read.addReason("check: " + names.checks)
		read.untraced = append(read.untraced, relativeTo(dir, filepath.Join(folder, names.checks)))
	}

	if err := read.piConfig(folder, names); err != nil {
		return nil, err
	}

	if read.Metric.Name == "" {
		read.piMetric()
	}

	history, _ := readText(filepath.Join(folder, names.log)) // there need not be one
	read.piBounds(script + history)
	read.piConstraints(read.text)
	read.piHooks(filepath.Join(folder, names.hooks), dir)

	for _, extra := range []struct{ file, say string }{
		{names.ideas, "%s: add what is still open as ideas (share, or tell the agent to read it)"},
		{names.log, "%s: `ratchet import` takes its runs over"},
	} {
		if _, err := os.Stat(filepath.Join(folder, extra.file)); err == nil {
			read.addNote(extra.say, extra.file)
		}
	}

	return read, nil
}

// piHooks takes the hooks over: pi runs those that are executable.
func (t *taken) piHooks(folder, dir string) {
	for _, event := range []contract.Event{contract.HookBefore, contract.HookAfter} {
		file := filepath.Join(folder, string(event)+".sh")
		info, err := os.Stat(file)

		rel := relativeTo(dir, file)
		switch {
		case err != nil || !info.Mode().IsRegular() || rel == "":
		case info.Mode().Perm()&0o111 == 0:
			t.addNote("%s is not executable, so pi did not run it either: chmod +x, and add it to notify", rel)
		default:
			t.notify = append(t.notify, contract.Target{Hook: rel, On: []contract.Event{event}})
			t.addReason("notify: the hook " + rel)
			t.addNote("%s runs unconfined, as you: `ratchet notify allow` allows it, as it is now", rel)
		}
	}
}

// readSection is the text below a heading, up to the next one of any level.
func readSection(text, heading string) string {
	var out strings.Builder
	in := false

	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			in = strings.HasPrefix(strings.ToLower(strings.TrimSpace(strings.TrimLeft(line, "#"))),
				strings.ToLower(heading))
			continue
		}

		if in {
			out.WriteString(line)
		}
	}

	return out.String()
}

// piScope takes the files in scope that are files here: not what measures, which judges
// them, and nothing that is off limits. What it leaves out is named.
func (t *taken) piScope(text, dir string, evaluator piEvaluator) {
	var folders []string
	off := strings.TrimSpace(readSection(text, "Off Limits"))

	for line := range strings.Lines(readSection(text, "Files in Scope")) {
		about := line

		for _, name := range scopeNames(line) {
			clean := path.Clean(strings.TrimPrefix(filepath.ToSlash(name), "./"))
			info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(clean)))

			switch {
			case evaluator.isPartOf(clean, about):
				t.addNote("in scope is %s, which measures: it is not edited, since it judges the edits",
					wording.PlainLine(name))
			case isOffLimits(off, name):
				t.addNote("%s is in scope and off limits: it is not edited", wording.PlainLine(name))
			case strings.ContainsAny(clean, "*?[") || err == nil && info.IsDir():
				folders = append(folders, name)
				t.Like = append(t.Like, scopeFiles(dir, clean, evaluator)...)
			case err != nil || !filepath.IsLocal(filepath.FromSlash(clean)):
				t.addNote("in scope, but no file here: %s", wording.PlainLine(name))
			case !slices.Contains(t.Edit, clean):
				t.Edit = append(t.Edit, clean)
				t.addReason("edit: " + clean + ", in scope")
			}
		}
	}
	t.Like = slices.DeleteFunc(t.Like, func(name string) bool { return slices.Contains(t.Edit, name) })
	t.noteFolders(folders)
	t.Like = t.Like[:min(len(t.Like), maxScopeFiles)]

	if off != "" {
		t.addNote("off limits is everything but `edit`, and is enforced; the text's own list stays above")
	}
}

// maxScopeFiles is how many files of folders in scope are named in the line to type.
const maxScopeFiles = 12

// noteFolders says that folders and patterns are not taken over, and the line that adds their files.
func (t *taken) noteFolders(folders []string) {
	if len(folders) == 0 {
		return
	}

	files := slices.Clone(t.Edit)
	more := ""

	if files = append(files, t.Like...); len(files) > maxScopeFiles {
		more = fmt.Sprintf(" (and more: the folders hold %s)", wording.Count(len(t.Like), "file"))
		files = files[:maxScopeFiles]
	}
	t.addNote("in scope are folders or patterns, which are not taken: %s. `edit` names files; to take theirs: --edit %s%s",
		wording.PlainLine(strings.Join(folders, ", ")), strings.Join(files, ","), more)
}

// scopeNames are the paths of a line of the scope: those in back-ticks before its
// explanation, else its first word.
func scopeNames(line string) (names []string) {
	if strings.HasPrefix(line, "  ") || strings.TrimSpace(line) == "" { // a bullet goes on
		return nil
	}

	head := line
	for _, mark := range []string{" — ", " – ", " - ", " -- ", ": "} {
		if before, _, ok := strings.Cut(strings.TrimPrefix(head, "- "), mark); ok {
			head = before
		}
	}

	for _, m := range inTicks().FindAllStringSubmatch(head, -1) {
		names = append(names, m[1])
	}

	if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "- "); ok && len(names) == 0 {
		first := strings.TrimRight(strings.Fields(rest + " ")[0], ":,")
		if strings.ContainsAny(first, "./") {
			return []string{first}
		}

		return []string{strings.TrimSpace(strings.TrimPrefix(head, "- "))}
	}

	return names
}

// isOffLimits says whether the list of what is off limits begins a line with the name.
func isOffLimits(off, name string) bool {
	for line := range strings.Lines(off) {
		if slices.Contains(scopeNames(line), name) {
			return true
		}
	}

	return false
}

// scopeFiles are the files of a folder or pattern in scope, without what measures.
func scopeFiles(dir, pattern string, evaluator piEvaluator) (files []string) {
	if !filepath.IsLocal(filepath.FromSlash(pattern)) {
		return nil
	}

	if !strings.ContainsAny(pattern, "*?[") {
		pattern += "/*"
	}

	found, err := fs.Glob(os.DirFS(dir), strings.ReplaceAll(pattern, "**", "*"))
	if err != nil {
		return nil
	}

	for _, name := range found {
		if info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name))); err == nil && info.Mode().IsRegular() &&
			!evaluator.isPartOf(name, "") {
			files = append(files, name)
		}
	}

	return files
}

// piEvaluator knows what judges the edits: pi's own files, and the benchmark that its script runs.
type piEvaluator struct {
	folder string // of pi's files, below dir; "." is dir itself
	script string // the text of measure.sh
	names  piNames
}

var isBenchmark = compileLazily(`(?i)\bbench|\bharness\b|\bdiagnostics?\b|\bmeasure`)

// isPartOf says whether a path belongs to the evaluator; about is the line that names it.
func (e piEvaluator) isPartOf(name, about string) bool {
	base := path.Base(name)
	if e.folder != "." && (name == e.folder || strings.HasPrefix(name, e.folder+"/")) ||
		strings.HasPrefix(name, ".auto/") || strings.HasPrefix(name, "autoresearch.") {
		return true
	}

	if slices.Contains([]string{e.names.measure, e.names.checks, e.names.prompt, e.names.log}, name) {
		return true
	}

	ext := path.Ext(base)
	if ext == "" { // a folder, of which the line says more
		return false
	}
	named, said := aboutTests().MatchString(name), isBenchmark().MatchString(about)

	return named && said || (named || said) && strings.Contains(e.script, strings.TrimSuffix(base, ext))
}

var (
	secondary = compileLazily("(?im)^[ \t]*[-*][ \t]*\\**secondary[^:\\n]*:\\**:?[ \t]*(.*)$")
	bound     = compileLazily("(?i)`?([A-Za-z_][\\w.µ-]*)`?[^;\\n]*?(>=|≥|<=|≤|at least|at most|no more than|below|above)[ \\t]*([0-9][0-9.]*)")
)

// piBounds takes the bounds of secondary metrics over as guards, where runs print them; what
// they don't print, and what has no bound, is named.
func (t *taken) piBounds(prints string) {
	for _, m := range secondary().FindAllStringSubmatch(t.text, -1) {
		b := bound().FindStringSubmatch(m[1])
		if b == nil {
			t.addNote("secondary: %s. A guard holds one: guards: [{name: NAME, max_growth: 10%%}]",
				wording.PlainLine(strings.TrimRight(m[1], ". ")))
			continue
		}

		limit, err := strconv.ParseFloat(strings.TrimRight(b[3], "."), 64)
		if err != nil {
			continue
		}
		guard := contract.Guard{Name: b[1], Max: &limit}

		key := "max"
		switch strings.ToLower(b[2]) {
		case ">=", "≥", "at least", "above":
			guard.Max, guard.Min = nil, &limit
			key = "min"
		}

		if !printsMetric(prints, guard.Name) {
			t.addNote("bound: %s %s %s is not enforced, since the measured command prints no %s: print METRIC %s=VALUE there, and add guards: [{name: %s, %s: %s}]",
				guard.Name, b[2], b[3], guard.Name, guard.Name, guard.Name, key, strings.TrimRight(b[3], "."))
			continue
		}
		t.guards = append(t.guards, guard)
		t.addReason(fmt.Sprintf("guards: %s %s %s, a secondary metric with a bound", guard.Name, b[2], b[3]))
	}
}

// printsMetric says whether a script prints a metric, or a log has it.
func printsMetric(prints, name string) bool {
	return strings.Contains(prints, "METRIC "+name+"=") || strings.Contains(prints, `"`+name+`":`)
}

// piConstraints names the rules that nothing enforces.
func (t *taken) piConstraints(text string) {
	rules := 0
	for line := range strings.Lines(readSection(text, "Constraints")) {
		if strings.TrimSpace(line) != "" && !strings.HasPrefix(line, " ") {
			rules++
		}
	}

	if rules > 0 {
		t.addNote("%s: the agent reads them, and nothing enforces them; what a command can test belongs into `check`",
			wording.Count(rules, "constraint"))
	}
}

// piMetric reads the metric from the prompt's words.
func (t *taken) piMetric() {
	m := primary().FindStringSubmatch(t.text)
	if m == nil {
		if m = primaryProse().FindStringSubmatch(t.text); m == nil {
			return
		}
	} else if k := inTicks().FindStringSubmatch(m[2]); k != nil { // median latency (`hit_ms`, milliseconds, …)
		m[1], m[2] = k[1], strings.TrimLeft(strings.TrimPrefix(m[2], k[0]), ", ")
	}
	t.Metric.Name, t.Metric.Better = m[1], guessDirection(m[1])

	words := strings.ToLower(m[2] + " " + m[3])
	if strings.Contains(words, "lower") || strings.Contains(words, "minimi") {
		t.Metric.Better = research.Lower
	} else if strings.Contains(words, "higher") || strings.Contains(words, "maximi") {
		t.Metric.Better = research.Higher
	}
	t.takeUnit(strings.TrimSpace(strings.Split(m[2], ",")[0]))
	t.addReason("metric: " + t.Metric.Name + ", primary in the prompt")
}

// takeUnit is taken where it is one word.
func (t *taken) takeUnit(u string) {
	if u != "" && !strings.ContainsAny(u, " \t") && len(u) <= 16 && !strings.Contains(strings.ToLower(u), "better") {
		t.Metric.Unit = u
	}
}

// piConfig reads the settings, and the metric from the log's last config line.
func (t *taken) piConfig(folder string, names piNames) error {
	var config struct {
		WorkingDir    string `json:"workingDir"`
		MaxIterations int    `json:"maxIterations"`
	}

	for _, file := range []string{filepath.Join(folder, "config.json"),
		filepath.Join(folder, "autoresearch.config.json"), filepath.Join(filepath.Dir(folder), "config.json")} {
		text, err := readText(file)
		if err != nil || json.Unmarshal([]byte(text), &config) != nil {
			continue
		}

		if config.MaxIterations > 0 {
			t.trials = config.MaxIterations
			t.addReason(fmt.Sprintf("campaign: %d experiments, maxIterations", t.trials))
		}

		if config.WorkingDir != "" && config.WorkingDir != "." {
			t.addNote("workingDir %s: commands run in program.md's own folder; move program.md there, or say cd in run",
				wording.PlainLine(config.WorkingDir))
		}

		break
	}

	log, err := os.Open(filepath.Join(folder, names.log))
	if err != nil {
		return nil // there need not be one
	}
	defer log.Close()
	f, _ := foreign.FindFormat("pi")

	return f.ReadItems(names.log, io.LimitReader(log, 64<<20), func(i foreign.Item) error {
		if i.Kind == foreign.Header && i.Metric != "" {
			if t.Metric.Name == "" {
				t.addReason("metric: the log's config line")
			}
			t.name = nameOf(i.Description)
			t.Metric.Name, t.Metric.Better = i.Metric, research.Direction(i.Better)
			t.takeUnit(i.Unit)
		}

		return nil
	})
}

var notName = compileLazily(`[^a-z0-9]+`)

// nameOf is a campaign's name from any text, "" if nothing is left.
func nameOf(s string) string {
	s = strings.Trim(notName().ReplaceAllString(strings.ToLower(s), "-"), "-")
	return strings.Trim(s[:min(len(s), 48)], "-")
}
