package main_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/testform"
	"ratchet/ledger"
)

var (
	crashKills = flag.Int("crash-kills", 0, "how often TestCrashCampaign kills (0: 8, or 4 with -short)")
	crashSeed  = flag.Uint64("crash-seed", 1, "seed of TestCrashCampaign's first round")
)

// A round of the crash campaign ends after so many kills, or when its budget is spent.
const (
	roundKills  = 60
	roundBudget = 25 // experiments
)

// TestCrashCampaign kills -9 at random: servers with their process groups,
// workers and command lines, while four sessions in four checkouts of one
// repository (stdio, two over HTTP, command lines) edit, run, keep and revert.
// Every acknowledged answer is noted outside and must be in the ledger at the
// end of a round, and the whole site sound.
func TestCrashCampaign(t *testing.T) {
	testform.SkipQuick(t, "TestKillServer and TestKillWorker kill")
	t.Parallel()

	most := *crashKills
	if most == 0 {
		most = 8
		if testing.Short() {
			most = 4
		}
	}

	total := tally{}
	for seed := *crashSeed; total["kills"] < most; seed++ {
		r := &round{site: newSite(t), random: rand.New(rand.NewPCG(seed, 0)), tally: tally{"rounds": 1},
			victims: map[string]int{}, stop: make(chan bool)}
		if err := r.play(min(roundKills, most-total["kills"])); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}

		for what, n := range r.tally {
			total[what] += n
		}

		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}

	for _, what := range slices.Sorted(maps.Keys(total)) {
		t.Logf("%6d %s", total[what], what)
	}
}

type tally map[string]int

// round is one repository with its sessions and their killer.
type round struct {
	*site
	random *rand.Rand // the killer's own
	stop   chan bool

	mu      sync.Mutex
	tally   tally
	victims map[string]int // what may be killed now: its name, its process (negative: with its group)
	journal []ack
}

// ack is an answer that a session was given.
type ack struct {
	tool, lesson string
	answer
}

// play makes the site, lets the sessions work while n kills are made, and checks.
func (r *round) play(n int) error {
	var lines []string
	for i := range 4 {
		lines = append(lines, fmt.Sprintf("line of session %d: %s", i, strings.Repeat("x", 40)), "", "", "")
	}
	r.write("work.txt", strings.Join(lines, "\n")+"\n")
	r.write("bench.sh", "sleep 0.03\necho METRIC size=$(wc -c < built.txt)\n")
	r.write("program.md", strings.Replace(repoFiles["program.md"], "run:",
		fmt.Sprintf("campaign: {experiments: %d, hours: 1}\nbuild: cp work.txt built.txt\nrun:", roundBudget), 1))
	r.sh("git", "commit", "-qam", "four sessions")
	r.sh(ratchet, "call", "start_campaign")
	r.sh(ratchet, "call", "wait_run", `{"id": "c1", "wait_seconds": 50}`)
	trees := r.worktrees(3)
	// Added here: one that a server makes at its first start is lost with a server that dies before it prints it.
	var made struct{ Token string }
	if err := json.Unmarshal([]byte(r.sh(ratchet, "--json", "token", "add", "web")), &made); err != nil {
		r.t.Fatal(err)
	}
	web := &webServer{round: r, token: made.Token}
	sessions := []*session{
		{round: r, dir: r.dir, own: 0, way: &stdioServer{round: r, dir: r.dir}},
		{round: r, dir: trees[0], own: 1, way: &webSession{webServer: web, dir: trees[0]}},
		{round: r, dir: trees[1], own: 2, way: &webSession{webServer: web, dir: trees[1]}},
		{round: r, dir: trees[2], own: 3, way: &commandLine{round: r, dir: trees[2]}},
	}

	var all sync.WaitGroup
	for _, s := range sessions {
		all.Go(s.work)
	}
	r.kill(n)
	close(r.stop)
	all.Wait()

	defer func() {
		for _, s := range sessions { // again, where a round ends badly
			s.way.close()
		}
	}()

	for _, s := range sessions {
		if err := s.settle(); err != nil {
			return fmt.Errorf("session %d: %w", s.own, err)
		}
	}

	for _, s := range sessions {
		s.way.close()
	}

	return r.check(trees)
}

