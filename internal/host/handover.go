package host

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ratchet/internal/research"
)

// This file is the sessions' side of workers that stay: which one may do a job, and
// how it is asked. standby.go is the worker's side.

// handOverLimit is how long a worker may take to announce itself for a job that it
// is handed: a stopped process is not waited for.
const handOverLimit = 5 * time.Second

// standbyKey names the workers that are equal to a process that l would start: the
// same program file, arguments, folder, environment, and whatever else a process
// inherits. Only such a worker is given the job, so that a job can't tell whether
// its worker is new.
func standbyKey(l Launch) (string, error) {
	if len(l.Argv) == 0 {
		return "", fmt.Errorf("start a worker: no program")
	}

	path, err := exec.LookPath(l.Argv[0])
	if err != nil {
		return "", fmt.Errorf("find %s: %w", l.Argv[0], err)
	}

	program, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", l.Argv[0], err)
	}

	environment := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains(shellVariables, name)
	})
	slices.Sort(environment)

	digest := sha256.New()
	for _, part := range []any{path, identifyFile(program), program.Size(), program.ModTime().UnixNano(), l.Argv[1:],
		l.Args, l.Dir, environment, inheritedState()} {
		fmt.Fprintf(digest, "%q\x00", part)
	}

	return fmt.Sprintf("%x", digest.Sum(nil)[:6]), nil
}

// shellVariables differ from call to call of a shell, and change nothing in a run: it
// has a folder and an environment of its own.
var shellVariables = []string{"_", "OLDPWD", "PWD", "SHLVL"}

// handOver gives the job to the worker that stays with this key. taken is false where
// there is none, or none that is free; then another process may be started. err is the
// worker's refusal.
func (h *Local) handOver(ctx context.Context, job Job, key string) (taken bool, err error) {
	said, err := h.ask(ctx, job.Campaign, key, request{Job: job.ID}, handOverLimit)

	switch {
	case said.Code != "":
		return true, research.Errorf(said.Code, said.Next, "%s", said.Msg)
	case said.Done:
		return true, nil
	case err == nil:
		return false, nil
	}

	// The worker was asked and has not answered: it died, or is slow. Who holds the
	// job's lock does the job.
	status, err := h.Status(job)

	return err == nil && status.State == Alive, nil
}

// askToStop asks the worker that stays to end the job, else its process to end.
func (h *Local) askToStop(job Job, key string) (asked bool) {
	said, err := h.ask(context.Background(), job.Campaign, key, request{Stop: job.ID}, requestLimit)
	return err == nil && said.Done
}

// dismiss asks the campaign's workers that stay to exit.
func (h *Local) dismiss(campaign string) (asked bool) {
	paths, _ := filepath.Glob(filepath.Join(h.dir, campaign+".*.standby")) // no name has a pattern's letters

	for _, path := range paths {
		key := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), campaign+"."), ".standby")
		said, err := h.ask(context.Background(), campaign, key, request{Dismiss: true}, requestLimit)
		asked = asked || err == nil && said.Done
	}

	return asked
}

// ask sends a request to the worker with this key. Without an error and without an
// answer there is none that would take it.
func (h *Local) ask(
	ctx context.Context, campaign, key string, asked request, limit time.Duration,
) (said reply, err error) {
	text, err := os.ReadFile(h.standbyFile(campaign, key, "standby"))
	if err != nil {
		return reply{}, nil
	}

	lines := strings.Split(string(text), "\n")
	if len(lines) < 2 || lines[1] == "" {
		return reply{}, nil
	}
	asked.Secret = lines[1]

	short, done, err := shortenSocket(h.standbyFile(campaign, key, "socket"))
	if err != nil {
		return reply{}, nil
	}

	var dialer net.Dialer
	conn, err := dialer.DialContext(context.WithoutCancel(ctx), "unix", short)
	done()

	if err != nil { // it died
		return reply{}, nil
	}
	defer conn.Close()

	_ = conn.SetDeadline(time.Now().Add(limit))
	if err := json.NewEncoder(conn).Encode(asked); err != nil {
		return reply{}, err
	}
	err = json.NewDecoder(conn).Decode(&said)

	return said, err
}
