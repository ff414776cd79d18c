package main

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"ratchet/internal/clients"
	"ratchet/internal/research"
	"ratchet/internal/wording"
	"ratchet/prompts"
	"ratchet/sandbox"
)

// servedAt is where `ratchet serve` listens unless told otherwise.
const servedAt = "http://127.0.0.1:7447"

// installing is what install's and uninstall's flags say.
type installing struct {
	scope  string
	http   string // the server's address; "" for a command
	dryRun bool
	print  bool
	loop   bool // also what keeps the agent going
}

// installer is install and uninstall, of one call of the program.
type installer struct{ *app }

func installCommand(cli *app) *cobra.Command {
	var in installing
	cmd := &cobra.Command{
		Use:   "install [CLIENT]",
		Short: "add Ratchet to a coding agent's own configuration; without CLIENT, list those on this machine",
		Long: "Writes the entry `ratchet` into the client's configuration file, shows the change, and leaves everything\n" +
			"else in the file as it is; the file as it was lies beside it (.ratchet-backup). A second time changes nothing.\n" +
			"Clients: " + clientIDs() + ". For anything else: --print.",
		Example: "  ratchet install claude-code\n  ratchet install codex --dry-run\n  ratchet install vscode --scope project\n  ratchet install gemini --http\n  ratchet install claude-code --with-loop",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 1:
				return installer{cli}.install(args[0], in)
			case in.print:
				return installer{cli}.printGeneric(in)
			}

			return installer{cli}.listClients()
		},
	}
	in.flags(cmd)
	cmd.Flags().StringVar(&in.http, "http", "",
		"let the client call `ratchet serve` at this address instead of starting a command")
	cmd.Flags().Lookup("http").NoOptDefVal = servedAt
	cmd.Flags().BoolVar(&in.loop, "with-loop", false,
		"also what keeps the agent going while the campaign has budget: a skill or command, and a stop hook where the client has one")
	cmd.Flags().BoolVar(&in.print, "print", false, "print the entry, to be added by hand")

	return cmd
}

func uninstallCommand(cli *app) *cobra.Command {
	var in installing
	cmd := &cobra.Command{
		Use:   "uninstall CLIENT",
		Short: "take Ratchet out of a coding agent's configuration again",
		Args:  cobra.ExactArgs(1),
		RunE:  func(_ *cobra.Command, args []string) error { return installer{cli}.uninstall(args[0], in) },
	}
	in.flags(cmd)

	return cmd
}

func (in *installing) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&in.scope, "scope", string(clients.User),
		"user: for all repositories; project: a file in this repository")
	cmd.Flags().BoolVar(&in.dryRun, "dry-run", false, "show the change and write nothing")
}

func clientIDs() string {
	var ids []string
	for _, c := range clients.AllClients() {
		ids = append(ids, c.ID)
	}

	return strings.Join(ids, ", ")
}

// installed is what install and uninstall answer.
type installed struct {
	Client string               `json:"client"`
	Scope  clients.Scope        `json:"scope"`
	File   string               `json:"file"`
	Action clients.Action       `json:"action"`
	DryRun bool                 `json:"dry_run,omitempty"`
	Diff   string               `json:"diff,omitempty"`
	Backup string               `json:"backup,omitempty"`
	Loop   []clients.LoopChange `json:"loop,omitempty"` // what keeps the agent going
	Notes  []string             `json:"notes,omitempty"`
	Next   string               `json:"next"`
}

