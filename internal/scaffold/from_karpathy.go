package scaffold

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

var (
	timeLimit = compileLazily(`(?i)(?:exceeds?|(?:kill|stop|abort)[^.\n]{0,40}(?:longer|more) than)\s+[*~]*(\d+)[ -]*(minutes?|min|seconds?|hours?)`)
	cacheDir  = compileLazily("`(~/\\.cache/[\\w./-]+?)/?`")
	namesVRAM = compileLazily(`(?i)\bVRAM\b`)
	tsvHeader = compileLazily(`(?m)^[\x60 ]*((?:\w+(?:\t|\\t| \[tab\] ))+(?:status|description))\b`)
)

// readKarpathy reads the program.md of karpathy/autoresearch, or of a fork: a
// text for the agent, in which the numbers stand in sentences.
func readKarpathy(file, dir string) (*taken, error) {
	text, err := readText(file)
	if err != nil {
		return nil, err
	}

	if strings.HasPrefix(text, "---\n") {
		return nil, research.Errorf(research.CodeBadArgument, "use it as it is: `ratchet doctor` tries it",
			"%s has a front matter already", file)
	}
	read := &taken{text: text, wall: 10 * time.Minute}
	read.addReason(filepath.Base(file) + ": a direction for the agent, kept as it is")
	read.karpathyEdit(text, filepath.Dir(file), dir)
	read.karpathyRun(text)
	read.karpathyMetric(text)

	if m := timeLimit().FindStringSubmatchIndex(text); m != nil {
		if n, err := strconv.Atoi(text[m[2]:m[3]]); err == nil && n > 0 && n < 10_000 {
			unit := map[byte]time.Duration{'m': time.Minute, 's': time.Second, 'h': time.Hour}[text[m[4]]|0x20]
			read.wall = time.Duration(n) * unit
			read.addReason(fmt.Sprintf("budget: line %d kills a run of more than %d %s", lineOf(text, m[0]), n,
				text[m[4]:m[5]]))
		}
	}

	for _, m := range cacheDir().FindAllStringSubmatch(text, -1) {
		if !slices.Contains(read.reads, m[1]) {
			read.reads = append(read.reads, m[1])
		}
	}
	read.karpathyNotes(text)

	if rel := relativeTo(dir, filepath.Dir(file)); rel != "." && rel != "" {
		read.addNote("the text lies in %s: commands run in program.md's own folder; say cd in run where they belong there",
			rel)
	}

	return read, nil
}

// lineOf is the number of the line that an offset of text lies on.
func lineOf(text string, offset int) int { return 1 + strings.Count(text[:offset], "\n") }

func (t *taken) karpathyNotes(text string) {
	if strings.Contains(text, "results.tsv") {
		t.addNote("results.tsv, the branches and the git commands of the text: Ratchet keeps the ledger and makes the commits; `ratchet import results.tsv` takes the old rows over")
	}

	if namesVRAM().MatchString(text) {
		t.addNote("what it says of memory: add a guard, such as guards: [{name: peak_vram_mb, max_growth: 10%%}]")
		t.gpus = 1
		t.addReason("gpus: it mentions VRAM")
	}

	if strings.HasPrefix(t.Run, "uv run") {
		t.addNote("uv run wants its environment to be there: .venv is carried into runs if it exists (`uv sync`), and runs have no network")
	}

	if strings.Contains(strings.ToLower(text), "fixed time budget") {
		t.addNote("the training's own time budget stays in the code; budget.wall is the limit of the whole run")
	}
}

// command is one that a text names: what runs, and how likely it is the measured one.
type command struct {
	run   string
	line  int
	score int
}

