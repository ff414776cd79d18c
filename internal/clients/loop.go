package clients

import (
	"errors"
	"regexp"
	"strings"
	"sync"

	"ratchet/internal/research"
)

// Loop is what the files that keep an agent going are made from.
type Loop struct {
	Version string // of Ratchet
	Guide   string // how the loop goes, Markdown
	Hook    string // the shell command that answers the client's hook, see HookCommand
}

// Extra is one thing that keeps a client's agent going: a file of its own, a
// block in a file of the person's, or an entry among the client's hooks.
type Extra struct {
	About string // skill | command | block | hook
	File  string
	kind  extraKind
}

// ExtraState is an extra as it stands on disk.
type ExtraState struct {
	Exists  bool
	Edited  bool   // by a person, so that neither install nor uninstall touches it
	Version string // of the Ratchet that wrote it; "" of a hook
	Program string // that a hook runs; else ""
}

// extra says where a client has an extra; the first place that the machine has counts.
type extra struct {
	about         string
	kind          extraKind
	user, project []place
}

// extraKind plans the changes of one kind of extra. Before is the whole file,
// nil if there is none.
type extraKind interface {
	planInstall(p *Plan, l Loop) error
	planUninstall(p *Plan) error
	readState(text []byte) (ExtraState, error)
}

// LoopExtras returns what --with-loop writes for the client in that scope, in the
// order in which it is installed; none where the client has nothing of the
// kind. top is as for File.
func (c Client) LoopExtras(machine Machine, scope Scope, top string) []Extra {
	var out []Extra

	for _, e := range c.loop {
		places := e.user
		if scope == Project {
			places = e.project
		}

		for _, p := range places {
			if file := machine.resolvePath(p, top); file != "" {
				out = append(out, Extra{About: e.about, File: file, kind: e.kind})
				break
			}
		}
	}

	return out
}

// SharedWith names another client whose loop in this scope uses the same extra and
// is installed, "" if there is none.
func (c Client) SharedWith(e Extra, m Machine, scope Scope, top string) string {
	for _, other := range clientTable() {
		all := other.LoopExtras(m, scope, top)
		uses, there := false, false

		for _, o := range all {
			if o.File == e.File && o.About == e.About {
				uses = true
			} else if f, err := o.ReadState(); err == nil && f.Exists {
				there = true
			}
		}

		if other.ID != c.ID && uses && there {
			return other.Name
		}
	}

	return ""
}

// PlanInstall plans the extra. What a person edited is left alone (Left).
func (e Extra) PlanInstall(l Loop) (*Plan, error) {
	plan, err := openPlan(e.File)
	if err != nil {
		return nil, err
	}

	return plan, plan.wrapError(adviseOnLoop(e.kind.planInstall(plan, l)))
}

// PlanUninstall plans its removal. What a person edited is left alone (Left).
func (e Extra) PlanUninstall() (*Plan, error) {
	plan, err := openPlan(e.File)
	if err != nil {
		return nil, err
	}

	plan.After = plan.Before
	if plan.Before == nil {
		return plan, nil
	}

	return plan, plan.wrapError(adviseOnLoop(e.kind.planUninstall(plan)))
}

// ReadState says what of the extra is on disk.
func (e Extra) ReadState() (ExtraState, error) {
	plan, err := openPlan(e.File)
	if err != nil || plan.Before == nil {
		return ExtraState{}, err
	}
	f, err := e.kind.readState(plan.Before)

	return f, plan.wrapError(adviseOnLoop(err))
}

// adviseOnLoop gives the next step of a file that can't be edited, which for an extra
// is another one than for the entry.
func adviseOnLoop(err error) error {
	var e *research.Error
	if errors.As(err, &e) && e.Code == research.CodeUnsupported {
		return research.Errorf(e.Code, "fix the file, and run it again; or leave --with-loop out", "%w", err)
	}

	return err
}

// hookPattern knows Ratchet's own hook among others.
var hookPattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:'((?:[^']|'\\'')*ratchet[^'/]*)'|"([^"]*ratchet[^"/\\]*)"|(\S*ratchet[^\s/\\]*))(?: -C (?:'[^']*'|"[^"]*"|\S+))? hook stop(?: |$)`)
})

// HookCommand is the shell command that asks program whether the agent may
// stop; dir names the repository, "" for the one that the client has open. A
// program that is gone, or too old to know, lets the agent stop.
func HookCommand(machine Machine, program, dir string) string {
	s := quoteWord(machine, program)
	if dir != "" {
		s += " -C " + quoteWord(machine, dir)
	}

	return s + " hook stop || exit 0"
}

var plainWord = regexp.MustCompile(`^[\w@%+=:,./-]+$`)

// quoteWord is a word of a shell's command line.
func quoteWord(machine Machine, word string) string {
	switch {
	case plainWord.MatchString(word):
		return word
	case machine.GOOS == "windows":
		return `"` + word + `"`
	}

	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// CheckLoopSupport refuses a client that has nothing to keep its agent going.
func (c Client) CheckLoopSupport() error {
	if len(c.loop) == 0 {
		return research.Errorf(research.CodeUnsupported,
			"leave --with-loop out, and give the agent the prompt `loop` of the server",
			"install knows no skill, command or hook of %s", c.Name)
	}

	return nil
}
