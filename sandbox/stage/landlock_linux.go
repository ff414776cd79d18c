package stage

import (
	"os"
	"strconv"
	"syscall"
	"unsafe"
)

// Landlock's calls and rights; the numbers are the same on every architecture.
const (
	sysLandlockCreateRuleset = 444
	sysLandlockAddRule       = 445
	sysLandlockRestrictSelf  = 446

	llExecute  = 1 << 0
	llWrite    = 1 << 1
	llRead     = 1 << 2
	llList     = 1 << 3
	llMakeChar = 1 << 6
	llMakeDir  = 1 << 7
	llMakeSock = 1 << 9
	llMakeFIFO = 1 << 10
	llMakeBlk  = 1 << 11
	llMakeLink = 1 << 12
	llRefer    = 1 << 13 // from ABI 2
	llTruncate = 1 << 14 // from ABI 3
	llIoctl    = 1 << 15 // from ABI 5

	llScopes = 1<<0 | 1<<1 // abstract sockets and signals, from ABI 6

	llReadOnly = llExecute | llRead | llList
	llOfFiles  = llExecute | llWrite | llRead | llTruncate | llIoctl // what a rule on a file may give
)

// sharedMemory is the folder of POSIX shared memory.
const sharedMemory = "/dev/shm"

// writableDevices are what every run may write to, besides its terminals.
func writableDevices() []string {
	return []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"}
}

// knownRights is the set of all file rights that an ABI knows.
func knownRights(abi int) uint64 {
	switch {
	case abi >= 5:
		return 1<<16 - 1
	case abi >= 3:
		return 1<<15 - 1
	case abi == 2:
		return 1<<14 - 1
	}

	return 1<<13 - 1
}

// makeLandlockRules makes the rules: read and execute what the run's own root
// shows or, without one, what the plan says; write where the plan says. It returns
// the ruleset's descriptor; 0 when the kernel has no Landlock, which the report
// then says.
func (s *stage) makeLandlockRules() (int, error) {
	const askABI = 1

	n, _, e := syscall.RawSyscall(sysLandlockCreateRuleset, 0, 0, askABI)

	abi := int(n)
	if e != 0 || abi < 1 {
		s.reportFiles(0)
		return 0, nil
	}

	attr := [3]uint64{knownRights(abi), 0, 0} // files, network, scopes
	size := uintptr(8)

	if abi >= 6 {
		attr[2], size = llScopes, 24
	}

	fd, _, e := syscall.RawSyscall(sysLandlockCreateRuleset, uintptr(unsafe.Pointer(&attr)), size, 0)
	if e != 0 {
		return 0, failed("make Landlock rules", "", e)
	}

	rules := ruleset{fd: int(fd), handled: attr[0]}

	readable := s.plan.Readable
	if s.plan.Namespaces {
		readable = []string{"/"}
	}

	for _, path := range readable {
		if err := rules.allowReading(path, s.plan.Unread); err != nil {
			return 0, err
		}
	}

	const all = 1<<63 - 1&^(llMakeChar|llMakeBlk)
	for _, path := range s.listWritable() {
		rights := uint64(all)
		if path == sharedMemory && !s.plan.Namespaces { // the host's: only what can be removed after the run
			rights &^= llMakeDir | llMakeSock | llMakeFIFO | llMakeLink
		}

		if err := rules.allow(path, rights); err != nil {
			return 0, err
		}
	}

	for _, path := range writableDevices() {
		if err := rules.allow(path, llRead|llWrite|llTruncate|llIoctl); err != nil {
			return 0, err
		}
	}

	if s.ownTerminals || !s.plan.Namespaces { // tier copies has no other terminals
		for _, path := range []string{"/dev/pts", "/dev/ptmx"} {
			if err := rules.allow(path, llRead|llList|llWrite|llTruncate|llIoctl); err != nil {
				return 0, err
			}
		}
	}

	s.reportFiles(abi)

	return rules.fd, nil
}

// listWritable lists every place that the run may write to.
func (s *stage) listWritable() []string {
	list := append([]string(nil), s.plan.Writable...)
	for _, v := range s.plan.Views {
		if v.Upper != "" {
			list = append(list, v.Root)
		}
	}

	for _, c := range s.plan.Covers {
		if c.isWritable() {
			list = append(list, c.Path)
		}
	}

	return list
}

// reportFiles reports what protects files outside from being changed.
func (s *stage) reportFiles(abi int) {
	how := "not enforced: this kernel has no Landlock"

	switch {
	case s.plan.Namespaces && abi > 0:
		how = "enforced by read-only mounts and Landlock ABI " + strconv.Itoa(abi)
	case s.plan.Namespaces:
		how = "enforced by read-only mounts"
	case abi >= 3:
		how = "enforced by Landlock ABI " + strconv.Itoa(abi) +
			", but modes, owners and times of files outside can be changed"
	case abi > 0:
		how = "enforced by Landlock ABI " + strconv.Itoa(abi) +
			", but files outside can be truncated, and their modes, owners and times changed"
	}

	s.reportEnforced("files", how)
}

// ruleset is a set of Landlock rules that is not in force yet.
type ruleset struct {
	fd      int
	handled uint64 // the rights that need a rule
}

// allow gives rights below path. What does not exist needs no rule.
func (r ruleset) allow(path string, rights uint64) error {
	fd, err := openPath(path)
	if err == syscall.ENOENT || err == syscall.ENOTDIR || err == syscall.EACCES || err == syscall.ELOOP {
		return nil
	}

	if err != nil {
		return failed("open", path, err)
	}
	defer syscall.Close(fd)

	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return failed("look at", path, err)
	}

	if st.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		rights &= llOfFiles
	}

	rule := struct { // the kernel's has no padding at its end, and reads none
		rights uint64
		fd     int32
	}{rights & r.handled, int32(fd)}

	const pathBeneath = 1

	_, _, e := syscall.RawSyscall6(sysLandlockAddRule, uintptr(r.fd), pathBeneath,
		uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if e != 0 {
		return failed("allow by Landlock", path, e)
	}

	return nil
}

// allowReading lets path be read and executed but for what lies in unread. Rules
// only ever give, so on the way down to such a place its neighbours get the rights
// one by one; the names there can be listed.
func (r ruleset) allowReading(path string, unread []string) error {
	holdsUnread := false

	for _, place := range unread {
		if place == path {
			return nil
		}

		holdsUnread = holdsUnread || len(place) > len(path) && place[:len(path)+1] == path+"/"
	}

	if !holdsUnread {
		return r.allow(path, llReadOnly)
	}

	if err := r.allow(path, llList); err != nil {
		return err
	}

	entries, err := os.ReadDir(path)
	if err != nil {
		return nil // what can't be listed stays closed
	}

	for _, e := range entries {
		if e.Type()&os.ModeSymlink != 0 { // a link's target has its own rule
			continue
		}

		if err := r.allowReading(path+"/"+e.Name(), unread); err != nil {
			return err
		}
	}

	return nil
}
