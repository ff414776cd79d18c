package worker

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/source"
	"ratchet/ledger"
)

// trial does one job of a throw-away campaign in the caller's process: a doctor's
// calibration, or the experiment of a canary. It holds no lock and waits for no
// turn: nobody else knows of the campaign.
type trial struct {
	*runner
	say      func(phase string)
	patience time.Duration       // how long the runs of a calibration may take together
	once     bool                // whether one run of a calibration is enough
	seen     []rules.Observation // of a calibration
}

// endless is the patience of a trial that makes all the runs of a calibration.
const endless time.Duration = math.MaxInt64

// minSeen is how many runs a calibration makes before its patience counts.
const minSeen = 3

// newTrial makes a trial that reports to say.
func newTrial(
	co *checkout.Checkout, space *workspace, id research.JobID, patience time.Duration, say func(phase string),
) *trial {
	t := &trial{say: say, patience: patience}
	t.runner = newRunner(co, space, id, t)
	t.isTrial = true

	return t
}

// reportPhase tells the caller what goes on.
func (t *trial) reportPhase(phase string) { t.say(phase) }

// waitForTurn does nothing: the trial is alone in its campaign.
func (t *trial) waitForTurn(context.Context) error { return nil }

// hasSeenEnough says whether the trial's patience is used up, and keeps the observations.
func (t *trial) hasSeenEnough(observations []rules.Observation, spent time.Duration) bool {
	t.seen = observations
	return t.once || len(observations) >= minSeen && spent > t.patience
}

// scratchCampaign is a campaign with a ledger of its own, thrown away after use.
type scratchCampaign struct {
	checkout *checkout.Checkout // co's repository, with the ledger
	dir      string             // of the ledger
	campaign string
	start    string // its start commit
}

// startScratchCampaign starts one on HEAD's tree. Nothing that others see is
// changed but for a commit that no ref names.
func startScratchCampaign(
	ctx context.Context, co *checkout.Checkout, doc *checkout.ProgramDocument, head source.Head,
) (scratch *scratchCampaign, err error) {
	dir, err := os.MkdirTemp("", "ratchet-doctor-")
	if err != nil {
		return nil, research.Errorf(research.CodeStorage, "free space in TMPDIR", "make a temporary folder: %w", err)
	}
	defer func() {
		if err != nil {
			_ = checkout.RemoveTree(dir)
		}
	}()

	records, err := ledger.Open(filepath.Join(dir, "ledger.db"), ledger.Options{})
	if err != nil {
		return nil, err
	}

	scratch = &scratchCampaign{
		checkout: co.WithLedger(records),
		dir:      dir,
		campaign: fmt.Sprintf("doctor.%d", os.Getpid()), // no campaign can be named so
	}

	commit, tree, err := co.MakeStartCommit(ctx, scratch.campaign, doc, head)
	if err != nil {
		return nil, err
	}
	scratch.start = commit

	return scratch, scratch.checkout.RecordCampaignStart(ctx, scratch.campaign, doc, head, commit, tree, "")
}

func (s *scratchCampaign) close() { _ = checkout.RemoveTree(s.dir) }

// proposeCalibration records the first calibration as started, and returns its id and
// the campaign as it was before.
func (s *scratchCampaign) proposeCalibration(ctx context.Context) (*history.Campaign, research.JobID, error) {
	campaign, err := readCampaign(ctx, s.checkout, s.campaign)
	if err != nil {
		return nil, "", err
	}

	id := research.NewJobID(research.CalibrationJob, 1)
	_, err = s.checkout.Ledger.Append(ctx, history.Entry{Campaign: s.campaign, Kind: history.KindCalibrationStarted,
		Body: rules.JobStart{Job: id, Commit: s.start}})

	return campaign, id, err
}