var (
	launcher = compileLazily(`^(?:\$ )?((?:[A-Z_]+=\S+ )*(?:uv run|uvx|python[\d.]*|torchrun|accelerate|bash|sh|npx|npm|pnpm|yarn|bun|deno|node|cargo|go|make|just|mise|ruby|bundle|julia|Rscript|swift|mvn|gradle|dotnet|php|poetry|pixi|powershell|\.{1,2}/\S+|[\w./-]+/[\w-]+\.(?:sh|py))(?: .*)?)$`)
	numbered = compileLazily(`^\s*(?:[-*]|\d+[.)]|#+)?\s*`)
	spanned  = compileLazily("`([^`\n]+)`")
	redirect = compileLazily(`\s*(?:\d?&?>>?|\|\s*tee\b)\s*\S.*$`)
	verify   = compileLazily(`(?im)^\W*verify\W*:\W*(.+?)\s*$`)

	runsIt     = compileLazily(`(?i)\b(run|execute|launch|start)\w*\b.{0,24}\b(experiment|benchmark|evaluation|training|it|measure\w*|harness)\b|launch (it|with)|one command measures|运行回测|运行实验`)
	isMeasured = compileLazily(`(?i)(^|[/_. -])(train|bench\w*|eval\w*|measure|run_experiment|experiment\w*|backtest|score|verify)([/_. -]|$)`)
	isNotIt    = compileLazily(`(?i)(^|[/_. -])(prepare|download|setup|install|sync|profile\w*|extract|orchestrate\w*|compare\w*|analysis|plot|report|clean|fmt|lint|add|commit|quality-check|next|record)([/_. -]|$)`)
	aside      = compileLazily(`(?i)tell the human|ask the human|baseline(?:[^.]|$)|verify (the )?(data|model|build)|check that|reference|tests?:|optional|per-sample|legacy`)
	blanks     = compileLazily(`<[^>]+>|\[--|\.\.\.|…|\{\w+\}`)
)

// karpathyRun takes the command that the loop runs: the one whose output is kept, which the
// text calls the experiment, and which prepares nothing.
func (t *taken) karpathyRun(text string) {
	var best *command

	for number, line := range strings.Split(text, "\n") {
		for _, c := range commandsOf(line) {
			c.line = number + 1
			if best == nil || c.score > best.score {
				best = &c
			}
		}
	}

	if best == nil || best.score < 0 {
		return
	}
	t.Run = best.run
	t.addReason(fmt.Sprintf("run: line %d runs `%s`", best.line, t.Run))
}

// commandsOf are the commands of a line, in back-ticks or as the line itself.
func commandsOf(line string) (found []command) {
	var spans []string
	for _, m := range spanned().FindAllStringSubmatch(line, -1) {
		spans = append(spans, m[1])
	}

	plain := strings.TrimSpace(line[len(numbered().FindString(line)):])
	if _, after, ok := strings.Cut(plain, "："); ok { // a sentence, then the command
		spans = append(spans, strings.TrimSpace(after))
	}
	spans = append(spans, plain)

	if m := verify().FindStringSubmatch(line); m != nil {
		found = append(found, command{run: strings.Trim(m[1], "`"), score: 120})
	}

	var parts []string
	for _, span := range spans {
		parts = append(parts, strings.Split(span, " && ")...)
	}

	for _, span := range parts {
		m := launcher().FindStringSubmatch(strings.TrimSpace(span))
		if m == nil || strings.HasSuffix(m[1], ".") || strings.HasSuffix(m[1], ":") {
			continue
		}
		found = append(found, command{run: strings.TrimSpace(redirect().ReplaceAllString(m[1], "")),
			score: scoreCommand(m[1], line)})
	}

	return found
}

// scoreCommand tells how likely a command is the measured one; below 0 it is not.
func scoreCommand(run, line string) int {
	score := 10

	for _, rule := range []struct {
		holds bool
		worth int
	}{
		{strings.Contains(run, ".log"), 60},
		{isMeasured().MatchString(run), 30},
		{runsIt().MatchString(line), 20},
		{isNotIt().MatchString(run), -60},
		{aside().MatchString(strings.ReplaceAll(line, run, "")), -25},
		{strings.Contains(run, "baseline"), -5},
		{blanks().MatchString(run), -70},
		{!strings.Contains(run, " ") && !strings.Contains(run, "/"), -70},
		{strings.HasSuffix(run, " test") || strings.Contains(run, "pytest"), -50},
	} {
		if rule.holds {
			score += rule.worth
		}
	}

	return score
}

