package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/ledger"
	"ratchet/sandbox"
)

// sound is everything that must hold of a site whose sessions have been
// answered, whatever was killed or failed before: see each of its parts. peace
// says that nothing was killed, so that nothing may have been lost or done twice;
// anchored, that the last transaction ended well: one that dies after its commit
// leaves the anchor behind until the next.
func (s *site) sound(peace, anchored bool) error {
	if err := s.quiet(); err != nil {
		return err
	}
	out, err := s.try(ratchet, "--json", "verify", "--recompute")

	var report struct{ Records, Anchor uint64 }
	if err != nil || json.Unmarshal([]byte(out[:strings.LastIndexByte(out, '}')+1]), &report) != nil {
		return fmt.Errorf("verify: %v: %s", err, out)
	}

	if report.Records != report.Anchor && anchored {
		err = fmt.Errorf("the anchor is at record %d of %d", report.Anchor, report.Records)
	}

	l, lerr := ledger.Open(filepath.Join(s.dir, ".git", "ratchet", "ledger.db"), ledger.Options{})
	if lerr != nil {
		return errors.Join(err, lerr)
	}

	return errors.Join(err, l.View(s.t.Context(), func(tx *ledger.Tx) error {
		c, err := tx.Campaign("shrink")
		if err != nil {
			return err
		}

		return errors.Join(counted(tx, c), s.stored(l, tx, peace), s.mirrored(tx, c))
	}))
}

// quiet wants every process of the site to end by itself, and no lock of git
// or half-written file of ours to stay.
func (s *site) quiet() error {
	var left []string
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if left = s.processes(); len(left) == 0 {
			break
		}

		if time.Now().After(end) {
			return fmt.Errorf("processes are left: %q", left)
		}
	}
	locks, _ := filepath.Glob(filepath.Join(s.dir, ".git", "*.lock"))
	deep, _ := filepath.Glob(filepath.Join(s.dir, ".git", "refs", "*", "*", "*.lock"))

	ours, _ := filepath.Glob(filepath.Join(s.dir, ".ratchet-*"))
	if all := slices.Concat(locks, deep, ours); len(all) > 0 {
		return fmt.Errorf("files are left: %q", all)
	}

	return nil
}

// processes are those of the site, servers and workers without a job aside: they carry
// its folder in their command line or their environment.
func (s *site) processes() (found []string) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	base, idle := filepath.Dir(s.dir), s.idleWorkers()

	for _, d := range dirs {
		if pid := filepath.Base(d); pid == strconv.Itoa(os.Getpid()) || slices.Contains(idle, pid) {
			continue
		}
		line, _ := os.ReadFile(filepath.Join(d, "cmdline"))
		env, err := os.ReadFile(filepath.Join(d, "environ"))

		words := strings.Split(string(line), "\x00")
		if err != nil || !strings.Contains(string(line)+string(env), base+"/") ||
			len(words) > 1 && (words[1] == "mcp" || slices.Contains(words, "serve")) {
			continue
		}
		found = append(found, filepath.Base(d)+" "+strings.Join(words, " "))
	}

	return found
}

// idleWorkers are the processes that stay and have no job, by number.
func (s *site) idleWorkers() (pids []string) {
	busy := s.lockHolders("shrink.[a-z][0-9]*")

	return slices.DeleteFunc(s.lockHolders("*.standby"), func(pid string) bool { return slices.Contains(busy, pid) })
}

// lockHolders are the processes that hold a lock among the jobs' files of a pattern.
func (s *site) lockHolders(pattern string) (pids []string) {
	paths, _ := filepath.Glob(filepath.Join(s.dir, ".git", "ratchet", "jobs", pattern))
	for _, path := range paths {
		if held, _ := sandbox.Locked(path); !held || pattern != "*.standby" && strings.Count(filepath.Base(path), ".") > 1 {
			continue
		}
		text, _ := os.ReadFile(path)

		if pid, _, _ := strings.Cut(string(text), "\n"); pid != "" {
			pids = append(pids, pid)
		}
	}

	return pids
}

