package server

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"ratchet/internal/view"
	"ratchet/internal/wording"
	"ratchet/prompts"
	"ratchet/tools"
)

const (
	maxCompletions = 100 // MCP's bound
	listPage       = 50  // experiments on a page of resources/list

	// ownCursor begins the cursors of the pages of experiments. mcp-go's own list
	// ends before it: '~' follows all letters.
	ownCursor = "~x"
)

// listExperiments adds the campaign's experiments to a list of resources, the
// newest first: to the pages after the first one, which is the same whatever
// the campaign, and which names a second one once the session has called a tool.
// Listing alone opens nothing.
func (s *Server) listExperiments(ctx context.Context, cursor mcp.Cursor, r *mcp.ListResourcesResult) {
	if session, ok := subscriber(ctx); ok {
		s.mu.Lock()
		s.listed[session] = true
		s.mu.Unlock()
	}

	if cursor == "" {
		if l := s.known(ctx); l != nil && r.NextCursor == "" {
			if p, err := view.ListExperiments(ctx, l, view.Query{Limit: 1}); err == nil && len(p.Experiments) > 0 {
				r.NextCursor = pageCursor("")
			}
		}

		return
	}
	text, err := base64.StdEncoding.DecodeString(string(cursor))

	from, ok := strings.CutPrefix(string(text), ownCursor)
	if err != nil || !ok {
		return
	}

	l, err := s.open(ctx)
	if err != nil {
		return
	}

	p, err := view.ListExperiments(ctx, l, view.Query{Cursor: from, Limit: listPage})
	if err != nil {
		return
	}

	for i := range p.Experiments {
		x := &p.Experiments[i]

		about := wording.ClipBytes(wording.FirstLine(tools.Clean(x.Hypothesis)), 100)
		r.Resources = append(r.Resources, mcp.Resource{URI: experimentsURI + strconv.Itoa(x.N),
			Name: "x" + strconv.Itoa(x.N), MIMEType: "text/plain", Description: fmt.Sprintf("%s: %s", x.Status, about)})
	}

	if p.Next != "" {
		r.NextCursor = pageCursor(p.Next)
	}
}

func pageCursor(from string) mcp.Cursor {
	return mcp.Cursor(base64.StdEncoding.EncodeToString([]byte(ownCursor + from)))
}

// completer completes arguments: of prompts from their own values and the
// campaigns' names, of the template of experiments from their numbers.
type completer struct{ *Server }

// CompletePromptArgument never fails: without a repository there are no campaigns.
func (c completer) CompletePromptArgument(
	ctx context.Context, prompt string, arg mcp.CompleteArgument, _ mcp.CompleteContext,
) (*mcp.Completion, error) {
	if arg.Name != "campaign" {
		return completion(prompts.Complete(prompt, arg.Name, arg.Value)), nil
	}

	l, err := c.open(ctx)
	if err != nil {
		return completion(nil), nil
	}

	names, err := view.ListCampaigns(ctx, l)
	if err != nil {
		return completion(nil), nil
	}
	var out []string

	for _, n := range names {
		if strings.HasPrefix(n, strings.ToLower(strings.TrimSpace(arg.Value))) {
			out = append(out, n)
		}
	}

	return completion(out), nil
}

// CompleteResourceArgument gives the newest experiments first.
func (c completer) CompleteResourceArgument(
	ctx context.Context, uri string, arg mcp.CompleteArgument, _ mcp.CompleteContext,
) (*mcp.Completion, error) {
	if uri != experimentsURI+"{n}" || arg.Name != "n" {
		return completion(nil), nil
	}

	l, err := c.open(ctx)
	if err != nil {
		return completion(nil), nil
	}

	p, err := view.ListExperiments(ctx, l, view.Query{Limit: 1})
	if err != nil || len(p.Experiments) == 0 {
		return completion(nil), nil
	}
	var out []string

	for n := p.Experiments[0].N; n > 0; n-- {
		if s := strconv.Itoa(n); strings.HasPrefix(s, strings.TrimSpace(arg.Value)) {
			out = append(out, s)
		}
	}

	return completion(out), nil
}

func completion(all []string) *mcp.Completion {
	n := min(len(all), maxCompletions)
	return &mcp.Completion{Values: append([]string{}, all[:n]...), Total: len(all), HasMore: n < len(all)}
}
