package server

import (
	"context"
	"encoding/base64"
	"fmt"
	"ratchet/internal/render"
	"strconv"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"ratchet/internal/research/history"
	"ratchet/internal/view"
	"ratchet/internal/wording"
	"ratchet/prompts"
)

const (
	maxCompletions = 100 // MCP's bound
	listPage       = 50  // experiments on a page of resources/list

	// ownCursor begins the cursors of the pages of experiments. mcp-go's own list
	// ends before it: '~' follows all letters.
	ownCursor = "~x"
)

// addExperiments adds the campaign's experiments to a list of resources, the
// newest first. The first page is the same whatever the campaign, so they stand
// on the pages after it, which it names once the session has called a tool:
// listing alone opens nothing.
func (s *Server) addExperiments(ctx context.Context, cursor mcp.Cursor, r *mcp.ListResourcesResult) {
	s.subs.noteListed(ctx)

	if cursor == "" {
		if r.NextCursor == "" && s.hasExperiments(ctx) {
			r.NextCursor = cursorAfter("")
		}

		return
	}

	from, ok := parseCursor(cursor)
	if !ok { // it is mcp-go's
		return
	}

	co, err := s.openLab(ctx)
	if err != nil {
		return
	}

	page, err := view.ListExperiments(ctx, co, view.Query{Cursor: from, Limit: listPage})
	if err != nil {
		return
	}

	for i := range page.Experiments {
		r.Resources = append(r.Resources, experimentResource(&page.Experiments[i]))
	}

	if page.Next != "" {
		r.NextCursor = cursorAfter(page.Next)
	}
}

// hasExperiments says whether the session's campaign has experiments; it is false
// for a session that has called no tool.
func (s *Server) hasExperiments(ctx context.Context) bool {
	co := s.openedLab(ctx)
	if co == nil {
		return false
	}

	p, err := view.ListExperiments(ctx, co, view.Query{Limit: 1})

	return err == nil && len(p.Experiments) > 0
}

func experimentResource(experiment *history.Experiment) mcp.Resource {
	number := strconv.Itoa(experiment.N)
	firstLine := wording.FirstLine(render.Clean(experiment.Hypothesis))

	return mcp.Resource{
		URI:         experimentsURI + number,
		Name:        "x" + number,
		MIMEType:    "text/plain",
		Description: fmt.Sprintf("%s: %s", experiment.Status, wording.ClipBytes(firstLine, 100)),
	}
}

// cursorAfter is the cursor of the page that begins at a cursor of the ledger's.
func cursorAfter(from string) mcp.Cursor {
	return mcp.Cursor(base64.StdEncoding.EncodeToString([]byte(ownCursor + from)))
}

// parseCursor is the opposite of cursorAfter; ok is false for a cursor of mcp-go's.
func parseCursor(cursor mcp.Cursor) (from string, ok bool) {
	text, err := base64.StdEncoding.DecodeString(string(cursor))
	if err != nil {
		return "", false
	}

	return strings.CutPrefix(string(text), ownCursor)
}

// completer completes arguments: of prompts from their own values and the
// campaigns' names, of the template of experiments from their numbers.
type completer struct{ *Server }

// CompletePromptArgument never fails: without a repository there are no campaigns.
func (c completer) CompletePromptArgument(
	ctx context.Context, prompt string, arg mcp.CompleteArgument, _ mcp.CompleteContext,
) (*mcp.Completion, error) {
	if arg.Name != "campaign" {
		return newCompletion(prompts.CompleteArgument(prompt, arg.Name, arg.Value)), nil
	}

	co, err := c.openLab(ctx)
	if err != nil {
		return newCompletion(nil), nil
	}

	names, err := view.ListCampaigns(ctx, co)
	if err != nil {
		return newCompletion(nil), nil
	}
	typed := strings.ToLower(strings.TrimSpace(arg.Value))
	var matching []string

	for _, name := range names {
		if strings.HasPrefix(name, typed) {
			matching = append(matching, name)
		}
	}

	return newCompletion(matching), nil
}

// CompleteResourceArgument gives the newest experiments first.
func (c completer) CompleteResourceArgument(
	ctx context.Context, uri string, arg mcp.CompleteArgument, _ mcp.CompleteContext,
) (*mcp.Completion, error) {
	if uri != experimentsURI+"{n}" || arg.Name != "n" {
		return newCompletion(nil), nil
	}

	co, err := c.openLab(ctx)
	if err != nil {
		return newCompletion(nil), nil
	}

	page, err := view.ListExperiments(ctx, co, view.Query{Limit: 1})
	if err != nil || len(page.Experiments) == 0 {
		return newCompletion(nil), nil
	}
	typed := strings.TrimSpace(arg.Value)
	var matching []string

	for n := page.Experiments[0].N; n > 0; n-- {
		if number := strconv.Itoa(n); strings.HasPrefix(number, typed) {
			matching = append(matching, number)
		}
	}

	return newCompletion(matching), nil
}

// newCompletion is the first values of all, as many as MCP allows.
func newCompletion(all []string) *mcp.Completion {
	n := min(len(all), maxCompletions)

	return &mcp.Completion{Values: append([]string{}, all[:n]...), Total: len(all), HasMore: n < len(all)}
}
