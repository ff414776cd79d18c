package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
	"ratchet/sandbox"
	"ratchet/sandbox/hostinfo"
)

// makeRun makes one run of a version, appends run.finished, and returns what the
// rule may see of it. A machine that slept voids the run: it is made again.
// The error is for a run that could not be made at all.
func (r *runner) makeRun(
	ctx context.Context, id research.JobID, v *version, want rules.RunRequest,
) (rules.Observation, error) {
	for range maxVoid {
		run, err := r.attemptRun(ctx, id, v, want)
		if err != nil {
			return rules.Observation{}, err
		}

		if !run.Void {
			return rules.NewObservation(run, r.space.program().Metric), nil // as a recomputation will see it
		}

		c, err := r.readCampaign(ctx)
		if err != nil {
			return rules.Observation{}, err
		}

		if c.SecondsLeft() <= 0 {
			return rules.Observation{}, research.Errorf(research.CodeBudget, checkout.RaiseBudget,
				"the machine was suspended during the run, and no time is left to repeat it")
		}
	}

	return rules.Observation{}, research.Errorf(research.CodeBusy, "keep the machine awake, then run it again",
		"the machine was suspended during the run, %d times in a row", maxVoid)
}

// maxVoid is how often one run may be void before its job counts as lost.
const maxVoid = 3

// attempt is one run under way.
type attempt struct {
	version   *version
	spec      sandbox.Spec
	resources *runResources
	scan      *contract.Scanner // reads the metric and the guards from the output that counts
	result    sandbox.Result
	output    []byte // the run's, then the evaluator's
	run       rules.Run
}

// attemptRun makes one run and records it, valid or not.
func (r *runner) attemptRun(
	ctx context.Context, id research.JobID, v *version, want rules.RunRequest,
) (rules.Run, error) {
	r.runs++
	program := r.space.program()
	a := &attempt{
		version: v,
		scan:    contract.NewScanner(program.Metric, program.Guards),
		run: rules.Run{Job: id, Number: r.runs, Role: want.Role, Side: want.Side, Commit: v.commit, Pair: want.Pair,
			Order: want.Order, WarmUp: want.WarmUp, Again: want.Again, Seed: runSeed(r.campaign, id, want, r.runs),
			Started: time.Now().UTC(), Load: hostinfo.LoadAverage()},
	}

	if err := r.specifyRun(a); err != nil {
		return a.run, err
	}

	var err error // the slot or the GPUs are held until the run is recorded
	if a.resources, err = r.acquireResources(ctx); err != nil {
		return a.run, err
	}
	defer a.resources.release(ctx)

	if err := a.resources.exposeGPUs(&a.spec, program.Budget); err != nil {
		return a.run, err
	}

	r.owner.reportPhase(fmt.Sprintf("run %d (%s, %s)", a.run.Number, want.Role, want.Side))
	load := hostinfo.StartLoad()

	a.result, err = a.resources.runWatched(ctx, a.spec, program.Budget, &a.run)
	if err != nil {
		return a.run, fmt.Errorf("make a run: %w", err)
	}
	noteContention(&a.run, load, a.result)
	a.noteUsage()

	if err := r.scoreRun(ctx, a); err != nil {
		return a.run, err
	}

	// The output is stored before the record that names it.
	if a.run.Output, err = r.Ledger.PutOutput(a.output); err != nil {
		return a.run, err
	}
	r.space.discardLayers(a.spec)
	_, err = r.Ledger.Append(context.WithoutCancel(ctx), r.entry(history.KindRunFinished, r.compactRun(a.run)))

	return a.run, err
}

// specifyRun sets the command that a run executes, and its limits.
func (r *runner) specifyRun(a *attempt) (err error) {
	program := r.space.program()

	command := program.Run
	if a.run.Side == rules.Candidate {
		command = r.candidateRun
	}

	if a.spec, err = r.space.commandSpec(a.version, command, a.run.Seed, true); err != nil {
		return err
	}
	a.spec.Wall, a.spec.Grace = time.Duration(program.Budget.Wall), time.Duration(program.Budget.Grace)

	if program.Measure == "" { // otherwise only what the evaluator prints counts
		a.spec.Sink = a.scan
	}

	return nil
}

// noteUsage notes on the run what it used, and what confined it.
func (a *attempt) noteUsage() {
	run, result := &a.run, a.result

	run.Exit, run.Signal = result.Exit, result.Signal
	run.Wall, run.CPU, run.MaxRSS = result.Wall.Seconds(), result.CPU.Seconds(), result.MaxRSS
	run.Enforced, run.Bytes = result.Enforced, result.Output.Bytes
	a.output = result.Output.Text()
}

