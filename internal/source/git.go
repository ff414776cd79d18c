package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"ratchet/internal/research"
)

// settings overrides what a repository's or user's configuration could turn
// against us. What is written is synced, since the ledger will speak of it.
var settings = [...]string{
	"-c", "core.hooksPath=/dev/null",
	"-c", "core.fsmonitor=false",
	"-c", "core.safecrlf=false",
	"-c", "core.quotePath=false",
	"-c", "core.fsync=loose-object,reference",
	"-c", "core.filesRefLockTimeout=500",
	"-c", "core.packedRefsTimeout=1000",
	"-c", "submodule.recurse=false",
	"-c", "advice.detachedHead=false",
}

// invocation is how one git process differs from the ordinary one.
type invocation struct {
	stdin []byte
	dir   string   // working directory, "" for the work tree's root
	env   []string // added last
	limit int      // bytes of output kept, 0 for all; git ends when it prints more
}

// gitError is a git process that failed.
type gitError struct {
	command string // the subcommand
	stderr  string
}

func (e *gitError) Error() string { return "git " + e.command + ": " + firstLine(e.stderr) }

// git runs one git process in the work tree and returns its standard output,
// also beside an error.
func (r *gitCommand) git(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
	return r.run(ctx, invocation{stdin: stdin}, args...)
}

func (r *gitCommand) run(ctx context.Context, v invocation, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, r.binary, append(settings[:len(settings):len(settings)], args...)...)

	cmd.Dir = v.dir
	if v.dir == "" {
		cmd.Dir = r.root
	}

	cmd.Env = r.env
	if r.gitDir != "" {
		cmd.Env = append(cmd.Env[:len(cmd.Env):len(cmd.Env)], "GIT_DIR="+r.gitDir, "GIT_WORK_TREE="+cmd.Dir)
	}

	cmd.Env = append(cmd.Env[:len(cmd.Env):len(cmd.Env)], v.env...)
	if v.stdin != nil {
		cmd.Stdin = bytes.NewReader(v.stdin)
	}
	stdout, stderr := &capped{limit: v.limit}, &capped{limit: 64 << 10, quiet: true}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	endAsGroup(cmd)
	cmd.WaitDelay = 10 * time.Second // a busy machine takes its time to hand over what git has written

	err := cmd.Run()
	if err == nil || stdout.full {
		return stdout.buf.Bytes(), nil
	}

	return stdout.buf.Bytes(), failure(ctx, args[subcommand(args)], stderr.buf.String(), err)
}

// subcommand is the index of git's subcommand among args that begin with -c settings.
func subcommand(args []string) int {
	i := 0
	for i+2 < len(args) && args[i] == "-c" {
		i += 2
	}

	return i
}

// failure turns the end of a git process into an error with a code.
func failure(ctx context.Context, command, stderr string, err error) error {
	if ctx.Err() != nil {
		return research.Errorf(research.CodeCancelled, "call again", "git %s was interrupted: %w", command, ctx.Err())
	}

	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return research.Errorf(research.CodeRepository, "check that git is installed and the checkout still exists",
			"git %s could not run: %w", command, err)
	}

	if strings.TrimSpace(stderr) == "" {
		stderr = exit.Error()
	}

	cause := &gitError{command: command, stderr: stderr}
	for _, sign := range []string{"No space left", "Read-only file system", "Disk quota exceeded", "ermission denied",
		"insufficient permission", "Input/output error"} {
		if strings.Contains(stderr, sign) {
			return research.Errorf(research.CodeStorage, "free space or fix the permissions, then call again", "%w",
				cause)
		}
	}

	return research.Errorf(research.CodeRepository, "see what git says; `git status` shows the repository's state",
		"%w", cause)
}

// stderrOf is what the failed git process behind err printed, "" for other errors.
func stderrOf(err error) string {
	var e *gitError
	if errors.As(err, &e) {
		return e.stderr
	}

	return ""
}

// firstLine is the first line of a git message that says what is wrong,
// without git's prefix.
func firstLine(stderr string) string {
	first := ""

	for line := range strings.Lines(stderr) {
		line = strings.TrimSpace(line)
		if s, ok := strings.CutPrefix(line, "fatal: "); ok {
			return s
		}

		if first == "" && !strings.HasPrefix(line, "warning: ") && !strings.HasPrefix(line, "hint: ") {
			first = strings.TrimPrefix(line, "error: ")
		}
	}

	if first == "" {
		first = strings.TrimSpace(stderr)
	}

	return first
}

// environment scrubs all of git's variables but those that say who the user is
// and how git is configured. Messages are English, and the character set stays
// the user's, since filters see it.
func environment(all []string) []string {
	var env []string
	everywhere := ""

	for _, kv := range all {
		name, value, _ := strings.Cut(kv, "=")
		switch {
		case name == "LC_ALL":
			everywhere = value
		case name == "LC_MESSAGES" || name == "LANGUAGE" || strings.HasPrefix(name, "GIT_") && !passed(name):
		default:
			env = append(env, kv)
		}
	}

	if everywhere != "" {
		for _, category := range []string{"LANG", "LC_CTYPE", "LC_COLLATE", "LC_NUMERIC", "LC_TIME"} {
			env = append(env, category+"="+everywhere)
		}
	}

	return append(env, "LC_MESSAGES=C", "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "GIT_LITERAL_PATHSPECS=1")
}

func passed(name string) bool {
	for _, prefix := range []string{"GIT_AUTHOR_", "GIT_COMMITTER_", "GIT_CONFIG_", "GIT_LFS_"} {
		if strings.HasPrefix(name, prefix) {
			return name != "GIT_CONFIG_PARAMETERS"
		}
	}

	return name == "GIT_ATTR_NOSYSTEM"
}

// capped keeps the first limit bytes. A quiet one swallows the rest, another one
// refuses it, which ends the process that prints.
type capped struct {
	buf   bytes.Buffer
	limit int
	quiet bool
	full  bool
}

func (c *capped) Write(p []byte) (int, error) {
	if c.limit <= 0 || c.buf.Len()+len(p) <= c.limit {
		return c.buf.Write(p)
	}
	c.buf.Write(p[:c.limit-c.buf.Len()])

	if c.quiet {
		return len(p), nil
	}
	c.full = true

	return 0, fmt.Errorf("more than %d bytes: %w", c.limit, io.ErrShortWrite)
}

// fields splits NUL-terminated output.
func fields(out []byte) []string {
	if len(out) == 0 {
		return nil
	}

	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

// terminated joins strings for commands that read NUL-terminated input.
func terminated(list []string) []byte {
	var b bytes.Buffer
	for _, s := range list {
		b.WriteString(s)
		b.WriteByte(0)
	}

	return b.Bytes()
}
