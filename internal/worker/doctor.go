package worker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/notify"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
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
	Sees       []string `json:"sees,omitempty"`    // what runs see beside the repository and the system's folders
	Unseen     []string `json:"unseen,omitempty"`  // what of the caller's own no run can see, and why
	GPUs       []string `json:"gpus,omitempty"`    // of a program that leases some: how each stands
	Notify     []string `json:"notify,omitempty"`  // targets that can't work here, and why
	Runs       int      `json:"runs"`
	Finding    string   `json:"finding,omitempty"` // value and noise of the metric
	Advice     string   `json:"advice,omitempty"`  // how the metric could tell more
	Problem    string   `json:"problem,omitempty"`
	Excerpt    string   `json:"output_excerpt,omitempty"`
	Canaries   []Canary `json:"canaries,omitempty"`
	Value      *float64 `json:"value,omitempty"` // of the last run that gave one
	Takes      string   `json:"takes,omitempty"` // how long a campaign's steps will take here
	Paste      []string `json:"paste,omitempty"` // what to write into program.md, or to do, about Problem
	// FailedCheck says why the check failed, of a DoctorRequest.Once.
	FailedCheck string `json:"failed_check,omitempty"`
	// RunSeconds is what a run takes here, its evaluator included; 0 where none ended well.
	RunSeconds float64 `json:"run_seconds,omitempty"`
	// Output is what the last run printed, as far as it is kept.
	Output []byte `json:"-"`
	// Stream is what was asked to be recorded, see history.FormatStream.
	Stream string `json:"-"`
}

// DoctorRequest says what a doctor does besides trying the program.
type DoctorRequest struct {
	// Program is tried instead of the one on disk, and need not be there; nil for none.
	Program *checkout.ProgramDocument
	Once    bool // one run, instead of a calibration, made also where the check fails
	Canary  bool // plant candidates that the gate must refuse, each to be proven on its own
	Record  int  // runs of the start for a stream, after the calibration; 0 for no stream
	// Say is called with what goes on.
	Say func(phase string)
}

// doctorPatience is how long the runs of a doctor without canaries may take together.
const doctorPatience = time.Minute

// Doctor tries everything that a campaign needs, without starting one: the
// repository, the program, this machine's confinement, and the program's own
// commands on HEAD's tree, in a workspace and with a ledger that are thrown
// away. A problem of the program is in the Health; an error means that Doctor
// could not look.
func Doctor(ctx context.Context, co *checkout.Checkout, request DoctorRequest) (*Health, error) {
	doc := request.Program
	if doc == nil {
		var err error
		if doc, err = co.ReadProgram(""); err != nil {
			return nil, err
		}
	}

	if request.Canary {
		doc.Program.Search = rules.SearchCertify
	}

	head, err := co.RequireUsable(ctx, doc)
	if err != nil {
		return nil, err
	}

	scratch, err := startScratchCampaign(ctx, co, doc, head)
	if err != nil {
		return nil, err
	}
	defer scratch.close()

	health := &Health{Repository: co.Repo.Root(), Program: doc.Path, Storage: co.Ledger.Warning(),
		Notify: listNotifyProblems(co, doc)}

	return health, health.examine(ctx, scratch, request)
}

// listNotifyProblems says which targets of the program's notices can't work here, and why.
func listNotifyProblems(co *checkout.Checkout, doc *checkout.ProgramDocument) (problems []string) {
	targets := doc.Program.Notify
	for _, target := range targets {
		if why := notify.TargetProblem(co, doc.Path, target); why != "" {
			problems = append(problems, target.Name()+": "+why)
		}
	}

	if len(targets) > 0 {
		if why := notify.MissingAllowance(co, doc.Path, doc.Program); why != "" {
			problems = append(problems, "all of it: "+why)
		}
	}

	return problems
}

