// Package passphrase keeps the passphrase by which a person locks what only a person may
// decide (`ratchet lock`): a file with a salt and the argon2id hash, which holds nothing
// that a guess can't be checked against only slowly.
//
// It is for an agent that has a terminal of its own, and so passes for a person. It is no
// wall against one that edits the git directory: the same user can remove the file, which
// is also the way out for a person who forgot the passphrase.
package passphrase

import (
	"cmp"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"ratchet/internal/atomicfile"
	"ratchet/internal/research"
)

// Lock is the passphrase of a repository. Several processes may use it at the same time.
type Lock struct {
	Path string // of the file, which need not exist
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// MemoryKiB is what Set makes the hash cost; 0: 64 MiB.
	MemoryKiB uint32
}

const (
	minLength = 8 // characters
	maxLength = 1024
	saltBytes = 16
	hashBytes = 32

	// argon2id as RFC 9106 has it for little memory: 64 MiB, three passes.
	passes    = 3
	memoryKiB = 64 << 10
	threads   = 4

	firstDelay = time.Second // after a wrong passphrase; doubled by each further one
	maxDelay   = 15 * time.Minute
	patience   = 10 * time.Second // for another process that checks a passphrase
)

// stored is the file. The parameters stand beside the hash, so that a later version can
// use others.
type stored struct {
	Salt      []byte    `json:"salt"`
	Hash      []byte    `json:"argon2id"`
	Passes    uint32    `json:"passes"`
	MemoryKiB uint32    `json:"memory_kib"`
	Threads   uint8     `json:"threads"`
	Wrong     int       `json:"wrong,omitempty"`     // guesses since the last right one
	NotBefore time.Time `json:"not_before,omitzero"` // of the next guess
}

// IsSet says whether there is a passphrase. An error means that the file can't be read:
// nobody is let through then.
func (l Lock) IsSet() (bool, error) {
	s, err := l.read()
	return s != nil, err
}

// Check returns nil where given is the passphrase, or none is set. After a wrong one the
// next has to wait, twice as long each time. The attempt is written down before it is
// looked at: one that is killed counts.
// Errors: CodeLocked for a wrong, missing or early one; CodeStorage.
func (l Lock) Check(given string) error {
	s, err := l.read()
	if err != nil || s == nil {
		return err
	}

	if given == "" {
		return research.Errorf(research.CodeLocked,
			"decide it in a terminal, with `ratchet accept` or `ratchet override`, which ask for it",
			"this repository is locked: a person's decision needs the passphrase of `ratchet lock`")
	}

	if err := l.rewrite(chargeAttempt(l.now())); err != nil {
		return err
	}

	if s, err = l.read(); err != nil || s == nil {
		return err
	}

	if !s.isRight(given) {
		return research.Errorf(research.CodeLocked,
			fmt.Sprintf("wait until %s, then type it again", s.NotBefore.Local().Format("15:04:05")),
			"that is not the passphrase of this repository")
	}

	return l.rewrite(func(s *stored) (*stored, error) {
		if s != nil {
			s.Wrong, s.NotBefore = 0, time.Time{}
		}

		return s, nil
	})
}

// chargeAttempt counts an attempt as wrong until it has proved right, and refuses one
// that comes too early.
func chargeAttempt(now time.Time) func(*stored) (*stored, error) {
	return func(s *stored) (*stored, error) {
		if s == nil {
			return nil, nil
		}

		if now.Before(s.NotBefore) {
			return nil, research.Errorf(research.CodeLocked,
				fmt.Sprintf("wait until %s, then type it again", s.NotBefore.Local().Format("15:04:05")),
				"the last passphrase was wrong or is still being checked")
		}

		s.Wrong++
		s.NotBefore = now.Add(delayAfter(s.Wrong))

		return s, nil
	}
}

func delayAfter(wrong int) time.Duration {
	delay := firstDelay
	for range wrong - 1 {
		if delay *= 2; delay >= maxDelay {
			return maxDelay
		}
	}

	return delay
}

