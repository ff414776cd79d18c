package server

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"time"

	"ratchet/internal/atomicfile"
	"ratchet/internal/research"
)

// Role is what a token opens.
type Role string

const (
	RoleAgent  Role = "agent"  // MCP, and reading the dashboard
	RoleRead   Role = "read"   // reading the dashboard
	RolePerson Role = "person" // the dashboard: reading, and what only a person may decide
)

// Token is what the file says of a bearer token: its name, never itself.
type Token struct {
	Name    string    `json:"name"`
	SHA256  string    `json:"sha256"` // of the token, in hex
	Created time.Time `json:"created"`
	Role    Role      `json:"role,omitempty"` // "" in files that are older than roles: agent
}

// Tokens is the file of the tokens that Ratchet's HTTP server accepts. Every
// method looks at the file again when it has changed, so that what a command
// line adds or revokes counts at once in a server that runs. Several
// processes may change it; its methods may be called at the same time.
type Tokens struct {
	path string

	mu   sync.Mutex
	seen fs.FileInfo // of the file that list was read from, nil: none
	list []Token
}

const (
	tokenPrefix = "ratchet_" // tells a person, and scanners for leaked secrets, what it is
	tokenBytes  = 32
	maxTokens   = 1000
)

var tokenName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$`)

// OpenTokens returns the tokens of the file at path, which need not exist. With
// the path "" there is no file: they live and die with this process.
func OpenTokens(path string) *Tokens { return &Tokens{path: path} }

// Path is the file's.
func (t *Tokens) Path() string { return t.path }

// List returns the tokens, in the order in which they were added.
func (t *Tokens) List() ([]Token, error) {
	t.mu.Lock()
	defer t.mu.Unlock()

	if err := t.reload(); err != nil {
		return nil, err
	}

	return slices.Clone(t.list), nil
}

// Check returns what is known of a token, its role filled in; ok is false for
// one that is not, or no longer, in the file, or whose role this version does not
// know. An error means that the file can't be trusted: no token is good then.
func (t *Tokens) Check(token string) (match Token, ok bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()

	if err := t.reload(); err != nil {
		return match, false, err
	}

	given := []byte(hashToken(token))
	for _, known := range t.list { // all of them: the time must not depend on which one fits
		if subtle.ConstantTimeCompare(given, []byte(known.SHA256)) == 1 {
			known.Role = cmp.Or(known.Role, RoleAgent)
			match, ok = known, known.Role.isKnown()
		}
	}

	return match, ok, nil
}

func (r Role) isKnown() bool { return r == RoleAgent || r == RoleRead || r == RolePerson }

// Add makes a token of 256 random bits and returns it; only its hash is kept.
// Errors: CodeBadArgument for a name that is not 1 to 32 letters, digits, dots,
// dashes and underscores, or a role that is none; CodeConflict for a name that
// exists; CodeStorage.
func (t *Tokens) Add(name string, role Role) (string, error) {
	if !role.isKnown() {
		return "", research.Errorf(research.CodeBadArgument, "use agent, read or person", "%q is not a role of a token",
			string(role))
	}

	if !tokenName.MatchString(name) {
		return "", research.Errorf(research.CodeBadArgument,
			"use 1 to 32 letters, digits, dots, dashes and underscores", "%q can't be a token's name", name)
	}
	random := make([]byte, tokenBytes)
	_, _ = rand.Read(random) // never fails
	token := tokenPrefix + base64.RawURLEncoding.EncodeToString(random)

	return token, t.rewrite(func(list []Token) ([]Token, error) {
		if slices.ContainsFunc(list, func(t Token) bool { return t.Name == name }) {
			return nil, research.Errorf(research.CodeConflict, "use another name, or: ratchet token revoke "+name,
				"there is a token %s already", name)
		}

		if len(list) >= maxTokens {
			return nil, research.Errorf(research.CodeConflict, "revoke some: ratchet token list",
				"there are %d tokens already", len(list))
		}

		return append(list, Token{name, hashToken(token), time.Now().UTC().Truncate(time.Second), role}), nil
	})
}

// Revoke removes a token. Errors: CodeNotFound, CodeStorage.
func (t *Tokens) Revoke(name string) error {
	return t.rewrite(func(list []Token) ([]Token, error) {
		left := slices.DeleteFunc(slices.Clone(list), func(t Token) bool { return t.Name == name })
		if len(left) == len(list) {
			return nil, research.Errorf(research.CodeNotFound, "ratchet token list shows them", "there is no token %q",
				name)
		}

		return left, nil
	})
}

func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// reload reads the file if it is another one than the one seen last. Errors:
// CodeStorage.
func (t *Tokens) reload() error {
	if t.path == "" {
		return nil
	}

	info, err := os.Stat(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		t.seen, t.list = nil, nil
		return nil
	}

	if err != nil {
		return tokensUnreadable(t.path, err)
	}

	if t.seen != nil && isUnchanged(info, t.seen) {
		return nil
	}

	if runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0 {
		return research.Errorf(research.CodeStorage, "chmod 600 "+t.path, "others may write the file of tokens")
	}

	data, err := os.ReadFile(t.path)
	if err != nil {
		return tokensUnreadable(t.path, err)
	}

	var file struct {
		Tokens []Token `json:"tokens"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return tokensUnreadable(t.path, err)
	}
	t.seen, t.list = info, file.Tokens

	return nil
}

