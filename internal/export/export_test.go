package export_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ratchet/internal/checkout/checkouttest"
	"ratchet/internal/export"
	"ratchet/internal/importer"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
)

func TestMain(m *testing.M) { checkouttest.Main(m) }

func ptr[T any](v T) *T { return &v }

// decided is a campaign whose start is 1000, with an experiment that was kept, one
// that was reverted, one that crashed and one that is undecided: records 5 to 16.
func decided(t *testing.T) *checkouttest.Bench {
	t.Helper()

	b := checkouttest.New(t, checkouttest.Program)
	b.Start()
	state := b.State().Rule

	propose := func(p history.Proposal, run *rules.Run, j *rules.Judgement) {
		p.Parent, p.Tree, p.Paths = "start", "tree", []string{"work.txt"}
		b.Append(history.KindExperimentProposed, p)

		if run != nil {
			run.Job, run.Number, run.Side = research.NewJobID(research.ExperimentJob, p.N), 1, rules.Candidate
			b.Append(history.KindRunFinished, *run)
		}

		if j != nil {
			j.N, j.Baseline, j.State = p.N, ptr(1000.), state
			b.Append(history.KindExperimentJudged, *j)
		}
	}

	propose(history.Proposal{N: 1, Hypothesis: "drop,\tthe \"end\"", Expect: "half", Candidate: "aaaaaaaaaa"},
		&rules.Run{Valid: true, Wall: 2, Samples: map[string]float64{"size": 20, "peak_vram_mb": 3072},
			MaxRSS: 1 << 20},
		&rules.Judgement{Verdict: research.Improved, Value: ptr(20.), Scale: "log",
			Gain: &research.Interval{Mid: 1.5, Lo: 1.25, Hi: 1.75}})
	b.Append(history.KindExperimentKept, history.Keeping{N: 1, Commit: "1111111111", Was: "start"})

	propose(history.Proposal{N: 2, Hypothesis: "longer", Candidate: "bbbbbbbbbb"},
		&rules.Run{Valid: true, Samples: map[string]float64{"size": 44}, MaxRSS: 2 << 30},
		&rules.Judgement{Verdict: research.Regressed, Value: ptr(44.), Reason: "it grew"})
	b.Append(history.KindExperimentReverted, history.Reversion{N: 2, Lesson: "words cost bytes", By: "agent"})

	propose(history.Proposal{N: 3, Hypothesis: "crash", Candidate: "cccccccccc"}, nil,
		&rules.Judgement{Verdict: research.Invalid, Reason: "check failed"})
	b.Append(history.KindExperimentReverted, history.Reversion{N: 3, By: "agent"})

	propose(history.Proposal{N: 4, Hypothesis: "not decided yet", Candidate: "dddddddddd"}, nil, nil)

	return b
}

// startOther begins a second campaign in the same ledger.
func startOther(t *testing.T, b *checkouttest.Bench) {
	t.Helper()

	doc, err := contract.ParseProgram([]byte(checkouttest.Program), "other")
	if err != nil {
		t.Fatal(err)
	}

	if _, err := b.Ledger.Append(t.Context(), history.Entry{Campaign: "other", Kind: history.KindCampaignStarted,
		Body: history.CampaignStart{Program: doc.Program, Digest: doc.Program.Digest(), ProgramPath: "program.md",
			Start: "2222222222"}}); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, b *checkouttest.Bench, o export.Options) string {
	t.Helper()

	var out strings.Builder
	if err := export.Write(t.Context(), b.Checkout, o, &out); err != nil {
		t.Fatalf("export %+v: %v", o, err)
	}

	return out.String()
}

func lines(text string) []string { return slices.Collect(strings.Lines(text)) }

