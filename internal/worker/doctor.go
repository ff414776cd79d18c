package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/notify"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/ledger"
	"ratchet/sandbox"
)

// Health is what Doctor found.
type Health struct {
	Repository string   `json:"repository"`
	Program    string   `json:"program"`
	Tier       string   `json:"tier"` // of confinement
	Gives      []string `json:"gives"`
	Lacks      []string `json:"lacks"` // what this tier does not guarantee
	Locks      string   `json:"locks"`
	Storage    string   `json:"storage,omitempty"` // what is wrong with where the ledger lies
	Unseen     []string `json:"unseen,omitempty"`  // what of the caller's own no run can see, and why
	GPUs       []string `json:"gpus,omitempty"`    // of a program that leases some: how each stands
	Notify     []string `json:"notify,omitempty"`  // targets that can't work here, and why
	Runs       int      `json:"runs"`
	Finding    string   `json:"finding,omitempty"` // value and noise of the metric
	Problem    string   `json:"problem,omitempty"`
	Excerpt    string   `json:"output_excerpt,omitempty"`
	Canaries   []Canary `json:"canaries,omitempty"`
}

// Doctor tries everything that a campaign needs, without starting one: the
// repository, the program, this machine's confinement, and the program's own
// commands on HEAD's tree, in a workspace and with a ledger that are thrown
// away. A problem of the program is in the Health; an error is for what keeps
// Doctor from looking. say is told what goes on. With canary it goes on to plant
// candidates that the gate must refuse, each to be proven on its own.
func Doctor(ctx context.Context, co *checkout.Checkout, canary bool, say func(string)) (*Health, error) {
	doc, err := co.ReadProgram("")
	if err != nil {
		return nil, err
	}

	if canary {
		doc.Program.Search = rules.SearchCertify
	}

	head, err := co.RequireUsable(ctx, doc)
	if err != nil {
		return nil, err
	}

	h := &Health{Repository: co.Repo.Root(), Program: doc.Path, Storage: co.Ledger.Warning()}
	for _, t := range doc.Program.Notify {
		if why := notify.TargetProblem(co, doc.Path, t); why != "" {
			h.Notify = append(h.Notify, t.Name()+": "+why)
		}
	}

	if len(doc.Program.Notify) > 0 {
		if why := notify.MissingAllowance(co, doc.Path, doc.Program); why != "" {
			h.Notify = append(h.Notify, "all of it: "+why)
		}
	}

	tmp, err := os.MkdirTemp("", "ratchet-doctor-")
	if err != nil {
		return nil, research.Errorf(research.CodeStorage, "free space in TMPDIR", "make a temporary folder: %w", err)
	}
	defer checkout.RemoveTree(tmp)

	led, err := ledger.Open(filepath.Join(tmp, "ledger.db"), ledger.Options{})
	if err != nil {
		return nil, err
	}
	trial := &checkout.Checkout{Opt: co.Opt, Repo: co.Repo, Ledger: led}
	name := fmt.Sprintf("doctor.%d", os.Getpid()) // no campaign can be named so

	commit, tree, err := co.MakeStartCommit(ctx, name, doc, head)
	if err != nil {
		return nil, err
	}

	if err := trial.RecordCampaignStart(ctx, name, doc, head, commit, tree, ""); err != nil {
		return nil, err
	}

	return h, examineProgram(ctx, trial, name, commit, h, canary, say)
}

// examineProgram calibrates the throw-away campaign in this process.
func examineProgram(
	ctx context.Context, co *checkout.Checkout, name, commit string, h *Health, canary bool, say func(string),
) error {
	c, err := co.LookUpCampaign(ctx, name)
	if err != nil {
		return err
	}

	id := research.NewJobID(research.CalibrationJob, 1)
	if _, err := co.Ledger.Append(ctx, history.Entry{Campaign: name, Kind: history.KindCalibrationStarted,
		Body: rules.JobStart{Job: id, Commit: commit}}); err != nil {
		return err
	}

	s := &worker{Checkout: co, campaign: name, id: id, tell: say, versions: map[rules.Side]*version{}}
	if !canary { // which takes as long as it takes
		s.patience = time.Minute
	}

	if s.space, err = openWorkspace(ctx, co, c, id); err != nil {
		return err
	}
	defer checkout.RemoveTree(s.space.dir)
	h.Tier = string(s.space.tier)
	h.Gives, h.Lacks = sandbox.Promises(s.space.tier)
	h.Unseen = unseenFolders(s.space.tier)

	dir, shared, err := sandbox.LockDir()
	if err != nil {
		return err
	}

	h.Locks = dir
	if !shared {
		h.Locks += " (this user only: other users' runs on this machine are not seen)"
	}

	if c.Program.GPUs > 0 {
		h.GPUs = surveyGPUs()
	}
	began := time.Now()

	if c, err = s.calibrateIncumbent(ctx, id); errors.Is(err, errPatience) {
		h.Runs = len(s.seen)
		h.Finding = fmt.Sprintf("the metric comes out: %s; a run takes about %s, so doctor stopped after %d of up to 9: a campaign's calibration makes them all",
			research.FormatValue(s.seen[len(s.seen)-1].Value, s.space.c.Program.Metric.Unit),
			research.FormatSeconds(time.Since(began).Seconds()/float64(h.Runs)), h.Runs)

		return nil
	}

	if ctx.Err() != nil {
		return research.Errorf(research.CodeCancelled, "run it again", "stopped; nothing was recorded")
	}

	if err != nil {
		return err
	}

	h.Runs, h.Problem = c.Runs, c.Broken
	if c.Calibrated {
		h.Finding = job.CalibrationWords(c)

		if !canary {
			return nil
		}

		h.Canaries = s.space.listCanaries()
		for i := range h.Canaries {
			if err := plantCanary(ctx, co, s.space, i+1, &h.Canaries[i], say); err != nil {
				return err
			}
		}

		return nil
	}

	out, err := job.ReadOutcome(ctx, co, name, id)
	if err == nil {
		h.Excerpt = out.Excerpt
	}

	return err
}
