package clients

import (
	"os"
	"path/filepath"
	"strings"

	"ratchet/internal/research"
)

// Machine is what the paths of configuration files depend on.
type Machine struct {
	GOOS   string              // linux, darwin, windows
	Home   string              // the user's home folder
	Getenv func(string) string // XDG_CONFIG_HOME, APPDATA, and the clients' own variables
}

// place is a path below a base. An empty variable means that the place does
// not exist on this machine.
type place struct {
	base base
	rel  string
}

// base is where a place begins.
type base string

const (
	home     base = "home"
	config   base = "config"   // $XDG_CONFIG_HOME, else ~/.config, on every system
	appData  base = "appdata"  // the system's own: ~/.config, ~/Library/Application Support, %APPDATA%
	windows  base = "windows"  // %APPDATA%, on Windows only
	repo     base = "repo"     // the repository's top
	variable base = "variable" // $NAME/rest, if it is set: rel is NAME:rest
)

// resolvePath is where a place is, "" if this machine has no such place.
func (m Machine) resolvePath(p place, top string) string {
	xdg := m.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(xdg) {
		xdg = filepath.Join(m.Home, ".config")
	}

	roam := m.Getenv("APPDATA")
	if roam == "" {
		roam = filepath.Join(m.Home, "AppData", "Roaming")
	}
	dir := ""

	switch p.base {
	case home:
		dir = m.Home
	case config:
		dir = xdg
	case windows:
		if m.GOOS == "windows" {
			dir = roam
		}
	case appData:
		dir = map[string]string{"darwin": filepath.Join(m.Home, "Library", "Application Support"),
			"windows": roam}[m.GOOS]
		if dir == "" {
			dir = xdg
		}
	case repo:
		dir = top
	case variable:
		name, rest, _ := strings.Cut(p.rel, ":")
		if v := m.Getenv(name); filepath.IsAbs(v) {
			return filepath.Join(v, filepath.FromSlash(rest))
		}
	}

	if dir == "" {
		return ""
	}

	return filepath.Join(dir, filepath.FromSlash(p.rel))
}

// ConfigFile is the client's configuration file of that scope: the one that has
// Ratchet's entry, else the first that exists, else the one to be made. top is
// the repository's folder; it is needed for the project scope only.
func (c Client) ConfigFile(machine Machine, scope Scope, top string) (string, error) {
	places := c.user
	if scope == Project {
		places = c.project
	}

	if len(places) == 0 {
		return "", research.Errorf(research.CodeUnsupported, "leave --scope project out",
			"%s has no configuration file for one project", c.Name)
	}

	if scope == Project && top == "" {
		return "", research.Errorf(research.CodeRepository, "go into the repository, or name it with -C",
			"--scope project needs a repository")
	}
	first, exists := "", ""

	for _, p := range places {
		file := machine.resolvePath(p, top)
		if file == "" {
			continue
		}

		if p.base == variable { // the person has moved it: no other place counts
			return file, nil
		}

		if _, ok, err := c.ReadEntry(file); err == nil && ok {
			return file, nil
		}

		if _, err := os.Stat(file); err == nil && exists == "" {
			exists = file
		}

		if first == "" {
			first = file
		}
	}

	if exists != "" {
		return exists, nil
	}

	return first, nil
}

// FindInstallation tells why the client seems to be installed on this machine, or "".
// look finds a program on PATH, as exec.LookPath does.
func (c Client) FindInstallation(machine Machine, look func(string) (string, error)) string {
	for _, b := range c.binary {
		if at, err := look(b); err == nil {
			return at
		}
	}

	for _, p := range c.folder {
		if dir := machine.resolvePath(p, ""); dir != "" {
			if info, err := os.Stat(dir); err == nil && info.IsDir() {
				return dir
			}
		}
	}

	return ""
}
