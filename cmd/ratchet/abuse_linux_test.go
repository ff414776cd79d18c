package main_test

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	godiff "github.com/google/go-cmp/cmp"

	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/testform"
	"ratchet/ledger"
	"ratchet/sandbox/layers"
)

// The abuse suite through the real binary: every abuse is a candidate that an
// agent proposes over MCP. In go test it is a handful of them, once; the long
// form, with its table, is
//
//	go test ./cmd/ratchet -run '^TestAbuseBinary$' -count 1 -timeout 2h -abuse-trials 200 -abuse-table FILE
var (
	abuseTrials = flag.Int("abuse-trials", 1, "how often TestAbuseBinary tries each abuse (1: a handful of them, once)")
	abuseTable  = flag.String("abuse-table", "", "file to which TestAbuseBinary appends a row for each abuse")
)

const (
	abuseMark = "ABUSE_MARK"    // every process of a trial has it in its environment
	abuseKey  = "STOLEN-KEY-55" // what nobody may read
	nobody    = 65534
)

func TestAbuseBinary(t *testing.T) {
	testform.SkipQuick(t, "sandbox: TestAbuse")
	users := map[string]*syscall.Credential{"other": nil}
	if os.Geteuid() == 0 {
		users = map[string]*syscall.Credential{"root": nil, "other": {Uid: nobody, Gid: nobody}}
	}

	for user, as := range users {
		tried := 0

		for _, a := range abuses() {
			if *abuseTrials == 1 && !a.short {
				continue
			}

			tried++
			if testing.Short() && tried%4 != map[string]int{"root": 2, "other": 3}[user] { // a few, as one or the other
				continue
			}

			t.Run(user+"/"+a.name, func(t *testing.T) {
				t.Parallel()
				newAbuseTrial(t, a, user, as).runAll()
			})
		}
	}
}

// abuseTrial is one abuse, tried again and again in a site of its own.
type abuseTrial struct {
	*site
	abuse
	user, tier string
	c          *client
	outside    string            // a folder beside the repository, none of the run's business
	peers      *peers            // that nobody may reach
	was        map[string]string // everything that must not change
	trials     int
	survivors  int
	late       []time.Duration // from the deadline to the last death
	wrong      []string
	places     *strings.Replacer // what {home}, {repo} … stand for in scripts
}

// abuseProgram has a deadline that comes soon for what runs until it is killed.
const abuseProgram = `---
name: shrink
edit: attack.sh
metric: {name: cost, better: lower, noise: deterministic}
run: exec sh bench.sh
budget: {wall: %s, grace: 50ms, processes: 64, memory: 256MiB, disk: 64MiB}
network: off
carry: [u]
reads: [~/.config]
parallel: 64
campaign: {experiments: 100000, hours: 10000}
---
`

// again executes the whole command again with the mark, which a process has in
// its environment only if it was executed with it.
const again = "if [ \"$" + abuseMark + "\" != %[1]s ]; then " + abuseMark + "=%[1]s exec sh bench.sh; fi\n"

func newAbuseTrial(t *testing.T, a abuse, user string, as *syscall.Credential) *abuseTrial {
	if _, err := os.Stat("/usr/bin/python3"); err != nil && strings.Contains(a.script, "/usr/bin/python3") {
		t.Skip("no /usr/bin/python3 to try it with")
	}
	b := &abuseTrial{site: newSite(t), abuse: a, user: user}
	base := filepath.Dir(b.dir)
	home := filepath.Join(b.dir, "u") // which runs see, because it is carried; all but the keys in it
	b.outside = filepath.Join(base, "outside")

	bin := filepath.Join(base, "ratchet")
	for _, dir := range []string{b.outside, filepath.Join(home, ".ssh"), filepath.Join(home, ".config/gh"),
		filepath.Join(home, "notes")} {
		must(t, os.MkdirAll(dir, 0o755))
	}
	must(t, layers.Copy(ratchet, bin), os.Chmod(bin, 0o755), os.Chmod(filepath.Dir(base), 0o755))
	must(t, os.WriteFile(filepath.Join(home, ".ssh", "id_test"), []byte(abuseKey), 0o600),
		os.WriteFile(filepath.Join(home, ".config/gh/hosts.yml"), []byte(abuseKey), 0o600),
		os.WriteFile(filepath.Join(home, ".config/seen"), []byte("settings\n"), 0o644),
		os.WriteFile(filepath.Join(home, "notes", "n.txt"), []byte("notes\n"), 0o644),
		os.WriteFile(filepath.Join(b.outside, "canary"), []byte("alive\n"), 0o644))
	b.write("program.md", fmt.Sprintf(abuseProgram, cmp.Or(a.wall, "90s")))
	b.write("bench.sh", ". ./attack.sh\necho \"METRIC cost=100\"\n")
	b.write("attack.sh", "true\n")
	b.write(".gitignore", "u/\nconftest.py\n")
	b.sh("git", "add", "-A")
	b.sh("git", "commit", "-qm", "abuse")

	if a.network {
		b.peers = listen(t, b.outside)
	}

	if as != nil {
		must(t, filepath.WalkDir(base, func(path string, _ fs.DirEntry, err error) error {
			return cmp.Or(err, os.Lchown(path, int(as.Uid), int(as.Gid)))
		}))
		b.as = as
	}

	b.env = append(b.env, "HOME="+home, "ABUSE_SECRET="+abuseKey)
	cmd := exec.Command(bin, "mcp")
	cmd.Dir, cmd.Env = b.dir, b.env
	b.c = b.talk(cmd)
	b.c.calibrated()
	b.places = strings.NewReplacer("{home}", home, "{repo}", b.dir, "{outside}", b.outside, "{server}",
		strconv.Itoa(b.c.cmd.Process.Pid), "{peers}", b.peers.String())
	b.was = b.world(base)

	return b
}

