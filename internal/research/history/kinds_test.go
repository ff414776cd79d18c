package history_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"strconv"
	"testing"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
)

// declaredKinds are the constants of the type Kind, by name.
func declaredKinds(t *testing.T) map[string]history.Kind {
	t.Helper()

	file, err := parser.ParseFile(token.NewFileSet(), "record.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]history.Kind{}

	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}

		for _, spec := range group.Specs {
			value := spec.(*ast.ValueSpec)
			if of, ok := value.Type.(*ast.Ident); !ok || of.Name != "Kind" {
				continue
			}

			text, err := strconv.Unquote(value.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			kinds[value.Names[0].Name] = history.Kind(text)
		}
	}

	return kinds
}

func TestEveryKindHasARow(t *testing.T) {
	kinds := declaredKinds(t)
	if len(kinds) < 35 {
		t.Errorf("%d kinds are declared in record.go", len(kinds))
	}

	for name, kind := range kinds {
		if !history.IsKnown(kind) {
			t.Errorf("%s (%s) has no row", name, kind)
		}

		if of := history.IsOfCampaign(kind); of == (kind == history.KindLedgerMigrated) {
			t.Errorf("%s is of a campaign: %v", kind, of)
		}
	}
}

// step is a record of the session ann, and the entries that it changes besides
// the states of the campaign and the session.
type step struct {
	kind history.Kind
	body any
	want string
}

// life has a record of every kind that is of a campaign but its start, which newMemory writes.
var life = []step{
	{history.KindSessionJoined, history.SessionJoin{Codename: "ann", Checkout: "/a"}, "+checkouts /a"},
	{history.KindCalibrationStarted, rules.JobStart{Job: "c1", Commit: "start"}, "+jobs c1"},
	{history.KindRunFinished, rules.Run{Job: "c1", Number: 1}, "+runs c1 1 3, ~jobs c1"},
	{history.KindCalibrationFinished, history.CalibrationEnd{Job: "c1"}, "~jobs c1"},
	{history.KindContractAccepted, history.ContractAcceptance{Digest: "d"}, ""},

	{history.KindIdeaAdded, history.Idea{N: 1, Text: "radix sort"},
		"+idea_status open 1, +idea_text radix 1, +idea_text sort 1, +ideas 1"},
	{history.KindIdeaClaimed, history.IdeaClaim{N: 1, Fence: 1, Checkout: "/a"},
		"+idea_status claimed 1, -idea_status open 1, ~ideas 1"},
	{history.KindExperimentProposed, history.Proposal{N: 1, Hypothesis: "radix", Idea: "1", Fence: 1, Diff: "d1",
		Parent: "start", Candidate: "c1", Tree: "t1", Checkout: "/a"},
		"+experiments 1, +latest /a, +status running 1, +text radix 1, ~ideas 1"},
	{history.KindStepFinished, history.StepEnd{Job: "x1", Output: "o"}, "~experiments 1"},
	{history.KindRunFinished, rules.Run{Job: "x1", Number: 1}, "+runs x1 1 10, ~experiments 1"},
	{history.KindExperimentRebased, history.Rebasing{N: 1, Parent: "p", Candidate: "c2", Tree: "t2"}, "~experiments 1"},
	{history.KindExperimentJudged, rules.Judgement{N: 1, Verdict: research.Improved},
		"+diffs d1, +judged p t2, +status unresolved 1, +verdicts improved 1, -status running 1, ~experiments 1, ~ideas 1"},
	{history.KindExperimentKept, history.Keeping{N: 1, Commit: "k"},
		"+idea_status tried 1, +status kept 1, -idea_status claimed 1, -status unresolved 1, ~experiments 1, ~ideas 1"},
	{history.KindKeepUndone, history.Undoing{N: 1, Commit: "u"},
		"+status reverted 1, -status kept 1, ~experiments 1, ~ideas 1"},
	{history.KindIdeaClaimed, history.IdeaClaim{N: 1, Fence: 2, Checkout: "/a"},
		"+idea_status claimed 1, -idea_status tried 1, ~ideas 1"},
	{history.KindIdeaReleased, history.IdeaRelease{N: 1, Fence: 2},
		"+idea_status tried 1, -idea_status claimed 1, ~ideas 1"},
	{history.KindIdeaDropped, history.IdeaDrop{N: 1},
		"+idea_status dropped 1, -idea_status tried 1, ~ideas 1"},

	{history.KindExperimentProposed, history.Proposal{N: 2, Hypothesis: "heap", Checkout: "/a"},
		"+experiments 2, +status running 2, +text heap 2, ~latest /a"},
	{history.KindRunLost, history.Loss{Job: "x2", Reason: "died"},
		"+status invalid 2, +verdicts invalid 2, -status running 2, ~experiments 2"},
	{history.KindExperimentReverted, history.Reversion{N: 2, Lesson: "slow", By: "agent"},
		"+text slow 2, ~experiments 2"},
	{history.KindExperimentProposed, history.Proposal{N: 3, Parent: "u", Tree: "t3", Checkout: "/a"},
		"+experiments 3, +status running 3, ~latest /a"},
	{history.KindExperimentJudged, rules.Judgement{N: 3, Verdict: research.Invalid},
		"+status invalid 3, +verdicts invalid 3, -status running 3, ~experiments 3"},

	{history.KindMeasurementStarted, rules.JobStart{Job: "a1"}, "+jobs a1"},
	{history.KindMeasurementFinished, rules.MeasurementEnd{Job: "a1"}, "~jobs a1"},
	{history.KindCertificateStarted, rules.JobStart{Job: "h1"}, "+jobs h1"},
	{history.KindCertificateFinished, history.CertificateEnd{Job: "h1"}, "~jobs h1"},
	{history.KindAblationStarted, rules.Ablation{}, ""},
	{history.KindAblationFinished, rules.AblationEnd{}, ""},
	{history.KindCampaignFinalized, history.Finalization{Branch: "b"}, ""},

	{history.KindLessonAdded, history.Lesson{N: 1, Text: "wide rows", Experiment: 2},
		"+lessons 1, +text rows 2, +text wide 2"},
	{history.KindLessonAdded, history.Lesson{N: 2, Text: "of none"}, "+lessons 2"},
	{history.KindNoteAdded, history.Note{N: 1, Text: "well done"}, "+notes 1"},
	{history.KindNoteDelivered, history.NoteDelivery{N: 1}, ""},
	{history.KindHistoryImported, history.Import{N: 1, Source: "log.tsv", LineNumber: 4, Line: "wider",
		Kind: history.ImportRun, Description: "wider"},
		"+import_lines log.tsv 4 0, +import_sources log.tsv, +import_text wider 1, +imports 1"},
	{history.KindFileSaved, history.Saving{Number: 1}, ""},
	{history.KindSessionAnswered, history.SessionAnswers{}, ""},
	{history.KindLoopStopped, history.LoopChange{By: "terminal"}, ""},
	{history.KindLoopResumed, history.LoopChange{By: "terminal"}, ""},
	{history.KindCampaignEnded, history.CampaignEnd{Reason: "budget"}, ""},
}

