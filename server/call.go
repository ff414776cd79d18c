package server

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"

	"ratchet/internal/checkout"
	"ratchet/internal/render"
	"ratchet/internal/research"
	"ratchet/tools"
)

// toolHandler answers calls of one tool. Whatever goes wrong, a panic included, is
// an answer with isError, never a protocol error.
func (s *Server) toolHandler(tool tools.Tool) mcpserver.ToolHandlerFunc {
	return func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		began := time.Now()
		used := &usedLab{}
		ctx = context.WithValue(ctx, usedLabKey{}, used)

		need, answer, err := s.callTool(ctx, tool, req)

		code := "ok"
		if err != nil {
			code = string(research.Describe(err).Code)
			answer = render.Refusal(err)
		}

		if code == string(research.CodeInternal) {
			s.opt.Log.Error("tool failed", "tool", tool.Name, "err", err)
		}

		if s.onCall != nil {
			s.onCall(ctx, tool.Name, code, time.Since(began))
		}

		if need != nil {
			return need, nil
		}

		// What others have to hear of the call is sent before its answer.
		if !tool.ReadOnly {
			s.announceChange(ctx, tool.Name, err == nil)
		}
		s.logOutcome(ctx, tool.Name, answer, err)
		used.countAnswer(tool.Name, answer)

		return toolResult(answer, err != nil), nil
	}
}

// callTool calls a tool, and once more where the client can say what was missing:
// its folder, or its person's decision. need, if it is not nil, asks the client to
// make the call again with what is missing. A panic is an error.
func (s *Server) callTool(
	ctx context.Context, tool tools.Tool, req mcp.CallToolRequest,
) (need *mcp.CallToolResult, answer render.Answer, err error) {
	defer func() {
		if r := recover(); r != nil {
			need, err = nil, fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()

	args, err := rawArguments(req)
	if err != nil {
		return nil, answer, err
	}

	beat := s.startHeartbeat(ctx, req)
	defer beat.stopBeating()

	call := func() (render.Answer, error) {
		return s.callUntilEnding(ctx, func(ctx context.Context) (render.Answer, error) {
			return tool.Call(ctx, tools.Env{Open: s.openLab, Progress: beat.setText}, args)
		})
	}

	// The call may bring back the person's decision on an earlier one.
	state, _ := s.sealer.unseal(req.Params.RequestState, tool.Name, sessionKeyOf(ctx))
	if d := state.Decision; d != nil {
		form := mcpserver.ElicitationResponse(req.Params.InputResponses, personInput)
		if d.isConfirmedBy(form) {
			if done, err := s.carryOut(ctx, d, args); done != nil || err != nil {
				return nil, orEmpty(done), err
			}
		}
	}

	answer, err = call()

	if s.lacksRepository(ctx, err) {
		if need, err = s.openClientRoot(ctx, req, err); need != nil || err != nil {
			return need, answer, err
		}
		answer, err = call()
	}

	d := s.pendingDecision(ctx, tool, args, err)
	if d == nil {
		return nil, answer, err
	}
	beat.setText("waiting for the person")

	need, agreed := s.askPerson(ctx, tool, d)
	if !agreed {
		return need, answer, err
	}

	if done, err := s.carryOut(ctx, d, args); done != nil || err != nil {
		return nil, orEmpty(done), err
	}
	answer, err = call()

	return nil, answer, err
}

func orEmpty(answer *render.Answer) render.Answer {
	if answer == nil {
		return render.Answer{}
	}

	return *answer
}

// usedLab is the laboratory that a call opened, nil if it opened none.
type usedLab struct {
	mu  sync.Mutex
	lab *checkout.Checkout
}

type usedLabKey struct{}

// noteUsedLab notes that the call of ctx has opened a laboratory.
func noteUsedLab(ctx context.Context, co *checkout.Checkout) {
	if used, ok := ctx.Value(usedLabKey{}).(*usedLab); ok {
		used.mu.Lock()
		defer used.mu.Unlock()
		used.lab = co
	}
}

// countAnswer counts the size of an answer in the laboratory's session.
func (u *usedLab) countAnswer(tool string, answer render.Answer) {
	u.mu.Lock()
	defer u.mu.Unlock()

	if u.lab != nil {
		u.lab.CountAnswer(tool, len(answer.Text), len(answer.Structured))
	}
}

// callUntilEnding calls f with a context that also ends when the server stops:
// the request's own must not, since mcp-go drops the answers of cancelled requests.
func (s *Server) callUntilEnding(
	ctx context.Context, f func(context.Context) (render.Answer, error),
) (render.Answer, error) {
	if s.ending == nil {
		return f(ctx)
	}

	untilEnding, cancel := context.WithCancel(ctx)
	defer cancel()
	defer afterClose(s.ending, cancel)()

	answer, err := f(untilEnding)
	if err != nil && untilEnding.Err() != nil && ctx.Err() == nil {
		err = research.Errorf(research.CodeCancelled, "call wait_run when the server is back",
			"the server is being stopped; what runs goes on")
	}

	return answer, err
}

// afterClose calls f when c is closed, unless stop is called before. stop waits
// for f.
func afterClose(c <-chan struct{}, f func()) (stop func()) {
	stopped := make(chan struct{})
	done := make(chan struct{})

	go func() {
		defer close(done)

		select {
		case <-c:
			f()
		case <-stopped:
		}
	}()

	return func() {
		close(stopped)
		<-done
	}
}

// rawArguments are the call's arguments as they arrived; encoded again if mcp-go
// has only their values.
func rawArguments(req mcp.CallToolRequest) (json.RawMessage, error) {
	if len(req.Params.RawArguments) > 0 || req.Params.Arguments == nil {
		return req.Params.RawArguments, nil
	}

	args, err := json.Marshal(req.Params.Arguments)
	if err != nil {
		return nil, fmt.Errorf("encode arguments: %w", err)
	}

	return args, nil
}

// toolResult is an answer as MCP has it: text first, then the image if there is
// one, and the same as structured content.
func toolResult(answer render.Answer, isError bool) *mcp.CallToolResult {
	result := &mcp.CallToolResult{
		Content:           []mcp.Content{mcp.NewTextContent(answer.Text)},
		StructuredContent: answer.Structured,
		IsError:           isError,
	}

	if len(answer.PNG) > 0 {
		image := mcp.NewImageContent(base64.StdEncoding.EncodeToString(answer.PNG), "image/png")
		result.Content = append(result.Content, image)
	}

	return result
}
