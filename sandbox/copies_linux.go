package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ratchet/internal/research"
)

// markVariable names a run in the environment of its processes, so that those
// of a run whose stage was killed from inside can be found. Tier copies only.
const markVariable = "RATCHET_RUN"

// copies is a run whose views are merged copies.
type copies struct {
	spec   Spec
	at     []string            // where each view's copy lies
	apart  map[string]bool     // folders inside a copy that are not part of its view: other views, carried folders
	before []map[string]before // of each view, by path
}

// before is what tells that an entry was touched: nothing but time itself
// sets a file's ctime.
type before struct {
	ino   uint64
	ctime syscall.Timespec
	mode  uint32
}

// runCopies runs in merged copies and then moves what changed to the upper folders.
func runCopies(ctx context.Context, s Spec) (Result, error) {
	dir, err := os.MkdirTemp(s.Scratch, "copy-")
	if err != nil {
		return Result{}, roomError("make the run's folder", err)
	}
	defer removeAll(dir)

	c := &copies{spec: s, apart: map[string]bool{}}
	if err := c.make(dir); err != nil {
		return Result{}, roomError("copy the run's tree", err)
	}
	mark := markVariable + "=" + rand.Text()
	plan := s.command()

	plan.Dir = c.place(s.Dir)
	for _, kv := range s.Env {
		plan.Env = append(plan.Env, c.placeAll(kv))
	}
	plan.Env = append(plan.Env, mark)

	places := slices.Clone(c.at)
	if temp := s.temp(); temp != "" && c.place(temp) == temp && !isPrivate(temp) {
		places = append(places, temp)
	}

	if s.Confined {
		plan.Confine, plan.Unread = true, s.hidden()
		plan.Writable = append(append(s.writable(), dir), shm)
	}

	r, err := supervise(ctx, s, plan, &syscall.SysProcAttr{Setsid: true}, places)
	if err != nil {
		return Result{}, err
	}

	tree := "enforced by a subreaper, but what forks faster than it can be stopped may survive"
	if r.Enforced["stage"] != "" { // and what it left has lost its ancestor
		tree = "not enforced: its first process was killed, and only what bears the run's mark was found"

		r.Survivors = append(r.Survivors, killMarked(mark)...)
	}

	if len(s.Views) > 0 {
		r.Enforced["view"] = "enforced by a copy, but the repository's own path leads to the repository"
	}

	if len(s.Binds) > 0 {
		r.Enforced["carry"] = "enforced by copies that are thrown away"
	}

	if len(r.Survivors) > 0 {
		return r, nil // they may still write: nothing of the copy is worth keeping
	}
	r.Enforced["tree"] = tree

	if err := c.collect(); err != nil {
		return Result{}, roomError("keep what the run changed", err)
	}

	if len(s.Views) > 0 {
		if r.Changes, err = changes(s.Views[0]); err != nil {
			return Result{}, roomError("list what the run changed", err)
		}
	}

	return r, nil
}

// make copies every view, then what is carried, and takes the manifests.
func (c *copies) make(dir string) error {
	for i, v := range c.spec.Views {
		at := filepath.Join(dir, strconv.Itoa(i))
		if place := c.place(v.Root); place != v.Root {
			at = place

			c.apart[at] = true
			if err := os.RemoveAll(at); err != nil {
				return err
			}
		} else if _, err := os.Stat(v.Root); i == 0 && err != nil {
			return err
		}

		c.at = append(c.at, at)
		if err := errors.Join(v.makeUpper(), os.MkdirAll(at, 0o755)); err != nil {
			return err
		}

		if err := copyMerged(v.Lower, at); err != nil {
			return err
		}
	}

	for _, b := range c.spec.Binds {
		to := c.place(b.To)
		if to == b.To {
			return research.Errorf(research.CodeUnsupported, "carry only folders inside the repository",
				"without namespaces %s can't appear at %s", b.From, b.To)
		}

		c.apart[to] = true
		if err := errors.Join(os.RemoveAll(to), os.MkdirAll(filepath.Dir(to), 0o755)); err != nil {
			return err
		}

		if err := Copy(b.From, to); err != nil {
			return err
		}

		for _, rest := range c.spec.hiddenIn(b) {
			if err := os.RemoveAll(filepath.Join(to, rest)); err != nil {
				return err
			}
		}
	}
	// A change within the same tick of the kernel's clock would not move a ctime.
	time.Sleep(12 * time.Millisecond)

	for _, at := range c.at {
		manifest := map[string]before{}
		if err := c.manifest(at, "", manifest); err != nil {
			return err
		}
		c.before = append(c.before, manifest)
	}

	return nil
}

