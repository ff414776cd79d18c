package lab

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/importer"
	"ratchet/internal/job"
	"ratchet/internal/notify"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/source"
	"ratchet/internal/wording"
	"ratchet/ledger"
	"ratchet/sandbox"
)

// StartCampaign starts the campaign of a program, or resumes it. A new one
// gets a start commit (HEAD with a new or changed program.md), a branch, refs
// and a calibration; no file of the user changes. Resuming changes files only
// where the checkout has to go to the campaign's branch, by `git switch`.
func StartCampaign(ctx context.Context, co *checkout.Checkout, req StartRequest) (*Started, error) {
	if _, err := co.FindProgram(req.Program); err != nil {
		return nil, co.Ledger.View(ctx, func(tx *ledger.Tx) error { return checkout.CampaignElsewhere(tx, err) })
	}

	doc, err := co.ReadProgram(req.Program)
	if err != nil {
		return nil, err
	}

	name, err := requireCampaignName(cmp.Or(req.Name, doc.Program.Name))
	if err != nil {
		return nil, err
	}

	head, err := co.RequireUsable(ctx, doc)
	if err != nil {
		return nil, err
	}

	var campaign *history.Campaign // nil for a new one
	if req.Name == "" {
		campaign, err = checkout.StartedCampaign(ctx, co, doc, head)
	} else {
		campaign, err = co.LookUpCampaign(ctx, name)
	}

	if err != nil {
		return nil, err
	}

	if err := checkout.EnsureRepositoryID(ctx, co); err != nil {
		return nil, err
	}

	if campaign != nil {
		return resumeCampaign(ctx, co, campaign, doc, head)
	}

	// Before a branch is made that nothing can be measured on.
	if err := sandbox.CheckSystem(); err != nil {
		return nil, err
	}

	if err := acceptStart(ctx, co, name, doc, req.Accepted); err != nil {
		return nil, err
	}

	notes, err := createCampaign(ctx, co, name, doc, head)
	if err != nil {
		return nil, err
	}

	return startCalibration(ctx, co, name, doc, false, notes)
}

// createCampaign makes a new campaign: objects, then refs, then the record, then the index,
// then HEAD, by which a repeated call sees that all is done.
// What it announces is returned.
func createCampaign(
	ctx context.Context, co *checkout.Checkout, name string, doc *checkout.ProgramDocument, head source.Head,
) (notes []string, err error) {
	edit := checkout.EditedFiles(doc.Path, doc.Program)

	dirty, err := requireCleanFiles(ctx, co, head.Commit, doc.Path, edit)
	if err != nil {
		return nil, err
	}

	if len(dirty) > 0 {
		notes = append(notes, strings.Join(dirty,
			", ")+" has uncommitted changes: they were left in place and are your first candidate (call run_experiment)")
	}

	if extra, err := co.Repo.Untracked(ctx, 6); err == nil {
		extra = slices.DeleteFunc(extra, func(p string) bool { return p == doc.Path })
		if len(extra) > 0 {
			notes = append(notes,
				"untracked files take no part, runs do not see them: "+strings.Join(extra[:min(5, len(extra))], ", "))
		}
	}

	submodules, err := checkout.SubmoduleNote(ctx, co, head.Commit)
	if err != nil {
		return nil, err
	}

	if submodules != "" {
		notes = append(notes, submodules)
	}

	start, tree, err := co.MakeStartCommit(ctx, name, doc, head)
	if err != nil {
		return nil, err
	}

	branch := "refs/heads/ratchet/" + name
	if err := createRefs(ctx, co, name, branch, start); err != nil {
		return nil, err
	}

	if err := co.RecordCampaignStart(ctx, name, doc, head, start, tree, branch); err != nil {
		return nil, err
	}

	more, err := refreshIndex(ctx, co, start, []string{doc.Path})
	if err != nil {
		return nil, err
	}

	return append(notes, more...), co.Repo.AttachHead(ctx, branch, "ratchet: start "+name)
}

