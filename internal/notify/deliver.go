package notify

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/notify/send"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/wording"
	"ratchet/sandbox"
)

// newMessage is a notice as targets get it. Its id follows from what it is about,
// so that one that is sent twice can be known.
func newMessage(co *checkout.Checkout, campaign *history.Campaign, notice history.Notice, more int) send.Message {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %s %d", campaign.Name, campaign.Start, notice.Event, notice.Seq))

	d := send.Data{ID: fmt.Sprintf("ratchet_%x", sum[:12]), Event: notice.Event, Campaign: campaign.Name,
		Repository: filepath.Base(filepath.Dir(co.Repo.CommonDir())), Text: notice.Text, Experiment: notice.Experiment,
		Hypothesis: notice.Hypothesis, Metric: campaign.Program.Metric.Name, Unit: campaign.Program.Metric.Unit,
		Better: campaign.Program.Metric.Better, Value: notice.Value, Gain: notice.Gain, Scale: notice.Scale,
		Experiments: campaign.Experiments, Kept: campaign.Kept, More: more, Show: "ratchet status"}
	if notice.Experiment > 0 {
		d.Show = fmt.Sprintf("ratchet show %d", notice.Experiment)
	}

	if more > 0 {
		d.Text += fmt.Sprintf(" (and %d more since the last message)", more)
	}

	return send.Message{Type: string(notice.Event), Time: notice.At.UTC().Round(time.Millisecond), Data: d}
}

// sendNotice makes one attempt to deliver m. said is a command's last line, "" of other
// targets. dir is the program's folder: a person allowed the files of no other one.
// The error is a *send.Later where another attempt may work.
func sendNotice(
	ctx context.Context, co *checkout.Checkout, dir string, target contract.Target,
	message send.Message, client *http.Client,
) (said string, err error) {
	switch {
	case target.Webhook != "":
		address, err := resolveAddress(target.Webhook)
		if err != nil {
			return "", err
		}

		secret, err := resolveVariable(target.SecretEnv)
		if err != nil {
			return "", err
		}

		return "", send.Webhook(ctx, client, address, secret, message, time.Now())
	case target.Ntfy != "":
		address, err := resolveAddress(target.Ntfy)
		if err != nil {
			return "", err
		}

		token, err := resolveVariable(target.TokenEnv)
		if err != nil {
			return "", err
		}

		return "", send.Ntfy(ctx, client, address, token, target.Click, message)
	case target.Desktop:
		return "", send.Desktop(ctx, message)
	}

	body, err := message.Body()
	if err != nil {
		return "", fmt.Errorf("encode the message: %w", err)
	}

	ran, err := execute(ctx, target.Command, dir, message.Environment(), append(body, '\n'), checkout.CommandLimit)
	if err != nil {
		return "", err
	}

	if why := ran.describeFailure(); why != "" {
		return "", errors.New("it " + why)
	}

	return wording.LastLine(ran.stdout), nil
}

// programDir is the folder of the program at a path within the repository, in
// this checkout: where a person's commands and hooks run.
func programDir(co *checkout.Checkout, programPath string) string {
	return filepath.Join(co.Repo.Root(), filepath.FromSlash(checkout.SlashDir(programPath)))
}

// resolveAddress is an address, from its variable where it names one.
func resolveAddress(address string) (string, error) {
	if name := variableName(address); name != "" {
		return resolveVariable(name)
	}

	return address, nil
}

// resolveVariable is the value of a variable that must have one; "" for none.
func resolveVariable(name string) (string, error) {
	v := os.Getenv(name)
	if name != "" && strings.TrimSpace(v) == "" {
		return "",
			fmt.Errorf("the variable %s is not set where Ratchet runs: set it in the environment of the agent's client",
				name)
	}

	return v, nil
}

// TargetProblem says why a target can't work here, as far as that can be known
// without trying it; "" if nothing speaks against it.
func TargetProblem(co *checkout.Checkout, programPath string, target contract.Target) string {
	dir := programDir(co, programPath)

	for _, name := range []string{variableName(target.Webhook), variableName(target.Ntfy), target.SecretEnv,
		target.TokenEnv} {
		if _, err := resolveVariable(name); err != nil {
			return err.Error()
		}
	}

	switch {
	case target.SecretEnv != "":
		if _, err := send.Sign(os.Getenv(target.SecretEnv), "", time.Now(), nil); err != nil {
			return target.SecretEnv + ": " + err.Error()
		}
	case target.Desktop:
		if _, err := send.Notifier(); err != nil {
			return err.Error()
		}
	case target.Hook != "":
		return hookProblem(filepath.Join(dir, filepath.FromSlash(target.Hook)))
	case target.Command != "":
		return missingCommand(target.Command, dir)
	}

	return ""
}

