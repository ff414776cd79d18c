package notify

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/wording"
	"ratchet/sandbox"
)

// commandResult is what a person's command did.
type commandResult struct {
	stdout, stderr string // at most 8 KiB each, the beginning
	exit           int    // -1 when a signal ended it
	timedOut       bool   // it was killed at its limit, with all that it had started
	took           time.Duration
	stdoutBytes    int64 // of stdout, what was left out included
}

// execute runs a person's own command in dir, without the confinement that
// experiments have, with this process's environment, env and stdin. When it returns,
// every process that the command started is dead. A command that fails is not an error.
func execute(
	ctx context.Context, command, dir string, env []string, stdin []byte, limit time.Duration,
) (*commandResult, error) {
	const most = 8 << 10

	tmp, err := os.MkdirTemp("", "ratchet-command-")
	if err != nil {
		return nil, research.Errorf(research.CodeStorage, "free space in TMPDIR", "make a temporary folder: %w", err)
	}
	defer checkout.RemoveTree(tmp)

	in, said := filepath.Join(tmp, "in"), filepath.Join(tmp, "err")
	if err := os.WriteFile(in, stdin, 0o600); err != nil {
		return nil, research.Errorf(research.CodeStorage, "free space in TMPDIR", "write a command's input: %w", err)
	}

	tier, _, err := sandbox.Detect(ctx, tmp)
	if err != nil {
		return nil, err
	}

	env = append(append(os.Environ(), env...), "RATCHET_C="+command, "RATCHET_I="+in, "RATCHET_E="+said)

	result, err := sandbox.Run(ctx, sandbox.Spec{
		Command: `c=$RATCHET_C i=$RATCHET_I e=$RATCHET_E; unset RATCHET_C RATCHET_I RATCHET_E; exec sh -c "$c" <"$i" 2>"$e"`,
		Dir:     dir, Env: env, Wall: limit, Keep: 2 * most, Tier: tier, Scratch: filepath.Join(tmp, "scratch")})
	if err != nil {
		return nil, err
	}
	out := &commandResult{stdout: string(result.Output.Head), exit: result.Exit, timedOut: result.TimedOut,
		took: result.Wall, stdoutBytes: result.Output.Bytes}

	if file, err := os.Open(said); err == nil {
		defer file.Close()
		b := make([]byte, most)
		n, _ := file.Read(b)
		out.stderr = string(b[:n])
	}

	return out, nil
}

// describeFailure says in one line how a command failed, "" if it did not.
func (e *commandResult) describeFailure() string {
	words := ""

	switch {
	case e.timedOut:
		words = "was killed after " + e.took.Round(time.Second).String()
	case e.exit != 0:
		words = "ended with exit status " + strconv.Itoa(e.exit)
	default:
		return ""
	}

	if line := wording.LastLine(e.stderr); line != "" {
		words += ": " + line
	}

	return words
}
