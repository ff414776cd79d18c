package server

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"

	"ratchet/internal/checkout"
	"ratchet/internal/lab"
	"ratchet/internal/notify"
	"ratchet/internal/render"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/wording"
	"ratchet/tools"
)

// What only a person may decide: that a changed contract holds, and that an
// edit is kept against its verdict. Where the client can show its person a
// form, the refusal becomes one; silence, a wrong name and "no" all mean no.

const (
	defaultPatience = 2 * time.Minute // of a call for its person
	maxQuestion     = 1500            // bytes of what the person reads
	maxAsked        = 256             // decisions that are remembered as asked
	personInput     = "person"        // the form, among the inputs of a call of 2026-07-28

	decideContract = "contract"
	decideStart    = "start"
	decideKeep     = "keep"
)

// decision is something that a person is asked to decide.
type decision struct {
	Kind     string `json:"k"`
	Campaign string `json:"c"`
	Subject  string `json:"s"`           // the contract's digest, or the experiment
	Path     string `json:"p,omitempty"` // of the program of a campaign to start
	message  string
	accept   string // what yes means
}

// pendingDecision is the decision that a person could take to let a call through
// that ended with err. It is nil if there is none: the contract is the accepted
// one, and no keep was refused by the verdict.
func (s *Server) pendingDecision(ctx context.Context, tool tools.Tool, args json.RawMessage, err error) *decision {
	if !canShowForm(featuresOf(ctx).capabilities.Elicitation) {
		return nil
	}

	var code research.Code
	if err != nil {
		code = research.Describe(err).Code
	}

	isStart := tool.Name == "start_campaign" && (err == nil || code == research.CodeContract)
	isKeep := tool.Name == "keep" && code == research.CodeVerdict

	if code != research.CodeContract && !isStart && !isKeep {
		return nil
	}

	co, err := s.openLab(ctx)
	if err != nil {
		return nil
	}

	// A form's answer passes through the client: no place for a passphrase. The refusal
	// names the command for the terminal.
	if locked, err := checkout.Passphrase(co).IsSet(); locked || err != nil {
		return nil
	}

	switch {
	case isKeep:
		return keepDecision(ctx, co, args)
	case isStart && code != "":
		return startDecision(ctx, co, args)
	}

	return contractDecision(ctx, co)
}

// startDecision is about a new campaign with a contract of its own, nil if start_campaign
// was refused for something else.
func startDecision(ctx context.Context, co *checkout.Checkout, args json.RawMessage) *decision {
	req, err := tools.StartRequest(args)
	if err != nil {
		return nil
	}

	pending, err := lab.FindPendingStart(ctx, co, req)
	if err != nil || pending == nil {
		return nil
	}

	message := "The agent wants to start a new campaign, " + pending.Describe()
	if !pending.IsSpent {
		message += "\n" + visibleDiff(pending.Was, pending.Now)
	}

	return &decision{
		Kind:     decideStart,
		Campaign: pending.Campaign,
		Subject:  pending.Digest,
		Path:     pending.Path,
		message:  message,
		accept:   "Accept the contract and start the campaign",
	}
}

// visibleDiff shows the lines of the contract that differ, with what a screen would hide.
func visibleDiff(was, now contract.Program) string {
	var lines strings.Builder
	for line := range strings.Lines(contract.RenderDiff(was, now)) {
		lines.WriteString(notify.Visible(strings.TrimSuffix(line, "\n")) + "\n")
	}

	return lines.String()
}

// contractDecision is about the contract in the checkout, nil if it is the
// accepted one or can't be read.
func contractDecision(ctx context.Context, l *checkout.Checkout) *decision {
	campaign, now, digest, err := lab.PendingContract(ctx, l)
	if err != nil || digest == campaign.Digest {
		return nil
	}

	return &decision{
		Kind:     decideContract,
		Campaign: campaign.Name,
		Subject:  digest,
		message: fmt.Sprintf("The contract in %s differs from the accepted one of campaign %s:\n%s",
			campaign.ProgramPath, campaign.Name, visibleDiff(campaign.Program, now)),
		accept: "Accept the changed contract; the next run calibrates again",
	}
}

// keepDecision is about the experiment that a keep names, nil if no person can
// override its verdict.
func keepDecision(ctx context.Context, co *checkout.Checkout, args json.RawMessage) *decision {
	req, err := tools.KeepRequest(args)
	if err != nil {
		return nil
	}

	found, err := lab.FindOverridable(ctx, co, req.ID)
	if err != nil {
		return nil
	}

	message := fmt.Sprintf("The agent wants to keep experiment %s of campaign %s:\n%s\n%s\n", found.ID, found.Campaign,
		found.Hypothesis, found.Words) + fmt.Sprintf("Its verdict does not allow that: %s\n", found.Why)

	return &decision{
		Kind:     decideKeep,
		Campaign: found.Campaign,
		Subject:  string(found.ID),
		message:  message,
		accept:   "Keep it against the verdict",
	}
}