func TestWhatKindsChange(t *testing.T) {
	m := newMemory(t)
	unseen := declaredKinds(t)

	for i, s := range life {
		before := maps.Clone(m.entries)
		r := record(t, s.kind, s.body)
		r.Seq, r.Time, r.Campaign, r.Session = uint64(i+1), time.Unix(int64(i), 0).UTC(), campaign, "ann"

		if err := m.apply(r); err != nil {
			t.Fatalf("record %d: %v", r.Seq, err)
		}
		maps.DeleteFunc(unseen, func(_ string, kind history.Kind) bool { return kind == s.kind })

		for _, common := range []history.Key{{Index: history.IndexCampaigns},
			{Index: history.IndexSessions, Names: []string{"ann"}}} {
			before[name(common)] = m.entries[name(common)]
		}

		if got := changed(before, m.entries); got != s.want {
			t.Errorf("record %d (%s) changes\n%q, want\n%q", r.Seq, s.kind, got, s.want)
		}
	}

	for name, kind := range unseen {
		if kind != history.KindCampaignStarted && kind != history.KindLedgerMigrated {
			t.Errorf("no record of %s (%s) was folded", name, kind)
		}
	}
}

// TestBeginsOnce: what a record begins must not exist before it, and what
// another goes on with must.
func TestBeginsOnce(t *testing.T) {
	begin := map[history.Kind]any{
		history.KindCampaignStarted:    history.CampaignStart{},
		history.KindCalibrationStarted: rules.JobStart{Job: "c1"},
		history.KindMeasurementStarted: rules.JobStart{Job: "m1"},
		history.KindCertificateStarted: rules.JobStart{Job: "h1"},
		history.KindExperimentProposed: history.Proposal{N: 1},
		history.KindIdeaAdded:          history.Idea{N: 1},
	}
	for kind, body := range begin {
		m := newMemory(t)
		r := record(t, kind, body)
		r.Campaign = campaign

		if err := m.apply(r); err != nil && kind != history.KindCampaignStarted {
			t.Errorf("%s: %v", kind, err)
		}

		if err := m.apply(r); code(err) != research.CodeConflict {
			t.Errorf("%s twice: %v", kind, err)
		}
	}

	goOn := map[history.Kind]any{
		history.KindRunFinished:         rules.Run{Job: "x1"},
		history.KindRunLost:             history.Loss{Job: "m1"},
		history.KindStepFinished:        history.StepEnd{Job: "c1"},
		history.KindCalibrationFinished: history.CalibrationEnd{Job: "c1"},
		history.KindMeasurementFinished: rules.MeasurementEnd{Job: "m1"},
		history.KindCertificateFinished: history.CertificateEnd{Job: "h1"},
		history.KindExperimentRebased:   history.Rebasing{N: 1},
		history.KindExperimentJudged:    rules.Judgement{N: 1},
		history.KindExperimentKept:      history.Keeping{N: 1},
		history.KindExperimentReverted:  history.Reversion{N: 1},
		history.KindKeepUndone:          history.Undoing{N: 1},
		history.KindIdeaClaimed:         history.IdeaClaim{N: 1, Fence: 1},
		history.KindIdeaReleased:        history.IdeaRelease{N: 1, Fence: 1},
		history.KindIdeaDropped:         history.IdeaDrop{N: 1},
	}
	for kind, body := range goOn {
		r := record(t, kind, body)
		r.Campaign = campaign

		if err := newMemory(t).apply(r); code(err) != research.CodeNotFound {
			t.Errorf("%s of what was never begun: %v", kind, err)
		}
	}
}

func TestNoRecordBeforeItsCampaign(t *testing.T) {
	for _, s := range life {
		m := &memory{t: t, entries: map[string][]byte{}}
		r := record(t, s.kind, s.body)
		r.Campaign, r.Session = campaign, "ann"

		if err := m.apply(r); code(err) != research.CodeNoCampaign {
			t.Errorf("%s: %v", s.kind, err)
		}
	}
}

func code(err error) research.Code {
	var coded *research.Error
	if !errors.As(err, &coded) {
		return ""
	}

	return coded.Code
}
