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
	"regexp"
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
func (s *worker) makeRun(
	ctx context.Context, job research.JobID, v *version, want rules.RunRequest,
) (rules.Observation, error) {
	for range maxVoid {
		r, err := s.attemptRun(ctx, job, v, want)
		if err != nil {
			return rules.Observation{}, err
		}

		if !r.Void {
			return rules.NewObservation(r, s.space.c.Program.Metric), nil // as a recomputation will see it
		}

		if c, err := s.readCampaign(ctx); err != nil || c.SecondsLeft() <= 0 {
			return rules.Observation{}, cmp.Or[error](err, research.Errorf(research.CodeBudget, checkout.RaiseBudget,
				"the machine was suspended during the run, and no time is left to repeat it"))
		}
	}

	return rules.Observation{}, research.Errorf(research.CodeBusy, "keep the machine awake, then run it again",
		"the machine was suspended during the run, %d times in a row", maxVoid)
}

// maxVoid is how often one run may be void before its job counts as lost.
const maxVoid = 3

const sleptReason = "void: the machine was suspended during the run"

// sleepTolerance is how much of a run the machine may sleep unnoticed: clocks
// are read one after the other.
const sleepTolerance = 500 * time.Millisecond

func (s *worker) attemptRun(
	ctx context.Context, job research.JobID, v *version, want rules.RunRequest,
) (rules.Run, error) {
	s.runs++
	p := s.space.c.Program
	r := rules.Run{Job: job, Number: s.runs, Role: want.Role, Side: want.Side, Commit: v.commit, Pair: want.Pair,
		Order: want.Order, WarmUp: want.WarmUp, Again: want.Again, Seed: runSeed(s.campaign, job, want, s.runs),
		Started: time.Now().UTC(), Load: hostinfo.LoadAverage()}
	scan := contract.NewScanner(p.Metric, p.Guards)

	command := p.Run
	if s.planted != "" && want.Side == rules.Candidate {
		command = s.planted
	}

	spec, err := s.space.commandSpec(v, command, r.Seed, true)
	if err != nil {
		return r, err
	}

	spec.Wall, spec.Grace = time.Duration(p.Budget.Wall), time.Duration(p.Budget.Grace)
	if p.Measure == "" {
		spec.Sink = scan
	}

	hold, err := s.acquireResources(ctx)
	if err != nil {
		return r, err
	}
	defer hold.release(ctx)

	if err := hold.exposeGPUs(&spec, p.Budget); err != nil {
		return r, err
	}
	s.reportPhase(fmt.Sprintf("run %d (%s, %s)", r.Number, want.Role, want.Side))
	load := hostinfo.StartLoad()

	res, err := hold.runWatched(ctx, spec, p.Budget, &r)
	if err != nil {
		return r, fmt.Errorf("make a run: %w", err)
	}
	noteContention(&r, load, res)
	r.Exit, r.Signal, r.Wall, r.CPU, r.MaxRSS = res.Exit, res.Signal, res.Wall.Seconds(), res.CPU.Seconds(), res.MaxRSS
	r.Enforced, r.Bytes = res.Enforced, res.Output.Bytes

	text := res.Output.Text()
	if r.Reason = s.describeFailure(spec, res); r.Reason == "" {
		r.Reason = s.space.forbiddenChanges(res.Changes, true, p.Measure != "")
	} else {
		r.Reason += offlineHint(spec, res)
	}

	if r.Reason == "" {
		if err := s.scoreRun(ctx, hold, v, spec, scan, res, &r, &text); err != nil {
			return r, err
		}
	}

	r.Valid, r.Void = r.Reason == "", strings.HasSuffix(r.Reason, sleptReason) // of the run, or of its evaluator
	if r.Output, err = s.Ledger.PutOutput(text); err != nil {
		return r, err
	}
	s.space.discardLayers(spec)
	_, err = s.Ledger.Append(context.WithoutCancel(ctx),
		history.Entry{Campaign: s.campaign, Session: s.session, Kind: history.KindRunFinished, Body: s.compactRun(r)})

	return r, err
}

// scoreRun takes the samples of a run that ended well: what scan saw of it, or of
// the frozen evaluator, whose reason not to count it is then the run's. text
// gets the evaluator's output too.
func (s *worker) scoreRun(ctx context.Context, hold *runResources, v *version, spec sandbox.Spec, scan *contract.Scanner, res sandbox.Result,
	r *rules.Run, text *[]byte) error {
	p, left := s.space.c.Program, spec.Views[0].Upper
	if p.Measure != "" {
		measure, err := s.space.evaluatorSpec(v, r.Seed, left)
		if err != nil {
			return err
		}
		defer s.space.discardLayers(measure)

		measure.Wall, measure.Grace, measure.Sink = spec.Wall, spec.Grace, scan
		if err := hold.exposeGPUs(&measure, p.Budget); err != nil {
			return err
		}

		if r.Reason, err = s.runEvaluator(ctx, measure, r, text); err != nil {
			return err
		}
		left = measure.Views[0].Upper
	}

	if r.Reason == "" {
		r.Samples, r.Reason = s.collectSamples(scan, res, left)
	}

	return nil
}

