package checkout_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/checkout/checkouttest"
	"ratchet/internal/host"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

func TestMain(m *testing.M) { checkouttest.Main(m) }

func TestOpenWritesNoFile(t *testing.T) {
	b := checkouttest.New(t, checkouttest.Program)

	if files, err := os.ReadDir(filepath.Join(b.Repo.CommonDir(), "ratchet")); err != nil || len(files) > 0 {
		t.Errorf("opening wrote %v, %v", files, err)
	}

	if b.Root() != b.Repo.Root() || b.JobsDir() != filepath.Join(b.Repo.CommonDir(), "ratchet", "jobs") {
		t.Errorf("root %s, locks in %s", b.Root(), b.JobsDir())
	}

	_, err := checkout.Open(t.Context(), checkout.Options{Dir: t.TempDir()})
	if !research.HasCode(err, research.CodeRepository) {
		t.Errorf("outside a repository: %v", err)
	}

	local, err := checkout.Open(t.Context(), checkout.Options{Dir: b.Root(), GitDir: b.Repo.GitDir(),
		CommonDir: b.Repo.CommonDir()})
	if err != nil {
		t.Fatal(err)
	}

	if _, ok := local.Host.(*host.Local); !ok {
		t.Errorf("without a host workers are %T", local.Host)
	}
}

func TestFindCampaign(t *testing.T) {
	b := checkouttest.New(t, checkouttest.Program)

	if _, err := b.CurrentCampaign(t.Context()); !research.HasCode(err, research.CodeNoCampaign) {
		t.Errorf("before the start: %v", err)
	}
	b.Start()
	beside := b.Beside()

	find := func(b *checkouttest.Bench) (string, error) {
		c, err := b.CurrentCampaign(t.Context())
		if err != nil {
			return "", err
		}

		return c.Name, nil
	}

	for name, b := range map[string]*checkouttest.Bench{"by its branch": b, "by its program": beside} {
		if got, err := find(b); got != checkouttest.Campaign || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}

	// Without a program the branch decides.
	if err := os.Remove(filepath.Join(b.Root(), "program.md")); err != nil {
		t.Fatal(err)
	}

	if got, err := find(b); got != checkouttest.Campaign || err != nil {
		t.Errorf("on its branch without a program: %q, %v", got, err)
	}

	// With neither, the error says where the campaign is.
	if err := os.Remove(filepath.Join(beside.Root(), "program.md")); err != nil {
		t.Fatal(err)
	}

	_, err := find(beside)
	if d := research.Describe(err); d.Code != research.CodeNoCampaign || d.Next != "git switch ratchet/sorting" {
		t.Errorf("with neither: %v, next %q", err, d.Next)
	}
}

// The branch of a second checkout has its codename, and nobody else's is the
// campaign's.
func TestFindCampaignByTheBranchOfASecondCheckout(t *testing.T) {
	b := checkouttest.New(t, checkouttest.Program)
	b.Start()
	beside := b.Beside()

	var codename string

	join := func(_ *ledger.Tx, _ *history.Campaign, session string) error { codename = session; return nil }
	if err := beside.UpdateCampaign(t.Context(), checkouttest.Campaign, join); err != nil {
		t.Fatal(err)
	}
	c := b.State()

	for branch, want := range map[string]bool{c.Branch: true, c.Branch + "-" + codename: true,
		c.Branch + "-other": false, "refs/heads/main": false} {
		if got := beside.IsCampaignBranch(c, branch); got != want {
			t.Errorf("%s is the campaign's: %v, want %v", branch, got, want)
		}
	}

	_, err := beside.RequireCampaignBranch(t.Context(), c)
	if !research.HasCode(err, research.CodeRepository) || !strings.Contains(err.Error(), "a detached HEAD") {
		t.Errorf("on no branch: %v", err)
	}
	beside.Git("switch", "-q", "-c", "ratchet/sorting-"+codename)

	if head, err := beside.RequireCampaignBranch(t.Context(), c); err != nil || head.Commit != c.Incumbent {
		t.Errorf("on its own branch: %+v, %v", head, err)
	}

	if found, err := beside.CurrentCampaign(t.Context()); err != nil || found.Name != checkouttest.Campaign {
		t.Errorf("found by its own branch: %v, %v", found, err)
	}
}

