package prompts

import (
	"bytes"
	"embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

const playbook = "playbook"

// The playbooks are files: "# Playbook: title", a line that says whose it is,
// set-up and traps; then a section "## title" a tier, in order of gain and risk.
//
//go:embed playbooks/*.md
var playbooks embed.FS

// Domains are the names of the playbooks.
func Domains() []string {
	return []string{"llm-training", "gpu-kernel", "test-speed", "build-time", "bundle-size", "latency", "prompt-eval"}
}

// Playbook is what is known of a domain.
type Playbook struct {
	Domain string
	Whose  string   // what is made better, in one sentence
	Intro  string   // what to set up and how measuring goes wrong, as Markdown
	Tiers  []string // as Markdown, the surest gain first
}

// OpenPlaybook returns the playbook of that domain.
func OpenPlaybook(domain string) (Playbook, bool) {
	content, err := playbooks.ReadFile("playbooks/" + domain + ".md")
	if err != nil {
		return Playbook{}, false
	}
	intro, rest, _ := strings.Cut(string(content), "\n## ")

	p := Playbook{Domain: domain, Intro: strings.TrimSpace(intro), Whose: firstSentence(string(content))}
	for i, t := range strings.Split(rest, "\n## ") {
		p.Tiers = append(p.Tiers, fmt.Sprintf("# %s, tier %d: %s", domain, i+1, strings.TrimSpace(t)))
	}

	return p, true
}

// firstSentence returns the sentence below a playbook's heading.
func firstSentence(text string) string {
	_, rest, _ := strings.Cut(text, "\n\n")
	line, _, _ := strings.Cut(rest, "\n")

	return line
}

// maxTiers is the number of tiers of the longest playbook.
const maxTiers = 5

func tierNumbers() []string {
	var out []string
	for n := range maxTiers {
		out = append(out, strconv.Itoa(n+1))
	}

	return out
}

// findTier returns the domain's tier, or its introduction for the tier "" or "0".
func findTier(domain, tier string) (Guide, bool) {
	p, ok := OpenPlaybook(domain)
	if !ok {
		return Guide{}, false
	}

	n, err := strconv.Atoi("0" + tier)
	if err != nil || n > len(p.Tiers) {
		return Guide{}, false
	}

	next := fmt.Sprintf(`read_log{view:"guide",query:"%s %d"}`, domain, n+1)
	switch {
	case n == 0:
		return Guide{p.Intro, next + ": the first tier of moves"}, true
	case n == len(p.Tiers):
		return Guide{p.Tiers[n-1],
			`the best move of this tier; read_log{view:"guide",query:"stuck"} when three edits in a row of it did not improve`}, true
	}

	return Guide{p.Tiers[n-1],
		"the best move of this tier; " + next + " when three edits in a row of it did not improve"}, true
}

// listPlaybooks lists the playbooks.
func listPlaybooks() string {
	var out strings.Builder
	out.WriteString("# Playbooks\n\nWhat to set up, how measuring goes wrong, and what to try, by domain. Take the introduction first, then one tier at a time: the first has the surest gains. Nothing fits? `latency` is the nearest for anything that takes time, `bundle-size` for anything that is counted exactly.\n")

	for _, d := range Domains() {
		text, _ := playbooks.ReadFile("playbooks/" + d + ".md") // a test opens each
		fmt.Fprintf(&out, "\n- `%s`, %d tiers: %s", d, bytes.Count(text, []byte("\n## ")), firstSentence(string(text)))
	}

	return out.String()
}

// renderPlaybook renders the text of the MCP prompt.
func renderPlaybook(args map[string]string) string {
	domain, tier := strings.TrimSpace(args["domain"]), strings.TrimSpace(args["tier"])
	if domain == "" {
		return listPlaybooks() + "\n\nNext: " + nextStep(playbook)
	}

	g, ok := findTier(domain, tier)
	if !ok {
		return fmt.Sprintf("There is no playbook %q with a tier %q.\n\n%s\n\nNext: %s", domain, tier, listPlaybooks(),
			nextStep(playbook))
	}

	return g.Text + "\n\nNext: " + g.Next
}

// GuessDomain guesses the domain of a program from its metric's name, its measured
// command and its edited file; "" where nothing points to one.
func GuessDomain(metric, run, edit string) string {
	notWord := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }
	names := strings.FieldsFunc(strings.ToLower(metric), notWord)
	named := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(names, w) })
	}
	run, edit = strings.ToLower(run), strings.ToLower(edit)

	bench := strings.Contains(run, "bench")
	switch {
	case strings.Contains(edit, "prompt"):
		return "prompt-eval"
	case named("bpb", "loss", "perplexity", "ppl"):
		return "llm-training"
	case named("tflops") || strings.Contains(edit, "triton") || strings.HasSuffix(edit, ".cu"):
		return "gpu-kernel"
	case named("bytes", "size", "kb", "kib"):
		return "bundle-size"
	case strings.Contains(run, "test") && !bench:
		return "test-speed"
	case (strings.Contains(run, "build") || strings.Contains(run, "compile")) && !bench:
		return "build-time"
	case named("ns", "us", "ms", "s", "sec", "seconds", "time", "latency", "wall", "cpu", "p50", "p95", "p99"):
		return "latency"
	}

	return ""
}
