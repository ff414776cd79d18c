package copies

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ratchet/internal/research"
	"ratchet/sandbox/layers"
)

// View is what appears at Root inside the run: the stack Lower, topmost first,
// under a fresh Upper; "" for a view whose changes are forgotten. Work is made
// and not used.
type View struct {
	Root  string
	Lower []string
	Upper string
	Work  string
}

// Bind is a carried folder or file: From is copied to To, without what Omit
// names relative to From.
type Bind struct {
	From, To string
	Omit     []string
}

// Tree is the copy of everything that a run sees in its views.
type Tree struct {
	views     []View
	folders   []string                // where each view's copy lies
	foreign   map[string]bool         // paths in a copy that are not part of its view: other views, carried folders
	manifests []map[string]entryState // of each view, by path
}

// entryState is what tells that an entry was touched.
type entryState struct {
	inode uint64
	ctime syscall.Timespec
	mode  uint32
}

// clockTick is longer than a tick of the clock that the kernel takes ctimes from.
const clockTick = 12 * time.Millisecond

// Make copies every view into dir, an existing folder, and then what is
// carried into the views. It makes the upper folders too. It fails with
// CodeUnsupported for a bind that lies in no view.
func Make(dir string, views []View, binds []Bind) (*Tree, error) {
	t := &Tree{views: views, foreign: map[string]bool{}}

	for i, v := range views {
		if err := t.addView(filepath.Join(dir, strconv.Itoa(i)), v); err != nil {
			return nil, err
		}
	}

	for _, b := range binds {
		if err := t.addBind(b); err != nil {
			return nil, err
		}
	}

	// A change within the same tick of the kernel's clock would not move a ctime.
	time.Sleep(clockTick)

	for _, folder := range t.folders {
		manifest := map[string]entryState{}
		if err := t.recordStates(manifest, folder, ""); err != nil {
			return nil, err
		}

		t.manifests = append(t.manifests, manifest)
	}

	return t, nil
}

// addView copies a view: to its place in the copy of an earlier view or, when
// none holds it, to folder.
func (t *Tree) addView(folder string, v View) error {
	first := len(t.folders) == 0

	if place := t.Place(v.Root); place != v.Root {
		folder = place
		t.foreign[folder] = true

		if err := os.RemoveAll(folder); err != nil {
			return err
		}
	} else if _, err := os.Stat(v.Root); first && err != nil {
		return err
	}

	t.folders = append(t.folders, folder)

	if v.Upper != "" {
		if err := layers.MakeUpper(v.Upper, v.Work, v.Lower); err != nil {
			return err
		}
	}

	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}

	return layers.CopyStack(v.Lower, folder)
}

// addBind copies what is carried to its place in the copy of a view.
func (t *Tree) addBind(b Bind) error {
	to := t.Place(b.To)
	if to == b.To {
		return research.Errorf(research.CodeUnsupported, "carry only folders inside the repository",
			"without namespaces %s can't appear at %s", b.From, b.To)
	}

	t.foreign[to] = true

	if err := errors.Join(os.RemoveAll(to), os.MkdirAll(filepath.Dir(to), 0o755)); err != nil {
		return err
	}

	if err := layers.Copy(b.From, to); err != nil {
		return err
	}

	for _, rel := range b.Omit {
		if err := os.RemoveAll(filepath.Join(to, rel)); err != nil {
			return err
		}
	}

	return nil
}

// Folders lists where the views' copies lie, in the order of the views.
func (t *Tree) Folders() []string { return t.folders }

// Place is where a path of the run lies on the host: in the copy of the last
// view that holds it, or where it says.
func (t *Tree) Place(path string) string {
	for i := len(t.folders) - 1; i >= 0; i-- {
		if rel, ok := cutRoot(t.views[i].Root, path); ok {
			return filepath.Join(t.folders[i], rel)
		}
	}

	return path
}

// PlaceVariable maps the value of a KEY=value that is a path, or the elements
// of one that is a list of paths.
func (t *Tree) PlaceVariable(variable string) string {
	key, value, _ := strings.Cut(variable, "=")

	if clean := filepath.Clean(value); t.Place(clean) != clean {
		return key + "=" + t.Place(clean)
	}

	list := strings.Split(value, ":")
	for i, path := range list {
		if clean := filepath.Clean(path); t.Place(clean) != clean {
			list[i] = t.Place(clean)
		}
	}

	return key + "=" + strings.Join(list, ":")
}

// recordStates notes the state of every entry of a copy below rel, without what
// is foreign in it.
func (t *Tree) recordStates(states map[string]entryState, root, rel string) error {
	entries, err := os.ReadDir(filepath.Join(root, rel))
	if err != nil {
		return err
	}

	for _, e := range entries {
		name := path.Join(rel, e.Name())
		at := filepath.Join(root, name)

		if t.foreign[at] {
			continue
		}

		var st syscall.Stat_t
		if err := syscall.Lstat(at, &st); err != nil {
			return &os.PathError{Op: "lstat", Path: at, Err: err}
		}

		states[name] = stateOf(&st)

		if e.IsDir() {
			if err := t.recordStates(states, root, name); err != nil {
				return err
			}
		}
	}

	return nil
}

func stateOf(st *syscall.Stat_t) entryState { return entryState{st.Ino, st.Ctim, st.Mode} }

// cutRoot says whether path is root or lies in it, and returns the rest.
func cutRoot(root, path string) (rel string, ok bool) {
	if path == root {
		return "", true
	}

	return strings.CutPrefix(path, root+"/")
}
