package sandbox

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// SystemFolders are the folders of the host that every confined run sees,
// read-only, where they exist. Of /etc and /usr/local/etc that is what every user
// may read: Secrets names the rest.
func SystemFolders() []string {
	return []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/nix", "/gnu",
		"/snap", "/var/lib/gems", "/var/lib/ghc", "/var/lib/texmf", "/var/cache/fontconfig"}
}

// systemPaths are SystemFolders and what else of the host a confined run sees:
// where links in them lead that programs follow, the hardware and the run's
// cgroups. With the nodes of GPUs that is all of /sys.
func (s *Spec) systemPaths() []string {
	paths := append(SystemFolders(), "/etc/hosts", "/etc/localtime", "/etc/resolv.conf", "/run/opengl-driver")

	if slices.ContainsFunc(s.Writable, func(path string) bool { return strings.HasPrefix(path, "/dev/") }) {
		return append(paths, "/sys")
	}

	return append(paths, "/sys/devices/system", "/sys/fs/cgroup", "/sys/kernel/mm")
}

// shownDevices are the device nodes of the host that every confined run has.
func shownDevices() []string {
	return []string{"/dev/full", "/dev/null", "/dev/random", "/dev/tty", "/dev/urandom", "/dev/zero"}
}

// IsInSystem says whether a path without links is a system folder or lies in one.
func IsInSystem(path string) bool { return isInAny(SystemFolders(), path) }

// isInAny says whether a path is one of the folders or lies in one.
func isInAny(folders []string, path string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool {
		return path == folder || strings.HasPrefix(path, folder+"/")
	})
}

// Secrets lists what exists of what a run should never read, for Spec.Hidden,
// though it lies in what a run is shown: keys and tokens in home, should home or a
// part of it be shown, and in /etc what not every user may read.
func Secrets(home string) []string {
	var list []string

	for _, name := range homeSecrets() {
		list = append(list, filepath.Join(home, name))
	}

	for _, name := range []string{"shadow", "shadow-", "gshadow", "gshadow-", "sudoers", "sudoers.d", "ssl/private",
		"pki/tls/private", "krb5.keytab", "credstore", "credstore.encrypted", "ssh/ssh_host_dsa_key",
		"ssh/ssh_host_ecdsa_key", "ssh/ssh_host_ed25519_key", "ssh/ssh_host_rsa_key"} {
		list = append(list, filepath.Join("/etc", name))
	}

	list = append(list, closedFiles("/etc")...)
	list = append(list, closedFiles("/usr/local/etc")...)

	return slices.DeleteFunc(list, func(path string) bool {
		_, err := os.Lstat(path)
		return err != nil
	})
}

// homeSecrets are, relative to a home, keys and tokens in the folders of
// toolchains, which runs are shown, and those that lie elsewhere, for a program
// that lets its runs read more of the home.
func homeSecrets() []string {
	return []string{".ssh", ".aws", ".azure", ".config/gcloud", ".config/gh", ".config/hub", ".netrc", "_netrc",
		".git-credentials", ".config/git/credentials", ".gnupg", ".kube", ".docker", ".config/containers/auth.json",
		".password-store", ".local/share/keyrings", ".mozilla", ".config/google-chrome", ".config/chromium", ".pypirc",
		".cargo/credentials.toml", ".cargo/credentials", ".bash_history", ".zsh_history", ".claude/.credentials.json",
		".codex/auth.json", ".gemini/oauth_creds.json", ".config/github-copilot", ".local/share/opencode/auth.json",
		".terraform.d/credentials.tfrc.json", ".vault-token", ".config/rclone", ".config/op", ".config/doctl", ".oci",
		".boto", ".s3cfg", ".npmrc", ".yarnrc.yml", ".bunfig.toml", ".condarc", ".config/pip", ".pip",
		".config/ratchet", ".claude.json", ".gem/credentials", ".composer/auth.json", ".gradle/gradle.properties",
		".m2/settings.xml", ".nuget/NuGet/NuGet.Config", ".cache/huggingface/token", ".huggingface/token",
		".config/huggingface", ".pgpass", ".my.cnf"}
}

// closedFiles lists what lies in dir and not every user may read. Below a folder
// that is listed nothing else is.
func closedFiles(dir string) (paths []string) {
	const othersRead, othersEnter = 0o004, 0o005

	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink != 0 {
			return nil // what can't be listed can't be read
		}

		info, err := entry.Info()

		switch {
		case err != nil:
			return nil
		case entry.IsDir() && info.Mode()&othersEnter != othersEnter:
			paths = append(paths, path)
			return fs.SkipDir
		case !entry.IsDir() && info.Mode()&othersRead == 0:
			paths = append(paths, path)
		}

		return nil
	})

	return paths
}

// Sees says whether a confined run sees what the host has at a path without links, or
// a view of its own there.
func (s *Spec) Sees(path string) bool {
	seen := slices.Concat(s.systemPaths(), shownDevices(), []string{"/proc", "/dev/pts", "/dev/shm"})

	for _, path := range slices.Concat(s.Shown, s.Writable) {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			seen = append(seen, real)
		}
	}

	for _, v := range s.Views {
		seen = append(seen, v.Root)
	}

	for _, b := range s.Binds {
		seen = append(seen, b.To)
	}

	return isInAny(seen, path)
}