// examine tries the program in the throw-away campaign.
func (h *Health) examine(ctx context.Context, scratch *scratchCampaign, request DoctorRequest) error {
	campaign, id, err := scratch.proposeCalibration(ctx)
	if err != nil {
		return err
	}

	space, err := openWorkspace(ctx, scratch.checkout, campaign)
	if err != nil {
		return err
	}
	defer checkout.RemoveTree(space.dir)

	if err := h.noteMachine(space); err != nil {
		return err
	}

	patience := doctorPatience
	if request.Canary || request.Record > 0 { // which takes as long as it takes
		patience = endless
	}

	t := newTrial(scratch.checkout, space, id, patience, request.Say)
	t.once, t.isCheckOptional = request.Once, request.Once
	defer t.gpus.close()

	began := time.Now()
	start := *campaign
	campaign, err = t.calibrateIncumbent(ctx, id)
	h.FailedCheck = t.failedCheck

	if last := len(t.seen) - 1; last >= 0 {
		h.Value = &t.seen[last].Value
	}

	if noteErr := h.noteLastRun(ctx, t, id); noteErr != nil {
		return noteErr
	}

	var keepErr error
	if (err == nil || errors.Is(err, errSeenEnough)) && !request.Once {
		keepErr = t.keepRuns(ctx, &start, id)
	}

	switch {
	case errors.Is(err, errSeenEnough):
		h.noteTrialRuns(t, time.Since(began))
		h.noteKept(keepErr, "; a campaign's calibration reuses these runs and makes the rest")

		return nil
	case ctx.Err() != nil:
		return research.Errorf(research.CodeCancelled, "run it again", "stopped; nothing was recorded")
	case err != nil:
		return err
	}

	if last := len(t.seen) - 1; last >= 0 {
		h.Advice = rules.AdviseItems(space.program().Metric, t.seen[last])
	}

	if err := h.noteCalibration(ctx, scratch, campaign, id); err != nil || !campaign.Calibrated {
		return err
	}
	h.noteKept(keepErr, "; these runs count for a campaign that starts on this commit within a day")
	h.noteTimes(campaign)

	if request.Record > 0 {
		if err := h.recordStream(ctx, t, request.Record); err != nil {
			return err
		}
	}

	if request.Canary {
		return h.plantCanaries(ctx, scratch, space, request.Say)
	}

	return nil
}

// noteMachine notes what this machine confines by, and what it shares with others.
func (h *Health) noteMachine(space *workspace) error {
	h.Tier = string(space.tier)
	h.Gives, h.Lacks = sandbox.Promises(space.tier)
	h.Sees = listSeen(space)
	h.Unseen = unseenFolders(space.tier)

	dir, shared, err := sandbox.LockDir()
	if err != nil {
		return err
	}

	h.Locks = dir
	if !shared {
		h.Locks += " (this user only: other users' runs on this machine are not seen)"
	}

	if space.program().GPUs > 0 {
		h.GPUs = surveyGPUs()
	}

	return nil
}

// noteLastRun notes what the last run of a calibration printed, and what a run takes.
func (h *Health) noteLastRun(ctx context.Context, t *trial, id research.JobID) error {
	ctx = context.WithoutCancel(ctx)

	runs, err := t.readRuns(ctx, id)
	if err != nil || len(runs) == 0 {
		return err
	}
	last := runs[len(runs)-1]

	if last.Output != "" {
		if h.Output, err = t.Ledger.Output(last.Output); err != nil {
			return err
		}
	}
	wall := 0.0

	for _, run := range runs {
		wall += run.Wall
	}
	h.RunSeconds = wall / float64(len(runs))

	return nil
}

// noteTimes notes how long an experiment and a finalize will take here, once the noise
// is known.
func (h *Health) noteTimes(campaign *history.Campaign) {
	if !campaign.Calibrated || h.RunSeconds == 0 {
		return
	}
	outlook := campaign.Outlook()
	least, most := outlook.ForecastExperiment(campaign.Rule, campaign.Program.Search)
	finalize := outlook.ForecastFinalize(campaign.Rule, finalizedEdits)

	h.Takes = fmt.Sprintf("a run takes %s; an experiment %d to %d runs, %s to %s; finalize of %d kept edits about %d runs, %s",
		wording.FormatDuration(h.RunSeconds), least, most, h.formatRuns(least), h.formatRuns(most), finalizedEdits,
		finalize, h.formatRuns(finalize))
}

