package atomicfile

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// TempPrefix begins the names of temporary files, unless Options.Temp names one.
const TempPrefix = ".ratchet-"

// Durability is what a replacement survives.
type Durability int

const (
	// Durable survives a crash of the machine once Commit has returned.
	Durable Durability = iota
	// ContentFirst survives a crash as the old or the new content: the content
	// reaches the disk before its name does. Which of both is open.
	ContentFirst
	// ProcessOnly is whole for other processes. After a crash of the machine the
	// file may be empty or a part: for what can be made again.
	ProcessOnly
)

// Options say how a file is replaced. The zero value is a durable one with
// permissions 0666 less the umask.
type Options struct {
	Perm       fs.FileMode // of the new file, less the umask; 0 means 0666
	Mode       fs.FileMode // of the new file, whatever the umask; 0 leaves Perm's
	Temp       string      // path of the temporary file, in the target's folder; "" is a random one
	Durability Durability
}

// File is the new content of a file, which is not yet in its place.
type File struct {
	*os.File
	target     string
	durability Durability
	flushed    bool
	done       bool
}

// Write replaces the file at path by content. After an error path is as it was,
// except that an error of the folder's sync comes after the replacement.
func Write(path string, content []byte, options Options) error {
	f, err := Create(path, options)
	if err != nil {
		return err
	}
	defer f.Discard()

	if _, err := f.Write(content); err != nil {
		return err
	}

	return f.Commit()
}

// Create opens a temporary file for the content of path. The error wraps
// fs.ErrExist when Options.Temp is there already: two writers that name the same
// temporary file exclude each other. The caller defers Discard.
func Create(path string, options Options) (*File, error) {
	perm, temp := options.Perm, options.Temp
	if perm == 0 {
		perm = 0o666
	}

	if temp == "" {
		temp = filepath.Join(filepath.Dir(path), TempPrefix+rand.Text())
	}

	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return nil, err
	}
	file := &File{File: f, target: path, durability: options.Durability}

	if options.Mode != 0 {
		if err := f.Chmod(options.Mode); err != nil {
			file.Discard()
			return nil, err
		}
	}

	return file, nil
}

// Flush closes the temporary file, its content being as durable as the options
// ask. Commit does it too; a caller that checks something last calls it before.
func (f *File) Flush() error {
	if f.flushed {
		return nil
	}

	var err error
	if f.durability != ProcessOnly {
		err = f.Sync()
	}

	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	f.flushed = true

	return nil
}

// Commit puts the content in its place. Until it has returned without an error,
// Discard removes the temporary file.
func (f *File) Commit() error {
	if err := f.Flush(); err != nil {
		return err
	}

	if err := os.Rename(f.Name(), f.target); err != nil {
		return err
	}
	f.done = true

	if f.durability != Durable {
		return nil
	}

	return SyncDir(filepath.Dir(f.target))
}

// Discard closes and removes the temporary file; after Commit it does nothing.
func (f *File) Discard() {
	if f.done {
		return
	}
	f.done = true

	_ = f.Close()
	_ = os.Remove(f.Name())
}

// SyncDir makes what was renamed in a folder durable. On Windows, which has no
// such call and journals renames, it does nothing.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}

	file, err := os.Open(dir)
	if err != nil {
		return err
	}

	return errors.Join(file.Sync(), file.Close())
}