func TestRecordsAreWrittenAsTheyAreStored(t *testing.T) {
	b := decided(t)
	startOther(t, b)
	all := lines(write(t, b, export.Options{Format: "jsonl"}))

	var stored []string
	err := b.Ledger.Stream(t.Context(), 1, func(_ history.Record, text []byte) error {
		stored = append(stored, string(text)+"\n")
		return nil
	})
	if err != nil || len(stored) != 17 || !slices.Equal(all, stored) {
		t.Fatalf("%v: %d records are stored, %d lines were written", err, len(stored), len(all))
	}

	for name, c := range map[string]struct {
		options export.Options
		want    []string
	}{
		"from a record on":       {export.Options{From: 9}, all[8:]},
		"of one campaign":        {export.Options{Campaign: "other"}, all[16:]},
		"of one, from a record":  {export.Options{From: 9, Campaign: checkouttest.Campaign}, all[8:16]},
		"beyond the last record": {export.Options{From: 100}, nil},
		"since an hour":          {export.Options{Since: time.Now().Add(-time.Hour)}, all},
		"since tomorrow":         {export.Options{Since: time.Now().Add(24 * time.Hour)}, nil},
	} {
		c.options.Format = "jsonl"
		if got := lines(write(t, b, c.options)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %d lines, want %d:\n%s", name, len(got), len(c.want), got)
		}
	}
}

func TestTSV(t *testing.T) {
	b := decided(t)
	start := b.State().Start[:7]
	want := "commit\tsize\tmemory_gb\tstatus\tdescription\n" +
		start + "\t1000.000000\t0.0\tkeep\tbaseline\n" +
		"1111111\t20.000000\t3.0\tkeep\tdrop, the \"end\"\n" +
		"bbbbbbb\t44.000000\t2.0\tdiscard\tlonger\n" +
		"ccccccc\t0.000000\t0.0\tcrash\tcrash\n"

	if got := write(t, b, export.Options{Format: "tsv"}); got != want {
		t.Errorf("results.tsv is\n%swant\n%s", got, want)
	}

	// Record 12 reverts the second experiment: the start and the first have not changed since.
	rows := lines(want)
	want = rows[0] + rows[3] + rows[4]

	if got := write(t, b, export.Options{Format: "tsv", From: 12}); got != want {
		t.Errorf("since record 12 it is\n%swant\n%s", got, want)
	}
}

func TestTSVOfASmallValueIsNoCrash(t *testing.T) {
	b := checkouttest.New(t, checkouttest.Program)
	b.Start()
	b.Append(history.KindExperimentProposed, history.Proposal{N: 1, Hypothesis: "tiny", Candidate: "aaaaaaaaaa"})
	b.Append(history.KindExperimentJudged, rules.Judgement{N: 1, Verdict: research.Improved, Value: ptr(1.25e-7),
		State: b.State().Rule})
	b.Append(history.KindExperimentReverted, history.Reversion{N: 1, By: "agent"})

	if got := write(t, b, export.Options{Format: "tsv"}); !strings.Contains(got,
		"aaaaaaa\t1.25e-07\t0.0\tdiscard\ttiny\n") {
		t.Errorf("the value reads as zero:\n%s", got)
	}
}

