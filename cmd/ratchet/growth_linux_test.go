package main_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/testform"
	"ratchet/ledger"
)

var growth = flag.String("growth", "",
	"sizes in experiments, such as 0,1000,10000, at which TestGrowth times calls (empty: a small form)")

// TestGrowth grows a real campaign's ledger by copies of its own experiments
// and tells, at each size, what a cycle and every read view cost and how many
// bytes the agent gets. What must not grow are the bytes; times are printed.
func TestGrowth(t *testing.T) {
	testform.SkipQuick(t, "it compares sizes, and server/dashboard and internal/view answer")
	sizes, trials := "0,300", 2
	if testing.Short() {
		trials = 1
	}

	if *growth != "" {
		sizes, trials = *growth, 15
		// Workers outlive their parents: adopt them, so that their CPU time can be read.
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	s := newSite(t)
	s.write("bench.sh", "echo METRIC size=$(wc -c < work.txt)\n")
	s.write("program.md", strings.Replace(repoFiles["program.md"], "budget:",
		"campaign: {experiments: 1000000, hours: 100000}\nbudget:", 1))
	s.sh("git", "commit", "-qam", "a quick benchmark")
	c := s.connect()
	c.calibrated()

	g := &garden{s: s, c: c}
	for range 3 { // the last one is what is copied
		g.cycle(t)
	}
	fmt.Println("| experiments | records | ledger | call | wall ms | CPU ms | text bytes | structured bytes |\n|---|---|---|---|---|---|---|---|")
	first := map[string]int{}

	for _, size := range strings.Split(sizes, ",") {
		n, err := strconv.Atoi(size)
		if err != nil {
			t.Fatal(err)
		}
		g.grow(t, n)

		for _, row := range g.looks(t, trials) {
			fmt.Printf("| %d | %d | %.1f MB | %s | %.1f | %.1f | %d | - |\n", n, g.seq, float64(g.bytes)/1e6, row.what,
				row.wall, row.cpu, row.text)
		}

		for _, row := range g.time(t, trials) {
			fmt.Printf("| %d | %d | %.1f MB | %s | %.1f | %.1f | %d | %d |\n", n, g.seq, float64(g.bytes)/1e6, row.what,
				row.wall, row.cpu, row.text, row.structured)

			if !strings.HasPrefix(row.what, "ratchet ") && row.text > answerLimit || row.structured > answerLimit {
				t.Errorf("%s at %d experiments: %d bytes of text, %d of structured content", row.what, n, row.text,
					row.structured)
			}

			if was, ok := first[row.what]; ok && row.text > was+200 {
				t.Errorf("%s grew from %d to %d bytes of text", row.what, was, row.text)
			}

			if n > 0 && first[row.what] == 0 { // the empty ledger's are shorter
				first[row.what] = row.text
			}
		}
	}
	c.close()

	if *growth == "" {
		s.sh(ratchet, "verify")
	}
}

// garden is a campaign that grows faster than one can experiment.
type garden struct {
	s     *site
	c     *client
	made  int    // real experiments
	n     int    // all
	seq   uint64 // of the last record
	bytes int64  // of the ledger's file
	token string // of the servers that show the dashboard
}

func (g *garden) ledger(t *testing.T) *ledger.Ledger {
	l, err := ledger.Open(filepath.Join(g.s.dir, ".git", "ratchet", "ledger.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}

	return l
}

// cycle is one real experiment, from the edit to the lesson.
func (g *garden) cycle(t *testing.T) {
	t.Helper()

	g.made++
	g.n++
	g.s.write("work.txt", fmt.Sprintf("%d %s", g.made, repoFiles["work.txt"]))

	a := g.c.call("run_experiment",
		map[string]any{"hypothesis": fmt.Sprintf("edit %d: a longer text might be read as a shorter one", g.made)})
	if a.Verdict != "regressed" {
		t.Fatal(a.text)
	}
	g.c.call("revert", map[string]any{"lesson": "it got longer, as texts do when something is added"})
	eventually(t, "the job's end", func() bool { return reap() && g.s.hasNoJob() })
}

// grow appends copies of the newest experiment's records until there are n more
// than were made, each with a hypothesis, tree and run of its own, and refs to
// its candidates, packed as git gc packs them.
func (g *garden) grow(t *testing.T, n int) {
	l := g.ledger(t)
	var kit []history.Record

	err := l.View(t.Context(), func(tx *ledger.Tx) error {
		x, err := tx.Experiment("shrink", g.n)
		if err != nil {
			return err
		}

		return tx.Records(max(x.JudgedSeq, 20)-19, func(r history.Record) error {
			if about(r, g.n) {
				kit = append(kit, r)
			}

			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	template := g.n
	var refs bytes.Buffer

	for to := n + g.made; g.n < to; {
		var batch []history.Entry
		for ; g.n < to && len(batch) < 3000; g.n++ {
			for _, r := range kit {
				batch = append(batch, copied(t, r, template, g.n+1))
			}
			fmt.Fprintf(&refs, "create refs/ratchet/shrink/x/%d refs/ratchet/shrink/x/%d\n", g.n+1, template)
		}

		if _, err := l.Append(context.Background(), batch...); err != nil {
			t.Fatal(err)
		}
	}

	if refs.Len() > 0 {
		list := filepath.Join(t.TempDir(), "refs")
		if err := os.WriteFile(list, refs.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		g.s.sh("sh", "-c", "git update-ref --stdin < "+list+" && git pack-refs --all")
	}

	if err := l.View(t.Context(), func(tx *ledger.Tx) error { g.seq, _ = tx.Head(); return nil }); err != nil {
		t.Fatal(err)
	}

	fi, err := os.Stat(l.Path())
	if err != nil {
		t.Fatal(err)
	}
	g.bytes = fi.Size()
}

func about(r history.Record, n int) bool {
	var b struct {
		Experiment int `json:"experiment"`
	}
	job, err := history.Touches(r)
	_ = json.Unmarshal(r.Body, &b)

	return err == nil && (job == research.NewJobID(research.ExperimentJob, n) ||
		r.Kind == history.KindLessonAdded && b.Experiment == n)
}

// copied is a record of experiment was, said of experiment n.
func copied(t *testing.T, r history.Record, was, n int) history.Entry {
	var b map[string]any
	if err := json.Unmarshal(r.Body, &b); err != nil {
		t.Fatal(err)
	}

	if _, ok := b["job"]; ok {
		b["job"] = fmt.Sprintf("x%d", n)
	}

	switch {
	case r.Kind == history.KindLessonAdded:
		b["experiment"] = n
		b["n"] = n
	case b["n"] != nil:
		b["n"] = n
	}

	if r.Kind == history.KindExperimentProposed {
		b["tree"] = fmt.Sprintf("%x", sha1.Sum(fmt.Append(nil, n)))
		b["hypothesis"] = guess(n)
	}

	key := r.Key
	if key != "" {
		key = strings.ReplaceAll(key, strconv.Itoa(was), strconv.Itoa(n))
	}

	return history.Entry{Campaign: r.Campaign, Session: r.Session, Kind: r.Kind, Key: key, Body: b}
}

// guess is a hypothesis of some 100 bytes; words come back as they do in real ones.
func guess(n int) string {
	verbs := strings.Fields("unroll inline hoist fuse split cache prefetch reorder vectorize skip")
	nouns := strings.Fields("loop pivot partition buffer branch comparison insertion heap swap recursion threshold slice")

	return fmt.Sprintf("%s the %s before the %s, because profile %d shows the %s dominating at size %d",
		verbs[n%10], nouns[n%12], nouns[(n/12)%12], n, nouns[(n/7)%12], n%64)
}

// timed is what one call costs: medians, and the size of its last answer.
type timed struct {
	what             string
	wall, cpu        float64
	text, structured int
}

// time makes each call k times.
func (g *garden) time(t *testing.T, k int) (rows []timed) {
	row := func(what string, f func() answer) {
		var wall, cpu []float64
		r := timed{what: what}

		for range k {
			var a answer
			m := measure(func() { a = f() })
			wall, cpu = append(wall, ms(m.wall)), append(cpu, ms(m.cpu))
			r.text, r.structured = len(a.text), a.size
		}
		slices.Sort(wall)
		slices.Sort(cpu)
		r.wall, r.cpu = wall[k/2], cpu[k/2]
		rows = append(rows, r)
	}
	row("one cycle", func() answer { g.cycle(t); return answer{} })

	calls := map[string]map[string]any{
		"brief": {}, "table": {"view": "table"}, "table, one word": {"view": "table", "query": "vectorize"},
		"table, two words that rarely meet": {"view": "table", "query": "vectorize profile 78"},
		"table, no hit":                     {"view": "table", "query": "zeppelin"},
		"experiment":                        {"view": "experiment", "query": "2"}, "output": {"view": "output",
			"query": "2"}, "ideas": {"view": "ideas"}, "sessions": {"view": "sessions"}, "program": {"view": "program"},
	}
	for _, what := range slices.Sorted(maps.Keys(calls)) {
		row(what, func() answer { return g.c.call("read_log", calls[what]) })
	}
	row("start_campaign, resumed", func() answer { return g.c.call("start_campaign", nil) })
	row("wait_run, idle", func() answer { return g.c.call("wait_run", nil) })
	row("plot", func() answer { return g.c.call("plot", map[string]any{"kind": "progress"}) })
	row("share", func() answer {
		return g.c.call("share", map[string]any{"ops": []any{map[string]any{"op": "add",
			"idea": "try " + time.Now().Format(time.RFC3339Nano)}}})
	})
	row("ratchet status", func() answer { return answer{text: g.s.sh(ratchet, "status")} })
	row("ratchet log -n 20", func() answer { return answer{text: g.s.sh(ratchet, "log", "-n", "20")} })
	row("ratchet report", func() answer { return answer{text: g.s.sh(ratchet, "report")} })

	return rows
}