// place is where a path of the run really lies: in the copy of the view that holds it.
func (c *copies) place(path string) string {
	if i, rest := c.spec.viewOf(path, len(c.at)); i >= 0 {
		return filepath.Join(c.at[i], rest)
	}

	return path
}

// placeAll maps a KEY=value that is a path, or the elements of a path list.
func (c *copies) placeAll(kv string) string {
	key, value, _ := strings.Cut(kv, "=")
	if placed := c.place(filepath.Clean(value)); placed != filepath.Clean(value) {
		return key + "=" + placed
	}

	list := strings.Split(value, ":")
	for i, path := range list {
		if placed := c.place(filepath.Clean(path)); placed != filepath.Clean(path) {
			list[i] = placed
		}
	}

	return key + "=" + strings.Join(list, ":")
}

// manifest notes every entry of a copy, without what lies apart in it.
func (c *copies) manifest(root, rel string, m map[string]before) error {
	entries, err := os.ReadDir(filepath.Join(root, rel))
	if err != nil {
		return err
	}

	for _, e := range entries {
		name := joinSlash(rel, e.Name())

		path := filepath.Join(root, name)
		if c.apart[path] {
			continue
		}

		st, err := lstat(path)
		if err != nil {
			return err
		}

		m[name] = before{st.Ino, st.Ctim, st.Mode}
		if e.IsDir() {
			if err := c.manifest(root, name, m); err != nil {
				return err
			}
		}
	}

	return nil
}

func lstat(path string) (*syscall.Stat_t, error) {
	var st syscall.Stat_t
	if err := syscall.Lstat(path, &st); err != nil {
		return nil, &os.PathError{Op: "lstat", Path: path, Err: err}
	}

	return &st, nil
}

// collect moves what changed in the copies to the upper folders.
func (c *copies) collect() error {
	for i, v := range c.spec.Views {
		if v.Upper == "" {
			continue
		}

		m := mover{c: c, view: v, at: c.at[i], before: c.before[i], modes: map[string]fs.FileMode{},
			made: map[string]fs.FileMode{}}
		if err := m.folder("", v.Lower); err != nil {
			return err
		}
		made := slices.Sorted(maps.Keys(m.made))
		slices.Reverse(made) // what is in a folder before the folder, which may lose its write permission

		for _, rel := range made {
			if err := os.Chmod(filepath.Join(v.Upper, rel), m.made[rel]); err != nil {
				return err
			}
		}
	}

	return nil
}

// mover turns one view's copy into its upper folder.
type mover struct {
	c      *copies
	view   View
	at     string
	before map[string]before
	modes  map[string]fs.FileMode // of folders of the copy that had to be made writable
	made   map[string]fs.FileMode // of folders of the upper one, set at the end
}

func (m *mover) folder(rel string, lower []string) error {
	dir := filepath.Join(m.at, rel)
	if fi, err := os.Stat(dir); err == nil && fi.Mode().Perm()&0o700 != 0o700 {
		m.modes[rel] = fi.Mode()

		if err := os.Chmod(dir, 0o700); err != nil {
			return err
		}
	}

	all, err := names(append([]string{dir}, lower...))
	if err != nil {
		return err
	}

	for _, name := range all {
		old, err := resolve(lower, name)
		if err != nil {
			return err
		}

		if err := m.entry(joinSlash(rel, name), old); err != nil {
			return err
		}
	}

	return nil
}

