package cgroup

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// namePrefix begins the name of every control group of ours; the maker's pid follows.
const namePrefix = "ratchet-"

// unified stands for the version 2 hierarchy, which has every controller.
const unified = "unified"

// hierarchies are folders by controller: memory, pids and cpuacct of version 1,
// or unified for all.
type hierarchies map[string]string

// findPlaces finds the folders in which this process may make control groups,
// by trying, once in a process: from its own group up, as far as is mounted.
var findPlaces = sync.OnceValue(func() hierarchies {
	places := hierarchies{}
	own := readOwnPaths()

	for controller, mount := range readMounts() {
		rel, err := filepath.Rel(mount.root, own[controller])
		if err != nil || strings.HasPrefix(rel, "..") {
			rel = "."
		}

		for dir := filepath.Join(mount.point, rel); ; dir = filepath.Dir(dir) {
			if canMakeGroup(controller, dir) {
				places[controller] = dir
				removeAbandoned(dir)

				break
			}

			if len(dir) <= len(mount.point) {
				break
			}
		}
	}

	return places
})

// mountedAt is where a hierarchy is mounted, and which part of it.
type mountedAt struct{ point, root string }

// readMounts reads this process's mounts, by controller. The version 2
// hierarchy counts only where it has the memory and pids controllers.
func readMounts() map[string]mountedAt {
	found := map[string]mountedAt{}

	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return found
	}
	defer file.Close()

	for lines := bufio.NewScanner(file); lines.Scan(); {
		// ID parent device root mountpoint options… - type source superoptions
		before, after, ok := strings.Cut(lines.Text(), " - ")
		mount, fileSystem := strings.Fields(before), strings.Fields(after)

		if !ok || len(mount) < 5 || len(fileSystem) < 3 {
			continue
		}

		at := mountedAt{point: mount[4], root: mount[3]}

		switch fileSystem[0] {
		case "cgroup":
			for _, option := range strings.Split(fileSystem[2], ",") {
				if option == "memory" || option == "pids" || option == "cpuacct" {
					found[option] = at
				}
			}
		case "cgroup2":
			controllers, err := os.ReadFile(filepath.Join(at.point, "cgroup.controllers"))
			if err == nil && hasWords(string(controllers), "memory", "pids") {
				found[unified] = at
			}
		}
	}

	return found
}

// hasWords says whether text has all of these words.
func hasWords(text string, words ...string) bool {
	fields := strings.Fields(text)
	return !slices.ContainsFunc(words, func(word string) bool { return !slices.Contains(fields, word) })
}

// readOwnPaths reads the path of this process in each hierarchy, by controller.
func readOwnPaths() map[string]string {
	own := map[string]string{}
	text, _ := os.ReadFile("/proc/self/cgroup")

	for _, line := range strings.Split(string(text), "\n") {
		parts := strings.SplitN(line, ":", 3) // 4:cpu,cpuacct:/path or 0::/path
		if len(parts) < 3 {
			continue
		}

		for _, controller := range strings.Split(parts[1], ",") {
			if controller == "" {
				controller = unified
			}

			own[controller] = parts[2]
		}
	}

	return own
}

// canMakeGroup says whether a group can be made in dir, limited and entered.
// In version 2 it hands the controllers down to dir's groups first.
func canMakeGroup(controller, dir string) bool {
	if controller == unified && !handDown(dir) {
		return false
	}

	trial := filepath.Join(dir, newName())
	if os.Mkdir(trial, 0o755) != nil {
		return false
	}
	defer removeGroup(trial)

	if controller != unified {
		tasks, err := os.OpenFile(filepath.Join(trial, "tasks"), os.O_WRONLY, 0)
		if err != nil {
			return false
		}

		tasks.Close()

		return true
	}

	folder, err := os.Open(trial)
	if err != nil {
		return false
	}
	defer folder.Close()

	cmd := exec.Command("/bin/sh", "-c", ":")
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(folder.Fd())}

	return cmd.Run() == nil && os.WriteFile(filepath.Join(trial, "pids.max"), []byte("100"), 0) == nil
}

// handDown lets groups in dir have the memory and pids controllers, and says
// whether they do.
func handDown(dir string) bool {
	control := filepath.Join(dir, "cgroup.subtree_control")

	has, err := os.ReadFile(control)
	if err != nil {
		return false
	}

	return hasWords(string(has), "memory", "pids") || os.WriteFile(control, []byte("+memory +pids"), 0) == nil
}

func newName() string { return fmt.Sprintf("%s%d-%s", namePrefix, os.Getpid(), rand.Text()[:8]) }

// removeGroup removes an emptied group. The kernel may need a moment to see
// that it is empty.
func removeGroup(dir string) {
	for range 50 {
		if err := unix.Rmdir(dir); err == nil || !errors.Is(err, unix.EBUSY) {
			return
		}

		time.Sleep(2 * time.Millisecond)
	}
}

// removeAbandoned removes empty groups whose makers are dead.
func removeAbandoned(dir string) {
	groups, _ := filepath.Glob(filepath.Join(dir, namePrefix+"*-*"))
	for _, path := range groups {
		maker, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), namePrefix), "-")
		if pid, err := strconv.Atoi(maker); err == nil && unix.Kill(pid, 0) == unix.ESRCH {
			unix.Rmdir(path)
		}
	}
}