func (a installer) install(id string, in installing) error {
	client, machine, err := a.client(id, in)
	if err != nil {
		return err
	}

	server, notes, err := a.entryFor(client, machine, in)
	if err != nil {
		return err
	}

	if in.print {
		text, err := client.RenderSnippet(server)
		if err != nil {
			return err
		}

		return a.emit(entry{string(text)}, func(w io.Writer) { fmt.Fprintf(w, "%s", text) })
	}
	scope := clients.Scope(in.scope)

	file, err := client.ConfigFile(machine, scope, clients.FindRepositoryTop(a.Dir))
	if err != nil {
		return err
	}

	plan, err := client.PlanInstall(file, server)
	if err != nil {
		return err
	}

	loop, err := a.planLoop(client, machine, in)
	if err != nil {
		return err
	}

	done := installed{Client: client.ID, Scope: scope, File: file, Next: client.StartSentence()}
	if client.FindInstallation(machine, exec.LookPath) == "" {
		notes = append(notes, client.Name+" was not found on this machine; its file is written all the same")
	}

	if scope == clients.Project {
		if plan.Before == nil {
			plan.Mode = 0o644
		}

		notes = append(notes,
			"the entry names this machine's path: commit the file only if you replace it by plain `ratchet`, and everybody has that on their PATH")
	}

	if what := client.Approve[scope]; what != "" {
		notes = append(notes, what)
	}

	if e, ok, err := client.ReadEntry(file); err == nil && ok && e.Disabled {
		notes = append(notes, "the entry is switched off in "+client.Name+"; it stays so")
	}

	if err := sandbox.CheckSystem(); err != nil {
		notes = append(notes, "here Ratchet reads ledgers, draws plots and writes reports, and starts no campaign: "+
			wording.ErrorLine(err))
	}

	done.Notes = notes
	if len(loop) > 0 {
		done.Notes = append(done.Notes, client.LoopNote...)
	}

	return a.carryOut(plan, done, in, server.Token, loop...)
}

func (a installer) uninstall(id string, in installing) error {
	client, machine, err := a.client(id, in)
	if err != nil {
		return err
	}

	file, err := client.ConfigFile(machine, clients.Scope(in.scope), clients.FindRepositoryTop(a.Dir))
	if err != nil {
		return err
	}

	if _, err := client.PlanUninstall(file); err != nil { // nothing is begun that can't be finished
		return err
	}
	added, _, _ := client.ReadEntry(file)
	done := installed{Client: client.ID, Scope: clients.Scope(in.scope), File: file,
		Next: "restart " + client.Name + " if it is open; campaigns and ledgers stay where they are"}
	// The loop goes first: what was installed last is taken out first.
	done.Loop, err = clients.ApplyLoop(client.UninstallLoop(machine, clients.Scope(in.scope),
		clients.FindRepositoryTop(a.Dir)),
		clients.Scope(in.scope), in.dryRun)
	if err != nil {
		return err
	}

	plan, err := client.PlanUninstall(file) // again: the same file may have held the hook
	if err != nil {
		return err
	}

	return a.carryOut(plan, done, in, added.BearerToken(os.Getenv))
}

// client finds the client and the machine that its paths depend on.
func (a installer) client(id string, in installing) (clients.Client, clients.Machine, error) {
	machine, err := thisMachine()
	if err != nil {
		return clients.Client{}, machine, err
	}

	if in.scope != string(clients.User) && in.scope != string(clients.Project) {
		return clients.Client{}, machine, research.Errorf(research.CodeBadArgument,
			"say --scope user or --scope project", "there is no scope %q", in.scope)
	}
	c, err := clients.FindClient(id)

	return c, machine, err
}

func thisMachine() (clients.Machine, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return clients.Machine{}, research.Errorf(research.CodeUnsupported, "set HOME", "there is no home folder: %w",
			err)
	}

	return clients.Machine{GOOS: runtime.GOOS, Home: home, Getenv: os.Getenv}, nil
}

// carryOut shows the plan and, without --dry-run, applies it.
func (a installer) carryOut(
	plan *clients.Plan, done installed, in installing, secret string, loop ...clients.LoopStep,
) error {
	done.Action, done.DryRun, done.Diff = plan.Action, in.dryRun, plan.Diff(secret)
	if !in.dryRun {
		var err error
		if done.Backup, err = plan.Apply(); err != nil {
			return err
		}
	}

	if len(loop) > 0 {
		var err error
		if done.Loop, err = clients.ApplyLoop(loop, done.Scope, in.dryRun); err != nil {
			return err
		}
	}

	return a.emit(done, func(w io.Writer) { printInstalled(w, done) })
}

