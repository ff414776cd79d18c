package lab

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/source"
	"ratchet/ledger"
)

// StartCampaign starts the campaign of a program, or resumes it. A new one
// gets a start commit (HEAD with a new or changed program.md), a branch, refs
// and a calibration; no file of the user changes. Resuming changes files only
// where the checkout has to go to the campaign's branch, by `git switch`.
func (l *Lab) StartCampaign(ctx context.Context, req StartRequest) (*Started, error) {
	if _, err := l.findProgram(req.Program); err != nil {
		return nil, l.ledger.View(ctx, func(tx *ledger.Tx) error { return campaignElsewhere(tx, err) })
	}

	doc, err := l.readProgram(req.Program)
	if err != nil {
		return nil, err
	}

	name, err := checkCampaignName(req.Name, doc)
	if err != nil {
		return nil, err
	}

	head, err := l.requireUsable(ctx, doc)
	if err != nil {
		return nil, err
	}

	c, err := l.lookUpCampaign(ctx, name)
	if err != nil {
		return nil, err
	}

	if here, err := l.currentCampaign(ctx); req.Name == "" && err == nil && here.ProgramPath == doc.path &&
		here.Ended == "" &&
		l.isCampaignBranch(here, head.Branch) {
		c = here // a campaign that was given another name, and is checked out
	}

	if c != nil {
		return l.resumeCampaign(ctx, c, doc, head)
	}

	notes, err := l.createCampaign(ctx, name, doc, head)
	if err != nil {
		return nil, err
	}

	return l.startCalibration(ctx, name, doc, false, notes)
}

// requireUsable refuses a checkout in which no campaign of doc could run, and tells
// where it stands.
func (l *Lab) requireUsable(ctx context.Context, doc *programDocument) (source.Head, error) {
	head, err := l.repo.Head(ctx)
	if err != nil {
		return head, err
	}

	if err := l.repo.Busy(ctx); err != nil {
		return head, err
	}

	for _, f := range editedFiles(doc.path, doc.Program) {
		if err := l.repo.CheckEditable(ctx, f); err != nil {
			return head, err
		}
	}

	return head, l.repo.Identity(ctx)
}

// checkCampaignName is the wanted name, checked.
func checkCampaignName(want string, doc *programDocument) (string, error) {
	name := cmp.Or(want, doc.Program.Name)
	for i, r := range name {
		ok := r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' && i > 0
		if !ok || len(name) > 48 {
			return "", research.Errorf(research.CodeBadArgument, "use a to z, 0 to 9 and '-', at most 48 of them",
				"%q cannot be a campaign's name", name)
		}
	}

	return name, nil
}

// lookUpCampaign is the campaign of that name, nil when there is none.
func (l *Lab) lookUpCampaign(ctx context.Context, name string) (c *history.Campaign, err error) {
	err = l.ledger.View(ctx, func(tx *ledger.Tx) error {
		c, err = tx.Campaign(name)
		if hasCode(err, research.CodeNoCampaign) {
			c, err = nil, nil
		}

		return err
	})

	return c, err
}

// createCampaign makes a new campaign: objects, then refs, then the record, then the index,
// then HEAD, by which a repeated call sees that all is done.
// What it announces is returned.
func (l *Lab) createCampaign(
	ctx context.Context, name string, doc *programDocument, head source.Head,
) (notes []string, err error) {
	edit := editedFiles(doc.path, doc.Program)

	dirty, err := l.requireCleanFiles(ctx, head.Commit, doc.path, edit)
	if err != nil {
		return nil, err
	}

	if len(dirty) > 0 {
		notes = append(notes, strings.Join(dirty,
			", ")+" has uncommitted changes: untouched, they are your first candidate (call run_experiment)")
	}

	if extra, err := l.repo.Untracked(ctx, 6); err == nil {
		extra = slices.DeleteFunc(extra, func(p string) bool { return p == doc.path })
		if len(extra) > 0 {
			notes = append(notes,
				"untracked files take no part, runs do not see them: "+strings.Join(extra[:min(5, len(extra))], ", "))
		}
	}

	start, tree, err := l.makeStartCommit(ctx, name, doc, head)
	if err != nil {
		return nil, err
	}

	branch := "refs/heads/ratchet/" + name
	if err := l.createRefs(ctx, name, branch, start); err != nil {
		return nil, err
	}

	if err := l.recordCampaignStart(ctx, name, doc, head, start, tree, branch); err != nil {
		return nil, err
	}

	more, err := l.refreshIndex(ctx, start, []string{doc.path})
	if err != nil {
		return nil, err
	}

	return append(notes, more...), l.repo.AttachHead(ctx, branch, "ratchet: start "+name)
}

