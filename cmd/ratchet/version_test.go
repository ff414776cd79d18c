package main_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"ratchet/internal/testform"
)

// told is what `ratchet version --json` says.
type told struct {
	Version, Commit, Date, Go, Platform string
	Modified                            bool
	Libraries                           []struct{ Module, Version string }
}

func versionTold(t *testing.T, binary string) (v told) {
	t.Helper()

	out, err := exec.CommandContext(t.Context(), binary, "version", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}

	if err := json.Unmarshal(out, &v); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	return v
}

// TestVersionIsWhatTheLinkerWasTold: a release says its own, whatever the
// toolchain recorded.
func TestVersionIsWhatTheLinkerWasTold(t *testing.T) {
	testform.SkipQuick(t, "it builds a binary of its own")
	t.Parallel()

	binary, err := faulty()
	if err != nil {
		t.Fatal(err)
	}

	v := versionTold(t, binary)
	if v.Version != "v1.2.3-dirty" || v.Commit != "abc" || v.Date != "2026-01-02T03:04:05Z" || !v.Modified {
		t.Errorf("it says %+v", v)
	}

	if !strings.HasPrefix(v.Go, "go1.") || !strings.Contains(v.Platform, "/") {
		t.Errorf("go %q, platform %q", v.Go, v.Platform)
	}

	libraries := map[string]string{}
	for _, l := range v.Libraries {
		libraries[l.Module] = l.Version
	}

	for _, module := range []string{"github.com/mark3labs/mcp-go", "go.etcd.io/bbolt", "github.com/go-git/go-git/v5"} {
		if !strings.HasPrefix(libraries[module], "v") {
			t.Errorf("%s: version %q", module, libraries[module])
		}
	}
}

// TestVersionWithoutTheLinker: a plain go build or go install has a version too.
func TestVersionWithoutTheLinker(t *testing.T) {
	t.Parallel()

	v := versionTold(t, ratchet)
	if v.Version == "" || v.Version == "(devel)" {
		t.Errorf("version %q", v.Version)
	}
}