// compactRun is the run as it is recorded: what enforced it is said once for all the
// runs of a job that were enforced alike, since it is half of such a record.
func (s *worker) compactRun(r rules.Run) rules.Run {
	if s.enforced.Number > 0 && maps.Equal(s.enforced.Enforced, r.Enforced) {
		r.Enforced, r.EnforcedAs = nil, s.enforced.Number
		return r
	}
	s.enforced = r

	return r
}

// acquireSlot waits for the machine's measuring slot. Waiting counts against no budget.
func (s *worker) acquireSlot(ctx context.Context) (*sandbox.Lock, error) {
	waiting := func(place int, holder string) {
		s.reportPhase(fmt.Sprintf("waiting for the machine, place %d, held by %s", place,
			cmp.Or(strings.TrimSpace(holder), "another run")))
	}
	var slot *sandbox.Lock

	err := fault.At("machine.slot", func() (err error) {
		slot, err = sandbox.AcquireSlot(ctx, "measure", s.space.c.Program.Parallel, waiting)
		return err
	})
	if err == nil {
		err = slot.Write(fmt.Appendf(nil, "%s %s, pid %d\n", s.campaign, s.id, os.Getpid()))
	}

	return slot, err
}

// describeFailure says how a command ended badly, "" if it did not.
func (s *worker) describeFailure(spec sandbox.Spec, res sandbox.Result) string {
	switch {
	case res.Cancelled:
		return "stopped by request"
	case res.Slept > sleepTolerance:
		return sleptReason
	case res.Exceeded != "":
		return "exceeded its budget of " + describeLimit(res.Exceeded, spec)
	case len(res.Survivors) > 0:
		return fmt.Sprintf("processes survived the kill: %v", res.Survivors)
	case res.Killed:
		return fmt.Sprintf("timeout: still running at the deadline, %s after its start (wall %s + grace %s)",
			spec.Wall+spec.Grace, spec.Wall, spec.Grace)
	case res.TimedOut && (res.Signal != "" || res.Exit != 0):
		return fmt.Sprintf("timeout: did not end by itself within wall %s", spec.Wall)
	case res.Signal != "":
		return "crashed: " + res.Signal
	case res.Exit == 127:
		return "command not found (exit 127)"
	case res.Exit != 0:
		return fmt.Sprintf("failed: exit code %d", res.Exit)
	}

	return ""
}

// offlineHint is a hint for a command that failed for want of a network, as far as
// its output tells.
func offlineHint(spec sandbox.Spec, res sandbox.Result) string {
	if spec.Network == sandbox.NetworkOn || !noNetwork.Match(res.Output.Text()) {
		return ""
	}

	return fmt.Sprintf(" (it had no network: network is %s; what must be fetched belongs in `setup:`)", spec.Network)
}

// noNetwork is what programs say when they can't reach anybody.
var noNetwork = regexp.MustCompile(`(?i)network is unreachable|no such host|name resolution|could not resolve|getaddrinfo|EAI_AGAIN|ENOTFOUND|dial tcp`)

// describeLimit names a limit with its size.
func describeLimit(what string, spec sandbox.Spec) string {
	switch what {
	case "memory":
		return fmt.Sprintf("memory (%d MiB)", spec.Memory>>20)
	case "disk":
		return fmt.Sprintf("disk (%d MiB written)", spec.Disk>>20)
	case "processes":
		return fmt.Sprintf("processes (%d at a time)", spec.Processes)
	case "cpu":
		return fmt.Sprintf("CPU time (%s)", spec.CPU)
	}

	return what
}

// runEvaluator runs the frozen evaluator in a sandbox of its own that sees what the
// run left. Only its output counts.
func (s *worker) runEvaluator(
	ctx context.Context, spec sandbox.Spec, r *rules.Run, text *[]byte,
) (reason string, err error) {
	res, err := sandbox.Run(ctx, spec)
	if err != nil {
		return "", fmt.Errorf("run the evaluator: %w", err)
	}

	*text = append(append(*text, "\n--- measure ---\n"...), res.Output.Text()...)

	r.Bytes += res.Output.Bytes
	if reason = s.describeFailure(spec, res); reason == "" {
		reason = s.space.forbiddenChanges(res.Changes, true, false)
	}

	if reason != "" {
		reason = "measure: " + reason
	}

	return reason, nil
}

