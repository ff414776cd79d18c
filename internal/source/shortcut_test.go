package source_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/source"
	"ratchet/internal/testform"
)

// counting opens dir with a git that is counted.
func counting(t *testing.T, dir string) (r *source.Repo, count func() int) {
	t.Helper()

	if runtime.GOOS == "windows" {
		t.Skip("the counting git is a shell script")
	}
	real := must(exec.LookPath("git"))(t)
	bin := t.TempDir()
	log := filepath.Join(bin, "log")

	script := fmt.Sprintf("#!/bin/sh\necho >> '%s'\nexec '%s' \"$@\"\n", log, real)
	if err := os.WriteFile(filepath.Join(bin, "git"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	r = open(t, dir)
	t.Setenv("PATH", filepath.Dir(real)+string(os.PathListSeparator)+os.Getenv("PATH"))

	return r, func() int {
		b, _ := os.ReadFile(log)
		return len(b)
	}
}

// TestHeadPacked: a branch among many packed refs is found without git, wherever
// it stands in the file; and with git where the file is not sorted.
func TestHeadPacked(t *testing.T) {
	testform.SkipQuick(t, "TestHead reads loose references")
	dir := repository(t, map[string]string{"x": "0\n"})

	commits := []string{git(t, dir, "rev-parse", "HEAD")}
	for i := range 3 {
		commitFiles(t, dir, map[string]string{"x": fmt.Sprintln(i + 1)})
		commits = append(commits, git(t, dir, "rev-parse", "HEAD"))
	}
	want, names, feed := map[string]string{}, []string{}, &strings.Builder{}

	for i := range 1500 {
		name := fmt.Sprintf("refs/heads/%c%d/%s", 'a'+i%26, i, strings.Repeat("long", i%9))
		name = strings.TrimSuffix(name, "/")
		want[name], names = commits[i%4], append(names, name)
		fmt.Fprintf(feed, "create %s %s\n", name, commits[i%4])
	}
	update := exec.Command("git", "update-ref", "--stdin")

	update.Dir, update.Stdin = dir, strings.NewReader(feed.String())
	if out, err := update.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	for i := range 20 { // tags are followed by lines without a name
		git(t, dir, "tag", "-a", "-m", "t", fmt.Sprintf("t%d", i))
	}
	git(t, dir, "pack-refs", "--all")
	r, count := counting(t, dir)
	before := count()

	heads := func() {
		t.Helper()

		for i := 0; i < len(names); i += 7 {
			write(t, dir, ".git/HEAD", "ref: "+names[i]+"\n")

			if diff := cmp.Diff(source.Head{Branch: names[i], Commit: want[names[i]]},
				must(r.Head(t.Context()))(t)); diff != "" {
				t.Fatal(diff)
			}
		}
	}
	if heads(); count() != before {
		t.Errorf("git was asked %d times", count()-before)
	}
	packed := read(t, dir, ".git/packed-refs")
	write(t, dir, ".git/packed-refs", strings.Replace(packed, " sorted", "", 1))

	if write(t, dir, ".git/HEAD", "ref: "+names[3]+"\n"); must(r.Head(t.Context()))(t).Commit != want[names[3]] ||
		count() == before {
		t.Error("an unsorted file was not left to git")
	}
	write(t, dir, ".git/packed-refs", packed)
	write(t, dir, ".git/"+names[3], commits[0]+"\n") // a loose ref outranks a packed one

	if got := must(r.Head(t.Context()))(t).Commit; got != commits[0] {
		t.Errorf("head is %s, the loose ref says %s", got, commits[0])
	}
}

// TestRefreshIndexAlready: an index that holds the commit's file is left alone,
// in every version; anything else in it is put right.
func TestRefreshIndexAlready(t *testing.T) {
	for _, version := range []string{"2", "3", "4"} {
		t.Run("version "+version, func(t *testing.T) {
			if version != "3" {
				testform.SkipQuick(t, "version 3 has what is added to it without content")
			}

			files := map[string]string{"x": "1\n", "z": "z\n"}
			for i := range 300 {
				files[fmt.Sprintf("a/%d/file%d", i%7, i)] = fmt.Sprintln(i)
			}
			dir := repository(t, files)
			write(t, dir, "intended", "i\n")
			git(t, dir, "add", "-N", "intended") // what makes version 3
			git(t, dir, "update-index", "--index-version", version)
			r, count := counting(t, dir)
			commit := must(r.Head(t.Context()))(t).Commit

			refresh := func(processes int, path string) {
				t.Helper()
				before := count()

				if held, err := r.RefreshIndex(t.Context(), commit, []string{path}); held || err != nil {
					t.Fatalf("held %v, %v", held, err)
				}

				if got := count() - before; got != processes {
					t.Errorf("%s: %d git processes, want %d", path, got, processes)
				}

				if got := git(t, dir, "diff", "--cached", "--name-only", "--ignore-submodules", commit, "--",
					path); got != "" {
					t.Errorf("the index differs from the commit in %q", got)
				}
			}
			for _, path := range []string{"a/0/file0", "a/6/file13", "x", "z"} {
				refresh(0, path)
			}
			write(t, dir, "x", "2\n")
			git(t, dir, "add", "x")
			refresh(1, "x") // staged
			refresh(0, "x")
			git(t, dir, "add", "x")
			write(t, dir, "x", "1\n")
			refresh(1, "x") // staged, then put back
			git(t, dir, "update-index", "--chmod=+x", "z")
			refresh(1, "z")
			git(t, dir, "update-index", "--assume-unchanged", "a/0/file7")
			refresh(1, "a/0/file7")
			git(t, dir, "checkout", "--", "z")
			git(t, dir, "update-index", "z")
			write(t, dir, "z", "z\r\n") // of another size: git would take it for changed, whatever a filter makes of it
			refresh(1, "z")
			git(t, dir, "rm", "-q", "--cached", "x")
			refresh(1, "x")
		})
	}
}
