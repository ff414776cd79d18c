package checkout_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"ratchet/internal/checkout"
	"ratchet/internal/checkout/checkouttest"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
)

// unnamed is a program that gives no name.
func unnamed() string { return strings.Replace(checkouttest.Program, "name: sorting\n", "", 1) }

// TestRepositoryID gives a repository its id once, in all its checkouts, and another
// one to the repository that is made at its path.
func TestRepositoryID(t *testing.T) {
	b := checkouttest.New(t, checkouttest.Program)
	beside := b.Beside()

	if id, err := checkout.RepositoryID(b.Checkout); id != "" || err != nil {
		t.Errorf("before the first start: %q, %v", id, err)
	}

	var all sync.WaitGroup
	for _, co := range []*checkout.Checkout{b.Checkout, beside.Checkout, b.Checkout, beside.Checkout} {
		all.Go(func() {
			if err := checkout.EnsureRepositoryID(t.Context(), co); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()

	id, err := checkout.RepositoryID(b.Checkout)
	if other, _ := checkout.RepositoryID(beside.Checkout); err != nil || id == "" || other != id {
		t.Errorf("the checkouts say %q and %q, %v", id, other, err)
	}
	was, _ := b.CacheDir()

	file := filepath.Join(b.Repo.CommonDir(), "ratchet", "repository")
	for _, broken := range []string{"", "short\n", strings.ToLower(id) + "\n"} {
		if err := os.WriteFile(file, []byte(broken), 0o666); err != nil {
			t.Fatal(err)
		}

		if _, err := checkout.RepositoryID(b.Checkout); !research.HasCode(err, research.CodeRepository) {
			t.Errorf("%q as id: %v", broken, err)
		}
	}

	if err := os.RemoveAll(b.Repo.CommonDir()); err != nil {
		t.Fatal(err)
	}
	b.Git("init", "-q")

	if err := checkout.EnsureRepositoryID(t.Context(), b.Checkout); err != nil {
		t.Fatal(err)
	}

	if again, _ := checkout.RepositoryID(b.Checkout); again == id || again == "" {
		t.Errorf("a repository made again has the id %q, the first had %q", again, id)
	}

	if now, _ := b.CacheDir(); now == was {
		t.Errorf("both have the cache folder %s", now)
	}
}

// find is the name of the campaign that a checkout means, or the error's text.
func find(t *testing.T, b *checkouttest.Bench) string {
	t.Helper()

	campaign, err := b.CurrentCampaign(t.Context())
	if err != nil {
		return research.Describe(err).Msg
	}

	return campaign.Name
}

// startAs records a second campaign of the bench's program, on HEAD.
func startAs(t *testing.T, b *checkouttest.Bench, name string) {
	t.Helper()

	doc, err := b.ReadProgram("")
	if err != nil {
		t.Fatal(err)
	}

	head, err := b.Repo.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	tree, err := b.Repo.Tree(t.Context(), head.Commit)
	if err == nil {
		err = b.RecordCampaignStart(t.Context(), name, doc, head, head.Commit, tree, "refs/heads/ratchet/"+name)
	}

	if err != nil {
		t.Fatal(err)
	}
}

// TestProgramWithoutName finds the campaign of a program that gives no name, from
// checkouts whose folders have other names than its own.
func TestProgramWithoutName(t *testing.T) {
	b := checkouttest.New(t, unnamed())
	b.Start()
	beside := b.Beside()

	if got := find(t, beside); got != checkouttest.Campaign {
		t.Errorf("detached: %q", got)
	}
	beside.Git("switch", "-q", "-c", "elsewhere")

	if got := find(t, beside); got != checkouttest.Campaign {
		t.Errorf("on a branch of the user's: %q", got)
	}

	// A second campaign, on a later start: where HEAD lies decides, and nothing where it lies on neither.
	b.Git("switch", "-q", "main")
	b.Git("commit", "-q", "--allow-empty", "-m", "later")
	startAs(t, b, "second")
	beside.Git("switch", "-q", "--detach", "main")

	if got := find(t, beside); got != "second" {
		t.Errorf("detached at the second one's start: %q", got)
	}
	beside.Git("switch", "-q", "--detach", "ratchet/"+checkouttest.Campaign)

	if got := find(t, beside); got != checkouttest.Campaign {
		t.Errorf("detached at the first one's incumbent: %q", got)
	}
	beside.Git("commit", "-q", "--allow-empty", "-m", "of no campaign")

	if got := find(t, beside); !strings.Contains(got, "has several campaigns: second, sorting") {
		t.Errorf("on neither: %q", got)
	}

	// What has ended is meant only when nothing else is.
	end := func(name string) {
		if _, err := b.Ledger.Append(t.Context(), history.Entry{Campaign: name, Kind: history.KindCampaignEnded,
			Body: history.CampaignEnd{Reason: "abandoned"}}); err != nil {
			t.Fatal(err)
		}
	}
	end(checkouttest.Campaign)

	if got := find(t, beside); got != "second" {
		t.Errorf("with one ended: %q", got)
	}
	end("second")

	if got := find(t, beside); got != "second" {
		t.Errorf("with both ended: %q", got)
	}
}

// TestProgramWithName has a program name its campaign, and a checkout that was made at
// another one's incumbent, as docs/sharing.md says, join that one.
func TestProgramWithName(t *testing.T) {
	b := checkouttest.New(t, checkouttest.Program)
	b.Start()
	b.Git("switch", "-q", "main")
	b.Git("commit", "-q", "--allow-empty", "-m", "later")
	startAs(t, b, "sorting-2")

	for at, want := range map[string]string{"main": "sorting", "ratchet/sorting": "sorting"} {
		b.Git("switch", "-q", at)

		if got := find(t, b); got != want {
			t.Errorf("on %s: %q, want %q", at, got, want)
		}
	}

	beside := b.Beside()
	for at, want := range map[string]string{"main": "sorting-2", "ratchet/sorting": "sorting"} {
		beside.Git("switch", "-q", "--detach", at)

		if got := find(t, beside); got != want {
			t.Errorf("detached at %s: %q, want %q", at, got, want)
		}
	}
}

// TestForeignCampaign has one ledger serve two repositories, and a clone.
func TestForeignCampaign(t *testing.T) {
	first := checkouttest.New(t, unnamed())
	first.Write("work.txt", "of the first repository alone\n")
	first.Git("commit", "-qam", "first")

	if err := checkout.EnsureRepositoryID(t.Context(), first.Checkout); err != nil {
		t.Fatal(err)
	}
	first.Start()

	open := func(dir string) *checkout.Checkout {
		co, err := checkout.Open(t.Context(), checkout.Options{Dir: dir, Ledger: first.Ledger.Path(), Host: first.Fake})
		if err != nil {
			t.Fatal(err)
		}

		return co
	}
	other := open(checkouttest.New(t, unnamed()).Root())

	if _, err := other.CurrentCampaign(t.Context()); !research.HasCode(err, research.CodeNoCampaign) {
		t.Errorf("another repository on the same ledger: %v", err)
	}

	if err := checkout.RequireOwnCampaign(t.Context(), other, first.State()); !research.HasCode(err,
		research.CodeConflict) {
		t.Errorf("the first one's campaign in another repository: %v", err)
	}

	dir := filepath.Join(t.TempDir(), "clone")
	first.Git("clone", "-q", ".", dir)

	if c, err := open(dir).CurrentCampaign(t.Context()); err != nil || c.Name != checkouttest.Campaign || c.ID == "" {
		t.Errorf("a clone on the same ledger: %+v, %v", c, err)
	}
}