// scoreRun turns a run that has ended into its samples, or into the reason why it
// has none; the frozen evaluator's reason is the run's. The error is for an
// evaluator that could not be run at all.
func (r *runner) scoreRun(ctx context.Context, a *attempt) error {
	run, program := &a.run, r.space.program()
	defer func() {
		run.Valid = run.Reason == ""
		run.Void = strings.HasSuffix(run.Reason, sleptReason) // during the run, or its evaluator
	}()

	if run.Reason = describeFailure(a.spec, a.result); run.Reason != "" {
		run.Reason += offlineHint(a.spec, a.result)
		return nil
	}

	if run.Reason = r.space.forbiddenChanges(a.result.Changes, true, program.Measure != ""); run.Reason != "" {
		return nil
	}
	left := a.spec.Views[0].Upper // what the run wrote

	if program.Measure != "" {
		evaluator, err := r.space.evaluatorSpec(a.version, run.Seed, left)
		if err != nil {
			return err
		}
		defer r.space.discardLayers(evaluator)

		if err := r.runEvaluator(ctx, a, evaluator); err != nil || run.Reason != "" {
			return err
		}
		left = evaluator.Views[0].Upper
	}

	run.Samples, run.Reason = r.space.collectSamples(a.scan, a.result, left)

	return nil
}

// runEvaluator runs the frozen evaluator in a sandbox of its own that sees what the
// run left, within the run's limits. Only its output counts.
func (r *runner) runEvaluator(ctx context.Context, a *attempt, spec sandbox.Spec) error {
	spec.Wall, spec.Grace, spec.Sink = a.spec.Wall, a.spec.Grace, a.scan
	if err := a.resources.exposeGPUs(&spec, r.space.program().Budget); err != nil {
		return err
	}

	result, err := sandbox.Run(ctx, spec)
	if err != nil {
		return fmt.Errorf("run the evaluator: %w", err)
	}

	a.output = append(append(a.output, "\n--- measure ---\n"...), result.Output.Text()...)
	a.run.Bytes += result.Output.Bytes

	reason := describeFailure(spec, result)
	if reason == "" {
		reason = r.space.forbiddenChanges(result.Changes, true, false)
	}

	if reason != "" {
		a.run.Reason = "measure: " + reason
	}

	return nil
}

// collectSamples reads the metric and the guards, wherever the program says they
// are. layer is what the last command of the run wrote. reason says why there are
// none, "" if there are.
func (ws *workspace) collectSamples(
	scan *contract.Scanner, result sandbox.Result, layer string,
) (samples map[string]float64, reason string) {
	metric := ws.program().Metric

	samples, err := scan.Values()
	if err != nil {
		return nil, wording.ErrorLine(err)
	}

	if samples == nil {
		samples = map[string]float64{}
	}

	switch metric.From.Kind {
	case "wall", "cpu", "max_rss":
		samples[metric.Name] = contract.SampleFromUsage(metric.From.Kind, metric.Unit, result.Wall, result.CPU, result.MaxRSS)
	case "file":
		content, err := readInLayer(layer, checkout.JoinSlash(ws.folder, metric.From.Path))
		if err != nil {
			return nil, fmt.Sprintf("the run did not write %s, which holds the metric", metric.From.Path)
		}

		if samples[metric.Name], err = contract.SampleFromFile(content, metric.From.Expr); err != nil {
			return nil, wording.ErrorLine(err)
		}
	}

	return samples, ""
}

// maxMetricFile bounds what is read of a file that holds the metric, in bytes.
const maxMetricFile = 16 << 20

// readInLayer reads a file that a run wrote, never following a link out of its layer.
func readInLayer(layer, path string) ([]byte, error) {
	root, err := os.OpenRoot(layer)
	if err != nil {
		return nil, err
	}
	defer root.Close()

	f, err := root.Open(filepath.FromSlash(path))
	if err != nil {
		return nil, err
	}
	defer f.Close()

	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, fs.ErrInvalid)
	}

	return io.ReadAll(io.LimitReader(f, maxMetricFile))
}

// compactRun is the run as it is recorded: what enforced it is said once for all the
// runs of a job that were enforced alike, since it is half of such a record.
func (r *runner) compactRun(run rules.Run) rules.Run {
	if r.enforced.Number > 0 && maps.Equal(r.enforced.Enforced, run.Enforced) {
		run.Enforced, run.EnforcedAs = nil, r.enforced.Number
		return run
	}
	r.enforced = run

	return run
}

// runSeed is the run's RATCHET_SEED: the same within a pair, fresh for each pair,
// never pinned for a campaign.
func runSeed(campaign string, id research.JobID, want rules.RunRequest, number int) uint64 {
	pair := cmp.Or(want.Pair, -number)

	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%s\x00%d\x00%t", campaign, id, pair, want.Again)

	return h.Sum64() >> 33 // 31 bits: every language's generator takes it
}
