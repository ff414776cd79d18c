package worker

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/sandbox"
)

// passedVariables are the variables of the caller's environment that every command
// gets: what finds toolchains, and the locale. Everything else is scrubbed; the
// program's `env` lets more through by name.
var passedVariables = []string{"PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TERM", "USER", "LOGNAME", "SHELL",
	"GOROOT", "GOPROXY", "GOFLAGS", "GOTOOLCHAIN", "GOPRIVATE", "GONOSUMDB", "GOSUMDB", "GOAMD64", "CGO_ENABLED", "CC",
	"CXX", "CFLAGS", "LDFLAGS", "PYENV_ROOT", "PYENV_VERSION", "CONDA_PREFIX", "VIRTUAL_ENV", "NVM_DIR", "NODE_PATH",
	"JAVA_HOME", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH", "PKG_CONFIG_PATH", "CUDA_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR",
	"NODE_EXTRA_CA_CERTS"}

// commandEnvironment is a command's whole environment; passed are the variables that
// the program lets through. HOME is a layer of the workspace, so caches fill up
// there; TMPDIR is the run's own.
func commandEnvironment(passed []string, home, tmp string, seed uint64) []string {
	env := []string{
		"HOME=" + home,
		"XDG_CACHE_HOME=" + filepath.Join(home, ".cache"),
		"XDG_CONFIG_HOME=" + filepath.Join(home, ".config"),
		"XDG_DATA_HOME=" + filepath.Join(home, ".local", "share"),
		"PYTHONPYCACHEPREFIX=" + filepath.Join(home, ".cache", "pycache"),
		"NPM_CONFIG_UPDATE_NOTIFIER=false",
		"TMPDIR=" + tmp,
		"RATCHET=1",
		fmt.Sprintf("RATCHET_SEED=%d", seed),
	}

	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if slices.Contains(passedVariables, name) || slices.Contains(passed, name) {
			env = append(env, kv)
		}
	}

	return append(env, toolchainVariables()...)
}

// unseenFolders says which folders that commands are found by are hidden from runs:
// HOME, and what PATH names, below a folder for temporary files.
func unseenFolders(tier sandbox.Tier) (lines []string) {
	home, _ := os.UserHomeDir()

	if in := sandbox.Unseen(tier, home); home != "" && in != "" {
		lines = append(lines, fmt.Sprintf("HOME, %s, is in %s, and every run has an empty %s of its own: "+
			"no run finds programs, toolchains or caches there; use a home elsewhere", home, in, in))
	}

	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		in := sandbox.Unseen(tier, dir)
		if in == "" || !checkout.IsDir(dir) {
			continue
		}

		if len(lines) > 0 && strings.HasPrefix(dir+"/", home+"/") { // said already
			continue
		}

		lines = append(lines, fmt.Sprintf("%s, which PATH names, is in %s, and every run has an empty %s of its own: "+
			"no run finds the programs there; install them elsewhere", dir, in, in))
	}

	return lines
}

// toolchainDirs are the folders below the real home that toolchains fetch into.
func toolchainDirs() (dirs []string) {
	for _, kv := range toolchainVariables() {
		name, dir, _ := strings.Cut(kv, "=")
		if slices.Contains([]string{"GOMODCACHE", "RUSTUP_HOME", "CARGO_HOME"}, name) {
			dirs = append(dirs, dir)
		}
	}

	return dirs
}

// toolchainVariables name the folders below the real home that toolchains need and
// that a fresh HOME would hide: module caches and installed compilers.
func toolchainVariables() (env []string) {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil
	}

	add := func(name, fallback string) {
		if dir := cmp.Or(os.Getenv(name), fallback); checkout.IsDir(dir) {
			env = append(env, name+"="+dir)
		}
	}

	add("GOMODCACHE", goModuleCache(home))
	add("RUSTUP_HOME", filepath.Join(home, ".rustup"))
	add("CARGO_HOME", filepath.Join(home, ".cargo"))
	add("VOLTA_HOME", filepath.Join(home, ".volta"))
	add("ASDF_DATA_DIR", filepath.Join(home, ".asdf"))
	add("MISE_DATA_DIR", filepath.Join(home, ".local", "share", "mise"))

	return env
}

// goModuleCache is where Go keeps modules unless GOMODCACHE says otherwise.
func goModuleCache(home string) string {
	gopath := os.Getenv("GOPATH")
	if gopath == "" {
		gopath = filepath.Join(home, "go")
	}

	return filepath.Join(filepath.SplitList(gopath)[0], "pkg", "mod")
}

// makeGoModuleCache makes the folder of Go's modules for a user who has Go and
// never fetched one: a setup can write only into a folder that exists, and would
// fetch into a layer that is thrown away. Without Go it does nothing.
func makeGoModuleCache() error {
	if _, err := exec.LookPath("go"); err != nil {
		return nil
	}

	home, err := os.UserHomeDir()
	if err != nil {
		return nil
	}

	dir := cmp.Or(os.Getenv("GOMODCACHE"), goModuleCache(home))
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return research.Errorf(research.CodeStorage, "check the folder's permissions, or set GOMODCACHE",
			"the folder for Go's modules can't be made: %w", err)
	}

	return nil
}