// collectSamples reads the metric and the guards, wherever the program says they are.
func (s *worker) collectSamples(scan *contract.Scanner, res sandbox.Result, layer string) (map[string]float64, string) {
	m := s.space.c.Program.Metric

	values, err := scan.Values()
	if err != nil {
		return nil, wording.ErrorLine(err)
	}

	if values == nil {
		values = map[string]float64{}
	}

	switch m.From.Kind {
	case "wall", "cpu", "max_rss":
		values[m.Name] = contract.SampleFromUsage(m.From.Kind, m.Unit, res.Wall, res.CPU, res.MaxRSS)
	case "file":
		content, err := readInLayer(layer, checkout.JoinSlash(s.space.folder, m.From.Path))
		if err != nil {
			return nil, fmt.Sprintf("the run did not write %s, which holds the metric", m.From.Path)
		}

		if values[m.Name], err = contract.SampleFromFile(content, m.From.Expr); err != nil {
			return nil, wording.ErrorLine(err)
		}
	}

	return values, ""
}

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

	return io.ReadAll(io.LimitReader(f, 16<<20))
}

// commandSpec is what every command of a version has in common: the view, the caches,
// the environment, fresh layers.
func (w *workspace) commandSpec(v *version, command string, seed uint64, withBuild bool) (sandbox.Spec, error) {
	w.serial++
	scratch := filepath.Join(w.run, fmt.Sprint(w.serial))

	tmp := filepath.Join(scratch, "tmp")
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return sandbox.Spec{}, research.Errorf(research.CodeStorage, "free space, or make the cache folder writable",
			"make a run's folder: %w", err)
	}

	caches := w.cacheLayers(v)
	if checkout.IsDir(v.cache()) {
		caches = append([]string{v.cache()}, caches...)
	}
	root := w.lab.Repo.Root()
	b := w.c.Program.Budget

	return sandbox.Spec{
		Confined: true, Hidden: w.hiddenPaths(), Network: sandbox.Network(w.c.Program.Network),
		Memory: b.Memory, Processes: b.Processes, Disk: cmp.Or(b.Disk, contract.DefaultDisk), CPU: time.Duration(b.CPU),
		Command: command,
		Dir:     filepath.Join(root, filepath.FromSlash(w.folder)),
		Env:     commandEnvironment(w.c.Program.Env, w.homeDir(), tmp, seed),
		Views: []sandbox.View{
			{Root: root, Lower: w.readLayers(v, withBuild), Upper: filepath.Join(scratch, "upper"),
				Work: filepath.Join(scratch, "work")},
			{Root: w.homeDir(), Lower: caches, Upper: filepath.Join(scratch, "home"),
				Work: filepath.Join(scratch, "homework")},
		},
		Binds:   w.carry,
		Keep:    w.c.Program.Budget.Output,
		Scratch: filepath.Join(scratch, "copy"),
		Tier:    w.tier,
	}, nil
}

// hiddenPaths is what no command of a program may read: secrets of the user, and the
// git directory with the ledger.
func (w *workspace) hiddenPaths() []string {
	hidden := []string{w.lab.Repo.CommonDir(), w.lab.Repo.GitDir(), w.lab.Ledger.Dir()}
	if home, err := os.UserHomeDir(); err == nil {
		hidden = append(hidden, sandbox.Secrets(home)...)
	}

	return hidden
}

// redirectLayers points a step's layers at where its results belong: a build's into the
// version, a setup's into the workspace.
func (w *workspace) redirectLayers(spec *sandbox.Spec, v *version, name string) error {
	switch name {
	case "build":
		inherited, err := w.inheritCaches(v)
		if err != nil {
			return err
		}
		spec.Views[0].Upper = v.build()
		spec.Views[1].Lower, spec.Views[1].Upper = inherited, v.cache()
	case "setup": // it fetches, into the folders where toolchains look for what was fetched
		spec.Views[0].Upper = w.setupDir()
		spec.Network, spec.Writable = sandbox.NetworkOn, toolchainDirs()
	}

	if name != "check" { // what a run may use, a compiler may exceed
		spec.Memory, spec.CPU, spec.Disk = 0, 0, 0
		spec.Processes = max(spec.Processes, 4096)
	}

	return nil
}

// discardLayers throws a run's own layers away.
func (w *workspace) discardLayers(spec sandbox.Spec) {
	_ = checkout.RemoveTree(filepath.Dir(spec.Scratch))
}

// runSeed is the run's RATCHET_SEED: the same within a pair, fresh for each pair,
// never pinned for a campaign.
func runSeed(campaign string, job research.JobID, want rules.RunRequest, number int) uint64 {
	h := fnv.New64a()

	k := want.Pair
	if k == 0 {
		k = -number
	}
	fmt.Fprintf(h, "%s\x00%s\x00%d\x00%t", campaign, job, k, want.Again)

	return h.Sum64() >> 33 // 31 bits: every language's generator takes it
}
