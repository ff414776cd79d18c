package pagecache

import (
	"time"

	"golang.org/x/sys/unix"
)

// smallFile is a size up to which a file is read without asking what is in memory.
const smallFile = 64 << 10

// readsToSettle is after how many reads a page of memory costs no reader more than any
// later one: Linux notes the first, and at the second moves the page to the pages in use,
// which takes about 6 ms a gigabyte.
const readsToSettle = 2

// open opens a file for reading; -1 where it is none any more, or can't be read.
func (f file) open() (fd int) {
	fd, err := unix.Open(f.path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return -1
	}

	var stat unix.Stat_t
	if unix.Fstat(fd, &stat) != nil || stat.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return -1
	}

	return fd
}

// readIn reads the file into memory; one that is there only if all are to be read. It is
// false when the time is over.
func (f file) readIn(deadline time.Time, all bool) bool {
	fd := f.open()
	if fd < 0 {
		return time.Now().Before(deadline)
	}
	defer unix.Close(fd)

	if !all && f.size > smallFile && isInMemory(fd, f.size) {
		return true
	}

	buffer := make([]byte, min(f.size, 1<<20))

	for range readsToSettle {
		if !readThrough(fd, buffer, deadline) {
			return false
		}
	}

	return true
}

// readThrough reads the file from its start to its end; false when the time is over.
func readThrough(fd int, buffer []byte, deadline time.Time) bool {
	at := int64(0)

	for {
		n, err := unix.Pread(fd, buffer, at)
		switch {
		case err == unix.EINTR:
		case err != nil || n <= 0:
			return true
		}
		at += int64(max(n, 0))

		if time.Now().After(deadline) {
			return false
		}
	}
}

// isInMemory says whether every page of the file is. Kernels before 6.5 don't say it, and
// later ones not of everybody's files.
func isInMemory(fd int, size int64) bool {
	var stat unix.Cachestat_t
	if unix.Cachestat(uint(fd), &unix.CachestatRange{Len: uint64(size)}, &stat, 0) != nil {
		return false
	}
	page := int64(unix.Getpagesize())

	return int64(stat.Cache) >= (size+page-1)/page
}

func (f file) flush() {
	if fd := f.open(); fd >= 0 {
		_ = unix.Fdatasync(fd) // what is not written can't be dropped, that is all
		unix.Close(fd)
	}
}

func (f file) drop() {
	if fd := f.open(); fd >= 0 {
		_ = unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED) // advice
		unix.Close(fd)
	}
}
