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
	"time"

	"ratchet/internal/foreign"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/wording"
)

// taken is a program made from another program's files: what they say in
// Ratchet's keys, what has no key as notes, and their text as the direction.
type taken struct {
	Proposal
	name     string
	wall     time.Duration
	trials   int // 0: not said
	gpus     int
	reads    []string
	notify   []contract.Target
	text     string   // the direction
	untaken  []string // what could not be translated, one sentence each
	untraced []string // paths that runs need, and that git may not have
}

func (t *taken) addNote(format string, args ...any) {
	t.untaken = append(t.untaken, fmt.Sprintf(format, args...))
}

// readSource finds out what the argument of --from is, and reads it. dir is the
// folder that program.md will lie in.
func readSource(arg, dir string) (*taken, error) {
	if fields := strings.Fields(arg); len(fields) > 1 && fields[0] == "weco" {
		return readWeco(arg, dir)
	}

	where := arg
	if !filepath.IsAbs(where) {
		where = filepath.Join(dir, where)
	}

	info, err := os.Stat(where)
	if err != nil {
		return nil, research.Errorf(research.CodeNotFound,
			"give a folder with .auto/prompt.md or program.md, a Markdown file, or \"weco run …\" in quotes",
			"%s can't be read: %w", arg, err)
	}

	if !info.IsDir() {
		switch base := filepath.Base(where); base {
		case "prompt.md", "measure.sh":
			return readPi(filepath.Dir(where), dir, piNow)
		case "autoresearch.md", "autoresearch.sh":
			return readPi(filepath.Dir(where), dir, piLegacy)
		}

		return readKarpathy(where, dir)
	}

	for _, try := range []struct {
		has  string
		read func() (*taken, error)
	}{
		{".auto/measure.sh", func() (*taken, error) { return readPi(filepath.Join(where, ".auto"), dir, piNow) }},
		{"measure.sh", func() (*taken, error) { return readPi(where, dir, piNow) }},
		{"autoresearch.sh", func() (*taken, error) { return readPi(where, dir, piLegacy) }},
		{"program.md", func() (*taken, error) { return readKarpathy(filepath.Join(where, "program.md"), dir) }},
	} {
		if _, err := os.Stat(filepath.Join(where, filepath.FromSlash(try.has))); err == nil {
			return try.read()
		}
	}

	return nil, research.Errorf(research.CodeNotFound,
		"give a folder with one of them, a Markdown file, or \"weco run …\" in quotes",
		"%s has no .auto/measure.sh, autoresearch.sh or program.md", arg)
}

func readText(file string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", research.Errorf(research.CodeNotFound, "check its name and permissions", "%s can't be read: %w",
			file, err)
	}

	return strings.ReplaceAll(strings.TrimPrefix(string(content), "\ufeff"), "\r\n", "\n"), nil
}

// relativeTo is a file's path below dir with slashes; "" if it is not below.
func relativeTo(dir, file string) string {
	rel, err := filepath.Rel(dir, file)
	if err != nil || !filepath.IsLocal(rel) {
		return ""
	}

	return filepath.ToSlash(rel)
}