// isUnchanged says whether two looks at a path have seen the same file, not
// written in between.
func isUnchanged(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && a.Mode() == b.Mode()
}

func tokensUnreadable(path string, err error) error {
	return research.Errorf(research.CodeStorage, "look at "+path, "the file of tokens can't be read: %w", err)
}

const (
	rewritePatience = 30 * time.Second // for a change of another process
	rewriteStale    = 10 * time.Second // a change takes milliseconds: the process of one this old has died
)

// rewrite replaces the list by what change makes of it. The new file has a fixed
// name, which keeps other changes out until it is renamed.
func (t *Tokens) rewrite(change func([]Token) ([]Token, error)) error {
	if t.path == "" {
		return t.rewriteInMemory(change)
	}

	if err := os.MkdirAll(filepath.Dir(t.path), 0o700); err != nil {
		return tokensUnwritable(err)
	}

	file, err := t.createNewFile()
	if err != nil {
		return err
	}

	return t.replaceFile(file, change)
}

func (t *Tokens) rewriteInMemory(change func([]Token) ([]Token, error)) error {
	t.mu.Lock()
	defer t.mu.Unlock()

	list, err := change(t.list)
	if err != nil {
		return err
	}
	t.list = list

	return nil
}

// createNewFile creates the new file. While another process has one it waits, and
// removes one that a dead process left. Errors: CodeStorage.
func (t *Tokens) createNewFile() (*atomicfile.File, error) {
	name := t.path + ".new"
	deadline := time.Now().Add(rewritePatience)

	for {
		file, err := atomicfile.Create(t.path, atomicfile.Options{Perm: 0o600, Temp: name})
		if err == nil {
			return file, nil
		}

		if !errors.Is(err, fs.ErrExist) {
			return nil, tokensUnwritable(err)
		}

		if info, err := os.Stat(name); err == nil && time.Since(info.ModTime()) > rewriteStale {
			_ = os.Remove(name)
		}

		if time.Now().After(deadline) {
			return nil, research.Errorf(research.CodeStorage, "repeat it, or remove "+name,
				"another process is changing the tokens")
		}

		time.Sleep(20 * time.Millisecond)
	}
}

// replaceFile writes the changed list to the new file, and renames it; both are
// durable when it returns.
func (t *Tokens) replaceFile(file *atomicfile.File, change func([]Token) ([]Token, error)) error {
	defer file.Discard()

	list, err := t.List()
	if err != nil {
		return err
	}

	if list, err = change(list); err != nil {
		return err
	}

	data, err := json.MarshalIndent(map[string]any{"tokens": list}, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the tokens: %w", err)
	}

	if _, err := file.Write(append(data, '\n')); err != nil {
		return tokensUnwritable(err)
	}

	if err := file.Commit(); err != nil {
		return tokensUnwritable(err)
	}

	return nil
}

func tokensUnwritable(err error) error {
	return research.Errorf(research.CodeStorage, "check the folder's permissions and the disk", "write the tokens: %w",
		err)
}
