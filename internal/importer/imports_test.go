package importer_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ratchet/internal/checkout"
	"ratchet/internal/importer"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

const program = "---\nname: sorting\nedit: f\nmetric: {name: ns, better: lower, unit: ns}\nrun: ./bench\n---\n"

// open is a checkout with a campaign that has just begun.
func open(t *testing.T) *checkout.Checkout {
	t.Helper()
	co := openBare(t)
	start(t, co)

	return co
}

func write(t *testing.T, path, text string) {
	t.Helper()

	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// requireOriginal compares what the ledger has of a source with its text.
func requireOriginal(t *testing.T, co *checkout.Checkout, source, want string) {
	t.Helper()

	var got strings.Builder
	err := co.Ledger.View(t.Context(), func(tx *ledger.Tx) error {
		lines, err := tx.ImportPage("sorting", source, nil)
		for i := range lines {
			got.Write(lines[i].Text())
		}

		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	if got.String() != want {
		t.Errorf("%s is kept as %q, want %q", source, got.String(), want)
	}
}

const table = "commit\tval_bpb\tmemory_gb\tstatus\tdescription\n" +
	"a1b2c3d\t0.997900\t44.0\tkeep\tbaseline\n" +
	"b2c3d4e\t0.993200\t44.2\tkeep\tincrease LR to 0.04\n"

func TestImportOfAFile(t *testing.T) {
	co := open(t)
	path := filepath.Join(co.Root(), "results.tsv")
	write(t, path, table)

	var seen int

	got, err := importer.Import(t.Context(), co, importer.ImportRequest{Path: path, Seen: func(n int) { seen = n }})
	if err != nil {
		t.Fatal(err)
	}

	if got.Source != "results.tsv" || got.Campaign != "sorting" || got.Files != 1 || got.Lines != 3 || got.Added != 3 ||
		got.Known != 0 || got.Runs != 2 || got.Valued != 2 || got.Broken != 0 || seen != 3 {
		t.Errorf("the first time: %+v, told %d", got, seen)
	}
	requireOriginal(t, co, "results.tsv", table)

	// A log that has grown: what is known is not recorded again.
	write(t, path, table+"c3d4e5f\t0.99\t44.0\tdiscard\tless\n")

	got, err = importer.Import(t.Context(), co, importer.ImportRequest{Path: path})
	if err != nil || got.Lines != 4 || got.Added != 1 || got.Known != 3 || got.Replaced != 0 {
		t.Errorf("the second time: %+v, %v", got, err)
	}

	// A line that was changed replaces the one that stood at its place.
	write(t, path, strings.Replace(table, "baseline", "start", 1))

	got, err = importer.Import(t.Context(), co, importer.ImportRequest{Path: path})
	if err != nil || got.Added != 1 || got.Replaced != 1 {
		t.Errorf("a changed line: %+v, %v", got, err)
	}
}

func TestImportOfAFolder(t *testing.T) {
	co := open(t)
	dir := filepath.Join(co.Root(), "old")
	write(t, filepath.Join(dir, "results.tsv"), table)
	write(t, filepath.Join(dir, "README.md"), "nothing of it\n")

	got, err := importer.Import(t.Context(), co, importer.ImportRequest{Path: dir})
	if err != nil || got.Files != 1 || got.Added != 3 || got.Source != "old" {
		t.Errorf("a folder: %+v, %v", got, err)
	}
	requireOriginal(t, co, "old/results.tsv", table)
}

// Many lines are appended in several transactions.
func TestImportOfALongFile(t *testing.T) {
	co := open(t)
	path := filepath.Join(co.Root(), "results.tsv")
	write(t, path, table+strings.Repeat("d\t1\t1\tkeep\tagain\n", 500)+"broken line\n")

	got, err := importer.Import(t.Context(), co, importer.ImportRequest{Path: path})
	if err != nil || got.Lines != 504 || got.Added != 504 {
		t.Errorf("%d lines, %d added, %v", got.Lines, got.Added, err)
	}

	if len(got.Told) != got.Broken {
		t.Errorf("%d broken lines, %d of them told", got.Broken, len(got.Told))
	}
}

func TestRefusals(t *testing.T) {
	co := open(t)
	write(t, filepath.Join(co.Root(), "empty"), "")
	write(t, filepath.Join(co.Root(), "prose.txt"), "once upon a time\n")
	write(t, filepath.Join(co.Root(), "none", "prose.txt"), "once upon a time\n")
	write(t, filepath.Join(co.Root(), "results.tsv"), table)

	for name, c := range map[string]struct {
		request importer.ImportRequest
		code    research.Code
	}{
		"no such file":       {importer.ImportRequest{Path: "missing"}, research.CodeNotFound},
		"an empty file":      {importer.ImportRequest{Path: "empty"}, research.CodeBadArgument},
		"prose":              {importer.ImportRequest{Path: "prose.txt"}, research.CodeBadArgument},
		"a folder of prose":  {importer.ImportRequest{Path: "none"}, research.CodeBadArgument},
		"no format":          {importer.ImportRequest{Path: "results.tsv", Format: "x"}, research.CodeBadArgument},
		"no format, folders": {importer.ImportRequest{Path: "none", Format: "x"}, research.CodeBadArgument},
	} {
		c.request.Path = filepath.Join(co.Root(), c.request.Path)
		if _, err := importer.Import(t.Context(), co, c.request); !research.HasCode(err, c.code) {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
}

// openBare is a checkout whose campaign has not begun.
func openBare(t *testing.T) *checkout.Checkout {
	t.Helper()

	dir := t.TempDir()
	if out, err := exec.Command("git", "init", "-q", dir).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v %s", err, out)
	}

	co, err := checkout.Open(t.Context(), checkout.Options{Dir: dir, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}

	return co
}

func start(t *testing.T, co *checkout.Checkout) {
	t.Helper()
	write(t, filepath.Join(co.Root(), "program.md"), program)

	doc, err := contract.ParseProgram([]byte(program), "sorting")
	if err != nil {
		t.Fatal(err)
	}

	if _, err := co.Ledger.Append(t.Context(), history.Entry{Campaign: "sorting", Kind: history.KindCampaignStarted,
		Body: history.CampaignStart{Program: doc.Program, Digest: doc.Program.Digest(), ProgramPath: "program.md",
			Start: "start"}}); err != nil {
		t.Fatal(err)
	}
}

// What is imported before a campaign waits, in its last state, and goes into the first one.
func TestImportBeforeACampaign(t *testing.T) {
	co := openBare(t)
	path := filepath.Join(co.Root(), "results.tsv")

	for _, text := range []string{table, table + "c3d4e5f\t0.99\t44.0\tdiscard\tless\n\xff\n"} {
		write(t, path, text)

		got, err := importer.Import(t.Context(), co, importer.ImportRequest{Path: path})
		if err != nil || !got.Waits || got.Campaign != "" || got.Added != got.Lines {
			t.Fatalf("%+v, %v", got, err)
		}
	}

	waiting, err := importer.ReadWaiting(co)
	if err != nil || len(waiting) != 5 {
		t.Fatalf("%d lines wait, %v", len(waiting), err)
	}
	start(t, co)

	notes := importer.TakeWaiting(t.Context(), co, "sorting")
	if len(notes) != 1 || !strings.HasPrefix(notes[0], "results.tsv, imported before, is in the campaign") {
		t.Errorf("said %q", notes)
	}
	requireOriginal(t, co, "results.tsv", table+"c3d4e5f\t0.99\t44.0\tdiscard\tless\n\xff\n")

	if notes := importer.TakeWaiting(t.Context(), co, "sorting"); len(notes) > 0 {
		t.Errorf("taken again: %q", notes)
	}

	got, err := importer.Import(t.Context(), co, importer.ImportRequest{Path: path})
	if err != nil || got.Waits || got.Added != 0 || got.Known != 5 {
		t.Errorf("imported again: %+v, %v", got, err)
	}
}

const segments = `{"type":"config","name":"find","metricName":"f1_pct","metricUnit":"pct","bestDirection":"higher"}
{"run":1,"metric":61.5,"status":"keep","description":"baseline"}
{"type":"config","name":"memory","metricName":"resident","metricUnit":"bytes","bestDirection":"lower"}
{"run":2,"metric":27836416,"status":"keep","description":"stream"}
{"run":3,"metric":0,"status":"crash","description":"less"}
{"experiment":"free","result":"rejected"}
`

// Segments of a log with several metrics keep each its own metric, unit and direction.
func TestSeveralMetrics(t *testing.T) {
	co := openBare(t)
	start(t, co)
	path := filepath.Join(co.Root(), "autoresearch.jsonl")
	write(t, path, segments)

	got, err := importer.Import(t.Context(), co, importer.ImportRequest{Path: path})
	if err != nil {
		t.Fatal(err)
	}

	want := []importer.MetricRuns{
		{history.ImportMetric{Name: "f1_pct", Unit: "pct", Better: research.Higher}, 1, 1},
		{history.ImportMetric{Name: "resident", Unit: "bytes", Better: research.Lower}, 2, 1}}
	if !slices.Equal(got.Metrics, want) {
		t.Errorf("metrics %+v, want %+v", got.Metrics, want)
	}

	if !slices.Equal(got.Statuses, []importer.StatusRuns{{"keep", 2}, {"crash", 1}}) {
		t.Errorf("statuses %+v", got.Statuses)
	}

	if got.Broken != 1 || len(got.Told) != 1 || !strings.Contains(got.Told[0].Text, "rejected") ||
		!strings.Contains(got.Told[0].Why, "experiment, result") {
		t.Errorf("broken %d: %+v", got.Broken, got.Told)
	}

	err = co.Ledger.View(t.Context(), func(tx *ledger.Tx) error {
		sources, err := tx.ImportSources("sorting")
		if err == nil && (len(sources) != 1 || len(sources[0].Metrics) != 2 || sources[0].Metrics[0].Unit != "pct") {
			t.Errorf("the source says %+v", sources)
		}

		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// Where columns are not clear the refusal proposes the line to type, and that line works.
func TestColumns(t *testing.T) {
	co := openBare(t)
	path := filepath.Join(co.Root(), "my results.tsv")
	write(t, path, "commit\talpha\tomega\tstatus\tdescription\naaaaaa1\t1.5\t2.5\tkeep\tstart\n")

	_, err := importer.Import(t.Context(), co, importer.ImportRequest{Path: path})
	if next := research.Describe(err).Next; !research.HasCode(err, research.CodeBadArgument) ||
		!strings.Contains(next,
			"ratchet import 'my results.tsv' --columns metric=COLUMN,status=status,note=description`") {
		t.Errorf("refused with %v, next %q", err, next)
	}

	got, err := importer.Import(t.Context(), co, importer.ImportRequest{Path: path,
		Columns: "metric=omega,status=status,note=description,better=higher"})
	if err != nil || got.Valued != 1 || got.Metrics[0].Name != "omega" || got.Metrics[0].Better != research.Higher {
		t.Errorf("%+v, %v", got, err)
	}

	start(t, co)
	importer.TakeWaiting(t.Context(), co, "sorting")

	// Read otherwise, the same lines replace what was read before.
	got, err = importer.Import(t.Context(), co, importer.ImportRequest{Path: path, Columns: "metric=alpha"})
	if err != nil || got.Added != 2 || got.Replaced != 2 {
		t.Errorf("read otherwise: %+v, %v", got, err)
	}

	got, err = importer.Import(t.Context(), co, importer.ImportRequest{Path: path, Columns: "metric=alpha"})
	if err != nil || got.Added != 0 {
		t.Errorf("read likewise: %+v, %v", got, err)
	}

	for _, columns := range []string{"metric=nothing", "metric", "colour=red", "better=best"} {
		if _, err := importer.Import(t.Context(), co,
			importer.ImportRequest{Path: path, Columns: columns}); !research.HasCode(
			err, research.CodeBadArgument) {
			t.Errorf("--columns %s: %v", columns, err)
		}
	}
}
