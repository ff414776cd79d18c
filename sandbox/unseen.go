package sandbox

import (
	"path/filepath"
	"strings"
)

// privateFolders are the shared places for temporary files.
func privateFolders() []string { return []string{"/tmp", "/var/tmp"} }

// Unseen is the folder for temporary files that path lies in or below, "" if in
// none: a confined run of tier namespaces has an empty one of its own in its
// place, and so does not see path. Links are followed.
func Unseen(tier Tier, path string) string {
	if tier != Namespaces {
		return ""
	}

	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}

	for _, folder := range privateFolders() {
		real, err := filepath.EvalSymlinks(folder)
		if err == nil && strings.HasPrefix(filepath.Clean(path)+"/", real+"/") {
			return folder
		}
	}

	return ""
}