func printInstalled(out io.Writer, done installed) {
	fmt.Fprint(out, done.Diff)
	fmt.Fprintf(out, "%s, %s scope: %s: %s\n", done.Client, done.Scope, actionWords(done.Action, done.DryRun),
		done.File)

	if done.Backup != "" {
		fmt.Fprintf(out, "the file as it was: %s\n", done.Backup)
	}

	for _, l := range done.Loop {
		printLoopChange(out, l, done.DryRun)
	}

	for _, n := range done.Notes {
		fmt.Fprintf(out, "note: %s\n", n)
	}
	fmt.Fprintf(out, "next: %s\n", done.Next)
}

func printLoopChange(out io.Writer, l clients.LoopChange, dryRun bool) {
	fmt.Fprint(out, l.Diff)
	fmt.Fprintf(out, "%s: %s: %s\n", l.About, actionWords(l.Action, dryRun), l.File)

	if l.Backup != "" {
		fmt.Fprintf(out, "the file as it was: %s\n", l.Backup)
	}

	if l.Note != "" {
		fmt.Fprintf(out, "note: %s\n", l.Note)
	}
}

// actionWords say what was done, or would be.
func actionWords(what clients.Action, dryRun bool) string {
	text := map[clients.Action]string{
		clients.None: "nothing to do", clients.Added: "installed", clients.Updated: "updated",
		clients.Left: "left alone", clients.Removed: "removed",
		clients.Deleted: "removed, with the file that held nothing else",
	}[what]
	if dryRun && what != clients.None && what != clients.Left {
		text = "dry run, nothing written: would be " + text
	}

	return text
}

// planLoop returns the steps of --with-loop, none without it. Nothing is written
// when one of them can't be.
func (a installer) planLoop(client clients.Client, machine clients.Machine, in installing) ([]clients.LoopStep, error) {
	if !in.loop {
		return nil, nil
	}

	if err := client.CheckLoopSupport(); err != nil {
		return nil, err
	}

	program, _, err := clients.FindOwnPath(machine.Home)
	if err != nil {
		return nil, err
	}

	pinned, err := a.pinnedFolder(in)
	if err != nil {
		return nil, err
	}

	guide, _ := prompts.FindPrompt("loop")
	loop := clients.Loop{Version: a.Version, Guide: guide.Text, Hook: clients.HookCommand(machine, program, pinned)}

	return client.InstallLoop(machine, clients.Scope(in.scope), clients.FindRepositoryTop(a.Dir), loop)
}

// pinnedFolder is the one folder that an entry for all repositories serves, which
// -C names; "" if it serves what the client has open.
func (a installer) pinnedFolder(in installing) (string, error) {
	if a.Dir == "" || in.scope != string(clients.User) {
		return "", nil
	}

	pinned, err := filepath.Abs(a.Dir)
	if err != nil {
		return "", fmt.Errorf("find the folder: %w", err)
	}

	return pinned, nil
}

// entryFor is what the entry starts or calls, and what the person should know.
func (a installer) entryFor(
	client clients.Client, machine clients.Machine, in installing,
) (clients.Server, []string, error) {
	if in.http != "" {
		return a.entryHTTP(client, in)
	}

	at, notes, err := clients.FindOwnPath(machine.Home)
	if err != nil {
		return clients.Server{}, nil, err
	}

	pinned, err := a.pinnedFolder(in)
	if err != nil {
		return clients.Server{}, nil, err
	}

	if pinned != "" {
		notes = append(notes, "the entry serves "+pinned+" only, whatever "+client.Name+" has open")
	}

	return clients.Server{Command: at, Args: client.CommandArguments(pinned)}, notes, nil
}

