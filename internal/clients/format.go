package clients

import (
	"bytes"
	"reflect"
	"strings"

	"ratchet/internal/research"
)

// format edits one kind of file. src is the whole file and is never changed;
// path leads to the entry. Errors about the file name the line.
type format interface {
	// decode reads the whole file; an empty one is an empty map.
	decode(src []byte) (map[string]any, error)
	// setEntry sets the fields and removes the paths of drop, both below path. It
	// makes what is missing on the way.
	setEntry(src []byte, path []string, set []field, drop [][]string) ([]byte, error)
	// removePath removes what path names; with parents, also what is left empty above it.
	removePath(src []byte, path []string, parents bool) ([]byte, error)
}

// byteOrderMark is what some editors put before the first byte of a text.
var byteOrderMark = []byte("\xef\xbb\xbf")

// lineEnding is the line end that src uses.
func lineEnding(src []byte) string {
	if bytes.Contains(src, []byte("\r\n")) {
		return "\r\n"
	}

	return "\n"
}

// lookupPath is the value that path names.
func lookupPath(doc any, path []string) (any, bool) {
	for _, k := range path {
		m, ok := doc.(map[string]any)
		if !ok {
			return nil, false
		}

		if doc, ok = m[k]; !ok {
			return nil, false
		}
	}

	return doc, true
}

// entryAt is the entry that path names, nil if there is none.
func entryAt(doc map[string]any, path []string) (map[string]any, error) {
	v, ok := lookupPath(doc, path)
	if !ok {
		return nil, nil
	}

	entry, ok := v.(map[string]any)
	if !ok {
		return nil, uneditableError("%s is not a table of keys and values", strings.Join(path, "."))
	}

	return entry, nil
}

// uneditableError is the error of a file that is well-formed, but not as the client
// would write it.
func uneditableError(text string, args ...any) error {
	return research.Errorf(research.CodeUnsupported,
		"write the entry by hand (`ratchet install CLIENT --print` shows it)", text, args...)
}

// unreadableError is the error of a file that its format's library refuses.
func unreadableError(err error) error {
	return research.Errorf(research.CodeUnsupported, "fix the file, and run it again; nothing was changed",
		"it can't be read: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
}

// checkOnlyEntryChanged is an error if before and after differ in anything but the entry.
// Because of it a mistake of an editor is an error, and never written.
func checkOnlyEntryChanged(before, after map[string]any, path []string) error {
	removeEntry(before, path)
	removeEntry(after, path)

	if !reflect.DeepEqual(before, after) {
		return uneditableError("the file is written in a way that can't be edited: more than %s would change",
			strings.Join(path, "."))
	}

	return nil
}

// removeEntry removes the entry and what is empty above it.
func removeEntry(doc map[string]any, path []string) {
	if len(path) > 1 {
		if inner, ok := doc[path[0]].(map[string]any); ok {
			removeEntry(inner, path[1:])

			if len(inner) > 0 {
				return
			}
		} else if doc[path[0]] != nil {
			return
		}
	}
	delete(doc, path[0])
}
