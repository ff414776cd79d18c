package main_test

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

var goldenLedgers = flag.String("golden-ledgers", "",
	"folder for which TestRecordGoldenLedgers records a ledger of each kind of campaign (empty: skip)")

// goldenCampaign is a campaign that is recorded.
type goldenCampaign struct {
	program string // without its name
	print   string // of the benchmark: awk's words that print the value v from 0 to 100, seeded
	// The texts of work.txt that are proposed, each kept where that is allowed. A line
	// "gain N" makes the value better by N hundredths, one with "luck" makes it random.
	edits []string
}

func goldenCampaigns() map[string]goldenCampaign {
	// A normal number, near enough.
	const noise = "(rand() + rand() + rand() + rand() - 2) * 1.7"

	return map[string]goldenCampaign{
		"auto": {"metric: {name: ms, better: lower, unit: ms}\ncampaign: {experiments: 5, hours: 1}",
			`printf "METRIC ms=%.4f\n", v * (1 + .02 * ` + noise + `)`,
			[]string{"gain 20", "gain 20\nremark", "gain 10", "gain 20\ngain 3", "gain 20\ngain 3\ngain 4"}},
		"certify": {"metric: {name: ms, better: lower, unit: ms, min_gain: 1%}\nsearch: certify\n" +
			"campaign: {experiments: 20, hours: 1}",
			`printf "METRIC ms=%.4f\n", v * (1 + .01 * ` + noise + `)`,
			[]string{"remark", "gain 20", "gain 10", "gain 20\nremark"}},
		"share": {"metric: {name: wrong, better: lower}\ncampaign: {experiments: 40, hours: 1}",
			`for (i = 0; i < 40; i++) n += rand() * 140 < v; printf "METRIC wrong=%d/40\n", n`,
			[]string{"remark", "gain 30", "gain 10"}},
		"count": {"metric: {name: faults, better: lower, noise: noisy}\ncampaign: {experiments: 40, hours: 1}",
			`for (i = 0; i < 40; i++) n += rand() * 800 < v; printf "METRIC faults=%d\n", n`,
			[]string{"remark", "gain 100", "gain 50"}},
		"exact": {"metric: {name: bytes, better: lower, unit: B}\ncampaign: {experiments: 40, hours: 1}",
			`printf "METRIC bytes=%d\n", 1000 * v + 7`,
			[]string{"gain 10", "gain 10\nluck", "remark", "gain 10\ngain 2"}},
	}
}

// TestRecordGoldenLedgers plays campaigns by the rule as it is, and stores their ledgers
// beside those of the versions before (`make golden-ledgers`).
func TestRecordGoldenLedgers(t *testing.T) {
	if *goldenLedgers == "" {
		t.Skip("make golden-ledgers records them; package ledger reads them")
	}

	for name, c := range goldenCampaigns() {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.write("bench.sh", `sleep .2
awk -v seed="$RATCHET_SEED" -v text="$(cksum < work.txt | cut -d' ' -f1)" 'BEGIN {
	srand((seed + text) % 1000003); rand(); v = 100
	while ((getline line < "work.txt") > 0) {
		split(line, w)
		if (w[1] == "gain") v -= w[2]
		if (w[1] == "luck") v -= 50 * rand()
	}
	`+c.print+"\n}'\n")
			s.write("program.md", fmt.Sprintf("---\nname: %s\nedit: work.txt\nrun: sh bench.sh\nbudget: {wall: 20s, grace: 1s}\n%s\n---\n",
				name, c.program))
			s.sh("git", "commit", "-qam", name)
			playGolden(t, s, c.edits)
			s.sh(ratchet, "verify", "--recompute")
			storeLedger(t, s, filepath.Join(*goldenLedgers, name))
		})
	}
}

// playGolden proposes the edits, audits the head and finalizes the campaign.
func playGolden(t *testing.T, s *site, edits []string) {
	t.Helper()

	c := s.connect()
	defer c.close()

	if a := c.call("start_campaign", nil); a.ID != "" {
		c.call("wait_run", map[string]any{"id": a.ID})
	}
	kept := 0

	for i, text := range edits {
		s.write("work.txt", text+"\n")

		a := c.call("run_experiment", map[string]any{"hypothesis": fmt.Sprintf("edit %d", i+1)})
		if a.Error != nil || a.Verdict == "" {
			t.Fatalf("edit %d: %s", i+1, a.text)
		}
		t.Logf("edit %d: %s", i+1, a.text)

		switch a.Verdict {
		case "improved", "provisional":
			if k := c.call("keep", nil); k.Error != nil {
				t.Fatal(k.text)
			}
			kept++
		default:
			c.call("revert", map[string]any{"lesson": "not kept"})
		}
	}

	for a := c.call("wait_run", nil); a.Status == "running"; { // a certificate that began by itself
		a = c.call("wait_run", map[string]any{"id": a.ID})
	}

	if kept == 0 {
		t.Fatal("nothing was kept: record it again")
	}
	s.sh(ratchet, "audit", "--pairs", "6")
	s.sh(ratchet, "finalize")
}

// storeLedger writes the ledger and its anchor into the folder.
func storeLedger(t *testing.T, s *site, dir string) {
	t.Helper()
	var packed bytes.Buffer

	z := gzip.NewWriter(&packed)
	if _, err := z.Write([]byte(s.read(".git/ratchet/ledger.db"))); err != nil {
		t.Fatal(err)
	}

	must(t, z.Close(), os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "ledger.db.gz"), packed.Bytes(), 0o644),
		os.WriteFile(filepath.Join(dir, "ledger.head"), []byte(s.read(".git/ratchet/ledger.head")), 0o644))
}