func (a installer) entryHTTP(client clients.Client, in installing) (clients.Server, []string, error) {
	base, err := url.Parse(strings.TrimSuffix(strings.TrimSuffix(in.http, "/"), "/mcp"))
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return clients.Server{}, nil, research.Errorf(research.CodeBadArgument, "write it like --http="+servedAt,
			"%q is not an address of a server", in.http)
	}
	server := clients.Server{URL: base.String() + "/mcp"}
	var notes []string

	if top := clients.FindRepositoryTop(a.Dir); top != "" {
		server.URL += "?repo=" + strings.ReplaceAll(url.QueryEscape(top), "%2F", "/")
		notes = append(notes, "the entry serves "+top+" only, as its URL says; `ratchet serve` must be running")
	} else {
		notes = append(notes, "the URL names no repository: that works only while `ratchet serve` serves a single one")
	}

	if client.ExpandsVariables() {
		return server, append(notes,
			client.Name+" takes the token from "+clients.TokenVariable+": `ratchet token add "+client.ID+
				"`, and export it before "+client.Name+" starts"), nil
	}

	server.Token = os.Getenv(clients.TokenVariable)
	switch {
	case server.Token == "":
		return server, nil, research.Errorf(research.CodeUnsupported,
			"`ratchet token add "+client.ID+"`, then "+clients.TokenVariable+"=TOKEN ratchet install "+client.ID+
				" --http",
			"%s reads no environment variables in headers, so the token must stand in its file, and %s is not set",
			client.Name, clients.TokenVariable)
	case in.scope == string(clients.Project):
		return server, nil, research.Errorf(research.CodeUnsupported, "leave --scope project out, or --http",
			"the token would stand in a file of the repository")
	}

	return server, append(notes, "the token stands in the file: `ratchet token revoke` when you uninstall"), nil
}

// entry is what --print answers with --json: a text in the client's own format.
type entry struct {
	Text string `json:"entry"`
}

// printGeneric prints an entry in the shape that most clients understand.
func (a installer) printGeneric(in installing) error {
	machine, err := thisMachine()
	if err != nil {
		return err
	}

	client, err := clients.FindClient("claude-code")
	if err != nil {
		return err
	}

	server, _, err := a.entryFor(client, machine, in)
	if err != nil {
		return err
	}

	text, err := clients.RenderGenericSnippet(server)
	if err != nil {
		return err
	}

	return a.emit(entry{string(text)}, func(w io.Writer) { fmt.Fprintf(w, "%s", text) })
}

// listed is one client of `ratchet install` without arguments.
type listed struct {
	Client    string `json:"client"`
	Name      string `json:"name"`
	Found     string `json:"found,omitempty"` // the program or the folder that tells
	File      string `json:"file"`
	Installed bool   `json:"installed"`
	Problem   string `json:"problem,omitempty"`
}

func (a installer) listClients() error {
	machine, err := thisMachine()
	if err != nil {
		return err
	}
	var out []listed

	for _, client := range clients.AllClients() {
		l := listed{Client: client.ID, Name: client.Name, Found: client.FindInstallation(machine, exec.LookPath)}
		if l.File, err = client.ConfigFile(machine, clients.User, ""); err != nil {
			return err
		}

		if _, l.Installed, err = client.ReadEntry(l.File); err != nil {
			l.Problem = research.Describe(err).Msg
		}
		out = append(out, l)
	}

	return a.emit(out, func(w io.Writer) { printClients(w, out) })
}

func printClients(out io.Writer, all []listed) {
	for _, l := range all {
		state := "`ratchet install " + l.Client + "` would write " + l.File
		switch {
		case l.Problem != "":
			state = l.Problem
		case l.Installed:
			state = "installed in " + l.File
		case l.Found == "":
			state = "not found on this machine"
		}
		fmt.Fprintf(out, "%-12s %s\n", l.Client, state)
	}
	fmt.Fprintln(out, "next: ratchet install CLIENT; or `ratchet install --print` for a client that is not in the list")
}
