package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"

	"ratchet/internal/research"
)

// settings overrides the repository's or the user's configuration where it could
// run other programs, block, or change what is stored. What git writes is synced,
// since records of the ledger name it.
var settings = []string{
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
func (g *gitCommand) git(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
	return g.run(ctx, invocation{stdin: stdin}, args...)
}

// run runs one git process. Its output is returned beside an error too; output that
// was cut at the invocation's limit is not an error.
func (g *gitCommand) run(ctx context.Context, call invocation, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, g.binary, slices.Concat(settings, args)...)

	cmd.Dir = call.dir
	if call.dir == "" {
		cmd.Dir = g.root
	}

	cmd.Env = slices.Clone(g.env)
	if g.gitDir != "" {
		cmd.Env = append(cmd.Env, "GIT_DIR="+g.gitDir, "GIT_WORK_TREE="+cmd.Dir)
	}
	cmd.Env = append(cmd.Env, call.env...)

	if call.stdin != nil {
		cmd.Stdin = bytes.NewReader(call.stdin)
	}

	stdout, stderr := &cappedBuffer{limit: call.limit}, &cappedBuffer{limit: 64 << 10, quiet: true}
	cmd.Stdout, cmd.Stderr = stdout, stderr

	endAsGroup(cmd)
	cmd.WaitDelay = 10 * time.Second // a busy machine is slow to hand over what git has written

	err := cmd.Run()
	if err == nil || stdout.full {
		return stdout.buf.Bytes(), nil
	}

	return stdout.buf.Bytes(), classifyFailure(ctx, args[subcommandIndex(args)], stderr.buf.String(), err)
}

// subcommandIndex is the index of git's subcommand among args that begin with -c settings.
func subcommandIndex(args []string) int {
	i := 0
	for i+2 < len(args) && args[i] == "-c" {
		i += 2
	}

	return i
}

// classifyFailure turns the end of a git process into an error with a code.
func classifyFailure(ctx context.Context, command, stderr string, err error) error {
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
	if isStorageFailure(stderr) {
		return research.Errorf(research.CodeStorage, "free space or fix the permissions, then call again", "%w", cause)
	}

	return research.Errorf(research.CodeRepository, "see what git says; `git status` shows the repository's state",
		"%w", cause)
}

// storageFailures are parts of messages about the disk.
var storageFailures = []string{"No space left", "Read-only file system", "Disk quota exceeded", "ermission denied",
	"insufficient permission", "Input/output error"}

func isStorageFailure(stderr string) bool {
	return slices.ContainsFunc(storageFailures, func(sign string) bool { return strings.Contains(stderr, sign) })
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

// environment removes all of git's variables but those that say who the user is
// and how git is configured. Messages are English, and the character set stays
// the user's, since filters see it.
func environment(all []string) []string {
	var env []string
	locale := "" // LC_ALL, which would override LC_MESSAGES

	for _, variable := range all {
		name, value, _ := strings.Cut(variable, "=")
		switch {
		case name == "LC_ALL":
			locale = value
		case name == "LC_MESSAGES", name == "LANGUAGE": // replaced below
		case strings.HasPrefix(name, "GIT_") && !isPassedOn(name):
		default:
			env = append(env, variable)
		}
	}

	// LC_ALL is spelt out as the categories that it stands for.
	if locale != "" {
		for _, category := range []string{"LANG", "LC_CTYPE", "LC_COLLATE", "LC_NUMERIC", "LC_TIME"} {
			env = append(env, category+"="+locale)
		}
	}

	return slices.Concat(env, fixedEnvironment)
}

// fixedEnvironment is what every git process has. An object is the one that its hash
// names: replace refs and grafts put another one in its place for this clone alone (a
// graft file that is there, even an empty one, makes git print a hint). None
// is fetched, since a fetch runs what the configuration names (GIT_ALLOW_PROTOCOL is for
// git before 2.45, which does not know GIT_NO_LAZY_FETCH).
var fixedEnvironment = []string{
	"LC_MESSAGES=C", "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "GIT_LITERAL_PATHSPECS=1",
	"GIT_NO_REPLACE_OBJECTS=1", "GIT_GRAFT_FILE=/dev/null/none", "GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=",
}

// isPassedOn says whether git gets a variable that begins with GIT_.
func isPassedOn(name string) bool {
	for _, prefix := range []string{"GIT_AUTHOR_", "GIT_COMMITTER_", "GIT_CONFIG_", "GIT_LFS_"} {
		if strings.HasPrefix(name, prefix) {
			return name != "GIT_CONFIG_PARAMETERS"
		}
	}

	return name == "GIT_ATTR_NOSYSTEM"
}

// cappedBuffer keeps the first limit bytes, all where limit is 0. A quiet one drops the
// rest; another one refuses it with an error, which ends the process that prints.
type cappedBuffer struct {
	buf   bytes.Buffer
	limit int
	quiet bool
	full  bool
}

func (c *cappedBuffer) Write(content []byte) (int, error) {
	if c.limit <= 0 || c.buf.Len()+len(content) <= c.limit {
		return c.buf.Write(content)
	}

	c.buf.Write(content[:c.limit-c.buf.Len()])
	if c.quiet {
		return len(content), nil
	}

	c.full = true

	return 0, fmt.Errorf("more than %d bytes: %w", c.limit, io.ErrShortWrite)
}

// splitFields splits NUL-terminated output.
func splitFields(out []byte) []string {
	if len(out) == 0 {
		return nil
	}

	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

// joinFields joins strings for commands that read NUL-terminated input.
func joinFields(list []string) []byte {
	var text bytes.Buffer
	for _, s := range list {
		text.WriteString(s)
		text.WriteByte(0)
	}

	return text.Bytes()
}