func TestUpdateJoinsOnceAndInTheNameOfTheClient(t *testing.T) {
	b := checkouttest.New(t, checkouttest.Program)
	b.Start() // joins
	joined := func() int { return b.Records(history.KindSessionJoined) }

	if joined() != 1 {
		t.Fatalf("%d sessions joined at the start", joined())
	}
	var names []string

	note := func(_ *ledger.Tx, now *history.Campaign, session string) error {
		names = append(names, session)

		if now.Name != checkouttest.Campaign {
			t.Errorf("the update sees %q", now.Name)
		}

		return nil
	}
	update := func(co *checkout.Checkout) {
		t.Helper()

		if err := co.UpdateCampaign(t.Context(), checkouttest.Campaign, note); err != nil {
			t.Fatal(err)
		}
	}
	update(b.Checkout)
	update(b.Checkout)

	if joined() != 1 {
		t.Errorf("the same session joined again: %d", joined())
	}
	update(b.Beside().Checkout)

	b.Opt.Client = checkout.Client{Name: "another agent", Version: "2"}
	update(b.Checkout)

	if joined() != 3 || names[0] == "" || names[0] != names[1] || names[0] == names[2] || names[0] != names[3] {
		t.Errorf("%d joins of %q; want 3: the checkout, another checkout, the first with another client", joined(),
			names)
	}

	person, err := b.AsPerson(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	update(person)

	if joined() != 3 || names[4] != "" || person.Campaign() != checkouttest.Campaign {
		t.Errorf("a person joined as %q in %q, %d joins", names[4], person.Campaign(), joined())
	}

	if _, err := b.AsPerson(t.Context(), "nothing"); !research.HasCode(err, research.CodeNoCampaign) {
		t.Errorf("a person of no campaign: %v", err)
	}
}

func TestAnswersAreRecordedWithTheNextRecord(t *testing.T) {
	b := checkouttest.New(t, checkouttest.Program)
	b.Start()
	refuse := errors.New("refused")

	update := func(result error) error {
		return b.UpdateCampaign(t.Context(), checkouttest.Campaign,
			func(*ledger.Tx, *history.Campaign, string) error { return result })
	}
	b.CountAnswer("read_log", 100, 20)

	if err := update(refuse); !errors.Is(err, refuse) || b.Records(history.KindSessionAnswered) != 0 {
		t.Fatalf("a refused update: %v, %d records", err, b.Records(history.KindSessionAnswered))
	}
	b.CountAnswer("read_log", 1, 2)

	if err := update(nil); err != nil || b.Records(history.KindSessionAnswered) != 1 {
		t.Fatalf("counts of a refused update are lost: %v, %d records", err, b.Records(history.KindSessionAnswered))
	}

	if err := b.RecordAnswers(t.Context()); err != nil || b.Records(history.KindSessionAnswered) != 1 {
		t.Errorf("nothing to record: %v, %d records", err, b.Records(history.KindSessionAnswered))
	}
	b.CountAnswer("keep", 5, 5)

	if err := b.RecordAnswers(t.Context()); err != nil || b.Records(history.KindSessionAnswered) != 2 {
		t.Errorf("at the end: %v, %d records", err, b.Records(history.KindSessionAnswered))
	}
}

func TestAttend(t *testing.T) {
	b := checkouttest.New(t, checkouttest.Program)
	b.Start()
	c := b.State()

	other, err := b.OpenSibling(t.Context(), b.Root())
	if err != nil {
		t.Fatal(err)
	}
	b.Attend()

	if !b.HoldsMark() || b.OtherSessionNote(c) != "" {
		t.Errorf("the first session does not hold the mark: %q", b.OtherSessionNote(c))
	}
	other.Attend()

	if note := other.OtherSessionNote(c); other.HoldsMark() || !strings.Contains(note, "agent 1, pid ") ||
		!strings.Contains(note, "git worktree add --detach "+b.Root()+"-2 ratchet/sorting") {
		t.Errorf("a second session is told %q", note)
	}
	b.Leave()
	b.Attend() // a call that was still under way

	if !other.HoldsMark() || other.OtherSessionNote(c) != "" {
		t.Errorf("after the first has left the second is told %q", other.OtherSessionNote(c))
	}
	other.Leave()

	if other.HoldsMark() {
		t.Error("the mark is held after leaving")
	}

	heard, err := b.OpenSibling(t.Context(), b.Root())
	if err != nil {
		t.Fatal(err)
	}

	heard.AttendHeard()
	defer heard.Leave()

	if heard.HoldsMark() || heard.OtherSessionNote(c) != "" {
		t.Error("a session known by its calls only holds the mark for its claims, too")
	}
}

// An idea's claim falls with its session's mark, and after the term of the lease;
// not while the holder's job runs.
func TestAClaimLapses(t *testing.T) {
	b := checkouttest.New(t, checkouttest.Program)
	b.Start()
	beside := b.Beside()
	beside.Attend()
	var holder string

	claim := func(tx *ledger.Tx, _ *history.Campaign, session string) error {
		holder = session
		if _, err := tx.Append(history.Entry{Campaign: checkouttest.Campaign, Session: session,
			Kind: history.KindIdeaAdded, Key: checkout.IdeaKey("Sort less"), Body: history.Idea{N: 1,
				Text: "Sort less"}}); err != nil {
			return err
		}
		_, err := tx.Append(history.Entry{Campaign: checkouttest.Campaign, Session: session,
			Kind: history.KindIdeaClaimed, Body: history.IdeaClaim{N: 1, Fence: 1, Checkout: beside.Root(),
				Attended: beside.HoldsMark()}})

		return err
	}
	if err := beside.UpdateCampaign(t.Context(), checkouttest.Campaign, claim); err != nil {
		t.Fatal(err)
	}

	look := func(me string) (v checkout.IdeaView) {
		t.Helper()
		c := b.State()

		if err := b.Ledger.View(t.Context(), func(tx *ledger.Tx) error {
			i, err := tx.Idea(checkouttest.Campaign, 1)
			if err == nil {
				v, err = b.ViewIdea(tx, c, i, me)
			}

			return err
		}); err != nil {
			t.Fatal(err)
		}

		return v
	}

	if v := look("somebody"); v.IsFree() || v.Mine || !strings.HasPrefix(v.StatusText(), "claimed by "+holder) {
		t.Errorf("a claim that holds: %q", v.StatusText())
	}

	if v := look(holder); !v.Mine || v.StatusText() != "claimed by you" {
		t.Errorf("to its holder: %q", v.StatusText())
	}
	beside.Leave()

	if v := look("somebody"); !v.IsFree() || v.Lapse != history.LapseLeft {
		t.Errorf("after the holder has left: %q", v.StatusText())
	}
	beside.Write("work.txt", checkouttest.Work(1, "less"))
	beside.Propose(1)

	if v := look("somebody"); v.IsFree() || v.StatusText() != "claimed by "+holder+", which runs x1" {
		t.Errorf("while the holder's job runs: %q", v.StatusText())
	}
}

func TestRequireBudget(t *testing.T) {
	program := contract.Program{Campaign: contract.CampaignLimit{Experiments: 2, Hours: 1}}
	rests := history.LoopChange{By: "terminal"}

	for name, test := range map[string]struct {
		campaign history.Campaign
		want     research.Code
	}{
		"some is left":   {history.Campaign{Program: program, Experiments: 1}, ""},
		"none is left":   {history.Campaign{Program: program, Experiments: 2}, research.CodeBudget},
		"hours are over": {history.Campaign{Program: program, RunSeconds: 3600}, research.CodeBudget},
		"it has ended":   {history.Campaign{Program: program, Ended: "abandoned"}, research.CodeEnded},
		"it rests": {history.Campaign{Program: program, Rests: &history.Rest{By: rests.By}},
			research.CodeStopped},
	} {
		err := checkout.RequireBudget(&test.campaign)
		if (test.want == "") != (err == nil) || err != nil && !research.HasCode(err, test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}

	if d := checkout.BoundWait(-time.Second); d != 0 {
		t.Errorf("a negative wait is %v", d)
	}

	if d := checkout.BoundWait(time.Hour); d != 50*time.Second {
		t.Errorf("an hour's wait is %v", d)
	}
}

func TestRequireAcceptedContract(t *testing.T) {
	b := checkouttest.New(t, checkouttest.Program)
	b.Start()
	c := b.State()

	for text, want := range map[string]research.Code{
		checkouttest.Program:                                           "",
		checkouttest.Program + "\nmore words":                          "",
		strings.Replace(checkouttest.Program, "./bench", "./other", 1): research.CodeContract,
		"---\nname: [\n---\n":                                          research.CodeProgram,
	} {
		b.Write("program.md", text)

		if err := b.RequireAcceptedContract(c); (want == "") != (err == nil) || err != nil && !research.HasCode(err,
			want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// A job without a path is the checkout's latest open experiment, then another job
// under way.
func TestResolveJob(t *testing.T) {
	b := checkouttest.New(t, checkouttest.Program)
	b.Start()

	resolve := func(b *checkouttest.Bench, id string) (got research.JobID) {
		t.Helper()
		c := b.State()

		if err := b.Ledger.View(t.Context(), func(tx *ledger.Tx) (err error) {
			got, err = b.ResolveJob(tx, c, id)
			return err
		}); err != nil {
			t.Fatal(err)
		}

		return got
	}

	if got := resolve(b, ""); got != "c1" {
		t.Errorf("before the first experiment: %s, want the last calibration", got)
	}
	beside := b.Beside()
	b.Write("work.txt", checkouttest.Work(1, "less"))
	b.Propose(1)

	if got := []research.JobID{resolve(b, ""), resolve(beside, ""), resolve(b, "m3")}; !slices.Equal(got,
		[]research.JobID{"x1", "", "m3"}) {
		t.Errorf("while x1 runs, here, beside, and by name: %v", got)
	}
}
