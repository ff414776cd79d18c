package checkout

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ratchet/internal/atomicfile"
	"ratchet/internal/research"
	"ratchet/sandbox"
)

// idLetters are the letters of a random id, as rand.Text makes it.
const idLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// RepositoryID is the random id of the repository, "" before its first start. It lies
// in the git directory that all checkouts share, so a clone, and a repository that is
// made anew at the same path, has another one. Errors: CodeRepository.
func (co *Checkout) RepositoryID() (string, error) {
	text, err := os.ReadFile(co.repositoryFile())
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}

	if err != nil {
		return "", research.Errorf(research.CodeRepository, "check its permissions", "read the repository's id: %w", err)
	}

	id := strings.TrimSpace(string(text))
	if len(id) < 26 || strings.Trim(id, idLetters) != "" {
		return "", research.Errorf(research.CodeRepository, "remove it: the next start_campaign makes another",
			"%s does not hold the repository's id", co.repositoryFile())
	}

	return id, nil
}

// EnsureRepositoryID gives the repository its id, where it has none yet.
func (co *Checkout) EnsureRepositoryID(ctx context.Context) error {
	if id, err := co.RepositoryID(); id != "" || err != nil {
		return err
	}

	if err := os.MkdirAll(filepath.Dir(co.repositoryFile()), 0o777); err != nil {
		return research.Errorf(research.CodeStorage, "make the git directory writable", "make the repository's id: %w",
			err)
	}

	lock, err := sandbox.AcquireLock(ctx, co.repositoryFile()+".lock", 0)
	if err != nil {
		return err
	}
	defer lock.Release()

	if id, err := co.RepositoryID(); id != "" || err != nil { // another session made it meanwhile
		return err
	}

	return atomicfile.Write(co.repositoryFile(), []byte(rand.Text()+"\n"), atomicfile.Options{})
}

func (co *Checkout) repositoryFile() string {
	return filepath.Join(co.Repo.CommonDir(), "ratchet", "repository")
}

// CacheDir is the folder of this repository's workspaces. Another repository, and
// another ledger, has another. The name only leads there, and is short because
// sockets in a run's TMPDIR have paths of 107 bytes at most: what lies in the
// folder is stamped with the identity in full, and checked when it is taken.
func (co *Checkout) CacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", research.Errorf(research.CodeStorage, "set HOME or XDG_CACHE_HOME", "no cache folder: %w", err)
	}

	id, err := co.RepositoryID()
	if err != nil {
		return "", err
	}

	sum := sha256.Sum256([]byte(strings.Join([]string{id, co.Repo.CommonDir(), co.ledgerPath}, "\x00")))
	name := strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10]))

	return filepath.Join(base, "ratchet", name), nil
}