var (
	grepped     = compileLazily(`grep\s+(?:-\w+ )*["'](.+?)["']`)
	printed     = compileLazily(`(?m)^([a-z_]\w*):[ \t]+-?[\d.]+[%x]?[ \t]*$`)
	identifier  = compileLazily("`([a-z]\\w*)`")
	goalLine    = compileLazily(`(?i)\b(goal|objective|lowest|highest|minimi[sz]e|maximi[sz]e|improve[sd]?|metric)\b|目标|最好|最高|最低|越高|越低`)
	bareNumber  = compileLazily(`(?i)(outputs?|prints?) (a |one )?(single|bare) number|jq `)
	jqName      = compileLazily(`jq (?:-r )?'?\.(\w+)`)
	metricField = compileLazily(`(?im)^\W*metric\W*:\W*(.+)$`)
	wordIs      = compileLazily(`(?i)\b(low|high)er is better|越(低|高)越好|\b(low|high)est\b|\b(mini|maxi)mi[sz]e|得分最(高)|比之前最好的分数(高)|improved \((low|high)er`)
	jmhFile     = compileLazily(`-rf json\b.*-rff ([\w./-]+)`)
	suffixUnit  = compileLazily(`_(ns|us|µs|ms|mb|kb)$`)
)

// karpathyMetric finds the metric's name, how it is printed, and which direction is better.
// A name counts by where it stands: the goal, the grep of the log, the table, the summary.
func (t *taken) karpathyMetric(text string) {
	votes := map[string]int{}
	var order []string

	vote := func(name string, n int) {
		if _, known := votes[name]; !known {
			order = append(order, name)
		}
		votes[name] += n
	}

	pattern := ""

	for _, m := range grepped().FindAllStringSubmatch(text, -1) {
		for i, part := range strings.Split(m[1], `\|`) {
			name := strings.TrimSuffix(strings.TrimPrefix(part, "^"), ":")
			switch {
			case identifierOnly(name) && i == 0:
				vote(name, 3)
			case identifierOnly(name):
				vote(name, 1)
			case i == 0 && pattern == "" && strings.Contains(part, `\[`):
				pattern = part
			}
		}
	}

	if m := tsvHeader().FindStringSubmatch(text); m != nil {
		vote(metricColumn(m[1]), 2)
	}

	for i, m := range printed().FindAllStringSubmatch(text, -1) {
		vote(m[1], max(2-i, 0))
	}

	for _, m := range identifier().FindAllStringSubmatch(text, -1) {
		if strings.Contains(m[1], "_") {
			vote(m[1], 0)
		}
	}

	if m := jqName().FindStringSubmatch(t.Run); m != nil {
		vote(m[1], 9)
	}

	for _, name := range []string{"", "correctness", "bottleneck", "status", "commit"} { // no numbers
		delete(votes, name)
		order = slices.DeleteFunc(order, func(other string) bool { return other == name })
	}

	for line := range strings.Lines(text) {
		if !goalLine().MatchString(line) {
			continue
		}

		for _, name := range order {
			if containsName(line, name) {
				vote(name, 1)
			}
		}
	}
	t.karpathyName(text, order, votes, pattern)
	t.karpathyBetter(text)
}