// Set makes passphrase the repository's. Whether the old one was given is the caller's to
// check. Errors: CodeBadArgument for one that is too short or long, CodeStorage.
func (l Lock) Set(passphrase string) error {
	if n := utf8.RuneCountInString(passphrase); n < minLength || n > maxLength {
		return research.Errorf(research.CodeBadArgument, "take a few words",
			"a passphrase has %d to %d characters, this one has %d", minLength, maxLength, n)
	}

	s := &stored{Salt: make([]byte, saltBytes), Passes: passes, MemoryKiB: cmp.Or(l.MemoryKiB, memoryKiB),
		Threads: threads}
	_, _ = rand.Read(s.Salt) // never fails
	s.Hash = s.hash(passphrase)

	return l.rewrite(func(*stored) (*stored, error) { return s, nil })
}

// Remove takes the passphrase away. Errors: CodeStorage.
func (l Lock) Remove() error {
	if err := os.Remove(l.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unwritable(err)
	}

	return nil
}

func (l Lock) now() time.Time {
	if l.Now != nil {
		return l.Now()
	}

	return time.Now()
}

func (s *stored) hash(passphrase string) []byte {
	return argon2.IDKey([]byte(passphrase), s.Salt, s.Passes, s.MemoryKiB, s.Threads, hashBytes)
}

func (s *stored) isRight(given string) bool {
	return subtle.ConstantTimeCompare(s.hash(given), s.Hash) == 1
}

// read reads the file; nil where there is none. One that others may write, or that is no
// such file, is an error.
func (l Lock) read() (*stored, error) {
	info, err := os.Lstat(l.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}

	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a plain file")
	}

	if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		err = fmt.Errorf("others may read or write it (chmod 600 %s)", l.Path)
	}

	var text []byte
	if err == nil {
		text, err = os.ReadFile(l.Path)
	}

	var s stored
	if err == nil {
		err = json.Unmarshal(text, &s)
	}

	if err == nil && (len(s.Hash) != hashBytes || s.Passes < 1 || s.Threads < 1 || s.MemoryKiB > 4<<20) {
		err = errors.New("it is incomplete")
	}

	if err != nil {
		return nil, research.Errorf(research.CodeStorage, "look at it; removing it unlocks the repository",
			"the file of the passphrase, %s, can't be used: %w", l.Path, err)
	}

	return &s, nil
}

// rewrite replaces the file's content by what change makes of it; nil leaves it. One
// process at a time does that, so that no two guesses are counted as one.
func (l Lock) rewrite(change func(*stored) (*stored, error)) error {
	if err := os.MkdirAll(filepath.Dir(l.Path), 0o777); err != nil {
		return unwritable(err)
	}

	file, err := l.createNewFile()
	if err != nil {
		return err
	}
	defer file.Discard()

	s, err := l.read()
	if err != nil {
		return err
	}

	if s, err = change(s); err != nil || s == nil {
		return err
	}

	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the passphrase's hash: %w", err)
	}

	if _, err := file.Write(append(text, '\n')); err != nil {
		return unwritable(err)
	}

	if err := file.Commit(); err != nil {
		return unwritable(err)
	}

	return nil
}

// createNewFile creates the new file, whose fixed name keeps other processes out. One that
// a dead process left is removed.
func (l Lock) createNewFile() (*atomicfile.File, error) {
	name := l.Path + ".new"
	deadline := time.Now().Add(patience)

	for {
		file, err := atomicfile.Create(l.Path, atomicfile.Options{Perm: 0o600, Temp: name})
		if err == nil {
			return file, nil
		}

		if !errors.Is(err, fs.ErrExist) {
			return nil, unwritable(err)
		}

		if info, err := os.Stat(name); err == nil && time.Since(info.ModTime()) > patience {
			_ = os.Remove(name)
			continue
		}

		if time.Now().After(deadline) {
			return nil, research.Errorf(research.CodeStorage, "repeat it, or remove "+name,
				"another process is checking a passphrase")
		}

		time.Sleep(20 * time.Millisecond)
	}
}

func unwritable(err error) error {
	return research.Errorf(research.CodeStorage, "check the folder's permissions and the disk",
		"write the passphrase's hash: %w", err)
}
