package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/fault"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/sandbox"
)

// buildSides builds a version for each side, after the start's.
func (r *runner) buildSides(ctx context.Context, commits map[rules.Side]string) (reason string, err error) {
	if reason, err := r.buildStart(ctx, r.id); reason != "" || err != nil {
		return reason, err
	}

	var wanted []*version

	for _, side := range []rules.Side{rules.Start, rules.Checkpoint, rules.Incumbent, rules.Candidate} {
		commit, ok := commits[side]
		if !ok {
			continue
		}

		made, err := r.space.makeVersion(ctx, commit)
		if err != nil {
			return "", err
		}
		r.versions[side] = made
		wanted = append(wanted, made)
	}

	if err := r.removeUnused(ctx, wanted...); err != nil {
		return "", err
	}

	for _, v := range wanted {
		if reason, err = r.buildVersion(ctx, r.id, v); reason != "" || err != nil {
			return reason, err
		}
	}

	return "", nil
}

// buildStart sets up and builds the campaign's start, once in each checkout and under each
// contract: every version begins with what that leaves. reason says why it fails.
func (r *runner) buildStart(ctx context.Context, id research.JobID) (reason string, err error) {
	if reason, err := r.runSetup(ctx, id); reason != "" || err != nil {
		return reason, err
	}

	start, err := r.space.makeVersion(ctx, r.space.campaign.Start)
	if err != nil {
		return "", err
	}

	reason, err = r.buildVersion(ctx, id, start)
	if reason != "" && r.space.campaign.Incumbent != r.space.campaign.Start {
		reason = "the start itself no longer builds: " + reason
	}

	return reason, err
}

// buildVersion builds a version once. The mark of success is a file, so that a
// worker that dies leaves nothing that counts as built. reason says why the
// version does not build, "" if it does.
func (r *runner) buildVersion(ctx context.Context, id research.JobID, built *version) (reason string, err error) {
	build := r.space.program().Build
	if build == "" || built.built {
		return "", nil
	}

	lock, err := sandbox.AcquireLock(ctx, built.dir+lockSuffix, 0) // another session may build the same
	if err != nil {
		return "", err
	}
	defer lock.Release()

	// A build and its version are made from the same, so they have one stamp.
	stamped, err := os.ReadFile(stampFile(built.dir))
	if err != nil {
		return "", fmt.Errorf("read a version's stamp: %w", err)
	}

	if stamp(stamped).isIn(built.builtMark()) {
		built.built = true
		return "", nil
	}

	// What a build left that failed or was killed.
	for _, dir := range []string{built.build(), built.cache()} {
		if err := sandbox.RemoveTree(ctx, dir); err != nil {
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

	if err := r.space.requireQuota(ctx); err != nil {
		return "", err
	}

	return "", fault.At("workspace.mark", func() error { return stamp(stamped).write(built.builtMark()) })
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

// runSetup runs the contract's setup once in each checkout, on the start's tree. reason
// says why it failed, "" if it did not.
func (r *runner) runSetup(ctx context.Context, id research.JobID) (reason string, err error) {
	ws := r.space
	made, dir := ws.stamps.setup, ws.setupDir()

	if ws.program().Setup == "" || made.isIn(stampFile(dir)) {
		return "", nil
	}

	lock, err := sandbox.AcquireLock(ctx, dir+lockSuffix, 0)
	if err != nil {
		return "", err
	}
	defer lock.Release()

	if made.isIn(stampFile(dir)) { // another job did it meanwhile
		return "", nil
	}

	if err := errors.Join(sandbox.RemoveTree(ctx, dir), makeGoModuleCache(), os.Mkdir(dir, 0o755)); err != nil {
		return "", err
	}

	start, err := ws.makeVersion(ctx, ws.campaign.Start)
	if err != nil {
		return "", err
	}

	if reason, err := r.runStep(ctx, id, start, stepSetup, ws.program().Setup); reason != "" || err != nil {
		return reason, err
	}

	return "", made.write(stampFile(dir))
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
		resources, err := r.leaseGPUs(ctx)
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
	r.space.visible.noteCommand(result)
	reason = r.space.describeStepFailure(built, step, spec, result)

	if step == stepCheck && reason == "" {
		keepCheckCache(r.space, built, spec.Views[1].Upper)
	}
	r.space.discardLayers(ctx, spec)

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
	case stepCheck:
		spec.Views[1].Lower = checkLayers(ws, built)
	case stepBuild:
		spec.Views[0].Upper = built.build()
		spec.Views[1].Lower, spec.Views[1].Upper = startCaches(ws, built), built.cache()
	case stepSetup: // it fetches, into the folders where toolchains look for what was fetched
		spec.Views[0].Upper = treeIn(ws.setupDir())
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
func (ws *workspace) describeStepFailure(built *version, step string, spec sandbox.Spec, result sandbox.Result) string {
	result.Slept = 0 // nothing is measured here, and the deadline stood still meanwhile

	if reason := describeFailure(spec, result); reason != "" {
		return reason + offlineHint(spec, result) + missedHint(ws, spec, result)
	}

	switch step {
	case stepCheck:
		return ws.forbiddenChanges(result.Changes, true)
	case stepBuild: // it may make code
		start := ws.startVersion()

		usual := start.build()
		if start.dir == built.dir || !checkout.IsDir(usual) {
			usual = ""
		}

		return ws.forbiddenChanges(newlyRestored(usual, result.Changes), false)
	}

	return ""
}
