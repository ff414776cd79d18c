package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"

	"github.com/rogpeppe/go-internal/testscript"
)

// condition answers what scripts ask for beyond testscript's own conditions:
//
//	[root]     this process is root's
//	[mounts]   it may mount in a mount namespace of its own
func condition(name string) (bool, error) {
	switch name {
	case "root":
		return os.Getuid() == 0, nil
	case "mounts":
		return exec.Command("unshare", "--mount", "sh", "-c", "mount -t tmpfs none /mnt").Run() == nil, nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

// json: the last command's output is one JSON document, or with ! it is not.
func isJSON(ts *testscript.TestScript, neg bool, _ []string) {
	out := ts.ReadFile("stdout")
	if json.Valid([]byte(out)) == neg {
		ts.Fatalf("the output is JSON: %t, want %t", !neg, neg)
	}
}