var (
	launched  = compileLazily("`(?:\\$ )?((?:uv run |python3? |torchrun |bash |sh |\\./)[^`\n>|&]*?)\\s*(?:(?:2?>|\\|)[^`\n]*)?`")
	minutes   = compileLazily(`(?i)exceeds?\s+\**(\d+)\s*minutes`)
	grepped   = compileLazily(`grep\s+"\^?([A-Za-z_]\w*):`)
	tsvHeader = compileLazily(`(?m)^commit\t(\w+)\t.*\bstatus\tdescription[ \t]*$`)
	onlyFile  = compileLazily("(?i)modify\\s+`([^`]+)`[^.\n]*only file|`([^`]+)`[^.\n]*(?:the file you modify|only file you edit)")
	says      = compileLazily(`(?i)(lowest|highest|minimi[sz]e|maximi[sz]e|lower is better|higher is better)`)
	cacheDir  = compileLazily("`(~/\\.cache/[\\w./-]+?)/?`")
	soft      = compileLazily(`(?i)\bVRAM\b`)
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

	if m := launched().FindStringSubmatch(text); m != nil {
		read.Run = strings.TrimSpace(m[1])
		read.addReason("run: it says `" + read.Run + "`")
	}

	if m := grepped().FindStringSubmatch(text); m != nil {
		read.Metric.Name = m[1]
	} else if m := tsvHeader().FindStringSubmatch(text); m != nil {
		read.Metric.Name = m[1]
	}

	if read.Metric.Name != "" {
		read.addReason("metric: it reads " + read.Metric.Name + " from the output")
		read.Metric.Better = guessDirection(read.Metric.Name)
	}

	if m := says().FindStringSubmatch(text); m != nil {
		read.Metric.Better = research.Lower
		if w := strings.ToLower(m[1]); strings.HasPrefix(w, "high") || strings.HasPrefix(w, "max") {
			read.Metric.Better = research.Higher
		}
	}

	if m := minutes().FindStringSubmatch(text); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil && n > 0 && n < 10_000 {
			read.wall = time.Duration(n) * time.Minute
			read.addReason("budget: a run of more than " + m[1] + " minutes is killed there")
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

func (t *taken) karpathyEdit(text, from, dir string) {
	name := "train.py"
	if m := onlyFile().FindStringSubmatch(text); m != nil {
		name = m[1] + m[2]
	}

	file := filepath.Join(from, filepath.FromSlash(name))
	if _, err := os.Stat(file); err != nil {
		t.addNote("the file to edit, %s, is not beside the text: say it with --edit", name)
		return
	}

	if rel := relativeTo(dir, file); rel != "" {
		t.Edit = []string{rel}
		t.addReason("edit: " + rel)
	}
}

func (t *taken) karpathyNotes(text string) {
	if strings.Contains(text, "results.tsv") {
		t.addNote("results.tsv, the branches and the git commands of the text: Ratchet keeps the ledger and makes the commits; `ratchet import results.tsv` takes the old rows over")
	}

	if soft().MatchString(text) {
		t.addNote("what it says of memory: add a guard, such as guards: [{name: peak_vram_mb, max_growth: 10%%}]")
		t.gpus = 1
		t.addReason("gpus: it speaks of VRAM")
	}

	if strings.HasPrefix(t.Run, "uv run") {
		t.addNote("uv run wants its environment to be there: .venv is carried into runs if it exists (`uv sync`), and runs have no network")
	}

	if strings.Contains(strings.ToLower(text), "fixed time budget") {
		t.addNote("the training's own time budget stays in the code; budget.wall is the limit of the whole run")
	}
}

// piNames are the files of one of pi's layouts.
type piNames struct{ prompt, measure, checks, log, ideas, hooks string }

var (
	piNow    = piNames{"prompt.md", "measure.sh", "checks.sh", "log.jsonl", "ideas.md", "hooks"}
	piLegacy = piNames{"autoresearch.md", "autoresearch.sh", "autoresearch.checks.sh", "autoresearch.jsonl",
		"autoresearch.ideas.md", "autoresearch.hooks"}
	primary = compileLazily("(?im)^[-*]?\\s*\\**primary\\**\\s*:?\\**:?\\s*`?([A-Za-z_][\\w.µ-]*)`?\\s*(?:\\(([^)]*)\\))?(.*)$")
	inTicks = compileLazily("`([^`\n]+)`")
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
	if text, err := readText(filepath.Join(folder, names.prompt)); err == nil {
		read.text = text
		read.piScope(text, dir)
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
	read.piHooks(filepath.Join(folder, names.hooks), dir)

	for _, extra := range []struct{ file, say string }{
		{names.ideas, "%s: add what is still open as ideas (share, or tell the agent to read it)"},
		{names.log, "%s: `ratchet import` takes it over once the campaign is started"},
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

// piScope takes the files in scope that are files.
func (t *taken) piScope(text, dir string) {
	for line := range strings.Lines(readSection(text, "Files in Scope")) {
		name := ""
		if m := inTicks().FindStringSubmatch(line); m != nil {
			name = m[1]
		} else if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "- "); ok {
			name = strings.TrimRight(strings.Fields(rest + " ")[0], ":,")
		}

		if name == "" {
			continue
		}
		clean := path.Clean(strings.TrimPrefix(filepath.ToSlash(name), "./"))

		info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(clean)))
		switch {
		case err != nil || !filepath.IsLocal(filepath.FromSlash(clean)):
			t.addNote("in scope, but no file here: %s", wording.PlainLine(name))
		case info.IsDir():
			t.addNote("in scope is the folder %s: Ratchet wants its files by name, one or a few", clean)
		case !slices.Contains(t.Edit, clean):
			t.Edit = append(t.Edit, clean)
			t.addReason("edit: " + clean + ", in scope")
		}
	}

	if off := strings.TrimSpace(readSection(text, "Off Limits")); off != "" {
		t.addNote("off limits is everything but `edit`, and is enforced; the text's own list stays below")
	}
}

// piMetric reads the metric from the prompt's words.
func (t *taken) piMetric() {
	m := primary().FindStringSubmatch(t.text)
	if m == nil {
		return
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
			var line struct {
				Unit string `json:"metricUnit"`
			}
			_ = json.Unmarshal(i.Text, &line)
			t.takeUnit(line.Unit)
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
