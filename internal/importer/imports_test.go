package importer_test

import (
	"os"
	"os/exec"
	"path/filepath"
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

	dir := t.TempDir()
	if out, err := exec.Command("git", "init", "-q", dir).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v %s", err, out)
	}

	if err := os.WriteFile(filepath.Join(dir, "program.md"), []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}

	co, err := checkout.Open(t.Context(), checkout.Options{Dir: dir, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}

	doc, err := contract.ParseProgram([]byte(program), "sorting")
	if err != nil {
		t.Fatal(err)
	}

	if _, err := co.Ledger.Append(t.Context(), history.Entry{Campaign: "sorting", Kind: history.KindCampaignStarted,
		Body: history.CampaignStart{Program: doc.Program, Digest: doc.Program.Digest(), ProgramPath: "program.md",
			Start: "start"}}); err != nil {
		t.Fatal(err)
	}

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