// requireCleanFiles refuses when tracked files other than the program and the edited
// ones differ from commit, and returns the edited ones that do.
func (l *Lab) requireCleanFiles(
	ctx context.Context, commit, program string, edit []string,
) (dirty []string, err error) {
	changes, err := l.repo.Changes(ctx, commit)
	if err != nil {
		return nil, err
	}
	var other []string

	for _, ch := range changes {
		switch {
		case slices.Contains(edit, ch.Path):
			dirty = append(dirty, ch.Path)
		case ch.Path != program:
			other = append(other, fmt.Sprintf("%s (%s)", ch.Path, ch.Kind))
		}
	}

	if len(other) > 0 {
		return nil, research.Errorf(research.CodeRepository, "commit them, or put them aside with `git stash`",
			"tracked files have uncommitted changes: %s", strings.Join(other[:min(len(other), 20)], ", "))
	}

	return dirty, nil
}

// makeStartCommit is HEAD's commit, or a new one on it with the program as it is now.
func (l *Lab) makeStartCommit(
	ctx context.Context, name string, doc *programDocument, head source.Head,
) (commit, tree string, err error) {
	was, err := l.repo.Tree(ctx, head.Commit)
	if err != nil {
		return "", "", err
	}

	if tree, err = l.repo.Snapshot(ctx, head.Commit, []string{doc.path}); err != nil || tree == was {
		return head.Commit, tree, err
	}
	commit, err = l.repo.Commit(ctx, source.CommitSpec{Tree: tree, Parents: []string{head.Commit},
		Message: fmt.Sprintf("ratchet: start campaign %s\n\nRatchet-Campaign: %s\nRatchet-Contract: %s\n", name, name,
			doc.digest)})

	return commit, tree, err
}

// createRefs creates the campaign's branch and refs in one transaction. What a
// start that died before its record left behind is taken over.
func (l *Lab) createRefs(ctx context.Context, name, branch, start string) error {
	if at, err := l.repo.Ref(ctx, "refs/heads/ratchet"); err != nil || at != "" {
		return cmp.Or[error](err, research.Errorf(research.CodeRepository,
			"rename it: git branch -m ratchet ratchet-old",
			"a branch named `ratchet` exists, so branches below ratchet/ can't"))
	}
	updates := []source.RefUpdate{{Name: branch, New: start}, {Name: refName(name, "start"), New: start},
		{Name: refName(name, "incumbent"), New: start}}

	left, err := l.repo.Refs(ctx, "refs/ratchet/"+name+"/")
	if err != nil {
		return err
	}

	for i, u := range updates {
		if updates[i].Old, err = l.repo.Ref(ctx, u.Name); err != nil {
			return err
		}
	}

	branchAt, startAt, incumbentAt := updates[0].Old, updates[1].Old, updates[2].Old
	if startAt != incumbentAt || len(left) > 2 || len(left) > 0 && branchAt != startAt {
		return research.Errorf(research.CodeLedger,
			"restore the folder ratchet/ of the git directory from a backup, or start with another name",
			"the refs of a campaign %q exist (refs/ratchet/%s/), but the ledger has no record of it", name, name)
	}

	if branchAt != "" && startAt == "" {
		return research.Errorf(research.CodeRepository,
			"start with another name, or remove it: git branch -D ratchet/"+name,
			"a branch ratchet/%s exists and is not Ratchet's", name)
	}

	err = l.repo.UpdateRefs(ctx, updates, "ratchet: start "+name)
	if hasCode(err, research.CodeConflict) {
		return research.Errorf(research.CodeConflict, "call start_campaign again", "another session is starting %q",
			name)
	}

	return err
}

func (l *Lab) recordCampaignStart(
	ctx context.Context, name string, doc *programDocument, head source.Head, start, tree, branch string,
) error {
	return l.ledger.Update(ctx, func(tx *ledger.Tx) error {
		_, err := tx.Campaign(name)
		if err == nil {
			return research.Errorf(research.CodeConflict, "call start_campaign again, to resume it",
				"another session started %q meanwhile", name)
		}

		if !hasCode(err, research.CodeNoCampaign) {
			return err
		}

		if _, err := tx.Append(history.Entry{Campaign: name, Kind: history.KindCampaignStarted,
			Body: history.CampaignStart{
				Program: doc.Program, Digest: doc.digest, ProgramPath: doc.path, Start: start, StartTree: tree,
				Branch: branch, Origin: cmp.Or(strings.TrimPrefix(head.Branch, "refs/heads/"), head.Commit),
				Checkout: l.repo.Root(), Machine: runtime.GOOS + "/" + runtime.GOARCH,
				Version: l.opt.Version}}); err != nil {
			return err
		}

		c, err := tx.Campaign(name)
		if err != nil {
			return err
		}
		_, err = l.joinSession(tx, c)

		return err
	})
}