// buildForm is what the person sees.
func (d *decision) buildForm() mcp.ElicitationParams {
	text := render.Clean(d.message)
	if len(text) > maxQuestion {
		text = wording.ClipBytes(text, maxQuestion) + "\n"
	}

	campaign := map[string]any{
		"type":        "string",
		"title":       "Campaign",
		"description": "type its name, " + d.Campaign + ", to confirm",
	}
	accept := map[string]any{"type": "boolean", "title": d.accept, "default": false}

	return mcp.ElicitationParams{Message: text, RequestedSchema: map[string]any{
		"type":       "object",
		"required":   []string{"campaign", "accept"},
		"properties": map[string]any{"campaign": campaign, "accept": accept},
	}}
}

// isConfirmedBy says whether a filled-in form says yes, with the campaign's name.
func (d *decision) isConfirmedBy(r *mcp.ElicitationResult) bool {
	if r == nil || r.Action != mcp.ElicitationResponseActionAccept {
		return false
	}

	fields, _ := r.Content.(map[string]any)
	name, _ := fields["campaign"].(string)
	accepted, _ := fields["accept"].(bool)

	return accepted && strings.TrimSpace(name) == d.Campaign
}

// carryOut does what the person agreed to. For a keep and a start it returns the call's
// answer, for a contract nil: the call has to be made again.
func (s *Server) carryOut(ctx context.Context, d *decision, args json.RawMessage) (*render.Answer, error) {
	co, err := s.openLab(ctx)
	if err != nil {
		return nil, err
	}

	switch d.Kind {
	case decideContract:
		return nil, lab.AcceptContract(ctx, co, d.Subject, lab.Word{By: history.ByElicitation})
	case decideStart:
		return startAccepted(ctx, co, d, args)
	}

	req, err := tools.KeepRequest(args)
	if err != nil {
		return nil, err
	}
	req.ID, req.Override = d.Subject, lab.Word{By: history.ByElicitation}

	kept, err := lab.Keep(ctx, co, req)
	if err != nil {
		return nil, err
	}
	answer := tools.RenderKept(kept)

	return &answer, nil
}

// startAccepted starts the campaign that the person agreed to.
func startAccepted(
	ctx context.Context, co *checkout.Checkout, d *decision, args json.RawMessage,
) (*render.Answer, error) {
	req, err := tools.StartRequest(args)
	if err != nil {
		return nil, err
	}
	req.Name = d.Campaign
	req.Accepted = lab.StartAcceptance{Word: lab.Word{By: history.ByElicitation}, Path: d.Path,
		Digest: d.Subject}

	started, err := lab.StartCampaign(ctx, co, req)
	if err != nil {
		return nil, err
	}
	answer := tools.RenderStarted(started)

	return &answer, nil
}

// markAsked notes that the session's person is asked for a decision. It returns
// false if they were asked before: an agent that calls again and again must not
// wear them down.
func (s *Server) markAsked(ctx context.Context, d *decision) bool {
	client := clientOf(ctx)
	key := strings.Join([]string{sessionKeyOf(ctx), client.name, client.version, d.Kind, d.Campaign, d.Subject, d.Path},
		"\n")

	s.mu.Lock()
	defer s.mu.Unlock()

	if slices.Contains(s.asked, key) {
		return false
	}

	s.asked = append(s.asked, key)
	s.asked = s.asked[max(0, len(s.asked)-maxAsked):]

	return true
}

// askPerson asks the person, on the call's stream or by its answer. agreed says
// that they said yes; need, if it is not nil, asks the client to make the call
// again with the form. Silence is a no.
func (s *Server) askPerson(ctx context.Context, tool tools.Tool, d *decision) (need *mcp.CallToolResult, agreed bool) {
	if !s.markAsked(ctx, d) {
		return nil, false
	}

	if featuresOf(ctx).modern {
		state := s.sealState(ctx, tool.Name, d)
		return mcpserver.NewInputRequestBuilder(state).Elicit(personInput, d.buildForm()).ToolResult(), false
	}

	answer, err := s.askClient(ctx, mcp.MethodElicitationCreate, d.buildForm(), s.opt.Patience)
	if err != nil {
		s.opt.Log.Info("the person was not reached", "err", err)
		return nil, false
	}

	var form mcp.ElicitationResult
	if err := json.Unmarshal(answer, &form); err != nil {
		return nil, false
	}

	return nil, d.isConfirmedBy(&form)
}

// sealState is the state of a call that is to be made again, with a decision or
// (nil) with the client's roots. It holds for long: nothing waits meanwhile.
func (s *Server) sealState(ctx context.Context, tool string, d *decision) string {
	return s.sealer.sealState(callState{
		Tool:     tool,
		Session:  sessionKeyOf(ctx),
		Until:    time.Now().Add(5 * s.opt.Patience),
		Decision: d,
	})
}
