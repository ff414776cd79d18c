package release_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ratchet/internal/release"
	"ratchet/tools"
)

var dist = flag.String("dist", "", "the absolute path of what `make snapshot` made, to be tried")

// unpackBundle reads a bundle: its manifest, and its files by their names.
func unpackBundle(t *testing.T, bundle []byte) (m release.Manifest, files map[string]*zip.File) {
	t.Helper()

	z, err := zip.NewReader(bytes.NewReader(bundle), int64(len(bundle)))
	if err != nil {
		t.Fatal(err)
	}

	files = map[string]*zip.File{}
	for _, f := range z.File {
		files[f.Name] = f
	}

	r, err := files["manifest.json"].Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()

	if err := json.NewDecoder(r).Decode(&m); err != nil {
		t.Fatal(err)
	}

	return m, files
}

// TestBundle: all tools, the version, an executable at the entry point; and the
// same bytes a second time.
func TestBundle(t *testing.T) {
	_, template := readTemplates(t)
	when := time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)

	var made [2]bytes.Buffer
	for i := range made {
		if err := release.WriteBundle(&made[i], template, "1.2.3", []byte("binary"), []byte("licence"),
			when); err != nil {
			t.Fatal(err)
		}
	}

	if !bytes.Equal(made[0].Bytes(), made[1].Bytes()) {
		t.Error("two bundles of the same files differ")
	}

	m, files := unpackBundle(t, made[0].Bytes())
	if m.Version != "1.2.3" || len(m.Tools) != len(tools.All()) || m.ManifestVersion != "0.3" {
		t.Errorf("manifest: version %q, %d tools", m.Version, len(m.Tools))
	}

	if f := files[m.Server.EntryPoint]; f == nil || f.Mode().Perm() != 0o755 || !f.Modified.Equal(when) {
		t.Errorf("the entry point %s: %+v", m.Server.EntryPoint, f)
	}
}

// TestPublish: the digests are those of the bundles, the owner is put in.
func TestPublish(t *testing.T) {
	l, _ := readTemplates(t)

	bundle := filepath.Join(t.TempDir(), "ratchet_1.2.3_linux_amd64.mcpb")
	if err := os.WriteFile(bundle, []byte("bundle"), 0o644); err != nil {
		t.Fatal(err)
	}

	out, err := release.BuildListing(l, "acme", "1.2.3", []string{bundle})
	if err != nil {
		t.Fatal(err)
	}

	var got release.Listing
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}

	sum := sha256.Sum256([]byte("bundle"))
	if got.Name != "io.github.acme/ratchet" || got.Version != "1.2.3" || len(got.Packages) != 1 ||
		got.Packages[0].SHA256 != hex.EncodeToString(sum[:]) ||
		got.Packages[0].Identifier != "https://github.com/acme/ratchet/releases/download/v1.2.3/ratchet_1.2.3_linux_amd64.mcpb" || bytes.Contains(out, []byte(release.Owner)) {
		t.Errorf("%s", out)
	}
}

func TestNewer(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{{"2.34", "2.4", true}, {"2.4", "2.34", false}, {"2.34", "2.34", false}, {"2.2.5", "2.2", true}, {"", "2.34",
		false}} {
		if got := release.IsNewer(c.a, c.b); got != c.want {
			t.Errorf("%q newer than %q: %t", c.a, c.b, got)
		}
	}
}

// TestSnapshot tries what `make snapshot` made: digests that agree, and a whole
// experiment by the bundle's binary on a machine without Go.
func TestSnapshot(t *testing.T) {
	if *dist == "" {
		t.Skip("nothing was made: `make snapshot` tries it")
	}

	bundles, err := filepath.Glob(filepath.Join(*dist, "*_linux_amd64.mcpb"))
	if err != nil || len(bundles) != 1 {
		t.Fatalf("bundles %q: %v", bundles, err)
	}

	b, err := os.ReadFile(bundles[0])
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)

	l, err := release.ReadListing(filepath.Join(*dist, "server.json"))
	if err != nil {
		t.Fatal(err)
	}
	sums, _ := filepath.Glob(filepath.Join(*dist, "*_checksums.txt"))

	checks, err := os.ReadFile(sums[0])
	if err != nil || !strings.Contains(string(checks), hex.EncodeToString(sum[:])) ||
		l.Packages[0].SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("%v: the digest of the bundle is not that of %s or of server.json", err, sums[0])
	}
	m, _ := unpackBundle(t, b)

	dir := t.TempDir()
	if out, err := exec.Command("unzip", "-q", bundles[0], "-d", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	checkRunsWithoutGo(t, filepath.Join(dir, m.Server.EntryPoint), m.Version)
}

// checkRunsWithoutGo drives one experiment with an environment that knows git and sh only.
func checkRunsWithoutGo(t *testing.T, binary, version string) {
	t.Helper()
	home, repo, path := t.TempDir(), t.TempDir(), t.TempDir()

	for _, name := range []string{"git", "sh"} {
		at, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}

		if err := os.Symlink(at, filepath.Join(path, name)); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) string {
		t.Helper()
		c := exec.CommandContext(t.Context(), args[0], args[1:]...)
		c.Dir = repo
		c.Env = []string{"HOME=" + home, "PATH=" + path, "RATCHET_LOCKS=" + home, "GIT_AUTHOR_NAME=A",
			"GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.org"}

		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}

		return string(out)
	}
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(repo, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	if out := run(binary, "version"); !strings.HasPrefix(out, "ratchet v"+version+"\ncommit   ") ||
		strings.Contains(out, "unknown") {
		t.Errorf("version: %s", out)
	}
	write("work.txt", "many words here\n")
	write("program.md",
		"---\nname: words\nedit: work.txt\nmetric: {name: size, better: lower, noise: deterministic}\nrun: read -r line < work.txt; echo METRIC size=${#line}\n---\nShorter.\n")
	run("git", "init", "-q")
	run("git", "add", "-A")
	run("git", "commit", "-qm", "start")
	run(binary, "call", "start_campaign")
	run(binary, "call", "wait_run", `{"id": "c1"}`)
	write("work.txt", "few\n")

	if out := run(binary, "call", "run_experiment", `{"hypothesis": "fewer words"}`); !strings.Contains(out,
		"improved") {
		t.Errorf("run_experiment: %s", out)
	}
	run(binary, "call", "keep")
}