// variableName is the variable that an address names, "" where it is one itself.
func variableName(address string) string {
	name, ok := strings.CutPrefix(address, "env:")
	if !ok {
		return ""
	}

	return name
}

// missingCommand says that the program which a simple command line begins with does not
// exist. It is "" for a line that needs a shell to be understood.
func missingCommand(line, dir string) string {
	name := strings.Fields(line)[0]
	if strings.ContainsAny(name, "=$`'\"\\(){}|&;<>*?~!#[") ||
		slices.Contains(strings.Fields("if for while until case { cd echo exec eval export set test trap umask unset : . true false printf read"), name) {
		return ""
	}

	path := name
	if strings.Contains(name, "/") && !filepath.IsAbs(name) {
		path = filepath.Join(dir, name)
	}

	if _, err := exec.LookPath(path); err != nil {
		return "there is no command " + name
	}

	return ""
}

// TargetTrial is the result of a test of one target.
type TargetTrial struct {
	Target string `json:"target"`
	OK     bool   `json:"ok"`
	Said   string `json:"said,omitempty"`  // what it printed
	Error  string `json:"error,omitempty"` // why it did not work
}

// TryTargets sends a test of the event ("" for best) to every target of the program
// on disk, also to those that did not ask for this event; for before and after it
// runs the event's hooks instead. It writes no record. Errors: CodeProgram,
// CodeBadArgument for an unknown event, CodeNotFound when there is no target for it.
func TryTargets(ctx context.Context, co *checkout.Checkout, event contract.Event) ([]TargetTrial, error) {
	doc, err := co.ReadProgram("")
	if err != nil {
		return nil, err
	}

	program, known := doc.Program, append(contract.Events(), contract.HookBefore, contract.HookAfter)

	if event == "" {
		event = contract.EventBest
	}

	if !slices.Contains(known, event) {
		return nil, research.Errorf(research.CodeBadArgument, fmt.Sprintf("one of %v", known), "no event %q", event)
	}

	campaign := &history.Campaign{Name: program.Name, Program: program, ProgramPath: doc.Path}
	if now, err := co.CurrentCampaign(ctx); err == nil && now.ProgramPath == doc.Path {
		campaign = now
	}
	message := newMessage(co, campaign, history.Notice{Event: event, At: time.Now(),
		Text: "this is a test of `ratchet notify test`: nothing happened"}, 0)
	message.Data.Test = true
	message.Data.ID = fmt.Sprintf("ratchet_test_%x", time.Now().UnixNano())
	hook, dir := event == contract.HookBefore || event == contract.HookAfter, programDir(co, doc.Path)
	var out []TargetTrial

	for _, target := range program.Notify {
		if hook != (target.Hook != "") || hook && !target.WantsEvent(event) {
			continue
		}

		var said string
		if hook {
			said, err = tryHook(ctx, co, campaign, target.Hook, event, dir)
		} else {
			said, err = sendNotice(ctx, co, dir, target, message, send.Client())
		}

		tried := TargetTrial{Target: target.Name(), OK: err == nil, Said: said}
		if err != nil {
			tried.Error = wording.ErrorLine(err)
		}

		out = append(out, tried)
	}

	if len(out) == 0 {
		return nil, research.Errorf(research.CodeNotFound,
			"add a target to `notify:` in program.md; docs/notifications.md has examples", "%s has no target for %s",
			doc.Path, event)
	}

	return out, nil
}

// Deliveries is the state of the campaign's notices.
type Deliveries struct {
	Campaign string         `json:"campaign"`
	Running  bool           `json:"running"`         // a process carries them now
	Waits    string         `json:"waits,omitempty"` // why nothing is sent, and no hook run
	Targets  []LastDelivery `json:"targets"`
	Log      []string       `json:"log,omitempty"`
}

// ReadDeliveries says what became of the campaign's notices, with the last lines of
// their log.
func ReadDeliveries(ctx context.Context, co *checkout.Checkout, lines int) (*Deliveries, error) {
	campaign, err := co.CurrentCampaign(ctx)
	if err != nil {
		return nil, err
	}

	q, err := readQueue(co, campaign.Name)
	if err != nil {
		return nil, err
	}

	out := &Deliveries{Campaign: campaign.Name, Log: readLastDeliveries(co, campaign.Name, lines)}
	if out.Running, err = sandbox.Locked(NotifierFile(co, campaign.Name, "lock")); err != nil {
		return nil, err
	}

	if len(campaign.Program.Notify) > 0 {
		out.Waits = MissingAllowance(co, campaign.ProgramPath, campaign.Program)
	}

	for _, target := range campaign.Program.Notify {
		told := q.States[targetKey(target)]

		told.Name, told.Hook = target.Name(), target.Hook != ""
		for _, p := range q.Pending {
			if p.Target == targetKey(target) {
				told.Waiting++
			}
		}

		out.Targets = append(out.Targets, told)
	}

	return out, nil
}
