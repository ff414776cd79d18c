package copies

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// SharedFolder is where POSIX shared memory and semaphores lie, as files.
const SharedFolder = "/dev/shm"

// sharedObject is something in shared memory that outlives its maker: a file of
// SharedFolder (kind "file", with its inode as id), or a System V segment, queue or set
// of semaphores ("shm", "msg" or "sem").
type sharedObject struct {
	kind, name string
	id         uint64
}

// Shared is what this user, and so a run of this user, can write of what is shared
// without an IPC namespace.
type Shared map[sharedObject]bool

// ListShared lists what is there now.
func ListShared() (Shared, error) {
	found := Shared{}

	entries, err := os.ReadDir(SharedFolder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}

	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue // it is gone
		}

		st, ok := info.Sys().(*syscall.Stat_t)
		if ok && (int(st.Uid) == os.Geteuid() || info.Mode()&0o002 != 0) {
			found[sharedObject{"file", e.Name(), st.Ino}] = true
		}
	}

	for _, kind := range []string{"shm", "msg", "sem"} {
		if err := found.addSystemV(kind); err != nil {
			return nil, err
		}
	}

	return found, nil
}

// addSystemV adds the System V objects of a kind.
func (s Shared) addSystemV(kind string) error {
	rows, err := readSystemV(kind)

	for _, row := range rows {
		uid := strconv.Itoa(os.Geteuid())
		if row["uid"] == uid || row["cuid"] == uid || isWritableByAll(row["perms"]) {
			id, _ := strconv.ParseUint(row[kind+"id"], 10, 64)
			s[sharedObject{kind, "", id}] = true
		}
	}

	return err
}

// isWritableByAll reads the last octal digit of a mode.
func isWritableByAll(mode string) bool {
	n, err := strconv.ParseUint(mode, 8, 32)
	return err == nil && n&0o002 != 0
}

// readSystemV reads the kernel's list of System V objects of a kind, by the names of
// its columns; nothing where the kernel has none.
func readSystemV(kind string) (rows []map[string]string, err error) {
	text, err := os.ReadFile("/proc/sysvipc/" + kind)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}

	var columns []string

	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if columns == nil {
			columns = fields
			columns[1] = kind + "id" // the list of queues calls it msqid

			continue
		}

		row := map[string]string{}
		for i := range min(len(fields), len(columns)) {
			row[columns[i]] = fields[i]
		}

		rows = append(rows, row)
	}

	return rows, err
}

// MoveNew takes away what was not there before the run, whose processes are dead, and
// is not in use: no living process has the file open or mapped, none is attached to the
// segment, made it, or was the last to use it. A program of this user may still have made
// it, so the content of files and segments is kept in the folder kept, which is made; the
// messages of queues and the values of semaphores are lost. moved are the kept files.
func (s Shared) MoveNew(kept string) (moved []string, err error) {
	now, err := ListShared()
	if err != nil {
		return nil, err
	}

	used, failures := map[string]bool(nil), []error(nil)

	for object := range now {
		if s[object] {
			continue
		}

		if used == nil {
			used = listUsedFiles()
		}

		file, err := object.moveTo(kept, used)
		if file != "" {
			moved = append(moved, file)
		}
		failures = append(failures, err)
	}
	slices.Sort(moved)

	return moved, errors.Join(failures...)
}

// moveTo takes the object away unless it is some living process's. file is where its
// content is then, "" for none.
func (o sharedObject) moveTo(kept string, used map[string]bool) (file string, err error) {
	if o.kind != "file" {
		return o.moveSystemV(kept)
	}
	path := filepath.Join(SharedFolder, o.name)

	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || used[path] { // a run can make files only
		return "", nil
	}

	if info.Mode().Perm()&0o400 == 0 { // a run may have taken the right to read it
		_ = os.Chmod(path, 0o600)
	}

	content, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}

	if err != nil {
		return "", err
	}
	defer content.Close()

	if info.Size() > 0 {
		if file, err = o.keep(kept, content); err != nil {
			return "", err
		}
	}

	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}

	return file, nil
}

// keep writes the object's content into the folder kept.
func (o sharedObject) keep(kept string, content io.Reader) (file string, err error) {
	if err := os.MkdirAll(kept, 0o700); err != nil {
		return "", err
	}
	file = filepath.Join(kept, fmt.Sprintf("%s.%d.%s", o.kind, o.id, o.name))

	made, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(made, content)

	return file, errors.Join(err, made.Close())
}

// moveSystemV is moveTo for System V objects.
func (o sharedObject) moveSystemV(kept string) (file string, err error) {
	rows, err := readSystemV(o.kind)
	if err != nil {
		return "", err
	}

	id := strconv.FormatUint(o.id, 10)

	for _, row := range rows {
		if row[o.kind+"id"] != id {
			continue
		}

		if count := row["nattch"]; count != "" && count != "0" || isAlive(row["cpid"]) || isAlive(row["lspid"]) {
			return "", nil
		}
	}

	var e unix.Errno

	switch o.kind {
	case "shm":
		if content, err := unix.SysvShmAttach(int(o.id), 0, unix.SHM_RDONLY); err == nil {
			file, err = o.keep(kept, bytes.NewReader(content))
			if err := errors.Join(err, unix.SysvShmDetach(content)); err != nil {
				return "", err
			}
		}

		_, _, e = unix.Syscall(unix.SYS_SHMCTL, uintptr(o.id), unix.IPC_RMID, 0)
	case "msg":
		_, _, e = unix.Syscall(unix.SYS_MSGCTL, uintptr(o.id), unix.IPC_RMID, 0)
	case "sem":
		const getPid = 11 // of the last process that changed the set's first semaphore

		pid, _, _ := unix.Syscall6(unix.SYS_SEMCTL, uintptr(o.id), 0, getPid, 0, 0, 0)
		if isAlive(strconv.Itoa(int(pid))) {
			return "", nil
		}

		_, _, e = unix.Syscall6(unix.SYS_SEMCTL, uintptr(o.id), 0, unix.IPC_RMID, 0, 0, 0)
	}

	if e != 0 && e != unix.EINVAL && e != unix.EIDRM { // it is gone
		return file, fmt.Errorf("remove the System V object %s %d: %w", o.kind, o.id, e)
	}

	return file, nil
}

// isAlive says whether a process of that number lives; "", "0" and "-1" are none.
func isAlive(pid string) bool {
	n, err := strconv.Atoi(pid)
	return err == nil && n > 0 && unix.Kill(n, 0) != unix.ESRCH
}

// listUsedFiles lists what lies in SharedFolder and some process has open or mapped.
// Processes that can't be looked into are left out.
func listUsedFiles() map[string]bool {
	used := map[string]bool{}

	descriptors, _ := filepath.Glob("/proc/[0-9]*/fd/[0-9]*")
	for _, path := range descriptors {
		if target, err := os.Readlink(path); err == nil {
			used[target] = true
		}
	}

	maps, _ := filepath.Glob("/proc/[0-9]*/maps")
	for _, path := range maps {
		text, _ := os.ReadFile(path)
		for line := range bytes.Lines(text) {
			if at := bytes.Index(line, []byte(SharedFolder+"/")); at >= 0 {
				used[string(bytes.TrimSpace(line[at:]))] = true
			}
		}
	}

	return used
}
