package sandbox

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Toolchains lists what commands need that are found by the environment env and lie
// outside the system folders: the folders of PATH with the installations that they
// belong to, where the commands there lead by links and first lines, and what
// other variables of toolchains name. commands are more folders of commands. Of
// home, and of what lies in except, nothing is listed whole. The list is sorted, and
// none of it lies in another.
func Toolchains(env []string, home string, commands, except []string) []string {
	search := newToolchainSearch(home, except)

	for _, variable := range env {
		name, value, _ := strings.Cut(variable, "=")

		switch name {
		case "PATH":
			commands = append(commands, filepath.SplitList(value)...)
		case "GOROOT", "GOMODCACHE", "RUSTUP_HOME", "CARGO_HOME", "VOLTA_HOME", "ASDF_DATA_DIR", "MISE_DATA_DIR",
			"PYENV_ROOT", "CONDA_PREFIX", "VIRTUAL_ENV", "NVM_DIR", "JAVA_HOME", "CUDA_HOME", "SSL_CERT_FILE",
			"NODE_EXTRA_CA_CERTS":
			search.addFolder(value)
		case "LD_LIBRARY_PATH", "PKG_CONFIG_PATH", "NODE_PATH", "SSL_CERT_DIR":
			for _, path := range filepath.SplitList(value) {
				search.addFolder(path)
			}
		case "CC", "CXX":
			command, _, _ := strings.Cut(value, " ")
			search.addCommand(command)
		}
	}

	for _, folder := range commands {
		search.addCommands(folder)
	}

	slices.Sort(search.found)

	var outermost []string

	for _, path := range search.found {
		if !isInAny(outermost, path) {
			outermost = append(outermost, path)
		}
	}

	return outermost
}

// toolchainSearch is what a search for toolchains has found.
type toolchainSearch struct {
	except   []string // what lies in these is seen another way, or must not be
	shared   []string // more than one thing lies in each of these
	links    *linkReader
	found    []string
	commands map[string]bool // that were looked at
	alone    map[string]bool // folders without links whose commands are added one by one
}

func newToolchainSearch(home string, except []string) *toolchainSearch {
	search := &toolchainSearch{
		except:   slices.Concat(SystemFolders(), except, privateFolders()),
		shared:   slices.Clone(except),
		links:    newLinkReader(),
		commands: map[string]bool{},
		alone:    map[string]bool{},
	}

	if home != "" {
		for _, name := range []string{"", ".local", ".local/share", ".local/state", ".config", ".cache", ".claude",
			".codex", ".gemini", ".cursor", ".copilot"} {
			search.shared = append(search.shared, filepath.Join(home, name))
		}
	}

	return search
}

// addFolder adds what a variable names.
func (t *toolchainSearch) addFolder(path string) {
	if real, ok := t.resolve(path); ok && !t.isShared(real) {
		t.found = append(t.found, path)
	}
}

// resolve returns a path without links; ok is false for what does not exist, what
// runs see or must see another way, and what lies in a folder of which they have
// their own.
func (t *toolchainSearch) resolve(path string) (real string, ok bool) {
	if !filepath.IsAbs(path) {
		return "", false
	}

	if real, ok = t.links.follow(path); !ok {
		return "", false
	}

	return real, !isInAny(t.except, real)
}

// isShared says whether more than one thing lies in a folder: in home, in what
// home or an exception lies in, and in the usual places of a home.
func (t *toolchainSearch) isShared(folder string) bool {
	return folder == "/" || slices.ContainsFunc(t.shared,
		func(path string) bool { return isInAny([]string{folder}, path) })
}

// addCommands adds a folder of commands, the installation that it belongs to, and
// where its commands lead.
func (t *toolchainSearch) addCommands(folder string) {
	if !filepath.IsAbs(folder) || isInAny([]string{"/usr/bin", "/bin", "/usr/sbin", "/sbin"}, folder) {
		return // what lies there leads nowhere else
	}

	real, ok := t.resolve(folder)
	if ok && !t.isShared(real) {
		t.found = append(t.found, folder, t.installation(real))
	}

	entries, _ := os.ReadDir(folder)
	for _, e := range entries {
		if real != "" && e.Type().IsRegular() {
			t.links.plain[real+"/"+e.Name()] = true
		}

		t.addCommand(filepath.Join(folder, e.Name()))
	}
}