// startCalibration starts a calibration where one is missing, and tells the contract.
func (l *Lab) startCalibration(
	ctx context.Context, name string, doc *programDocument, resumed bool, notes []string,
) (*Started, error) {
	c, err := l.currentReaped(ctx)
	if err != nil {
		return nil, err
	}
	var job research.JobID
	needs := false
	var session, origin string

	err = l.updateCampaign(ctx, name, func(tx *ledger.Tx, now *history.Campaign, codename string) error {
		c, session = now, codename
		if s, err := tx.Session(name, session); err == nil {
			origin = cmp.Or(s.Origin, c.Origin)
		}

		for _, id := range c.Open {
			if id.Kind() == research.CalibrationJob {
				job = id
			}
		}

		broken := c.Broken != "" && c.Experiments > 0 // with no experiment yet, what was missing may be there now
		if needs = !c.Calibrated && !broken && job == "" && doc.digest == c.Digest && c.Rests == nil; !needs {
			return nil
		}
		job = research.NewJobID(research.CalibrationJob, c.Calibrations+1)
		_, err = tx.Append(history.Entry{Campaign: name, Session: session, Kind: history.KindCalibrationStarted,
			Body: rules.JobStart{Job: job, Commit: c.Incumbent}})

		return err
	})
	if err != nil {
		return nil, err
	}

	if needs {
		if err := l.startWorker(ctx, name, job); err != nil {
			return nil, err
		}
	}
	hooks := ""

	if doc.digest == c.Digest && c.Rests == nil {
		l.startNotifier(c)
		hooks = l.runStartHooks(ctx, c)
	}

	rests := ""
	if c.Rests != nil {
		rests = c.Rests.Words() + ": no experiment starts until a person runs `ratchet resume`"
	}

	waits := ""
	if len(c.Program.Notify) > 0 {
		if waits = l.missingAllowance(c.ProgramPath, c.Program); waits != "" {
			waits = "notify: " + waits
		}
	}

	for _, note := range []string{rests, l.ledger.Warning(), waits, l.otherSessionNote(c)} {
		if note != "" {
			notes = append([]string{note}, notes...)
		}
	}
	out := l.describeStart(ctx, c, doc, job, session, origin, resumed, notes)
	out.Hooks = hooks

	return out, nil
}

// firstWords are the first n bytes of a text, in one line.
func firstWords(text string, n int) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= n {
		return text
	}

	return strings.ToValidUTF8(text[:n], "") + "…"
}

// switchCommand is the command that takes the checkout back to where it came from, a
// branch or a commit.
func switchCommand(origin string) string {
	if len(origin) == 40 {
		return "git switch --detach " + shortCommit(origin)
	}

	return "git switch " + origin
}

func (l *Lab) describeStart(
	ctx context.Context, c *history.Campaign, doc *programDocument, job research.JobID, session, origin string, resumed bool, notes []string,
) *Started {
	m := c.Program.Metric
	unit := cmp.Or(m.Unit, "no unit")

	s := &Started{Campaign: c.Name, Direction: firstWords(doc.Body, 240), Resumed: resumed, Contract: c.Program,
		ID: job, Codename: session, Left: budgetLeft(c), Notes: notes, Metric: fmt.Sprintf("%s (%s is better, %s)",
			m.Name, m.Better, unit),
		Branch: strings.TrimPrefix(l.repo.Branch(ctx), "refs/heads/"), Incumbent: shortCommit(c.Incumbent),
		Back: switchCommand(origin)}
	for _, f := range editedFiles(c.ProgramPath, c.Program) {
		s.Edit = append(s.Edit, filepath.Join(l.repo.Root(), filepath.FromSlash(f)))
	}

	if c.Calibrated {
		v := c.Rule.Incumbent
		s.Value = &v
	}

	switch {
	case doc.digest != c.Digest:
		s.Next = "tell the user: `ratchet accept` in a terminal accepts the changed contract"
	case job != "" && len(c.Unresolved) == 0:
		s.Next = "edit the file while the calibration runs, then run_experiment{hypothesis}; wait_run{id: \"" +
			string(job) + "\"} shows the calibration"
	default:
		s.Next = nextAfterDecision(c)
	}

	return s
}
