package meter

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ratchet/sandbox/cgroup"
	"ratchet/sandbox/layers"
	"ratchet/sandbox/stage"
)

// Interval is the time between two looks at a run.
const Interval = 20 * time.Millisecond

const (
	diskPause    = 50 * time.Millisecond  // at least, between two walks
	diskShare    = 10                     // a walk may take this part of the time
	deletedPause = 500 * time.Millisecond // at least, between two searches for files that are open and deleted
	blockSize    = 512                    // of the blocks that stat(2) counts
	entryCost    = 4 << 10                // bytes that a file, link or folder counts as, at least: it needs an inode
)

// What Watch and DiskExceeded call their limits; see package cgroup for the others.
const (
	DiskLimit  = "disk"
	DepthLimit = "depth" // folders are nested deeper than layers.MaxDepth
)

// Limits are what a run may use; zero is no limit.
type Limits struct {
	Memory int64         // bytes; only seen here, limited by the group
	CPU    time.Duration // user + system of the group
	Disk   int64         // bytes in the measured folders
}

// Meter looks at one run.
type Meter struct {
	limits   Limits
	group    *cgroup.Group
	folders  []string
	diskBase int64 // bytes that were there before the run
	maxTree  int64
}

// New makes a meter for a run that is about to start. group may be nil: then
// only disk is looked at. Files in folders count against the limit on disk,
// without what lies there now.
func New(limits Limits, group *cgroup.Group, folders []string) *Meter {
	m := &Meter{limits: limits, group: group, folders: folders}
	if limits.Disk > 0 {
		m.diskBase = m.Disk()
	}

	return m
}

// Watch looks, from begun on, at the run whose processes descend from pid. It
// returns the first limit that the run exceeds, or "" when gone is closed.
func (m *Meter) Watch(pid int, begun, gone <-chan struct{}) string {
	if m.group == nil && m.limits.Disk == 0 {
		return ""
	}

	select {
	case <-begun:
	case <-gone:
		return ""
	}

	tick := time.NewTicker(Interval)
	defer tick.Stop()

	var nextWalk time.Time
	nextSearch := time.Now().Add(deletedPause) // a short run is spared the search
	var deleted int64

	for {
		select {
		case <-gone:
			return ""
		case <-tick.C:
		}

		if limit := m.GroupExceeded(); limit != "" {
			return limit
		}

		now := time.Now()
		if m.limits.Disk == 0 || !now.After(nextWalk) {
			continue
		}

		if now.After(nextSearch) {
			deleted = sumDeleted(pid)
			nextSearch = now.Add(max(deletedPause, diskShare*time.Since(now)))
		}

		if limit := m.diskExceeded(deleted); limit != "" {
			return limit
		}

		nextWalk = time.Now().Add(max(diskPause, diskShare*time.Since(now)))
	}
}

// GroupExceeded is the limit of the group that was exceeded; "" if none.
func (m *Meter) GroupExceeded() string {
	if m.group == nil {
		return ""
	}

	if m.limits.Memory > 0 {
		m.maxTree = max(m.maxTree, m.group.Memory())
	}

	if limit := m.group.Exceeded(); limit != "" {
		return limit
	}

	if m.limits.CPU > 0 && m.group.CPU() > m.limits.CPU {
		return cgroup.CPULimit
	}

	return ""
}

// MaxTree is the most memory that the group was seen to hold, in bytes; 0
// without a limit on it.
func (m *Meter) MaxTree() int64 { return m.maxTree }

// DiskExceeded is the limit on disk that the run has exceeded by now; "" if none.
func (m *Meter) DiskExceeded() string { return m.diskExceeded(0) }

// diskExceeded looks at what lies in the folders; deleted are bytes of files without a name.
func (m *Meter) diskExceeded(deleted int64) string {
	if m.limits.Disk == 0 {
		return ""
	}

	used, err := m.sumFolders(m.limits.Disk + m.diskBase - deleted)
	switch {
	case errors.Is(err, layers.ErrTooDeep):
		return DepthLimit
	case used-m.diskBase+deleted >= m.limits.Disk:
		return DiskLimit
	}

	return ""
}

// Disk is what the run's files take up in the folders now, in bytes.
func (m *Meter) Disk() int64 {
	used, _ := m.sumFolders(math.MaxInt64)
	return used - m.diskBase
}

// errEnough ends a walk that need not go on.
var errEnough = errors.New("enough was seen")

// sumFolders sums what lies in the folders, in bytes, until it is enough. Its error is
// errEnough or layers.ErrTooDeep.
func (m *Meter) sumFolders(enough int64) (total int64, err error) {
	for _, folder := range m.folders {
		err := layers.Walk(folder, func(st *unix.Stat_t) error {
			links := int64(1) // of a folder it counts what is in it

			if st.Mode&unix.S_IFMT != unix.S_IFDIR {
				links = max(int64(st.Nlink), 1)
			}

			total += max(st.Blocks*blockSize/links, entryCost)
			if total >= enough {
				return errEnough
			}

			return nil
		})
		if err != nil {
			return total, err
		}
	}

	return total, nil
}

// sumDeleted is what files take up that processes below pid hold open and that
// have no name any more, in bytes. Files in memory don't count.
func sumDeleted(pid int) (total int64) {
	type fileID struct{ device, inode uint64 }

	counted := map[fileID]bool{}

	for _, p := range stage.Descendants(pid) {
		dir := "/proc/" + strconv.Itoa(p.Pid) + "/fd"

		open, err := os.ReadDir(dir)
		if err != nil {
			continue
		}

		for _, e := range open {
			path := filepath.Join(dir, e.Name())

			target, err := os.Readlink(path)
			if err != nil || !strings.HasSuffix(target, " (deleted)") || isInMemory(target) {
				continue
			}

			var st syscall.Stat_t
			if syscall.Stat(path, &st) != nil || st.Mode&syscall.S_IFMT != syscall.S_IFREG {
				continue
			}

			if id := (fileID{st.Dev, st.Ino}); !counted[id] {
				counted[id] = true
				total += st.Blocks * blockSize
			}
		}
	}

	return total
}

func isInMemory(path string) bool {
	return strings.HasPrefix(path, "/memfd:") || strings.HasPrefix(path, "/dev/shm/")
}
