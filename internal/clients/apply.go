package clients

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"ratchet/internal/atomicfile"
	"ratchet/internal/research"
)

// backupSuffix follows the file's own name; later backups have a number behind it.
const backupSuffix = ".ratchet-backup"

// Apply carries the plan out: a backup beside the file, then the new content
// under another name in the same folder, then a rename. It returns the backup's
// path, "" if none was needed. A file that changed since it was planned is left
// alone.
func (p *Plan) Apply() (string, error) {
	if p.Action == None || p.Action == Left {
		return "", nil
	}

	if err := p.checkUnchanged(); err != nil {
		return "", err
	}

	if p.Action == Deleted {
		return p.removeFile()
	}

	if p.Before == nil {
		if err := os.MkdirAll(filepath.Dir(p.target), 0o755); err != nil {
			return "", research.Errorf(research.CodeStorage, "check its permissions",
				"the folder of %s can't be made: %w", p.File, err)
		}

		return "", p.writeAfter()
	}

	if err := checkWritable(p.target, p.Mode); err != nil {
		return "", research.Errorf(research.CodeStorage,
			"make it writable, or add the entry by hand (`ratchet install … --dry-run` shows it)",
			"%s is read-only: %w", p.File, err)
	}

	if p.ours {
		return "", p.writeAfter()
	}

	backup, err := p.writeBackup()
	if err != nil {
		return "", err
	}

	return backup, p.writeAfter()
}

// removeFile takes the file away; what a person added to the entry is backed up.
func (p *Plan) removeFile() (backup string, err error) {
	if !p.ours {
		if backup, err = p.writeBackup(); err != nil {
			return "", err
		}
	}

	if err := os.Remove(p.target); err != nil {
		return "", research.Errorf(research.CodeStorage, "check the folder's permissions", "%s can't be removed: %w",
			p.File, err)
	}

	if dir := filepath.Dir(p.target); filepath.Base(dir) == EntryName {
		_ = os.Remove(dir) // a skill's own folder; it stays if anything else is in it
	}

	return backup, nil
}

// checkUnchanged is an error if the file is not what it was when it was planned.
func (p *Plan) checkUnchanged() error {
	now, err := os.ReadFile(p.target)

	unchanged := err == nil && bytes.Equal(now, p.Before)
	if p.Before == nil {
		unchanged = errors.Is(err, fs.ErrNotExist)
	}

	if unchanged {
		return nil
	}

	return research.Errorf(research.CodeConflict, "run it again", "%s has just been changed by another program", p.File)
}

// checkWritable asks the mode first: root may write everything, and the person who
// made the file read-only meant it.
func checkWritable(file string, mode fs.FileMode) error {
	if mode&0o222 == 0 {
		return fs.ErrPermission
	}

	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}

	return f.Close()
}

// writeBackup keeps Before beside the file, unless a backup has these bytes already.
func (p *Plan) writeBackup() (string, error) {
	for _, b := range listBackups(p.File) {
		if old, err := os.ReadFile(b); err == nil && bytes.Equal(old, p.Before) {
			return b, nil
		}
	}

	for n := 1; ; n++ {
		name := backupName(p.File, n)

		file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, p.Mode)
		if errors.Is(err, fs.ErrExist) {
			continue
		}

		if err == nil {
			_, err = file.Write(p.Before)
			err = errors.Join(err, file.Sync(), file.Close())
		}

		if err != nil {
			return "", research.Errorf(research.CodeStorage, "make its folder writable",
				"the backup %s can't be written: %w", name, err)
		}

		return name, nil
	}
}

func backupName(file string, n int) string {
	if n == 1 {
		return file + backupSuffix
	}

	return fmt.Sprintf("%s%s.%d", file, backupSuffix, n)
}

// listBackups are the file's backups, the newest first.
func listBackups(file string) []string {
	var out []string

	for n := 1; ; n++ {
		name := backupName(file, n)
		if _, err := os.Lstat(name); err != nil {
			return out
		}
		out = append([]string{name}, out...)
	}
}

// writeAfter puts After in the target's place, with its mode and owner.
func (p *Plan) writeAfter() error {
	fail := func(err error) error {
		return research.Errorf(research.CodeStorage, "make the folder writable, or free some space",
			"%s can't be written: %w", p.File, err)
	}

	f, err := atomicfile.Create(p.target, atomicfile.Options{Perm: 0o600, Mode: p.Mode,
		Durability: atomicfile.ContentFirst})
	if err != nil {
		return fail(err)
	}
	defer f.Discard()

	_, err = f.Write(p.After)
	if p.Before != nil {
		err = errors.Join(err, keepOwner(f.File, p.target))
	}

	if err = errors.Join(err, f.Flush()); err != nil {
		return fail(err)
	}

	// Last, so that little time passes between the check and the rename.
	if err := p.checkUnchanged(); err != nil {
		return err
	}

	if err := f.Commit(); err != nil {
		return fail(err)
	}

	return nil
}
