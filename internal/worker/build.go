package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/fault"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/sandbox"
)

// buildSides builds a version for each side.
func (r *runner) buildSides(ctx context.Context, commits map[rules.Side]string) (reason string, err error) {
	campaign, err := r.readCampaign(ctx)
	if err != nil {
		return "", err
	}

	incumbent, err := r.space.makeVersion(ctx, campaign.Incumbent)
	if err != nil {
		return "", err
	}

	var wanted []*version

	for _, side := range []rules.Side{rules.Start, rules.Checkpoint, rules.Incumbent, rules.Candidate} {
		commit, ok := commits[side]
		if !ok {
			continue
		}

		built, err := r.space.makeVersion(ctx, commit)
		if err != nil {
			return "", err
		}

		r.versions[side] = built
		wanted = append(wanted, built)
	}

	if err := r.removeUnused(ctx, append(wanted, incumbent)...); err != nil {
		return "", err
	}

	for _, v := range wanted {
		if reason, err = r.buildVersion(ctx, r.id, v); reason != "" || err != nil {
			return reason, err
		}
	}

	return "", nil
}

// buildVersion builds a version once, and before it the start's, if the program needs
// that: builds read the start's caches, and an evaluator sees the start's tree. reason
// says why the version does not build, "" if it does.
func (r *runner) buildVersion(ctx context.Context, id research.JobID, built *version) (reason string, err error) {
	program := r.space.program()
	if program.Build == "" && program.Measure == "" {
		return "", nil
	}

	if r.space.start == nil {
		if r.space.start, err = r.space.makeVersion(ctx, r.space.campaign.Start); err != nil {
			return "", err
		}
	}

	if start := r.space.start; start.dir != built.dir {
		if reason, err = r.buildOnce(ctx, id, start); reason != "" {
			reason = "the start itself no longer builds: " + reason
		}

		if reason != "" || err != nil {
			return reason, err
		}
	}

	return r.buildOnce(ctx, id, built)
}

// builtMark is the file that says that a version was built, from the start's caches
// alone. (Versions marked "built" are of an older Ratchet: their builds read what
// those of other candidates had left.)
const builtMark = "built-alone"

// buildOnce builds a version unless that was done. The mark of success is a file, so
// that a worker that dies leaves nothing that counts as built.
func (r *runner) buildOnce(ctx context.Context, id research.JobID, built *version) (reason string, err error) {
	build := r.space.program().Build
	if build == "" || built.built {
		return "", nil
	}

	lock, err := sandbox.AcquireLock(ctx, built.dir+".lock", 0) // another session may build the same
	if err != nil {
		return "", err
	}
	defer lock.Release()

	mark := filepath.Join(built.dir, builtMark)
	if _, err := os.Stat(mark); err == nil {
		built.built = true
		return "", nil
	}

	// What a build left that failed or was killed.
	for _, dir := range []string{built.build(), built.cache()} {
		if err := checkout.RemoveTree(dir); err != nil {
			return "", err
		}
	}

	err = fault.At("workspace.build", func() (err error) {
		reason, err = r.runStep(ctx, id, built, stepBuild, build)
		return err
	})
	if reason != "" || err != nil {
		return reason, err
	}
	built.built = true

	if err := r.space.requireQuota(); err != nil {
		return "", err
	}

	return "", fault.At("workspace.mark", func() error { return os.WriteFile(mark, nil, 0o666) })
}

// checkVersion runs the program's check on a version, on a layer of its own.
// reason says why the version does not pass, "" if it does.
func (r *runner) checkVersion(ctx context.Context, id research.JobID, built *version) (reason string, err error) {
	check := r.space.program().Check
	if check == "" {
		return "", nil
	}

	return r.runStep(ctx, id, built, stepCheck, check)
}

