package sandbox

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ratchet/sandbox/stage"
)

const (
	look        = 20 * time.Millisecond  // between two looks at a tree's use of something
	diskRest    = 50 * time.Millisecond  // at least, between two walks
	diskShare   = 10                     // a walk may take this part of the time
	deletedRest = 500 * time.Millisecond // between two searches for files that are open and deleted
)

// meter looks at what a run uses and says once, on over, which limit it exceeded.
type meter struct {
	spec    *Spec
	group   *group
	places  []string // where files count against Disk
	base    int64    // bytes that were there before the run
	over    chan string
	maxTree int64
}

// watch looks until the run is gone. stage is the pid below which the run is.
func (m *meter) watch(pid int, begun, gone <-chan struct{}) {
	if m.group == nil && m.spec.Disk == 0 {
		return
	}

	select {
	case <-begun:
	case <-gone:
		return
	}

	tick := time.NewTicker(look)
	defer tick.Stop()
	var walk time.Time
	deleted := time.Now().Add(deletedRest) // a short run is spared the search
	var unnamed int64

	for {
		select {
		case <-gone:
			return
		case <-tick.C:
		}

		which := m.look()
		if now := time.Now(); which == "" && m.spec.Disk > 0 && now.After(walk) {
			if now.After(deleted) {
				unnamed = deletedBytes(pid)
				deleted = now.Add(max(deletedRest, diskShare*time.Since(now)))
			}

			if m.disk()+unnamed >= m.spec.Disk {
				which = "disk"
			}
			walk = time.Now().Add(max(diskRest, diskShare*time.Since(now)))
		}

		if which != "" {
			m.over <- which // it has room for the one
			return
		}
	}
}

// look is the limit of the cgroup that was exceeded, "" if none.
func (m *meter) look() string {
	if m.group == nil {
		return ""
	}

	if m.spec.Memory > 0 {
		m.maxTree = max(m.maxTree, m.group.memory())
	}

	if which := m.group.exceeded(); which != "" {
		return which
	}

	if m.spec.CPU > 0 && m.group.cpu() > m.spec.CPU {
		return "cpu"
	}

	return ""
}

// disk is what the run's files take up, in bytes. Holes take up nothing.
func (m *meter) disk() int64 {
	var total int64

	for _, place := range m.places {
		filepath.WalkDir(place, func(_ string, e fs.DirEntry, err error) error {
			if err != nil {
				return nil // it came and went, or can't be read
			}

			if fi, err := e.Info(); err == nil && !e.IsDir() {
				if st, ok := fi.Sys().(*syscall.Stat_t); ok {
					total += st.Blocks * 512 / int64(max(st.Nlink, 1))
				}
			}

			return nil
		})
	}

	return total - m.base
}

// deletedBytes is what files take up that processes below pid hold open and
// that have no name any more.
func deletedBytes(pid int) (total int64) {
	type id struct{ dev, ino uint64 }
	seen := map[id]bool{}

	for _, p := range stage.Descendants(pid) {
		dir := "/proc/" + strconv.Itoa(p.Pid) + "/fd"

		open, err := os.ReadDir(dir)
		if err != nil {
			continue
		}

		for _, e := range open {
			path := filepath.Join(dir, e.Name())

			to, err := os.Readlink(path)
			if err != nil || !strings.HasSuffix(to, " (deleted)") || strings.HasPrefix(to, "/memfd:") ||
				strings.HasPrefix(to, shm+"/") {
				continue
			}

			var st syscall.Stat_t
			if syscall.Stat(path, &st) == nil && st.Mode&syscall.S_IFMT == syscall.S_IFREG &&
				!seen[id{st.Dev, st.Ino}] {
				seen[id{st.Dev, st.Ino}] = true
				total += st.Blocks * 512
			}
		}
	}

	return total
}