// counted wants the numbers of experiments and runs without a gap, no job open,
// and the budget not overspent.
func counted(tx *ledger.Tx, c *history.Campaign) error {
	var errs []error
	if len(c.Open) > 0 {
		errs = append(errs, fmt.Errorf("jobs are open: %v", c.Open))
	}

	lim, runs, spent := c.Program.Campaign, map[research.JobID]int{}, 0.0
	if c.Experiments > lim.Experiments || c.RunSeconds > lim.Hours*3600 {
		errs = append(errs, fmt.Errorf("overspent: %d of %d experiments, %.2f of %g s", c.Experiments, lim.Experiments,
			c.RunSeconds, lim.Hours*3600))
	}
	proposed := 0
	err := tx.Records(1, func(r history.Record) error {
		switch r.Kind {
		case history.KindExperimentProposed:
			var p history.Proposal
			if err := json.Unmarshal(r.Body, &p); err != nil {
				return err
			}

			if proposed++; p.N != proposed {
				errs = append(errs, fmt.Errorf("experiment %d follows %d", p.N, proposed-1))
			}
		case history.KindRunFinished:
			var run rules.Run
			if err := json.Unmarshal(r.Body, &run); err != nil {
				return err
			}

			if spent += run.Wall; run.Number != runs[run.Job]+1 && run.Job.Kind() == research.ExperimentJob {
				errs = append(errs, fmt.Errorf("run %d of %s follows %d", run.Number, run.Job, runs[run.Job]))
			}
			runs[run.Job] = run.Number
		}

		return nil
	})

	if proposed != c.Experiments || spent > lim.Hours*3600 {
		errs = append(errs, fmt.Errorf("%d experiments were proposed, the campaign counts %d; %.2f s of runs", proposed,
			c.Experiments, spent))
	}

	return errors.Join(append(errs, err)...)
}

// stored wants every run's output in the store and, in peace, no job lost and
// no version built twice.
func (s *site) stored(l *ledger.Ledger, tx *ledger.Tx, peace bool) error {
	var errs []error
	built := map[string]int{}
	err := tx.Records(1, func(r history.Record) error {
		switch r.Kind {
		case history.KindRunFinished:
			var run rules.Run
			if err := json.Unmarshal(r.Body, &run); err != nil {
				return err
			}
			_, err := l.Output(run.Output)
			errs = append(errs, err)
		case history.KindStepFinished:
			var end history.StepEnd
			if err := json.Unmarshal(r.Body, &end); err != nil {
				return err
			}

			tree, err := s.git("rev-parse", end.Commit+"^{tree}")
			if built[tree]++; peace && built[tree] > 1 {
				errs = append(errs, fmt.Errorf("the version %.9s was built twice", tree))
			}

			errs = append(errs, err)
		case history.KindRunLost:
			if peace {
				errs = append(errs, fmt.Errorf("lost: %s", r.Body))
			}
		}

		return nil
	})

	return errors.Join(append(errs, err)...)
}

// mirrored wants git to say what the ledger says: the refs, this checkout's
// branch, its index, and every candidate.
func (s *site) mirrored(tx *ledger.Tx, c *history.Campaign) error {
	refs, err := s.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/ratchet", c.Branch)
	if err != nil {
		return err
	}

	want := []string{"refs/ratchet/shrink/start " + c.Start, "refs/ratchet/shrink/incumbent " + c.Incumbent,
		c.Branch + " " + c.Incumbent}
	for n := 1; n <= c.Experiments; n++ {
		x, err := tx.Experiment(c.Name, n)
		if err != nil {
			return err
		}

		if x.Judgement.StoppedBy != "lost" { // its number is spent, its ref may be missing
			want = append(want, fmt.Sprintf("refs/ratchet/shrink/x/%d %s", n, x.Candidate))
		}
	}
	var errs []error

	for _, line := range want {
		if !slices.Contains(strings.Split(refs, "\n"), line) {
			errs = append(errs, fmt.Errorf("no ref %s in\n%s", line, refs))
		}
	}

	head, err := s.git("symbolic-ref", "HEAD")
	if errs = append(errs, err); head != c.Branch {
		errs = append(errs, fmt.Errorf("HEAD is on %s", head))
	}

	if status, err := s.git("status", "--porcelain", "--untracked-files=all"); err != nil ||
		!slices.Contains([]string{"", " M work.txt", "M  work.txt"}, status) { // an edit, staged or not
		errs = append(errs, fmt.Errorf("git status: %q, %v", status, err))
	}

	if said, err := s.git("fsck", "--connectivity-only", "--no-dangling"); err != nil {
		errs = append(errs, fmt.Errorf("git fsck: %w: %s", err, said))
	}

	return errors.Join(errs...)
}

// git is what a git command of the checkout prints.
func (s *site) git(args ...string) (string, error) {
	cmd := exec.Command("git", args...)

	cmd.Dir, cmd.Env = s.dir, append(slices.Clone(s.env), "GIT_OPTIONAL_LOCKS=0")
	out, err := cmd.Output()

	return strings.TrimRight(string(out), "\n"), err
}
