package server_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// git is what git prints, without the white space around it.
func git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir

	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}

	return strings.TrimSpace(string(out))
}

func must(t testing.TB, errs ...error) {
	t.Helper()

	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestOnlyCheckoutsBelowTheRoots(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	root, outside := filepath.Join(base, "root"), filepath.Join(base, "outside")

	in := func(name string) string { return filepath.Join(root, name) }
	for _, dir := range []string{filepath.Join(base, "bare"), in("plain"), in("repo/sub"), in("redirected"),
		in("shared"), in("piped"), outside, root + "-sibling"} {
		must(t, os.MkdirAll(dir, 0o777))
	}

	for _, dir := range []string{in("repo"), outside, root + "-sibling"} {
		git(t, dir, "init", "-q")
		git(t, dir, "commit", "-q", "--allow-empty", "-m", "start")
	}
	git(t, root, "init", "-q", "--bare", "bare.git")
	git(t, in("repo"), "worktree", "add", "-q", in("tree"), "-b", "tree")
	git(t, outside, "worktree", "add", "-q", in("foreign"), "-b", "foreign")
	must(t, os.Symlink(outside, in("escape")), os.Symlink(in("repo"), in("alias")),
		os.Symlink("../../outside", in("repo/out")), os.Symlink(filepath.Join(base, "bare"), in("repo/bare")),
		os.WriteFile(in("redirected/.git"), []byte("gitdir: "+outside+"/.git\n"), 0o666),
		os.Symlink(filepath.Join(outside, ".git"), in("shared/.git")), os.WriteFile(in("repo/file"), nil, 0o666))

	if runtime.GOOS != "windows" {
		must(t, exec.Command("mkfifo", in("piped/.git")).Run())
	}
	s := serve(t, nil, root)

	tests := map[string]int{
		in("repo"): 200, in("repo/sub"): 200, in("repo") + "/": 200, in("alias"): 200, in("alias/sub"): 200,
		in("tree"): 200, in("plain/../repo"): 200, outside: 403, root + "-sibling": 403, "/": 403, "/etc": 403,
		filepath.Join(base, "nowhere"): 403, in("nowhere"): 403, in("escape"): 403, in("repo/out"): 403,
		in("repo/bare"): 403, in("repo/../../outside"): 403, in("repo") + "/../../outside": 403,
		in("escape/../root/repo"): 403, in("redirected"): 403, in("shared"): 403, in("foreign"): 403, in("piped"): 403,
		in("plain"): 403, in("bare.git"): 403, in("repo/.git"): 403, in("repo/.git/hooks"): 403, in("repo/file"): 403,
		root: 403, "repo": 400, "./repo": 400, "../outside": 400, "file://" + in("repo"): 400, in("repo") + "\x00": 400,
		"/" + strings.Repeat("x/", 5000): 400,
	}
	if os.Getuid() == 0 {
		must(t, os.MkdirAll(in("theirs"), 0o777))
		git(t, in("theirs"), "init", "-q")
		must(t, os.Chown(in("theirs"), 65534, 65534))
		tests[in("theirs")] = 403
	}

	for repo, want := range tests {
		a := s.do("POST", s.url(repo), ping)
		if a.status != want {
			t.Errorf("%q: %d %s", repo, a.status, a.body)
		}

		if want != 200 && (a.message(t).Error == nil || strings.Contains(a.body, "internal")) {
			t.Errorf("%q: %s", repo, a.body)
		}
	}
	// what is outside has the same answer as what does not exist
	gone := s.do("POST", s.url(filepath.Join(base, "nowhere")), ping)

	there := s.do("POST", s.url(outside), ping)
	if strings.ReplaceAll(there.body, outside, "") != strings.ReplaceAll(gone.body, filepath.Join(base, "nowhere"),
		"") {
		t.Errorf("%s is told from %s", there.body, gone.body)
	}
}