// requireCleanFiles refuses when tracked files other than the program and the edited
// ones differ from commit, and returns the edited ones that do.
func requireCleanFiles(
	ctx context.Context, co *checkout.Checkout, commit, program string, edit []string,
) (dirty []string, err error) {
	changes, err := co.Repo.Changes(ctx, commit)
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

// createRefs creates the campaign's branch and refs in one transaction. What a
// start that died before its record left behind is taken over.
func createRefs(ctx context.Context, co *checkout.Checkout, name, branch, start string) error {
	at, err := co.Repo.Ref(ctx, "refs/heads/ratchet")
	if err != nil {
		return err
	}

	if at != "" {
		return research.Errorf(research.CodeRepository, "rename it: git branch -m ratchet ratchet-old",
			"a branch named `ratchet` exists, so branches below ratchet/ can't")
	}

	updates := []source.RefUpdate{
		{Name: branch, New: start},
		{Name: checkout.RefName(name, "start"), New: start},
		{Name: checkout.RefName(name, "incumbent"), New: start},
	}

	left, err := co.Repo.Refs(ctx, "refs/ratchet/"+name+"/")
	if err != nil {
		return err
	}

	for i, u := range updates {
		if updates[i].Old, err = co.Repo.Ref(ctx, u.Name); err != nil {
			return err
		}
	}

	// Refs of more than a start are those of a campaign whose ledger is gone.
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

	err = co.Repo.UpdateRefs(ctx, updates, "ratchet: start "+name)
	if research.HasCode(err, research.CodeConflict) {
		return research.Errorf(research.CodeConflict, "call start_campaign again", "another session is starting %q",
			name)
	}

	return err
}

// startCalibration starts a calibration where one is missing, and describes the
// campaign to its session.
func startCalibration(
	ctx context.Context, co *checkout.Checkout, name string, doc *checkout.ProgramDocument, resumed bool,
	notes []string,
) (*Started, error) {
	if _, err := job.CurrentReaped(ctx, co); err != nil {
		return nil, err
	}

	var campaign *history.Campaign
	var session, origin string
	var calibration research.JobID // under way, "" for none
	missing := false

	err := co.UpdateCampaign(ctx, name, func(tx *ledger.Tx, now *history.Campaign, codename string) error {
		campaign, session, calibration = now, codename, ""

		if s, err := tx.Session(name, session); err == nil {
			origin = cmp.Or(s.Origin, campaign.Origin)
		}

		for _, id := range campaign.Open {
			if id.Kind() == research.CalibrationJob {
				calibration = id
			}
		}

		if missing = calibration == "" && needsCalibration(campaign, doc); !missing {
			return nil
		}

		calibration = research.NewJobID(research.CalibrationJob, campaign.Calibrations+1)
		_, err := tx.Append(history.Entry{Campaign: name, Session: session, Kind: history.KindCalibrationStarted,
			Body: rules.JobStart{Job: calibration, Commit: campaign.Incumbent}})

		return err
	})
	if err != nil {
		return nil, err
	}

	if missing {
		if err := job.StartWorker(ctx, co, name, calibration); err != nil {
			return nil, err
		}
	}

	hooks := ""
	if doc.Digest == campaign.Digest && campaign.Rests == nil {
		notify.StartNotifier(co, campaign)
		hooks = notify.RunStartHooks(ctx, co, campaign)
	}

	notes = append(startWarnings(co, campaign), notes...)
	notes = append(notes, importer.TakeWaiting(ctx, co, campaign.Name)...)
	out := describeStart(ctx, co, campaign, doc, calibration, session, origin, resumed, notes)
	out.Hooks = hooks

	return out, nil
}

func describeStart(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, doc *checkout.ProgramDocument,
	calibration research.JobID, session, origin string, resumed bool, notes []string,
) *Started {
	metric := campaign.Program.Metric

	started := &Started{
		Campaign:  campaign.Name,
		Resumed:   resumed,
		Contract:  campaign.Program,
		Direction: wording.FirstWords(doc.Body, 240),
		Metric:    fmt.Sprintf("%s (%s is better, %s)", metric.Name, metric.Better, cmp.Or(metric.Unit, "no unit")),
		Branch:    strings.TrimPrefix(co.Repo.Branch(ctx), "refs/heads/"),
		Incumbent: wording.ShortCommit(campaign.Incumbent),
		Codename:  session,
		ID:        calibration,
		Notes:     notes,
		Back:      checkout.SwitchCommand(origin),
		Left:      checkout.BudgetLeft(campaign),
	}
	for _, f := range checkout.EditedFiles(campaign.ProgramPath, campaign.Program) {
		started.Edit = append(started.Edit, filepath.Join(co.Repo.Root(), filepath.FromSlash(f)))
	}

	if campaign.Calibrated {
		value := campaign.Rule.Incumbent
		started.Value = &value
	}

	switch {
	case doc.Digest != campaign.Digest:
		started.Next = "tell the user: `ratchet accept` in a terminal accepts the changed contract"
	case calibration != "" && len(campaign.Unresolved) == 0:
		started.Next = "edit the file while the calibration runs, then run_experiment{hypothesis}; wait_run{id: \"" +
			string(calibration) + "\"} shows the calibration"
	default:
		started.Next = job.NextAfterDecision(campaign)
	}

	return started
}

// StartRequest asks for a campaign: the one of the program, new or resumed.
type StartRequest struct {
	Program string // path of program.md, "" for the one nearest the checkout's folder
	Name    string // overrides the program's name, "" for the program's
	// Accepted is a person's word for a further campaign with a contract of its own; the
	// zero value where nobody was asked.
	Accepted StartAcceptance
}

// Started is the answer to start_campaign.
type Started struct {
	Campaign  string           `json:"campaign"`
	Resumed   bool             `json:"resumed"`
	Contract  contract.Program `json:"-"`
	Direction string           `json:"direction,omitempty"` // the beginning of the program's body
	Metric    string           `json:"metric"`              // "ns_per_op (lower is better, ns)"
	Edit      []string         `json:"edit"`                // absolute paths in this checkout
	Branch    string           `json:"branch"`
	Incumbent string           `json:"incumbent"` // short commit
	Codename  string           `json:"session"`
	ID        research.JobID   `json:"id,omitempty"`    // of the calibration, while one runs
	Value     *float64         `json:"value,omitempty"` // the incumbent's, once calibrated
	Notes     []string         `json:"notes,omitempty"` // announcements: a dirty edited file, untracked files, …
	Back      string           `json:"way_back"`        // the command that leaves the campaign
	Left      checkout.Left    `json:"budget_left"`
	Hooks     string           `json:"hook_output,omitempty"` // what the program's hooks printed for the agent: data
	Next      string           `json:"next"`
}

// requireCampaignName is the name, refused unless it can be a part of a ref and of a
// file's name everywhere.
func requireCampaignName(name string) (string, error) {
	for i, r := range name {
		ok := r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' && i > 0
		if !ok || len(name) > 48 {
			return "", research.Errorf(research.CodeBadArgument, "use a to z, 0 to 9 and '-', at most 48 of them",
				"%q cannot be a campaign's name", name)
		}
	}

	return name, nil
}

// needsCalibration says whether a calibration should start. One that failed before the
// first experiment is made again: what was missing may be there now.
func needsCalibration(c *history.Campaign, doc *checkout.ProgramDocument) bool {
	broken := c.Broken != "" && c.Experiments > 0
	return !c.Calibrated && !broken && doc.Digest == c.Digest && c.Rests == nil
}

// startWarnings are what a session should know before all else, the most urgent first.
func startWarnings(co *checkout.Checkout, campaign *history.Campaign) (warnings []string) {
	warn := func(text string) {
		if text != "" {
			warnings = append(warnings, text)
		}
	}
	warn(co.OtherSessionNote(campaign))

	if len(campaign.Program.Notify) > 0 {
		if missing := notify.MissingAllowance(co, campaign.ProgramPath, campaign.Program); missing != "" {
			warn("notify: " + missing)
		}
	}
	warn(co.Ledger.Warning())

	if campaign.Rests != nil {
		warn(campaign.Rests.Words() + ": no experiment starts until a person runs `ratchet resume`")
	}

	return warnings
}