func TestCSV(t *testing.T) {
	b := decided(t)

	rows, err := csv.NewReader(strings.NewReader(write(t, b, export.Options{Format: "csv"}))).ReadAll()
	if err != nil || len(rows) != 4 {
		t.Fatalf("%v: %d rows, want a head and three experiments: %v", err, len(rows), rows)
	}

	for i, want := range []map[string]string{
		{"campaign": "sorting", "n": "1", "status": "kept", "verdict": "improved", "metric": "size", "unit": "bytes",
			"value": "20", "baseline": "1000", "gain": "1.5", "gain_lo": "1.25", "gain_hi": "1.75", "scale": "log",
			"runs": "1", "run_seconds": "2", "parent": "start", "candidate": "aaaaaaaaaa", "commit": "1111111111",
			"hypothesis": "drop,\tthe \"end\"", "expect": "half", "lesson": "", "reason": ""},
		{"n": "2", "status": "reverted", "verdict": "regressed", "value": "44", "gain": "", "gain_lo": "", "commit": "",
			"lesson": "words cost bytes", "reason": "it grew"},
		{"n": "3", "status": "invalid", "verdict": "invalid", "value": "", "runs": "0", "reason": "check failed"},
	} {
		for name, text := range want {
			column := slices.Index(rows[0], name)
			if column < 0 || rows[i+1][column] != text {
				t.Errorf("experiment %d, %s: want %q in %q", i+1, name, text, rows[i+1])
			}
		}

		for _, name := range []string{"proposed_at", "judged_at"} {
			if _, err := time.Parse(time.RFC3339Nano, rows[i+1][slices.Index(rows[0], name)]); err != nil {
				t.Errorf("experiment %d, %s: %v", i+1, name, err)
			}
		}
	}
}

// piLine is a line of pi's log: of a segment's config, or of a run.
type piLine struct {
	Type, Name, MetricName, MetricUnit, BestDirection string

	Run, Segment                int
	Metric                      float64
	Metrics                     map[string]float64
	Commit, Status, Description string
}

func readPi(t *testing.T, text string) (all []piLine) {
	t.Helper()

	for _, line := range lines(text) {
		var l piLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, l)
	}

	return all
}

func TestPi(t *testing.T) {
	b := decided(t)
	startOther(t, b)
	text := write(t, b, export.Options{Format: "pi"})

	head := `{"type":"config","name":"sorting","metricName":"size","metricUnit":"bytes","bestDirection":"lower"}` + "\n"
	if !strings.HasPrefix(text, head) {
		t.Errorf("the log begins with %.120q, want %q", text, head)
	}

	all := readPi(t, text)
	if len(all) != 6 {
		t.Fatalf("%d lines, want two segments with four runs:\n%s", len(all), text)
	}

	for i, want := range []piLine{
		{Run: 1, Commit: b.State().Start[:7], Metric: 1000, Status: "keep", Description: "baseline"},
		{Run: 2, Commit: "1111111", Metric: 20, Status: "keep", Description: `drop, the "end"`},
		{Run: 3, Commit: "bbbbbbb", Metric: 44, Status: "discard", Description: "longer"},
		{Run: 4, Commit: "ccccccc", Metric: 0, Status: "checks_failed", Description: "crash"},
	} {
		got := all[i+1]
		if got.Run != want.Run || got.Commit != want.Commit || got.Metric != want.Metric || got.Status != want.Status ||
			got.Description != want.Description || got.Segment != 0 {
			t.Errorf("run %d is %+v", want.Run, got)
		}
	}

	if !maps.Equal(all[2].Metrics, map[string]float64{"peak_vram_mb": 3072}) {
		t.Errorf("the other metrics of run 2 are %v", all[2].Metrics)
	}

	if all[5].Type != "config" || all[5].Name != "other" {
		t.Errorf("the second segment begins with %+v", all[5])
	}

	// Numbers stay when the earlier runs are left out.
	since := readPi(t, write(t, b, export.Options{Format: "pi", From: 12, Campaign: checkouttest.Campaign}))
	if len(since) != 3 || since[1].Run != 3 || since[2].Run != 4 {
		t.Errorf("since record 12 the log is %+v", since)
	}
}