// installation is the folder of the toolchain whose commands lie in a folder without
// links: the one around its bin, unless other things lie there too.
func (t *toolchainSearch) installation(folder string) string {
	around := filepath.Dir(folder)

	if !slices.Contains([]string{"bin", "sbin", "shims", "condabin"}, filepath.Base(folder)) || t.isShared(around) ||
		strings.Count(around, "/") < 2 || isInAny([]string{"/run"}, around) {
		return folder
	}

	if _, err := os.Stat(filepath.Join(around, "pkg", "mod")); err == nil { // a GOPATH, beside whose bin is source
		return folder
	}

	return around
}

// addCommand adds where a command leads that lies in a folder which is not a system's:
// by links, or to its interpreter.
func (t *toolchainSearch) addCommand(path string) {
	if t.commands[path] || !filepath.IsAbs(path) {
		return
	}

	t.commands[path] = true

	real, ok := t.links.follow(path)
	if !ok {
		return
	}

	if fi, err := os.Stat(real); err != nil || !fi.Mode().IsRegular() || fi.Mode()&0o111 == 0 {
		return
	}

	t.addPlace(path)

	if real != path {
		t.addPlace(real)
	}

	if interpreter := readInterpreter(real); interpreter != "" {
		t.addCommand(interpreter)
	}
}

// addPlace adds a command's installation, or the command alone where its folder
// belongs to none. What is said of one folder is found out once.
func (t *toolchainSearch) addPlace(command string) {
	folder, ok := t.resolve(filepath.Dir(command))
	if !ok {
		return
	}

	isAlone, known := t.alone[folder]
	if !known {
		whole := t.installation(folder)

		isAlone = whole == folder || t.isShared(folder)
		if !isAlone {
			t.found = append(t.found, whole)
		}

		t.alone[folder] = isAlone
	}

	if isAlone {
		t.found = append(t.found, command)
	}
}

// readInterpreter is the program that an executable's first line names, "" for what
// is not a script, and for the system's.
func readInterpreter(path string) string {
	const longestLine = 256 // bytes that the kernel reads

	// Of an *os.File, the runtime would first try to wait for each of hundreds.
	file, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer syscall.Close(file)

	head := make([]byte, longestLine)

	n, err := syscall.Read(file, head)
	if err != nil || n <= 0 {
		return ""
	}

	line, _, _ := bytes.Cut(head[:n], []byte("\n"))
	if !bytes.HasPrefix(line, []byte("#!")) {
		return ""
	}

	words := strings.Fields(string(line[2:]))
	if len(words) == 0 || IsInSystem(words[0]) {
		return ""
	}

	return words[0]
}

// maxLinks is how many links may lead from one to the next, as in the kernel.
const maxLinks = 40

// linkReader follows links, and remembers which paths are none: those of a run, or of
// a search, have most of their folders in common.
type linkReader struct {
	plain map[string]bool
	links map[string]string // that were followed, and their targets
}

func newLinkReader() *linkReader {
	return &linkReader{plain: map[string]bool{}, links: map[string]string{}}
}

// follow returns an absolute path without links; ok is false where it leads nowhere.
func (r *linkReader) follow(path string) (real string, ok bool) {
	rest, hops := strings.Split(filepath.Clean(path), "/"), 0

	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]

		switch name {
		case "", ".":
			continue
		case "..":
			real = parentFolder(real)
			continue
		}

		next := real + "/" + name
		if r.plain[next] {
			real = next
			continue
		}

		target, err := os.Readlink(next)
		if errors.Is(err, syscall.EINVAL) { // no link
			r.plain[next] = true
			real = next

			continue
		}

		if hops++; err != nil || hops > maxLinks {
			return "", false
		}

		r.links[next] = target

		if filepath.IsAbs(target) {
			real = ""
		}

		rest = append(strings.Split(target, "/"), rest...)
	}

	return real, real != ""
}

// parentFolder is the folder of a path, "" for what lies in the root.
func parentFolder(path string) string {
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		return path[:i]
	}

	return ""
}
