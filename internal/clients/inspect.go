package clients

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"ratchet/internal/mcpclient"
	"ratchet/internal/research"
)

// probeLimit is how long a client's entry may take to answer, on a busy machine too.
const probeLimit = 30 * time.Second

// probeName is the name under which an entry is asked.
const probeName = "ratchet doctor"

// Inspection is what is known of one configuration file that may name Ratchet.
type Inspection struct {
	Client    string      `json:"client"`
	Scope     Scope       `json:"scope"`
	File      string      `json:"file"`
	Found     bool        `json:"found"` // the client itself, on this machine
	Installed bool        `json:"installed"`
	Disabled  bool        `json:"disabled,omitempty"` // switched off in the client
	Runs      string      `json:"runs,omitempty"`     // the command, or the URL
	Version   string      `json:"version,omitempty"`  // that answered
	Tools     int         `json:"tools,omitempty"`    // that it has
	Loop      []LoopState `json:"loop,omitempty"`     // what keeps its agent going
	Problem   string      `json:"problem,omitempty"`
}

// HasProblem says whether something is wrong that a person should fix.
func (i Inspection) HasProblem() bool {
	return i.Problem != "" || slices.ContainsFunc(i.Loop, func(l LoopState) bool { return l.Problem != "" })
}

// InspectAll reads the files of every client and asks each entry for its tools.
// top is the repository's top, "" outside of one: then there is no project scope.
func InspectAll(ctx context.Context, machine Machine, top string) ([]Inspection, error) {
	var all []Inspection

	for _, client := range AllClients() {
		for _, scope := range client.Scopes() {
			if scope == Project && top == "" {
				continue
			}

			found, err := client.inspectFile(ctx, machine, scope, top)
			if err != nil {
				return nil, err
			}

			all = append(all, found)
		}
	}

	return all, nil
}

// inspectFile reads one file. What is wrong with the file or its entry is the
// inspection's Problem, not an error.
func (c Client) inspectFile(ctx context.Context, machine Machine, scope Scope, top string) (Inspection, error) {
	found := Inspection{Client: c.ID, Scope: scope, Found: c.FindInstallation(machine, exec.LookPath) != ""}

	var err error
	if found.File, err = c.ConfigFile(machine, scope, top); err != nil {
		return found, err
	}

	entry, ok, err := c.ReadEntry(found.File)
	if err != nil { // the loop may lie in the same file, whose mistake is reported once
		found.Problem = research.Describe(err).Msg
		return found, nil
	}

	found.Loop = InspectLoop(c, machine, scope, top, exec.LookPath)

	found.Installed = ok
	if !ok {
		return found, nil
	}

	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()

	found.Disabled, found.Runs = entry.Disabled, entry.URL
	if entry.URL != "" {
		found.Version, found.Tools, err = probeURL(ctx, entry)
	} else {
		found.Runs = strings.Join(append([]string{entry.Command}, entry.Args...), " ")
		found.Version, found.Tools, err = probeCommand(ctx, entry, top)
	}

	if err != nil {
		found.Problem = err.Error()
	}

	return found, nil
}

// probeURL asks the server that the entry names.
func probeURL(ctx context.Context, entry Entry) (version string, tools int, err error) {
	token := entry.BearerToken(os.Getenv)

	version, tools, err = mcpclient.ProbeHTTP(ctx, entry.URL, token, probeName)
	if errors.Is(err, mcpclient.ErrUnauthorized) && token == "" {
		err = fmt.Errorf("the server wants a token, and %s is not set here", TokenVariable)
	}

	return version, tools, err
}

// probeCommand starts the entry's command as the client would, with the
// repository open, and asks for its tools.
func probeCommand(ctx context.Context, e Entry, top string) (version string, tools int, err error) {
	cmd, err := e.prepareCommand(ctx, top)
	if err != nil {
		return "", 0, err
	}

	server, err := mcpclient.Open(cmd)
	if err != nil {
		return "", 0, err
	}

	version, err = server.Initialize(probeName)
	if err == nil {
		tools, err = server.CountTools()
	}
	_ = server.Close() // it has answered, or it was killed at the deadline

	if ctx.Err() != nil {
		err = fmt.Errorf("no answer within %s", probeLimit)
	}

	if err != nil {
		return "", 0, fmt.Errorf("the command does not answer as an MCP server: %w", err)
	}

	return version, tools, nil
}

// prepareCommand is the entry's command in the repository top, or in the current
// folder where there is none.
func (e Entry) prepareCommand(ctx context.Context, top string) (*exec.Cmd, error) {
	if e.Command == "" {
		return nil, errors.New("the entry has neither a command nor a URL")
	}

	program, err := exec.LookPath(e.Command)
	if err != nil {
		return nil, fmt.Errorf("the command can't be run: %w", err)
	}

	folder := top
	if folder == "" {
		if folder, err = os.Getwd(); err != nil {
			return nil, fmt.Errorf("find the current folder: %w", err)
		}
	}

	var args []string
	for _, arg := range e.Args {
		args = append(args, strings.ReplaceAll(arg, "${workspaceFolder}", folder))
	}

	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.WaitDelay = folder, time.Second
	cmd.Env = os.Environ()
	for name, value := range e.Env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}

	return cmd, nil
}
