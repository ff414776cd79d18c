package server

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"ratchet/internal/render"
	"slices"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"

	"ratchet/internal/research"
)

// Clients with a window start their servers anywhere. One that was started
// outside every repository asks where the client works.

const (
	rootsPatience = 10 * time.Second
	rootsInput    = "roots" // among the inputs of a call of 2026-07-28
	maxRoots      = 64
)

// lacksRepository says whether a call failed because the server stands in no
// repository, and the client can say where it works.
func (s *Server) lacksRepository(ctx context.Context, err error) bool {
	if err == nil || research.Describe(err).Code != research.CodeRepository {
		return false
	}

	if s.opt.At == nil || s.findLab != nil || featuresOf(ctx).capabilities.Roots == nil {
		return false
	}
	_, openErr := s.openLab(ctx)

	return openErr != nil
}

// openClientRoot finds the checkout that the client works in, and opens it for its
// further calls. need, if it is not nil, asks the client to make the call again
// with its roots. Where the roots are not to be had, the error is cause.
func (s *Server) openClientRoot(
	ctx context.Context, req mcp.CallToolRequest, cause error,
) (need *mcp.CallToolResult, err error) {
	var roots *mcp.ListRootsResult

	if featuresOf(ctx).modern {
		if _, ok := s.sealer.unseal(req.Params.RequestState, req.Params.Name, sessionKeyOf(ctx)); !ok {
			state := s.sealState(ctx, req.Params.Name, nil)
			return mcpserver.NewInputRequestBuilder(state).Roots(rootsInput).ToolResult(), nil
		}
		roots = mcpserver.RootsResponse(req.Params.InputResponses, rootsInput)
	} else {
		roots = s.askRoots(ctx)
	}

	if roots == nil {
		return nil, cause
	}

	dir, err := chooseRoot(roots.Roots, cause)
	if err != nil {
		return nil, err
	}
	client := clientOf(ctx)

	co, err := s.opt.At(ctx, dir, client.name, client.version)
	if err != nil {
		return nil, err
	}
	s.rememberLab(client, co)

	return nil, nil
}

// askRoots asks the client for its roots, nil if it does not say.
func (s *Server) askRoots(ctx context.Context) *mcp.ListRootsResult {
	answer, err := s.askClient(ctx, mcp.MethodListRoots, nil, rootsPatience)
	if err != nil {
		s.opt.Log.Info("the client's roots are not known", "err", err)
		return nil
	}

	roots := &mcp.ListRootsResult{}
	if json.Unmarshal(answer, roots) != nil {
		return nil
	}

	return roots
}

// chooseRoot is the one root that lies in a checkout; of several the one with a
// program.md. Which of several is meant can't be guessed: the error names them.
func chooseRoot(roots []mcp.Root, cause error) (string, error) {
	var candidates, withProgram []string
	var tops []string // of their checkouts

	for _, r := range roots[:min(len(roots), maxRoots)] {
		dir, ok := localFolder(r.URI)
		if !ok {
			continue
		}

		checkout, err := findCheckout(dir)
		if err != nil || slices.Contains(tops, checkout.top) {
			continue
		}
		tops = append(tops, checkout.top)
		candidates = append(candidates, dir)

		if _, err := os.Stat(filepath.Join(dir, "program.md")); err == nil {
			withProgram = append(withProgram, dir)
		}
	}

	if len(withProgram) == 1 {
		candidates = withProgram
	}

	switch len(candidates) {
	case 1:
		return candidates[0], nil
	case 0:
		e := research.Describe(cause)
		return "", research.Errorf(e.Code, "open a folder of a repository in the client, or "+e.Next,
			"%s, and none of the client's %d roots lies in one", e.Msg, len(roots))
	}

	return "", research.Errorf(research.CodeRepository, "say which: start the server with ratchet mcp -C FOLDER",
		"the client works in several repositories: %s", render.Clean(strings.Join(candidates, ", ")))
}

// localFolder is the local folder that a root's URI names, symlinks resolved.
func localFolder(uri string) (string, bool) {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "file" || u.Host != "" && u.Host != "localhost" {
		return "", false
	}

	path := filepath.FromSlash(u.Path)
	if rest := strings.TrimPrefix(path, string(filepath.Separator)); filepath.VolumeName(rest) != "" {
		path = rest // file:///C:/…
	}

	if !filepath.IsAbs(path) {
		return "", false
	}
	dir, err := filepath.EvalSymlinks(path)

	return dir, err == nil
}