// runSetup runs the contract's setup once, on the start's tree. reason says why it
// failed, "" if it did not.
func (r *runner) runSetup(ctx context.Context, id research.JobID) (reason string, err error) {
	ws := r.space

	mark := ws.setupDir() + ".done"
	if _, err := os.Stat(mark); err == nil || ws.program().Setup == "" {
		return "", nil
	}

	lock, err := sandbox.AcquireLock(ctx, ws.setupDir()+".lock", 0)
	if err != nil {
		return "", err
	}
	defer lock.Release()

	if _, err := os.Stat(mark); err == nil { // another job did it meanwhile
		return "", nil
	}

	if err := errors.Join(checkout.RemoveTree(ws.setupDir()), makeGoModuleCache()); err != nil {
		return "", err
	}

	start, err := ws.makeVersion(ctx, ws.campaign.Start)
	if err != nil {
		return "", err
	}

	if reason, err := r.runStep(ctx, id, start, stepSetup, ws.program().Setup); reason != "" || err != nil {
		return reason, err
	}

	return "", os.WriteFile(mark, nil, 0o666)
}

// The steps: the commands of a program that are not measured.
const (
	stepSetup = "setup"
	stepBuild = "build"
	stepCheck = "check"
)

// runStep runs an unmeasured command and records that. Its failure is the reason.
func (r *runner) runStep(
	ctx context.Context, id research.JobID, built *version, step, command string,
) (reason string, err error) {
	r.owner.reportPhase(step)

	spec, err := r.space.stepSpec(built, step, command)
	if err != nil {
		return "", err
	}

	if step == stepCheck && r.space.program().GPUs > 0 {
		resources, err := r.acquireResources(ctx, 0)
		if err != nil {
			return "", err
		}
		defer resources.release(ctx)

		if err := resources.exposeGPUs(&spec, contract.Budget{}); err != nil {
			return "", err
		}
	}

	result, err := sandbox.Run(ctx, spec)
	if err != nil {
		return "", fmt.Errorf("run the %s: %w", step, err)
	}
	reason = r.space.describeStepFailure(step, spec, result)
	r.space.discardLayers(spec)

	end := history.StepEnd{Job: id, Step: step, Commit: built.commit, OK: reason == "", Reason: reason,
		Wall: result.Wall.Seconds(), Bytes: result.Output.Bytes}

	if reason != "" {
		reason = step + " " + reason

		if end.Output, err = r.Ledger.PutOutput(result.Output.Text()); err != nil {
			return "", err
		}
	}
	_, err = r.Ledger.Append(context.WithoutCancel(ctx), r.entry(history.KindStepFinished, end))

	return reason, err
}

// stepSpec is a step's command: its results go where they belong, a build's into
// the version and a setup's into the workspace, and its limits are wider than a run's.
func (ws *workspace) stepSpec(built *version, step, command string) (sandbox.Spec, error) {
	spec, err := ws.commandSpec(built, command, 0, step == stepCheck)
	if err != nil {
		return spec, err
	}

	switch step {
	case stepBuild:
		spec.Views[0].Upper, spec.Views[1].Upper = built.build(), built.cache()
	case stepSetup: // it fetches, into the folders where toolchains look for what was fetched
		spec.Views[0].Upper = ws.setupDir()
		spec.Network, spec.Writable = sandbox.NetworkOn, toolchainDirs()
	}

	if step != stepCheck { // what a run may use, a compiler may exceed
		spec.Memory, spec.CPU, spec.Disk = 0, 0, 0
		spec.Processes = max(spec.Processes, 4096)
	}

	budget := ws.program().Budget
	spec.Wall = max(4*time.Duration(budget.Wall), 10*time.Minute)
	spec.Grace = time.Duration(budget.Grace)

	return spec, nil
}

// describeStepFailure says what is wrong with a step that has ended, "" if nothing.
func (ws *workspace) describeStepFailure(step string, spec sandbox.Spec, result sandbox.Result) string {
	result.Slept = 0 // nothing is measured here, and the deadline stood still meanwhile

	if reason := describeFailure(spec, result); reason != "" {
		return reason + offlineHint(spec, result)
	}

	if step == stepSetup {
		return ""
	}

	return ws.forbiddenChanges(result.Changes, step == stepCheck) // a build may make code
}
