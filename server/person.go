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

	"ratchet/internal/lab"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/tools"
)

// What only a person may decide: that a changed contract holds, and that an
// edit is kept against its verdict. Where the client can show its person a
// form, the refusal becomes one; silence, a wrong name and "no" all mean no.

const (
	defaultPatience = 2 * time.Minute // of a call for its person, where Options do not say
	maxQuestion     = 1500            // bytes of what the person reads
	personInput     = "person"        // the form, among what a call of 2026-07-28 needs

	decideContract = "contract"
	decideKeep     = "keep"
)

// decision is something that a person is asked to decide.
type decision struct {
	Kind     string `json:"k"`
	Campaign string `json:"c"`
	Subject  string `json:"s"` // the contract's digest, or the experiment
	message  string
	accept   string // what yes means
}

// pendingDecision is the decision that a person could take to let the call through,
// nil if there is none: the contract is another than the accepted one, or a
// keep was refused by the verdict.
func (s *Server) pendingDecision(ctx context.Context, t tools.Tool, args json.RawMessage, err error) *decision {
	if !canShowForm(featuresOf(ctx).capabilities.Elicitation) {
		return nil
	}

	code := research.Code("")
	if err != nil {
		code = research.Describe(err).Code
	}
	begins := t.Name == "start_campaign" && err == nil

	keeps := t.Name == "keep" && code == research.CodeVerdict
	if code != research.CodeContract && !begins && !keeps {
		return nil
	}

	l, oerr := s.openLab(ctx)
	if oerr != nil {
		return nil
	}

	if keeps {
		return keepDecision(ctx, l, args)
	}

	c, now, digest, perr := l.PendingContract(ctx)
	if perr != nil || digest == c.Digest {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "The contract in %s differs from the accepted one of campaign %s:\n", c.ProgramPath, c.Name)

	for line := range strings.Lines(contract.ContractDiff(c.Program, now)) {
		b.WriteString(lab.Visible(strings.TrimSuffix(line, "\n")) + "\n")
	}

	return &decision{Kind: decideContract, Campaign: c.Name, Subject: digest, message: b.String(),
		accept: "Accept the changed contract; the next run calibrates anew"}
}

func keepDecision(ctx context.Context, l *lab.Lab, args json.RawMessage) *decision {
	req, err := tools.KeepRequest(args)
	if err != nil {
		return nil
	}

	x, err := l.FindOverridable(ctx, req.ID)
	if err != nil {
		return nil
	}

	return &decision{Kind: decideKeep, Campaign: x.Campaign, Subject: string(x.ID),
		accept:  "Keep it against the verdict",
		message: fmt.Sprintf("The agent wants to keep experiment %s of campaign %s:\n%s\n%s\nIts verdict does not allow that: %s\n", x.ID, x.Campaign, x.Hypothesis, x.Words, x.Why)}
}

// form is what the person sees.
func (d *decision) form() mcp.ElicitationParams {
	text := tools.Clean(d.message)
	if len(text) > maxQuestion {
		text = strings.ToValidUTF8(text[:maxQuestion], "") + "…\n"
	}

	return mcp.ElicitationParams{Message: text, RequestedSchema: map[string]any{
		"type": "object", "required": []string{"campaign", "accept"}, "properties": map[string]any{
			"campaign": map[string]any{"type": "string", "title": "Campaign",
				"description": "type its name, " + d.Campaign + ", to confirm"},
			"accept": map[string]any{"type": "boolean", "title": d.accept, "default": false},
		}}}
}

// isConfirmedBy says whether a filled-in form says yes.
func (d *decision) isConfirmedBy(r *mcp.ElicitationResult) bool {
	if r == nil || r.Action != mcp.ElicitationResponseActionAccept {
		return false
	}
	in, _ := r.Content.(map[string]any)
	name, _ := in["campaign"].(string)
	yes, _ := in["accept"].(bool)

	return yes && strings.TrimSpace(name) == d.Campaign
}

// carryOut does what the person agreed to. For a keep the answer is the call's own.
func (s *Server) carryOut(ctx context.Context, d *decision, args json.RawMessage) (*tools.Answer, error) {
	l, err := s.openLab(ctx)
	if err != nil {
		return nil, err
	}

	if d.Kind == decideContract {
		return nil, l.AcceptContract(ctx, d.Subject, history.ByElicitation)
	}

	req, err := tools.KeepRequest(args)
	if err != nil {
		return nil, err
	}
	req.ID, req.Override = d.Subject, history.ByElicitation

	k, err := l.Keep(ctx, req)
	if err != nil {
		return nil, err
	}
	a := tools.RenderKept(k)

	return &a, nil
}

// markAsked says whether this session's person has not been asked this yet, and
// remembers it: an agent that calls again and again must not wear them down.
func (s *Server) markAsked(ctx context.Context, d *decision) bool {
	c := clientOf(ctx)
	key := strings.Join([]string{sessionKeyOf(ctx), c.name, c.version, d.Kind, d.Campaign, d.Subject}, "\n")
	s.mu.Lock()
	defer s.mu.Unlock()

	if slices.Contains(s.asked, key) {
		return false
	}
	s.asked = append(s.asked, key)
	s.asked = s.asked[max(0, len(s.asked)-maxAsked):]

	return true
}

const maxAsked = 256 // decisions that are remembered as asked

// askPerson asks the person, on the call's stream or by its answer. yes says that
// they agreed; need is the answer of a call that has to come back with the form.
func (s *Server) askPerson(ctx context.Context, t tools.Tool, d *decision) (need *mcp.CallToolResult, yes bool) {
	if !s.markAsked(ctx, d) {
		return nil, false
	}

	if featuresOf(ctx).modern {
		state := s.seal(callState{Tool: t.Name, Who: sessionKeyOf(ctx), Until: time.Now().Add(5 * s.personPatience()),
			Decision: d}) // nothing waits meanwhile
		return mcpserver.NewInputRequestBuilder(state).Elicit(personInput, d.form()).ToolResult(), false
	}

	raw, err := s.askClient(ctx, mcp.MethodElicitationCreate, d.form(), s.personPatience())
	if err != nil {
		s.opt.Log.Info("the person was not reached", "err", err)
		return nil, false
	}
	var r mcp.ElicitationResult

	return nil, json.Unmarshal(raw, &r) == nil && d.isConfirmedBy(&r)
}

func (s *Server) personPatience() time.Duration {
	if s.opt.Patience > 0 {
		return s.opt.Patience
	}

	return defaultPatience
}