// karpathyName takes the name with the most votes, and the source that its value is read from.
func (t *taken) karpathyName(text string, order []string, votes map[string]int, pattern string) {
	best := ""

	for _, name := range order {
		if votes[name] > max(votes[best], 1) {
			best = name
		}
	}

	if best == "" && containsName(text, "accuracy") {
		best = "accuracy"
	}

	if best == "" {
		return
	}
	t.Metric.Name = best

	t.addReason(fmt.Sprintf("metric: %s, first named on line %d", best, lineOf(text, max(indexName(text, best), 0))))

	if m := suffixUnit().FindStringSubmatch(best); m != nil {
		t.Metric.Unit = m[1]
	}

	switch m := jmhFile().FindStringSubmatch(t.Run); {
	case m != nil:
		t.Metric.From = contract.Source{Kind: "file", Path: m[1], Expr: "/0/primaryMetric/score"}
		t.addReason("metric.from: the score in JMH's " + m[1])
	case pattern != "":
		t.Metric.From = contract.Source{Kind: "regex", Expr: pattern + `[^-+.0-9]*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)`}
		t.addReason("metric.from: the number behind what it greps, " + pattern)
	case jqName().MatchString(t.Run) || bareNumber().MatchString(text) && !strings.Contains(text, best+":"):
		t.Metric.From = contract.Source{Kind: "regex", Expr: `^\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)%?\s*$`}
		t.addReason("metric.from: a number alone on its line")
	}
}

// karpathyBetter takes the direction from the sentence on the goal or the metric, else from
// the first that says one, else from the name.
func (t *taken) karpathyBetter(text string) {
	direction := func(line string) research.Direction {
		m := wordIs().FindString(line)
		switch low := strings.ToLower(m); {
		case m == "":
			return ""
		case strings.Contains(low, "low") || strings.HasPrefix(low, "mini") || strings.Contains(m, "低"):
			return research.Lower
		}

		return research.Higher
	}

	if m := metricField().FindStringSubmatch(text); m != nil && direction(m[1]) != "" {
		t.Metric.Better = direction(m[1])
		return
	}
	var first, named research.Direction

	for line := range strings.Lines(text) {
		d := direction(line)
		if d == "" {
			continue
		}

		if first == "" {
			first = d
		}

		if named == "" && (strings.Contains(strings.ToLower(line), "goal") || strings.Contains(line, "objective") ||
			strings.Contains(line, "lowest") || strings.Contains(line, "highest") ||
			t.Metric.Name != "" && containsName(line, t.Metric.Name)) {
			named = d
		}
	}

	switch {
	case named != "":
		t.Metric.Better = named
	case guessDirection(t.Metric.Name) != "":
		t.Metric.Better = guessDirection(t.Metric.Name)
	default:
		t.Metric.Better = first
	}
}

// metricColumn is the metric's column in the header of a results table: the first that
// counts no experiments and names none.
func metricColumn(header string) string {
	fields := strings.FieldsFunc(strings.NewReplacer(`\t`, "\t", " [tab] ", "\t").Replace(header),
		func(r rune) bool { return r == '\t' })
	if i := slices.IndexFunc(fields, func(name string) bool {
		return !slices.Contains([]string{"commit", "id", "timestamp", "experiment", "tag", "cycle", "kernel_type",
			"iteration", "round", "status", "description"}, name)
	}); i >= 0 {
		return fields[i]
	}

	return ""
}

func identifierOnly(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "" &&
		name[0] > '9'
}

// containsName says whether a text has a name as a word of its own.
func containsName(text, name string) bool { return indexName(text, name) >= 0 }

// indexName is where a text has a name as a word of its own, -1 where it has not.
func indexName(text, name string) int {
	isLetter := func(b byte) bool {
		return b == '_' || b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z'
	}

	for from := 0; ; {
		i := strings.Index(text[from:], name)
		if i < 0 {
			return -1
		}
		i += from
		end := i + len(name)

		if (i == 0 || !isLetter(text[i-1])) && (end == len(text) || !isLetter(text[end])) {
			return i
		}
		from = end
	}
}

var (
	editsIt    = compileLazily(`(?i)only file|single file|file (that )?you (may )?(modify|edit|change)|you edit|primary edit|research surface|edit target|^\W*scope\W*:|只能修改|write your \w+ to`)
	maybeEdits = compileLazily(`(?i)\b(modify|edit|tune|change)\b|additional file`)
	leavesIt   = compileLazily(`(?i)not (to )?(modify|edit|change|touch)|read-only|fixed|never (modify|edit)|不能修改|prefer not`)
	forbids    = compileLazily(`(?i)cannot|can't|can not|must not|do not|off limits|never|not allowed`)
	filePath   = compileLazily("`?([\\w./-]*\\w\\.\\w+)`?")
)

