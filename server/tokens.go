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
	Role    Role      `json:"role,omitempty"` // "" in files of before there were roles: agent
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

	if err := t.refresh(); err != nil {
		return nil, err
	}

	return slices.Clone(t.list), nil
}

// Check returns what is known of a token, its role filled in; ok is false for
// one that is not, or no longer, in the file, or whose role this version does not
// know. An error means that the file can't be trusted: nobody may pass.
func (t *Tokens) Check(token string) (who Token, ok bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()

	if err := t.refresh(); err != nil {
		return who, false, err
	}

	given := []byte(digest(token))
	for _, known := range t.list { // all of them, whichever fits
		if subtle.ConstantTimeCompare(given, []byte(known.SHA256)) == 1 {
			known.Role = cmp.Or(known.Role, RoleAgent)
			who, ok = known, known.Role.known()
		}
	}

	return who, ok, nil
}

func (r Role) known() bool { return r == RoleAgent || r == RoleRead || r == RolePerson }

// Add makes a token of 256 random bits and returns it; only its hash is kept.
// Errors: CodeBadArgument for a name that is not 1 to 32 letters, digits, dots,
// dashes and underscores, or a role that is none; CodeConflict for a name that
// exists; CodeStorage.
func (t *Tokens) Add(name string, role Role) (string, error) {
	if !role.known() {
		return "", research.Errorf(research.CodeBadArgument, "use agent, read or person", "%q is no role of a token",
			string(role))
	}

	if !tokenName.MatchString(name) {
		return "", research.Errorf(research.CodeBadArgument,
			"use 1 to 32 letters, digits, dots, dashes and underscores", "%q can't be a token's name", name)
	}
	random := make([]byte, tokenBytes)
	_, _ = rand.Read(random) // never fails
	token := tokenPrefix + base64.RawURLEncoding.EncodeToString(random)

	return token, t.change(func(list []Token) ([]Token, error) {
		if slices.ContainsFunc(list, func(k Token) bool { return k.Name == name }) {
			return nil, research.Errorf(research.CodeConflict, "use another name, or: ratchet token revoke "+name,
				"there is a token %s already", name)
		}

		if len(list) >= maxTokens {
			return nil, research.Errorf(research.CodeConflict, "revoke some: ratchet token list",
				"there are %d tokens already", len(list))
		}

		return append(list, Token{name, digest(token), time.Now().UTC().Truncate(time.Second), role}), nil
	})
}

// Revoke removes a token. Errors: CodeNotFound, CodeStorage.
func (t *Tokens) Revoke(name string) error {
	return t.change(func(list []Token) ([]Token, error) {
		left := slices.DeleteFunc(slices.Clone(list), func(k Token) bool { return k.Name == name })
		if len(left) == len(list) {
			return nil, research.Errorf(research.CodeNotFound, "ratchet token list shows them", "there is no token %q",
				name)
		}

		return left, nil
	})
}

func digest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// refresh reads the file if it is another one than the one seen last.
func (t *Tokens) refresh() error {
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

	if t.seen != nil && os.SameFile(info, t.seen) && info.ModTime().Equal(t.seen.ModTime()) &&
		info.Size() == t.seen.Size() && info.Mode() == t.seen.Mode() {
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

func tokensUnreadable(path string, err error) error {
	return research.Errorf(research.CodeStorage, "look at "+path, "the file of tokens can't be read: %w", err)
}

const (
	changePatience = 30 * time.Second
	changeStale    = 10 * time.Second // a change takes milliseconds; one this old died
)

// change rewrites the file as f says: a new file of a fixed name, which keeps
// other changes out meanwhile, fsync, rename, fsync of the folder.
func (t *Tokens) change(f func([]Token) ([]Token, error)) error {
	if t.path == "" {
		t.mu.Lock()
		defer t.mu.Unlock()

		list, err := f(t.list)
		if err == nil {
			t.list = list
		}

		return err
	}

	if err := os.MkdirAll(filepath.Dir(t.path), 0o700); err != nil {
		return tokensUnwritable(err)
	}

	file, err := t.begin()
	if err != nil {
		return err
	}

	return t.write(file, f)
}

// begin creates the new file, waiting for another process that has one.
func (t *Tokens) begin() (*atomicfile.File, error) {
	next := t.path + ".new"
	for end := time.Now().Add(changePatience); ; time.Sleep(20 * time.Millisecond) {
		file, err := atomicfile.Create(t.path, atomicfile.Options{Perm: 0o600, Temp: next})
		if err == nil {
			return file, nil
		}

		if !errors.Is(err, fs.ErrExist) {
			return nil, tokensUnwritable(err)
		}

		if info, err := os.Stat(next); err == nil && time.Since(info.ModTime()) > changeStale {
			_ = os.Remove(next)
		}

		if time.Now().After(end) {
			return nil, research.Errorf(research.CodeStorage, "repeat it, or remove "+next,
				"another process is changing the tokens")
		}
	}
}

func (t *Tokens) write(file *atomicfile.File, f func([]Token) ([]Token, error)) error {
	defer file.Discard()

	list, err := t.List()
	if err != nil {
		return err
	}

	if list, err = f(list); err != nil {
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
