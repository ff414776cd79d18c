package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"ratchet/internal/atomicfile"
	"ratchet/internal/research"
)

// writeFile writes a file that a person asked for whole or not at all: beside it,
// then renamed over it. A link is followed, the mode of a file that is there
// stays; what is no plain file (a device, a pipe) is written to as it is.
func writeFile(path string, content []byte) error {
	at, mode := path, fs.FileMode(0)
	if to, err := filepath.EvalSymlinks(path); err == nil {
		at = to
	}

	if info, err := os.Stat(at); err == nil {
		if info.IsDir() {
			return unwritable(path, errors.New("it is a folder"))
		}

		if !info.Mode().IsRegular() {
			return toldOf(path, os.WriteFile(at, content, 0o666))
		}
		mode = info.Mode().Perm()
	}

	return toldOf(path, atomicfile.Write(at, content,
		atomicfile.Options{Mode: mode, Durability: atomicfile.ContentFirst}))
}

func toldOf(path string, err error) error {
	if err == nil {
		return nil
	}

	return unwritable(path, err)
}

func unwritable(path string, err error) error {
	if e := new(fs.PathError); errors.As(err, &e) {
		err = e.Err
	}

	if e := new(os.LinkError); errors.As(err, &e) {
		err = e.Err
	}

	return research.Errorf(research.CodeStorage, "name a file in a folder that you may write to", "write %s: %w", path,
		err)
}