// finalizedEdits is how many kept edits the forecast of a finalize is for.
const finalizedEdits = 5

func (h *Health) formatRuns(n int) string {
	return wording.FormatDuration(math.Ceil(h.RunSeconds * float64(n)))
}

// noteTrialRuns notes what the runs of a calibration showed that the trial ended early.
func (h *Health) noteTrialRuns(t *trial, spent time.Duration) {
	h.Runs = len(t.seen)
	last := t.seen[h.Runs-1]

	h.Advice = rules.AdviseItems(t.space.program().Metric, last)
	h.Finding = fmt.Sprintf("the metric can be read: %s; runs take about %s each, so doctor stopped after %d of them",
		wording.FormatValue(last.Value, t.space.program().Metric.Unit),
		wording.FormatDuration(spent.Seconds()/float64(h.Runs)), h.Runs)
}

// noteKept notes what becomes of the runs: kept for the campaign, or why they could not be.
func (h *Health) noteKept(keepErr error, kept string) {
	if keepErr != nil {
		kept = fmt.Sprintf("; these runs do not count for a campaign: %v", keepErr)
	}
	h.Finding += kept
}

// noteCalibration notes what a whole calibration showed: the noise, or the problem
// and the end of the output.
func (h *Health) noteCalibration(
	ctx context.Context, scratch *scratchCampaign, campaign *history.Campaign, id research.JobID,
) error {
	h.Runs, h.Problem = campaign.Runs, campaign.Broken
	if campaign.Calibrated {
		h.Finding = job.CalibrationWords(campaign)
		return nil
	}

	out, err := job.ReadOutcome(ctx, scratch.checkout, scratch.campaign, id)
	if err == nil {
		h.Excerpt = out.Excerpt
	}

	return err
}

// plantCanaries judges each canary in the campaign, which is calibrated.
func (h *Health) plantCanaries(
	ctx context.Context, scratch *scratchCampaign, space *workspace, say func(string),
) error {
	for i, plan := range space.planCanaries() {
		h.Canaries = append(h.Canaries, plan.Canary)

		if err := plantCanary(ctx, scratch.checkout, space, i+1, plan.command, &h.Canaries[i], say); err != nil {
			return err
		}
	}

	return nil
}

// recordStream makes so many runs of the start, as a measurement of the throw-away
// campaign, and keeps their values.
func (h *Health) recordStream(ctx context.Context, t *trial, runs int) error {
	campaign, err := t.readCampaign(ctx)
	if err != nil {
		return err
	}

	id := research.NewJobID(research.MeasurementJob, 1)
	start := rules.JobStart{Job: id, Commit: campaign.Start, Target: "start", Runs: runs}

	if _, err := t.Ledger.Append(ctx, t.entry(history.KindMeasurementStarted, start)); err != nil {
		return err
	}

	version, err := t.space.makeVersion(ctx, campaign.Start)
	if err != nil {
		return err
	}
	defer t.slot.release()
	t.runs = 0

	for range runs {
		request := rules.RunRequest{Side: rules.Candidate, Role: research.Measure}

		observation, err := t.makeRun(ctx, id, version, request)
		if err != nil {
			return err
		}

		if !observation.Valid {
			return research.Errorf(research.CodeProgram, "fix the program, and run `ratchet doctor` again",
				"run %d of the stream: %s", t.runs, observation.Reason)
		}
	}

	made, err := t.readRuns(ctx, id)
	h.Stream = history.FormatStream(made, campaign.Program.Metric.Name)
	h.Runs += runs

	return err
}