func TestImportedFileComesBack(t *testing.T) {
	b := checkouttest.New(t, checkouttest.Program)
	b.Start()
	wantRefusal(t, b, export.Options{Format: "imported"}, research.CodeNotFound, "nothing was imported")

	first := "commit\tval\tmemory_gb\tstatus\tdescription\r\nabc\t1.5\t0.0\tkeep\tcaf\xe9\n\nno newline at the end"
	imports := func(name, text string) {
		b.Write(name, text)

		if _, err := importer.Import(t.Context(), b.Checkout,
			importer.ImportRequest{Path: filepath.Join(b.Repo.Root(), name)}); err != nil {
			t.Fatal(err)
		}
	}
	imports("results.tsv", first)

	if got := write(t, b, export.Options{Format: "imported"}); got != first {
		t.Errorf("the file comes back as %q", got)
	}

	imports("second.tsv", "commit\tval\tmemory_gb\tstatus\tdescription\n")
	wantRefusal(t, b, export.Options{Format: "imported"}, research.CodeBadArgument, "several sources")

	if got := write(t, b, export.Options{Format: "imported", Source: "results.tsv"}); got != first {
		t.Errorf("by its name the file comes back as %q", got)
	}
}

func TestMLflow(t *testing.T) {
	b := decided(t)
	dir := filepath.Join(t.TempDir(), "mlruns")

	var summary struct {
		Format, Folder string
		Campaigns      int
		Experiments    int
	}
	text := write(t, b, export.Options{Format: "mlflow", Dir: dir, JSON: true})
	if err := json.Unmarshal([]byte(text), &summary); err != nil || summary.Format != "mlflow" ||
		summary.Folder != dir || summary.Campaigns != 1 || summary.Experiments != 3 {
		t.Errorf("%v: the answer is %s", err, text)
	}

	read := func(pattern string) string {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(names) != 1 {
			t.Fatalf("%s: %v %v, want one file", pattern, err, names)
		}

		content, err := os.ReadFile(names[0])
		if err != nil {
			t.Fatal(err)
		}

		return string(content)
	}
	if meta := read("*/meta.yaml"); !strings.Contains(meta, "name: 'sorting'\n") ||
		!strings.Contains(meta, "artifact_location: 'file:///") {
		t.Errorf("the campaign is\n%s", meta)
	}

	folders := map[string]string{} // by the run's name
	runs, _ := filepath.Glob(filepath.Join(dir, "*/*/tags/mlflow.runName"))

	for _, path := range runs {
		name, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}

		folder, err := filepath.Rel(dir, filepath.Dir(filepath.Dir(path)))
		if err != nil {
			t.Fatal(err)
		}
		folders[string(name)] = folder
	}

	if got := slices.Sorted(maps.Keys(folders)); !slices.Equal(got, []string{"start", "x1", "x2", "x3"}) {
		t.Fatalf("the runs are %v", got)
	}

	for name, want := range map[string][2]string{"start": {"3", "1000 0"}, "x1": {"3", "20 1"}, "x2": {"3", "44 2"}} {
		if meta := read(folders[name] + "/meta.yaml"); !strings.Contains(meta, "\nstatus: "+want[0]+"\n") ||
			!strings.Contains(meta, "\nrun_name: '"+name+"'\n") {
			t.Errorf("%s is\n%s", name, meta)
		}

		if _, value, _ := strings.Cut(read(folders[name]+"/metrics/size"), " "); value != want[1]+"\n" {
			t.Errorf("%s measured %q, want %q", name, value, want[1])
		}
	}

	if meta := read(folders["x3"] + "/meta.yaml"); !strings.Contains(meta, "\nstatus: 4\n") {
		t.Errorf("a crash has not failed:\n%s", meta)
	}

	if _, err := os.Stat(filepath.Join(dir, folders["x3"], "metrics")); err == nil {
		t.Error("a crash has a metric")
	}

	if got := read(folders["x1"] + "/metrics/peak_vram_mb"); !strings.Contains(got, " 3072 1\n") {
		t.Errorf("x1's memory is %q", got)
	}

	for path, want := range map[string]string{
		"x1/params/hypothesis": `drop, the "end"`, "x1/tags/ratchet.expect": "half",
		"x1/tags/mlflow.note.content": "drop,\tthe \"end\"", "x1/tags/ratchet.verdict": "improved",
		"x2/tags/ratchet.lesson": "words cost bytes", "x2/tags/ratchet.status": "reverted",
	} {
		name, rest, _ := strings.Cut(path, "/")
		if got := read(folders[name] + "/" + rest); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}

	wantRefusal(t, b, export.Options{Format: "mlflow", Dir: dir}, research.CodeConflict, "exists already")
}