// karpathyEdit takes the file that the text calls the one to edit; further ones that it
// allows are named in a note.
func (t *taken) karpathyEdit(text, from, dir string) {
	scores := map[string]int{}
	lines := map[string]int{}
	var order []string
	forbidden := false

	for number, line := range strings.Split(text, "\n") {
		if trimmed := strings.Trim(line, "* "); strings.HasPrefix(line, "#") || strings.HasSuffix(trimmed, ":") {
			forbidden = forbids().MatchString(line)
		}

		if !strings.Contains(line, "`") && !editsIt().MatchString(line) {
			continue
		}

		matches := filePath().FindAllStringSubmatchIndex(line, -1)
		for i, m := range matches {
			name := line[m[2]:m[3]]

			score := scoreEditedPath(line, matches, i)
			if forbidden {
				score = -10
			}

			if score == 0 {
				continue
			}

			if _, known := scores[name]; !known {
				order = append(order, name)
				lines[name] = number + 1
			}
			scores[name] += score
		}
	}
	t.takeBestFile(order, scores, lines, from, dir)
}

// scoreEditedPath tells how likely path i of a line is one to edit, by the words between it
// and its neighbours; below 0 it is one to leave alone.
func scoreEditedPath(line string, paths [][]int, i int) (score int) {
	start, end := paths[i][0], paths[i][1]
	before, after := line[:start], line[end:]

	if i > 0 {
		before = line[paths[i-1][1]:start]
	}

	if i+1 < len(paths) {
		after = line[end:paths[i+1][0]]
	}

	// What follows the first path of a line is about that path.
	if leavesIt().MatchString(clauseBefore(before)) || i == 0 && leavesIt().MatchString(clauseAfter(line[end:])) {
		return -10
	}

	if editsIt().MatchString(before + " " + after) {
		score += 5
	}

	if maybeEdits().MatchString(before) || maybeEdits().MatchString(after) {
		score++
	}

	return score
}

// clauseBefore is the part of a text behind its last punctuation.
func clauseBefore(text string) string {
	if i := strings.LastIndexAny(text, ".,;，。；、"); i >= 0 {
		return text[i:]
	}

	return text
}

// clauseAfter is the part of a text before its first Chinese comma, where the next verb stands.
func clauseAfter(text string) string {
	clause, _, _ := strings.Cut(text, "，")
	return clause
}

// takeBestFile takes the file with the highest score, train.py without one; it has to be there.
func (t *taken) takeBestFile(order []string, scores, lines map[string]int, from, dir string) {
	name := ""

	for _, n := range order {
		if scores[n] > scores[name] {
			name = n
		}
	}

	if name == "" {
		if name = "train.py"; t.findFile(name, from, dir) == "" {
			t.addNote("it names no file to edit: say it with --edit")
			return
		}
	}
	rel := t.findFile(name, from, dir)

	if rel == "" {
		t.addNote("the file to edit, %s, is not beside the text: say it with --edit", name)
		return
	}
	t.Edit = []string{rel}

	if lines[name] > 0 {
		t.addReason(fmt.Sprintf("edit: %s, line %d", rel, lines[name]))
	} else {
		t.addReason("edit: " + rel)
	}

	for _, n := range order {
		if other := t.findFile(n, from, dir); scores[n] > 0 && other != "" && other != rel &&
			path.Base(other) != path.Base(rel) && path.Ext(other) != ".md" {
			t.addNote("%s may be edited there, too (line %d): --edit %s,%s takes both", other, lines[n], rel, other)
		}
	}
}

// findFile is the path below dir of a file that the text names: from the text's own
// folder, else from dir; "" if there is none.
func (t *taken) findFile(name, from, dir string) string {
	for _, folder := range []string{from, dir} {
		file := filepath.Join(folder, filepath.FromSlash(name))
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			return relativeTo(dir, file)
		}
	}

	return ""
}
