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
	"ratchet/internal/fault"
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
	ctx context.Context, id research.JobID, built *version, want rules.RunRequest,
) (rules.Observation, error) {
	for range maxVoid {
		run, err := r.attemptRun(ctx, id, built, want)
		if err != nil {
			return rules.Observation{}, err
		}

		if !run.Void {
			return rules.NewObservation(run, r.space.program().Metric), nil // as a recomputation will see it
		}

		campaign, err := r.readCampaign(ctx)
		if err != nil {
			return rules.Observation{}, err
		}

		if campaign.SecondsLeft() <= 0 {
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
	load      *hostinfo.LoadMeter // from the command's start to its end
	resources *runResources
	scan      *contract.Scanner // reads the metric and the guards from the output that counts
	result    sandbox.Result
	output    []byte // the run's, then the evaluator's
	run       rules.Run
}

// attemptRun makes one run and records it, valid or not.
func (r *runner) attemptRun(
	ctx context.Context, id research.JobID, built *version, want rules.RunRequest,
) (rules.Run, error) {
	r.runs++
	program := r.space.program()
	tried := &attempt{
		version: built,
		scan:    contract.NewScanner(program.Metric, program.Guards),
		run: rules.Run{Job: id, Number: r.runs, Role: want.Role, Side: want.Side, Commit: built.commit, Pair: want.Pair,
			Order: want.Order, WarmUp: want.WarmUp, Again: want.Again, Seed: drawSeed(r, want),
			Started: time.Now().UTC(), Load: hostinfo.LoadAverage()},
	}

	if err := r.specifyRun(tried); err != nil {
		return tried.run, err
	}

	var err error
	if tried.resources, err = r.leaseGPUs(ctx); err != nil {
		return tried.run, err
	}
	defer tried.resources.release(ctx)

	if err := tried.resources.exposeGPUs(&tried.spec, program.Budget); err != nil {
		return tried.run, err
	}

	r.boundMeasuring(ctx, tried, &tried.spec, program.Measure == "")

	tried.result, err = tried.resources.runWatched(ctx, tried.spec, program.Budget, &tried.run)
	if err != nil {
		r.slot.release()
		return tried.run, fmt.Errorf("make a run: %w", err)
	}
	noteContention(&tried.run, tried.load, tried.result)
	tried.noteUsage()
	r.space.visible.noteCommand(tried.result)

	if program.Budget.Cache == contract.CacheCold {
		tried.run.Enforced["cache"] = describeCold(r.space.tier)
	}

	err = r.scoreRun(ctx, tried)
	holdToGuards(program.Guards, id, &tried.run)

	if err == nil && tried.run.Unit != "" && id.Kind() != research.CalibrationJob {
		var campaign *history.Campaign
		if campaign, err = r.readCampaign(ctx); err == nil {
			holdToUnit(program.Metric, campaign.Rule.Unit, &tried.run)
		}
	}

	if err != nil || !tried.run.Valid { // the block ends with it
		r.slot.release()
	}

	if err != nil {
		return tried.run, err
	}

	r.noteUnequal(&tried.run)

	// The output is stored before the record that names it.
	if tried.run.Output, err = r.Ledger.PutOutput(tried.output); err != nil {
		return tried.run, err
	}
	_, err = r.Ledger.Append(context.WithoutCancel(ctx), r.entry(history.KindRunFinished, r.compactRun(tried.run)))
	r.space.discardLayers(ctx, tried.spec)

	return tried.run, err
}

// boundMeasuring lets a command of the run have the machine from its start to its end,
// and no longer: what it leaves is looked at when others may measure. isLast is for a
// command that no evaluator follows.
func (r *runner) boundMeasuring(ctx context.Context, tried *attempt, spec *sandbox.Spec, isLast bool) {
	spec.Begin = func(ctx context.Context) error {
		if err := r.holdMachine(ctx, tried.run); err != nil {
			return err
		}
		r.owner.reportPhase(fmt.Sprintf("run %d (%s)%s", tried.run.Number, tried.run.Role, r.halves.told))

		if tried.load == nil {
			r.space.visible.prepare(r.space.program(), *spec)
			tried.load = hostinfo.StartLoad()
		}

		return nil
	}

	spec.End = func() {
		tried.load.Stop()
		r.owner.reportPhase(fmt.Sprintf("reading what run %d left", tried.run.Number))

		if !isLast {
			r.slot.pause()
			return
		}
		r.leaveMachine(tried.run)
		tried.resources.release(ctx)
	}
}

// specifyRun sets the command that a run executes, and its limits.
func (r *runner) specifyRun(tried *attempt) (err error) {
	program := r.space.program()

	command := program.Run
	if tried.run.Side == rules.Candidate {
		command = r.candidateRun
	}

	if tried.spec, err = r.space.commandSpec(tried.version, command, tried.run.Seed, true); err != nil {
		return err
	}
	tried.spec.Wall, tried.spec.Grace = time.Duration(program.Budget.Wall), time.Duration(program.Budget.Grace)
	tried.spec.CountCPU = program.Metric.From.Kind == "cpu"
	tried.spec.CountMaxRSS = program.Metric.From.Kind == "max_rss"

	if program.Measure == "" { // otherwise only what the evaluator prints counts
		tried.spec.Sink = tried.scan
	}

	return nil
}

// noteUsage notes on the run what it used, and what confined it.
func (a *attempt) noteUsage() {
	run, result := &a.run, a.result

	run.Exit, run.Signal = result.Exit, result.Signal
	run.Wall, run.CPU, run.MaxRSS = result.Wall.Seconds(), result.CPU.Seconds(), result.MaxRSS
	run.Enforced, run.Bytes = result.Enforced, result.Output.Bytes
	run.DiskRead, run.MajorFaults = result.DiskRead, result.MajorFaults
	a.output = result.Output.Text()
}

// scoreRun turns a run that has ended into its samples, or into the reason why it
// has none; the frozen evaluator's reason is the run's. The error is for an
// evaluator that could not be run at all.
func (r *runner) scoreRun(ctx context.Context, tried *attempt) error {
	run, program := &tried.run, r.space.program()
	defer func() {
		run.Valid = run.Reason == ""
		run.Void = strings.HasSuffix(run.Reason, sleptReason) // during the run, or its evaluator
	}()

	if run.Reason = describeFailure(tried.spec, tried.result); run.Reason != "" {
		run.Reason += offlineHint(tried.spec, tried.result) + missedHint(r.space, tried.spec, tried.result)
		return nil
	}

	if run.Reason = r.space.forbiddenChanges(tried.result.Changes, program.Measure == ""); run.Reason != "" {
		return nil
	}
	left := tried.spec.Views[0].Upper // what the run wrote

	if program.Measure != "" {
		evaluator, why, err := r.space.evaluatorSpec(tried.version, run.Seed, left)
		if err != nil {
			return err
		}
		defer r.space.discardLayers(ctx, evaluator)

		if why != "" {
			run.Reason = "measure: " + why
			return nil
		}

		if err := r.runEvaluator(ctx, tried, evaluator); err != nil || run.Reason != "" {
			return err
		}
		left = evaluator.Views[0].Upper
	}

	run.Reason = r.space.collectSamples(run, tried.scan, tried.result, left)
	if program.Measure != "" {
		run.Reason = r.space.completeReason(run.Reason, tried.result.Changes)
	}

	return nil
}

// holdToGuards makes a run of a certified or audited head invalid that breaks a guard's
// bound. In an experiment the rule looks at the guards.
func holdToGuards(guards []contract.Guard, id research.JobID, run *rules.Run) {
	isAboutHead := id.Kind() == research.CertificateJob || id.Kind() == research.AuditJob

	if run.Valid && isAboutHead && run.Side == rules.Incumbent {
		run.BrokenGuard = rules.BrokenBound(guards, run.Samples)
		run.Reason, run.Valid = run.BrokenGuard, run.BrokenGuard == ""
	}
}

// holdToUnit makes a run invalid whose number was printed in another unit than the
// calibration saw: known, "" where that is not known.
func holdToUnit(metric contract.Metric, known string, run *rules.Run) {
	if run.Valid && known != "" && known != run.Unit {
		run.Valid = false
		run.Reason = fmt.Sprintf("the metric %s was printed %s, and in the calibration %s: the numbers can't be "+
			"compared; print it in one unit always", metric.Name, contract.WithUnit(run.Unit), contract.WithUnit(known))
	}
}

// runEvaluator runs the frozen evaluator in a sandbox of its own that sees what the
// run left, within the run's limits. Only its output counts.
func (r *runner) runEvaluator(ctx context.Context, tried *attempt, spec sandbox.Spec) error {
	spec.Wall, spec.Grace, spec.Sink = tried.spec.Wall, tried.spec.Grace, tried.scan
	if err := tried.resources.exposeGPUs(&spec, r.space.program().Budget); err != nil {
		return err
	}

	r.boundMeasuring(ctx, tried, &spec, true)

	result, err := sandbox.Run(ctx, spec)
	if err != nil {
		r.slot.release()
		return fmt.Errorf("run the evaluator: %w", err)
	}
	r.space.visible.noteCommand(result)

	tried.output = append(append(tried.output, "\n--- measure ---\n"...), result.Output.Text()...)
	tried.run.Bytes += result.Output.Bytes

	reason := describeFailure(spec, result)
	if reason != "" {
		reason += missedHint(r.space, spec, result) + r.space.handsHint(tried.result.Changes, result.Output.Text())
	} else {
		reason = r.space.forbiddenChanges(result.Changes, false)
	}

	if reason != "" {
		tried.run.Reason = "measure: " + reason
	}

	return nil
}

// collectSamples reads the metric and the guards, wherever the program says they
// are, into the run. layer is what the last command of the run wrote. reason says why
// there are none, "" if there are.
func (ws *workspace) collectSamples(
	run *rules.Run, scan *contract.Scanner, result sandbox.Result, layer string,
) (reason string) {
	metric := ws.program().Metric

	samples, err := scan.Values()
	if err != nil {
		return wording.ErrorLine(err)
	}

	if samples == nil {
		samples = map[string]float64{}
	}
	run.Of, run.Unit = scan.ShareOf(), scan.PrintedUnit()

	switch metric.From.Kind {
	case "wall", "cpu", "max_rss":
		samples[metric.Name] = contract.SampleFromUsage(metric.From.Kind, metric.Unit, result.Wall, result.CPU,
			result.MaxRSS)
	case "file":
		var content []byte

		err := fault.At("run.read", func() (err error) {
			content, err = readInLayer(layer, checkout.JoinSlash(ws.folder, metric.From.Path))
			return err
		})
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Sprintf("the run did not write %s, which holds the metric", metric.From.Path)
		case err != nil:
			return fmt.Sprintf("%s, which holds the metric, can't be read: %s", metric.From.Path,
				wording.ErrorLine(err))
		}

		sample, err := contract.SampleFromFile(content, metric.From.Expr)
		if err != nil {
			return wording.ErrorLine(err)
		}
		samples[metric.Name], run.Of, run.Items = sample.Value, sample.Of, sample.Items
	}

	run.Samples = samples

	return ""
}

// maxMetricFile bounds what is read of a file that holds the metric, in bytes.
const maxMetricFile = 16 << 20

// readInLayer reads a file that a run wrote: a regular one, which no link outside of its
// layer leads to. It waits for nothing, whatever lies there.
func readInLayer(layer, path string) ([]byte, error) {
	root, err := os.OpenRoot(layer)
	if err != nil {
		return nil, err
	}
	defer root.Close()

	path = filepath.FromSlash(path)
	if info, err := root.Stat(path); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("it is %s, not a regular file", describeType(info.Mode()))
	}

	// It is looked at again: a process that outlived the run may have exchanged it.
	file, err := root.OpenFile(path, os.O_RDONLY|openNonblocking, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()

	switch info, err := file.Stat(); {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("it is %s, not a regular file", describeType(info.Mode()))
	case info.Size() > maxMetricFile:
		return nil, fmt.Errorf("it is larger than %d MiB", maxMetricFile>>20)
	}

	return io.ReadAll(io.LimitReader(file, maxMetricFile))
}

// describeType names what a mode is of, other than a regular file.
func describeType(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}

	return "something else"
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

// drawSeed is the run's RATCHET_SEED: the same within a pair, fresh for each pair,
// never pinned for a campaign. It is drawn, not derived from the job's name: a run that
// can compute it would know in which job it runs.
func drawSeed(r *runner, want rules.RunRequest) uint64 {
	pair := cmp.Or(want.Pair, -r.runs)

	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%d\x00%t", r.seed, pair, want.Again)

	return h.Sum64() >> 33 // 31 bits: every language's generator takes it
}
