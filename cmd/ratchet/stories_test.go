package main_test

import (
	"fmt"
	"os"
	"os/exec"
)

// condition answers what scripts ask for beyond testscript's own conditions:
//
//	[root]     this process is root's
//	[mounts]   it is, and may mount in a mount namespace of its own
//	[overlay]  runs are isolated by namespaces on this machine
func condition(name string) (bool, error) {
	root := os.Getuid() == 0
	switch name {
	case "root":
		return root, nil
	case "mounts":
		return root && exec.Command("unshare", "--mount", "sh", "-c", "mount -t tmpfs none /mnt").Run() == nil, nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}