func wantRefusal(t *testing.T, b *checkouttest.Bench, o export.Options, code research.Code, words string) {
	t.Helper()

	var out bytes.Buffer

	err := export.Write(t.Context(), b.Checkout, o, &out)
	if err == nil || research.Describe(err).Code != code || !strings.Contains(err.Error(), words) || out.Len() > 0 {
		t.Errorf("export %+v: %v, want %s with %q and no output; got %q", o, err, code, words, out.String())
	}
}

func TestRefusals(t *testing.T) {
	b := decided(t)
	startOther(t, b)
	dir := filepath.Join(t.TempDir(), "out")

	for _, c := range []struct {
		options export.Options
		code    research.Code
		words   string
	}{
		{export.Options{Format: "xml"}, research.CodeBadArgument, `"xml" is unknown`},
		{export.Options{Format: "tsv", JSON: true}, research.CodeBadArgument, "tsv is not JSON"},
		{export.Options{Format: "jsonl", Campaign: "nothing"}, research.CodeNoCampaign, "nothing"},
		{export.Options{Format: "tsv"}, research.CodeBadArgument, "sorting, other"},
		{export.Options{Format: "mlflow"}, research.CodeBadArgument, "folder of files"},
		{export.Options{Format: "mlflow", Dir: dir, From: 5}, research.CodeBadArgument, "--since can't be used"},
		{export.Options{Format: "mlflow", Dir: filepath.Join(dir, "below")}, research.CodeStorage, "can't be written"},
		{export.Options{Format: "imported", Campaign: "other"}, research.CodeNotFound, `campaign "other"`},
	} {
		wantRefusal(t, b, c.options, c.code, c.words)
	}

	if _, err := os.Stat(dir); err == nil {
		t.Error("a refused export has made its folder")
	}

	err := export.Options{Format: "xml"}.Check()
	if next := research.Describe(err).Next; next != "use jsonl, tsv, csv, pi, imported or mlflow" {
		t.Errorf("the next step after an unknown format is %q", next)
	}
}

// failingWriter fails as its err says.
type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestAReaderThatLeavesIsNoFailure(t *testing.T) {
	b := decided(t)

	for _, c := range []struct{ fails, want error }{
		{&os.PathError{Op: "write", Err: syscall.EPIPE}, nil}, {io.ErrShortWrite, io.ErrShortWrite},
	} {
		if err := export.Write(context.Background(), b.Checkout, export.Options{Format: "csv"},
			failingWriter{c.fails}); err != c.want {
			t.Errorf("a writer that fails with %v: %v, want %v", c.fails, err, c.want)
		}
	}
}

func TestParseSince(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

	for text, want := range map[string]struct {
		from uint64
		at   time.Time
	}{
		"":                     {},
		"120":                  {from: 120},
		"2026-11-20":           {at: time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)},
		"2026-11-23T06:00:00Z": {at: time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)},
		"7d":                   {at: time.Date(2026, 11, 16, 12, 0, 0, 0, time.UTC)},
		"1h30m":                {at: time.Date(2026, 11, 23, 10, 30, 0, 0, time.UTC)},
	} {
		from, at, err := export.ParseSince(text, now)
		if err != nil || from != want.from || !at.Equal(want.at) {
			t.Errorf("%q: %d, %v, %v", text, from, at, err)
		}
	}

	for _, text := range []string{"yesterday", "-5", "-1h", "d", "2026-13-01"} {
		_, _, err := export.ParseSince(text, now)
		if research.Describe(err).Code != research.CodeBadArgument || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v, want a refusal", text, err)
		}
	}
}
