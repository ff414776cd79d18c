package view_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ratchet/internal/checkout"
	"ratchet/internal/report"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/view"
)

// git runs git in dir and returns what it printed.
func git(t *testing.T, dir string, args ...string) string {
	t.Helper()

	cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com"},
		args...)...)

	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v %s", args, err, out)
	}

	return strings.TrimSpace(string(out))
}

// tellInGit is a calibrated campaign whose start and first candidate are real
// commits: experiment 1 replaces the line "old" of f by "new", and is kept. One
// session made it; a lesson, a free idea and a note are there, too.
func tellInGit(t *testing.T) *story {
	t.Helper()

	dir := t.TempDir()
	git(t, dir, "init", "-q", "-b", "main")

	text := "---\nname: sorting\nedit: f\nmetric: {name: ns, better: lower, unit: ns}\nrun: ./bench\n---\n"
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("program.md", text)
	write("f", "old\n")
	git(t, dir, "add", ".")
	git(t, dir, "commit", "-q", "-m", "start")
	start, startTree := git(t, dir, "rev-parse", "HEAD"), git(t, dir, "rev-parse", "HEAD^{tree}")
	write("f", "new\n")
	git(t, dir, "commit", "-q", "-a", "-m", "one")
	one, tree := git(t, dir, "rev-parse", "HEAD"), git(t, dir, "rev-parse", "HEAD^{tree}")

	co, err := checkout.Open(context.Background(), checkout.Options{Dir: dir, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}

	doc, err := contract.ParseProgram([]byte(text), "sorting")
	if err != nil {
		t.Fatal(err)
	}
	s := &story{t: t, lab: co, led: co.Ledger}
	s.put(history.KindCampaignStarted, history.CampaignStart{Program: doc.Program, Digest: doc.Program.Digest(),
		ProgramPath: "program.md", Start: start, StartTree: startTree, Branch: "refs/heads/ratchet/sorting",
		Origin: "refs/heads/main", Checkout: dir})
	s.put(history.KindCalibrationStarted, rules.JobStart{Job: "c1", Commit: start})
	s.append(ran("c1", 1, 0, rules.Candidate, start, 1000))
	s.put(history.KindCalibrationFinished, history.CalibrationEnd{Job: "c1", State: exact})

	output, err := s.led.PutOutput([]byte("line one\nline two\n"))
	if err != nil {
		t.Fatal(err)
	}
	run := ran("x1", 1, 1, rules.Candidate, one, 900)
	body := run.Body.(rules.Run)
	body.Output = output
	run.Body = body

	session := func(e history.Entry) history.Entry { e.Campaign, e.Session = camp, "calm-otter"; return e }
	s.append(session(history.Entry{Kind: history.KindSessionJoined,
		Body: history.SessionJoin{Codename: "calm-otter", Client: "test", Checkout: co.Repo.Root()}}))
	s.append(session(history.Entry{Kind: history.KindExperimentProposed, Body: history.Proposal{N: 1,
		Hypothesis: "say it again\nbecause", Parent: start, Candidate: one, Tree: tree, Paths: []string{"f"},
		Checkout: co.Repo.Root()}}), run)
	s.append(session(history.Entry{Kind: history.KindExperimentJudged, Body: bytes(1, 900, 1000)}),
		session(history.Entry{Kind: history.KindExperimentKept, Body: history.Keeping{N: 1, Commit: one, Was: start}}),
		session(history.Entry{Kind: history.KindLessonAdded,
			Body: history.Lesson{N: 1, Text: "new is faster", Experiment: 1}}),
		session(history.Entry{Kind: history.KindIdeaAdded, Key: checkout.IdeaKey("try newer"),
			Body: history.Idea{N: 1, Text: "try newer"}}))
	s.put(history.KindNoteAdded, history.Note{N: 1, Text: "mind the cache", By: "terminal"})

	return s
}

func TestBrief(t *testing.T) {
	s := tellInGit(t)

	b, err := view.ReadBrief(t.Context(), s.lab)
	if err != nil {
		t.Fatal(err)
	}

	if b.Campaign.Name != camp || *b.Best != 900 || *b.Baseline != 1000 || b.Changed || b.Merge != "" || b.Next == "" {
		t.Errorf("the campaign: %+v", b)
	}

	if len(b.Recent) != 1 || len(b.Lessons) != 1 || len(b.Ideas) != 1 || b.Ideas[0].Text != "try newer" ||
		len(b.Running) != 0 {
		t.Errorf("what it knows: %+v", b)
	}

	if len(b.Notes) != 1 || !b.Notes[0].Unheard || b.Notes[0].Text != "mind the cache" {
		t.Errorf("its notes: %+v", b.Notes)
	}

	if len(b.Edit) != 1 || b.Edit[0] != filepath.Join(s.lab.Root(), "f") {
		t.Errorf("the edited files: %v", b.Edit)
	}

	if err := os.WriteFile(filepath.Join(s.lab.Root(), "program.md"),
		[]byte("---\nname: sorting\nedit: g\nmetric: {name: ns, better: lower, unit: ns}\nrun: ./bench\n---\n"),
		0o644); err != nil {
		t.Fatal(err)
	}

	if b, err = view.ReadBrief(t.Context(), s.lab); err != nil || !b.Changed || !strings.Contains(b.Next,
		"ratchet accept") {
		t.Errorf("with a changed contract: %+v, %v", b, err)
	}
}

func TestBoardAndLists(t *testing.T) {
	s := tellInGit(t)

	b, err := view.ReadBoard(t.Context(), s.lab)
	if err != nil {
		t.Fatal(err)
	}

	if b.Seq == 0 || len(b.Sessions) != 1 || len(b.Ideas) != 1 || len(b.Lessons) != 1 || len(b.Notes) != 1 ||
		*b.Best != 900 || len(b.Running) != 0 {
		t.Errorf("the board: %+v", b)
	}

	if x := b.Sessions[0]; x.Codename != "calm-otter" || x.Experiments != 1 || x.Kept != 1 || x.Stands != 1 {
		t.Errorf("the session: %+v", x)
	}

	ideas, err := view.ListIdeas(t.Context(), s.lab, 5)
	if err != nil || len(ideas) != 1 || !ideas[0].IsFree() {
		t.Errorf("ideas: %+v, %v", ideas, err)
	}

	sessions, err := view.ListSessions(t.Context(), s.lab)
	if err != nil || len(sessions) != 1 {
		t.Errorf("sessions: %+v, %v", sessions, err)
	}

	lessons, err := view.ListLessons(t.Context(), s.lab, 5)
	if err != nil || len(lessons) != 1 || lessons[0].Text != "new is faster" {
		t.Errorf("lessons: %+v, %v", lessons, err)
	}

	names, err := view.ListCampaigns(t.Context(), s.lab)
	if err != nil || len(names) != 1 || names[0] != camp {
		t.Errorf("campaigns: %v, %v", names, err)
	}

	text, err := view.ReadProgramText(t.Context(), s.lab)
	if err != nil || !strings.Contains(text, "name: sorting") {
		t.Errorf("the program: %q, %v", text, err)
	}
}

func TestExperiments(t *testing.T) {
	s := tellInGit(t)

	p, err := view.ListExperiments(t.Context(), s.lab, view.Query{Text: "again", Limit: 5})
	if err != nil || len(p.Experiments) != 1 || p.Next != "" {
		t.Fatalf("the page: %+v, %v", p, err)
	}

	for _, id := range []string{"", "1", "x1"} {
		d, err := view.ReadExperiment(t.Context(), s.lab, id)
		if err != nil {
			t.Fatal(err)
		}

		if d.Experiment.N != 1 || len(d.Runs) != 1 || !d.Exact || d.Cut || !strings.Contains(d.Diff, "-old\n+new") {
			t.Errorf("experiment %q: %+v", id, d)
		}
	}

	d, err := view.ReadDetail(t.Context(), s.lab, "1", 20)
	if err != nil || !d.Cut {
		t.Errorf("in 20 bytes: %+v, %v", d, err)
	}

	for _, id := range []string{"2", "c1"} {
		if _, err := view.ReadExperiment(t.Context(), s.lab, id); !research.HasCode(err, research.CodeNotFound) {
			t.Errorf("experiment %s: %v", id, err)
		}
	}
}

func TestOutputIsReadInPages(t *testing.T) {
	s := tellInGit(t)

	for _, c := range []struct {
		id, cursor string
		limit      int
		text, next string
	}{
		{"", "", 0, "line one\nline two\n", ""},
		{"x1", "", 9, "line two\n", ""},
		{"1", "0", 9, "line one\n", "9"},
		{"1", "9", 9, "line two\n", ""},
	} {
		p, err := view.ReadOutput(t.Context(), s.lab, c.id, c.cursor, c.limit)
		if err != nil || p.Text != c.text || p.Next != c.next || p.Total != 18 {
			t.Errorf("%+v: %+v, %v", c, p, err)
		}
	}

	if _, err := view.ReadOutput(t.Context(), s.lab, "1", "19", 0); !research.HasCode(err, research.CodeBadArgument) {
		t.Errorf("beyond its end: %v", err)
	}

	for _, id := range []string{"c1", "hooks"} {
		if _, err := view.ReadOutput(t.Context(), s.lab, id, "", 0); !research.HasCode(err, research.CodeNotFound) {
			t.Errorf("of %s, which has none: %v", id, err)
		}
	}
}

func TestReportIsWrittenAndChecked(t *testing.T) {
	s := tellInGit(t)

	for _, html := range []bool{false, true} {
		w, err := view.WriteReport(t.Context(), s.lab, report.FullSize(), html)
		if err != nil {
			t.Fatal(err)
		}

		if w.Checked.Figures == 0 || !strings.Contains(string(w.Text), "900") {
			t.Errorf("the report: %+v", w.Checked)
		}

		c, err := view.CheckReport(t.Context(), s.lab, w.Text, html)
		if err != nil || !c.Words || c.Since != 0 || c.Recompute != html {
			t.Errorf("checked: %+v, %v", c, err)
		}

		forged := strings.Replace(string(w.Text), "900", "800", 1)
		if _, err := view.CheckReport(t.Context(), s.lab, []byte(forged), false); !research.HasCode(err,
			research.CodeReport) {
			t.Errorf("a forged figure: %v", err)
		}
	}

	w, err := view.WriteReport(t.Context(), s.lab, report.FullSize(), false)
	if err != nil {
		t.Fatal(err)
	}
	s.put(history.KindNoteAdded, history.Note{N: 2, Text: "later", By: "terminal"})

	c, err := view.CheckReport(t.Context(), s.lab, w.Text, false)
	if err != nil || c.Since != 1 || !c.Recompute || !c.Words {
		t.Errorf("after the ledger has grown: %+v, %v", c, err)
	}
}

func TestImportsAndTheirOriginal(t *testing.T) {
	s := tellInGit(t)

	none := func([]byte) error { t.Error("a line of nothing"); return nil }
	if err := view.ReadOriginal(t.Context(), s.lab, camp, "", none); !research.HasCode(err, research.CodeNotFound) {
		t.Errorf("before any import: %v", err)
	}

	for n, line := range []string{"commit\tns\n", "abc\t950\n"} {
		i := history.Import{N: n + 1, Source: "results.tsv", Format: "tsv", LineNumber: n + 1,
			Kind: history.ImportOther}
		i.SetText([]byte(line))
		s.append(history.Entry{Campaign: camp, Kind: history.KindHistoryImported, Key: i.Key(), Body: i})
	}

	p, err := view.ListImports(t.Context(), s.lab, view.Query{Limit: 1})
	if err != nil || p.Total != 2 || len(p.Sources) != 1 || len(p.Lines) != 1 || p.Next == "" {
		t.Errorf("the page: %+v, %v", p, err)
	}

	for _, name := range []string{"", "results.tsv", filepath.Join(s.lab.Root(), "results.tsv")} {
		var whole strings.Builder

		err := view.ReadOriginal(t.Context(), s.lab, camp, name, func(text []byte) error {
			whole.Write(text)
			return nil
		})
		if err != nil || whole.String() != "commit\tns\nabc\t950\n" {
			t.Errorf("the original by %q: %q, %v", name, whole.String(), err)
		}
	}

	if err := view.ReadOriginal(t.Context(), s.lab, camp, "other", none); !research.HasCode(err,
		research.CodeNotFound) {
		t.Errorf("another file: %v", err)
	}
}

// Nobody is held who has no server in this checkout, or stands on another branch.
func TestUnfinishedWorkLetsStrangersGo(t *testing.T) {
	s := tellInGit(t)

	for _, branch := range []string{"main", "ratchet/sorting"} {
		if branch != "main" {
			git(t, s.lab.Root(), "switch", "-q", "-c", branch)
		}

		w, err := view.CheckUnfinishedWork(t.Context(), s.lab)
		if err != nil || w.Reason != "" || w.Note != "" {
			t.Errorf("on %s: %+v, %v", branch, w, err)
		}
	}
}

// What finalize made is to be merged until it is.
func TestMergeAdvice(t *testing.T) {
	s := tellInGit(t)
	root := s.lab.Root()
	one := git(t, root, "rev-parse", "HEAD")
	git(t, root, "switch", "-q", "-c", "other", "HEAD~1")
	git(t, root, "branch", "-f", "main", "HEAD")
	git(t, root, "branch", "ratchet/sorting-final", one)

	g := research.Interval{Mid: .1, Lo: .1, Hi: .1}
	s.put(history.KindCampaignFinalized, history.Finalization{Branch: "refs/heads/ratchet/sorting-final", Commit: one,
		Head: one, Audit: "a1", Gain: &g, Scale: "log", Pairs: 2})

	b, err := view.ReadBrief(t.Context(), s.lab)
	if err != nil || !strings.HasPrefix(b.Merge, "review ratchet/sorting-final") {
		t.Errorf("before the merge: %q, %v", b.Merge, err)
	}
	git(t, root, "branch", "-f", "main", one)

	if b, err = view.ReadBrief(t.Context(), s.lab); err != nil || b.Merge != "" {
		t.Errorf("after the merge: %q, %v", b.Merge, err)
	}
}
