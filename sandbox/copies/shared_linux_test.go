package copies_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"ratchet/sandbox/copies"
)

// makeShared makes one object of each kind as a run would, and returns a check of
// whether each is still there. What is used by this process, which lives, is also
// spared by runs of other tests at the same time.
func makeShared(t *testing.T, isUsed bool) (names []string, isThere func(i int) bool) {
	t.Helper()

	file := filepath.Join(copies.SharedFolder, fmt.Sprintf("ratchet-test-%d-%t", os.Getpid(), isUsed))
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { os.Remove(file) })

	queue, _, e := unix.Syscall(unix.SYS_MSGGET, 0, 0o600|unix.IPC_CREAT, 0)
	if e != 0 {
		t.Skip(e)
	}
	t.Cleanup(func() { unix.Syscall(unix.SYS_MSGCTL, queue, unix.IPC_RMID, 0) })

	set, _, e := unix.Syscall(unix.SYS_SEMGET, 0, 1, 0o600|unix.IPC_CREAT)
	if e != 0 {
		t.Skip(e)
	}
	t.Cleanup(func() { unix.Syscall6(unix.SYS_SEMCTL, set, 0, unix.IPC_RMID, 0, 0, 0) })

	if isUsed {
		const setValue = 16

		opened, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { opened.Close() })

		message := [2]uint64{1, 2}
		if _, _, e := unix.Syscall6(unix.SYS_MSGSND, queue, uintptr(unsafe.Pointer(&message)), 8, 0, 0, 0); e != 0 {
			t.Fatal(e)
		}

		if _, _, e := unix.Syscall6(unix.SYS_SEMCTL, set, 0, setValue, 1, 0, 0); e != 0 {
			t.Fatal(e)
		}
	}

	return []string{"file", "queue", "semaphores"}, func(i int) bool {
		var e unix.Errno
		buffer := make([]byte, 512)

		switch i {
		case 0:
			_, err := os.Stat(file)
			return err == nil
		case 1:
			const status = 2
			_, _, e = unix.Syscall(unix.SYS_MSGCTL, queue, status, uintptr(unsafe.Pointer(&buffer[0])))
		case 2:
			const values = 12
			_, _, e = unix.Syscall6(unix.SYS_SEMCTL, set, 0, values, 0, 0, 0)
		}

		return e == 0
	}
}

// Only what is new is removed.
func TestMoveNew(t *testing.T) {
	_, oldIsThere := makeShared(t, true)

	before, err := copies.ListShared()
	if err != nil {
		t.Fatal(err)
	}

	t.Run("new", func(t *testing.T) {
		names, isThere := makeShared(t, false)

		kept := t.TempDir()
		moved, err := before.MoveNew(kept)
		if err != nil {
			t.Fatal(err)
		}

		for i, name := range names {
			if isThere(i) {
				t.Errorf("the new %s stayed", name)
			}

			if !oldIsThere(i) {
				t.Errorf("the old %s was removed", name)
			}
		}

		// Another program of this user may have made the file: nothing of it is lost.
		isKept := func(path string) bool {
			content, _ := os.ReadFile(path)
			return filepath.Dir(path) == kept && string(content) == "x"
		}
		if !slices.ContainsFunc(moved, isKept) {
			t.Errorf("the content of the file that was removed is not among %v", moved)
		}
	})
}

// What a living process has open or is attached to is its own.
func TestMoveNewSparesTheLiving(t *testing.T) {
	before, err := copies.ListShared()
	if err != nil {
		t.Fatal(err)
	}

	path := filepath.Join(copies.SharedFolder, fmt.Sprintf("ratchet-test-%d-open", os.Getpid()))

	file, err := os.Create(path)
	if err != nil {
		t.Skip(err)
	}
	defer os.Remove(path)
	defer file.Close()

	id, err := unix.SysvShmGet(0, 4096, unix.IPC_CREAT|0o600) // this process made it, and lives
	if err != nil {
		t.Skip(err)
	}
	defer unix.SysvShmCtl(id, unix.IPC_RMID, nil)

	if _, err := before.MoveNew(t.TempDir()); err != nil {
		t.Fatal(err)
	}

	if _, err := os.Stat(path); err != nil {
		t.Errorf("an open file was removed: %v", err)
	}

	if _, err := unix.SysvShmCtl(id, unix.IPC_STAT, new(unix.SysvShmDesc)); err != nil {
		t.Errorf("a living process's segment was removed: %v", err)
	}
}