func (m *mover) entry(rel string, old entry) error {
	path := filepath.Join(m.at, rel)
	if m.c.apart[path] {
		return nil
	}

	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if old.info == nil || m.holdsApart(path) {
			return nil
		}

		return m.whiteout(rel)
	}

	if err != nil {
		return err
	}

	if fi.IsDir() {
		if old.info == nil && m.onlyApart(path) {
			return nil
		}

		if old.dirs == nil || old.info.Mode() != fi.Mode() {
			if err := m.dirs(rel); err != nil {
				return err
			}
		}

		return m.folder(rel, old.dirs)
	}

	st := fi.Sys().(*syscall.Stat_t)
	if b, ok := m.before[rel]; ok && b == (before{st.Ino, st.Ctim, st.Mode}) {
		return nil
	}

	if err := m.dirs(filepath.Dir(rel)); err != nil {
		return err
	}

	return os.Rename(path, filepath.Join(m.view.Upper, rel))
}

// holdsApart says whether something apart lies below a path.
func (m *mover) holdsApart(path string) bool {
	for apart := range m.c.apart {
		if _, ok := below(path, apart); ok {
			return true
		}
	}

	return false
}

// onlyApart says whether a new folder is there only to hold something apart.
func (m *mover) onlyApart(path string) bool {
	if !m.holdsApart(path) {
		return false
	}
	entries, err := os.ReadDir(path)

	return err == nil && !slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		child := filepath.Join(path, e.Name())
		return !m.c.apart[child] && !(e.IsDir() && m.onlyApart(child))
	})
}

// dirs makes a folder of the upper one, with the modes that the copy has.
func (m *mover) dirs(rel string) error {
	if rel == "." || rel == "" {
		return nil
	}

	if err := m.dirs(filepath.Dir(rel)); err != nil {
		return err
	}

	fi, err := os.Stat(filepath.Join(m.at, rel))
	if err != nil {
		return err
	}

	mode, ok := m.modes[rel]
	if !ok {
		mode = fi.Mode()
	}

	to := filepath.Join(m.view.Upper, rel)
	if err := os.Mkdir(to, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	m.made[rel] = mode

	return copyOwner(to, fi)
}

// whiteout marks a deletion as overlayfs does; any user may make this one device.
func (m *mover) whiteout(rel string) error {
	if err := m.dirs(filepath.Dir(rel)); err != nil {
		return err
	}

	if err := unix.Mknod(filepath.Join(m.view.Upper, rel), unix.S_IFCHR, 0); err != nil {
		return research.Errorf(research.CodeUnsupported, "use a Linux kernel of at least 5.8",
			"this machine can't note that the run deleted %s: %w", rel, err)
	}

	return nil
}

// killMarked kills whatever still has the run's mark in its environment, until
// nothing has or deathLimit is over, and returns what would not die. It finds what kept its
// environment and can be read; it is no proof.
func killMarked(mark string) (left []int) {
	for end := time.Now().Add(deathLimit); ; time.Sleep(20 * time.Millisecond) {
		left = left[:0]

		entries, _ := os.ReadDir("/proc")
		for _, e := range entries {
			pid, err := strconv.Atoi(e.Name())
			if err != nil {
				continue
			}

			env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
			if err == nil && slices.Contains(strings.Split(string(env), "\x00"), mark) {
				syscall.Kill(pid, syscall.SIGKILL)
				left = append(left, pid)
			}
		}

		if len(left) == 0 || time.Now().After(end) {
			return left
		}
	}
}

// removeAll removes a tree, also below folders that the run made unwritable.
func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil {
		return nil
	}
	filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			os.Chmod(path, 0o700)
		}

		return nil
	})

	return os.RemoveAll(dir)
}