func must(t testing.TB, errs ...error) {
	t.Helper()

	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// runAll tries the abuse as often as it takes, and says how it went.
func (b *abuseTrial) runAll() {
	tries := *abuseTrials

	switch {
	case b.heavy:
		tries = min(tries, 5)
	case !b.race:
		tries = min(tries, 20)
	}

	for n := 1; b.trials < tries && n <= 3*tries && len(b.wrong) == 0; n++ {
		b.trial(n)
	}

	if b.trials < tries && len(b.wrong) == 0 {
		b.wrong = append(b.wrong, fmt.Sprintf("only %d of %d trials came so far as to begin their abuse", b.trials,
			tries))
	}

	if b.peers.reached() > 0 {
		b.wrong = append(b.wrong, fmt.Sprintf("%d connections or packets came through", b.peers.reached()))
	}
	b.c.close()

	if out, err := b.try(filepath.Join(filepath.Dir(b.dir), "ratchet"), "verify", "--recompute"); err != nil {
		b.wrong = append(b.wrong, "the ledger: "+out)
	}

	if b.survivors > 0 || len(b.wrong) > 0 {
		b.t.Errorf("%s as %s: %d survivors, %q", b.name, b.user, b.survivors, b.wrong)
	}
	b.t.Log(b.row())

	if *abuseTable != "" {
		f, err := os.OpenFile(*abuseTable, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		must(b.t, err)
		_, err = f.WriteString(b.row() + "\n")
		must(b.t, err, f.Close())
	}
}

// trial makes one experiment of it.
func (b *abuseTrial) trial(n int) {
	b.t.Helper()
	mark := fmt.Sprintf("%x.%d", sha256.Sum256([]byte(b.dir)), n)[50:]
	b.write("attack.sh", fmt.Sprintf(again, mark)+b.places.Replace(b.script)+"\n")
	args := map[string]any{"hypothesis": fmt.Sprintf("attack %d", n)}

	var a answer
	if b.killed {
		a = b.killWorker(args, mark)
	} else {
		a = b.c.call("run_experiment", args)
	}

	for a.Error == nil && a.Status == "running" {
		a = b.c.call("wait_run", nil)
	}
	left := marked(mark)

	run, output := b.record(a.ID)
	if b.wall != "" && !bytes.Contains(output, []byte("begun\n")) && !b.killed {
		return // the machine was too busy; it counts as no trial
	}

	b.trials++
	if len(left) > 0 {
		b.survivors += len(left)
		b.wrong = append(b.wrong, fmt.Sprintf("trial %d: left when the answer came: %v", n, left))
	}

	if wrong := b.judge(a, run, output); wrong != "" {
		b.wrong = append(b.wrong, fmt.Sprintf("trial %d: %s", n, wrong))
	}

	if diff := godiff.Diff(b.was, b.world(filepath.Dir(b.dir))); diff != "" {
		b.wrong = append(b.wrong, fmt.Sprintf("trial %d changed what is outside: %s", n, diff))
	}
}

// judge holds an answer, its run and the run's output against what is expected of them.
func (b *abuseTrial) judge(a answer, run rules.Run, output []byte) string {
	value := ""
	if a.Value != nil {
		value = fmt.Sprint(*a.Value)
	}

	if a.Error != nil || a.Verdict != b.verdict || value != b.value ||
		!regexp.MustCompile("^"+b.reason+"$").MatchString(a.Reason) {
		return fmt.Sprintf("want %s %q %s, got %s %q %s: %.800s\noutput: %.400q", b.verdict, b.reason, b.value,
			a.Verdict, a.Reason, value, a.text, output)
	}

	if i := strings.IndexFunc(a.text, func(r rune) bool {
		return r < ' ' && r != '\n' && r != '\t' || r == 0x7f
	}); i >= 0 {
		return fmt.Sprintf("a control character in the answer: %q", a.text)
	}

	if strings.Contains(a.text, abuseKey) || bytes.Contains(output, []byte(abuseKey)) {
		return "the key was read"
	}

	if run.Bytes < b.bytes || len(output) > 5<<20 {
		return fmt.Sprintf("%d bytes of output counted, %d kept", run.Bytes, len(output))
	}

	if b.says != "" {
		told := b.c.call("read_log", map[string]any{"view": "output", "query": a.ID}).text
		if !strings.Contains(told, b.says) || strings.ContainsAny(told, "\x1b\a") {
			return fmt.Sprintf("the output as it is told: %q", told)
		}
	}

	if strings.HasPrefix(a.Reason, "timeout") {
		wall, _ := time.ParseDuration(b.wall)
		b.late = append(b.late, time.Duration(run.Wall*1e9)-wall-50*time.Millisecond)
	}

	return ""
}

// killWorker proposes the abuse, and kills who watches over it once it is there.
func (b *abuseTrial) killWorker(args map[string]any, mark string) answer {
	args["wait_seconds"] = 0

	a := b.c.call("run_experiment", args)
	if a.Error != nil {
		return a
	}

	for end := time.Now().Add(10 * time.Second); len(marked(mark)) < 3 && time.Now().Before(end); {
		time.Sleep(2 * time.Millisecond)
	}
	must(b.t, syscall.Kill(b.worker(a.ID), syscall.SIGKILL))

	for killed := time.Now(); ; time.Sleep(200 * time.Microsecond) {
		if len(marked(mark)) == 0 {
			b.late = append(b.late, time.Since(killed))
			return b.c.call("wait_run", map[string]any{"id": a.ID})
		}

		if time.Since(killed) > 10*time.Second {
			return b.c.call("wait_run", map[string]any{"id": a.ID})
		}
	}
}

// marked are the processes that have a mark in their environment or arguments.
func marked(mark string) (pids []string) {
	for _, what := range []string{"environ", "cmdline"} {
		paths, _ := filepath.Glob("/proc/[0-9]*/" + what)
		for _, path := range paths {
			if text, err := os.ReadFile(path); err == nil && bytes.Contains(text, []byte(mark)) {
				pids = append(pids, filepath.Base(filepath.Dir(path)))
			}
		}
	}
	slices.Sort(pids)

	return slices.Compact(pids)
}

// record is the last run of a job, and its output; empty where none was recorded.
func (b *abuseTrial) record(job string) (run rules.Run, output []byte) {
	b.t.Helper()
	l := b.ledger()
	must(b.t, l.View(b.t.Context(), func(tx *ledger.Tx) error {
		return tx.Records(1, func(r history.Record) error {
			var this rules.Run

			if r.Kind != history.KindRunFinished {
				return nil
			}

			if err := json.Unmarshal(r.Body, &this); err != nil {
				return err
			}

			if b.tier = cmp.Or(this.Enforced["tree"], b.tier); string(this.Job) == job {
				run = this
			}

			return nil
		})
	}))

	if run.Output != "" {
		var err error
		output, err = l.Output(run.Output)
		must(b.t, err)
	}

	return run, output
}

// world is every file of the site that no run may change: the repository but
// for the edited file and what git and the ledger write, the home, the canary.
func (b *abuseTrial) world(base string) map[string]string {
	world := map[string]string{}
	skip := regexp.MustCompile(`^(home/\.(cache|locks|config)|repo/attack\.sh|repo/\.git/(objects|ratchet|refs|logs|index|HEAD|packed-refs|ORIG_HEAD))$`)
	must(b.t, filepath.WalkDir(base, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(base, path)
		switch {
		case err != nil:
			return err
		case skip.MatchString(rel) && d.IsDir():
			return filepath.SkipDir
		case skip.MatchString(rel):
			return nil
		}

		info, err := d.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		world[rel] = fmt.Sprint(info.Mode(), " ", st.Uid, " ", st.Gid)

		switch {
		case d.Type() == fs.ModeSymlink:
			to, err := os.Readlink(path)
			world[rel] += " to " + to

			return err
		case d.Type().IsRegular():
			text, err := os.ReadFile(path)
			world[rel] += fmt.Sprintf(" %d %x at %s", st.Nlink, sha256.Sum256(text), info.ModTime())

			return err
		}

		return nil
	}))

	return world
}

// row is the abuse's line of the table in docs/confinement.md.
func (b *abuseTrial) row() string {
	dead := "–"

	if len(b.late) > 0 {
		slices.Sort(b.late)
		ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
		dead = fmt.Sprintf("%.1f / %.1f", ms(b.late[len(b.late)/2]), ms(b.late[(len(b.late)*99+99)/100-1]))
	}

	tier := "copies"
	if strings.Contains(b.tier, "namespace") {
		tier = "namespaces"
	}

	outcome := b.verdict
	if b.value != "" {
		outcome += ", 100 → " + b.value
	}

	if b.told != "" {
		outcome += ": " + b.told
	}

	if len(b.wrong) > 0 {
		outcome = "WRONG: " + strings.ReplaceAll(b.wrong[0], "\n", " ")
	}

	return fmt.Sprintf("| %s | the binary | %s | %s | %d | %s | %d | %s |", b.name, tier, b.user, b.trials, dead,
		b.survivors, outcome)
}