// kill makes n kills, or as many as it can before the budget is spent.
func (r *round) kill(n int) {
	for begin := time.Now(); n > 0 && time.Since(begin) < 2*time.Minute; {
		time.Sleep(time.Duration(20+r.random.IntN(380)) * time.Millisecond)
		r.mu.Lock()
		over := r.tally["refused: budget_exhausted"] > 0
		victims := maps.Clone(r.victims)
		r.mu.Unlock()

		if over {
			return
		}

		for what, pattern := range map[string]string{"worker": "shrink.[xc][0-9]*", "idle worker": "*.standby"} {
			for _, holder := range r.lockHolders(pattern) {
				victims[what], _ = strconv.Atoi(holder)
			}
		}

		names := slices.Sorted(maps.Keys(victims))
		if victims["worker"] > 0 {
			names = append(names, "worker", "worker") // it lives for a moment only
		}

		if len(names) == 0 {
			continue
		}

		name := names[r.random.IntN(len(names))]
		if syscall.Kill(victims[name], syscall.SIGKILL) == nil {
			n--
			r.count("kills", "kills of a "+name)
		}
	}
}

func (r *round) count(what ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()

	for _, w := range what {
		r.tally[w]++
	}
}

// living tells the killer of a process, until the returned function is called.
func (r *round) living(name string, pid int) (gone func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.victims[name] = pid

	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()

		if r.victims[name] == pid {
			delete(r.victims, name)
		}
	}
}

// session is an agent in a checkout of its own.
type session struct {
	*round
	dir string
	own int // its line of the file
	way way
	n   int

	joined bool
}

// way is how a session reaches Ratchet. The error is for a call that was not
// answered; the next call finds a living server again.
type way interface {
	call(tool, args string) (answer, error)
	close()
}

// ask makes a call and notes the answer.
func (s *session) ask(tool, args, lesson string) (answer, error) {
	a, err := s.way.call(tool, args)
	switch {
	case err != nil:
		s.count("calls cut off")
		return a, err
	case a.Error != nil:
		s.count("refused: " + a.Error.Code)

		if slices.Contains([]string{"internal", "ledger", "storage", "bad_argument"}, a.Error.Code) {
			s.t.Errorf("session %d: %s %s: %s", s.own, tool, args, a.text)
		}

		return a, nil
	}
	s.count("answers")
	s.mu.Lock()
	s.journal = append(s.journal, ack{tool, lesson, a})
	s.mu.Unlock()

	return a, nil
}

// work is a night: edit, run, decide, until the round is over.
func (s *session) work() {
	for {
		select {
		case <-s.stop:
			return
		default:
		}
		s.cycle()
	}
}

func (s *session) cycle() {
	if s.n++; !s.joined || s.n%7 == 0 { // an edit before it is on the campaign's branch would keep it from there
		if a, err := s.ask("start_campaign", "{}", ""); err != nil || a.Error != nil {
			return
		}
		s.joined = true
	}
	s.edit()

	a, err := s.ask("run_experiment", fmt.Sprintf(`{"hypothesis": "session %d, edit %d", "wait_seconds": 3}`, s.own,
		s.n), "")
	if err != nil || a.Status == "running" || a.Error != nil && a.Error.Code == "busy" {
		if a, err = s.ask("wait_run", `{"wait_seconds": 50}`, ""); err != nil {
			return
		}
	}

	if a.Verdict == "improved" || a.Error != nil && a.Error.Code == "unresolved" {
		if a, err = s.ask("keep", "{}", ""); err == nil && a.Error == nil {
			return
		}
	}
	lesson := fmt.Sprintf("lesson %d of session %d", s.n, s.own)
	_, _ = s.ask("revert", `{"lesson": "`+lesson+`"}`, lesson)
}

