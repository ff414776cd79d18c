package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

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