// edit changes the session's own line: shorter every other time.
func (s *session) edit() {
	path := filepath.Join(s.dir, "work.txt")
	text, err := os.ReadFile(path)

	lines := strings.Split(string(text), "\n")
	if err != nil || len(lines) <= s.own*4 {
		s.t.Errorf("session %d: the file holds %q, %v", s.own, text, err)
		return
	}

	line := lines[s.own*4]
	if line = strings.TrimSuffix(line, "x"); s.n%2 == 0 {
		line += fmt.Sprintf(" %d xxxx", s.n)
	}

	lines[s.own*4] = line
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o666); err != nil {
		s.t.Error(err)
	}
}

// settle ends what is open in the checkout and brings it to the incumbent. No
// kill happens any more, so nothing may be stuck.
func (s *session) settle() error {
	var said []string

	for range 12 {
		a, err := s.ask("start_campaign", "{}", "")
		if err == nil && a.Error == nil {
			if a, err = s.ask("wait_run", `{"wait_seconds": 50}`, ""); err == nil && a.Status != "running" {
				a, err = s.ask("revert", "{}", "")
			}
		}

		if err == nil && a.Error == nil && a.Status != "running" {
			return nil
		}
		said = append(said, fmt.Sprint(a.text, err))
	}

	return fmt.Errorf("it does not settle: %q", said)
}

// check wants everything that was acknowledged in the ledger, and the site sound.
func (r *round) check(trees []string) error {
	if _, err := r.try(ratchet, "call", "start_campaign"); err != nil {
		return err
	}
	err := r.sound(false, true)

	l, lerr := ledger.Open(filepath.Join(r.dir, ".git", "ratchet", "ledger.db"), ledger.Options{})
	if lerr != nil {
		return lerr
	}

	return errors.Join(err, l.View(r.t.Context(), func(tx *ledger.Tx) error {
		c, err := tx.Campaign("shrink")
		if err != nil {
			return err
		}

		lessons, err := tx.Lessons(c.Name, 10000)
		if err != nil {
			return err
		}
		seq, _ := tx.Head()
		r.tally["records"], r.tally["experiments"], r.tally["kept"] = int(seq), c.Experiments, c.Kept
		var errs []error

		for _, a := range r.journal {
			if err := holds(tx, c, a, lessons); err != nil {
				errs = append(errs, fmt.Errorf("acknowledged: %s %s: %w", a.tool, a.text, err))
			}
		}

		for _, dir := range trees {
			at := *r.site
			at.dir = dir
			head, _ := at.git("rev-parse", "HEAD")

			status, err := at.git("status", "--porcelain", "--untracked-files=all")
			if err != nil || head != c.Incumbent || status != "" {
				errs = append(errs, fmt.Errorf("%s is at %s, the incumbent is %s; %q %v", filepath.Base(dir), head,
					c.Incumbent, status, err))
			}
		}

		return errors.Join(errs...)
	}))
}

// holds says whether the ledger holds what was acknowledged.
func holds(tx *ledger.Tx, c *history.Campaign, a ack, lessons []history.Lesson) error {
	if a.lesson != "" && !slices.ContainsFunc(lessons, func(l history.Lesson) bool { return l.Text == a.lesson }) {
		return errors.New("its lesson is lost")
	}

	if a.Experiment == 0 {
		return nil
	}

	x, err := tx.Experiment(c.Name, a.Experiment)
	if err != nil {
		return err
	}

	switch {
	case a.tool == "keep" && (x.Status != research.Kept || !strings.HasPrefix(x.Commit, a.Commit)):
		return fmt.Errorf("experiment %d is %s as %s", x.N, x.Status, x.Commit)
	case a.tool == "revert" && x.Status != research.Reverted && !x.Closed:
		return fmt.Errorf("experiment %d is %s", x.N, x.Status)
	case a.Verdict != "" && (string(x.Judgement.Verdict) != a.Verdict ||
		a.Value != nil && (x.Judgement.Value == nil || *x.Judgement.Value != *a.Value)):
		return fmt.Errorf("experiment %d was judged %s", x.N, x.Judgement.Verdict)
	}

	return nil
}
