package server

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"

	"ratchet/internal/research"
	"ratchet/tools"
)

// Clients with a window start their servers anywhere. One that was started
// outside every repository asks where the client works.

const (
	rootsPatience = 10 * time.Second
	rootsInput    = "roots" // among what a call of 2026-07-28 needs
	maxRoots      = 64
)

// noRepository says whether a call failed because the server stands in no
// repository, and the client can say where it works.
func (s *Server) noRepository(ctx context.Context, err error) bool {
	if err == nil || s.opt.At == nil || s.findLab != nil || research.Describe(err).Code != research.CodeRepository ||
		featuresOf(ctx).capabilities.Roots == nil {
		return false
	}
	_, oerr := s.openLab(ctx)

	return oerr != nil
}

// openClientRoot finds the checkout that the client works in, and opens it for its
// further calls. need is the answer of a call that has to come back with the roots.
func (s *Server) openClientRoot(
	ctx context.Context, req mcp.CallToolRequest, cause error,
) (need *mcp.CallToolResult, err error) {
	var list *mcp.ListRootsResult

	if featuresOf(ctx).modern {
		if _, ok := s.unseal(req.Params.RequestState, req.Params.Name, sessionKeyOf(ctx)); !ok {
			state := s.seal(callState{Tool: req.Params.Name, Who: sessionKeyOf(ctx), Until: time.Now().Add(5 * s.personPatience())})
			return mcpserver.NewInputRequestBuilder(state).Roots(rootsInput).ToolResult(), nil
		}
		list = mcpserver.RootsResponse(req.Params.InputResponses, rootsInput)
	} else {
		raw, err := s.askClient(ctx, mcp.MethodListRoots, nil, rootsPatience)
		if err != nil {
			s.opt.Log.Info("the client's roots are not known", "err", err)
			return nil, cause
		}

		list = &mcp.ListRootsResult{}
		if json.Unmarshal(raw, list) != nil {
			return nil, cause
		}
	}

	if list == nil {
		return nil, cause
	}

	dir, err := chooseRoot(list.Roots, cause)
	if err != nil {
		return nil, err
	}
	c := clientOf(ctx)

	l, err := s.opt.At(ctx, dir, c.name, c.version)
	if err != nil {
		return nil, err
	}
	s.rememberLab(c, l)

	return nil, nil
}

// chooseRoot is the one root that lies in a checkout; of several the one with a
// program.md. Which of several is meant can't be guessed: the error names them.
func chooseRoot(all []mcp.Root, cause error) (string, error) {
	var in, with []string
	var tops []string

	for _, r := range all[:min(len(all), maxRoots)] {
		dir, ok := localFolder(r.URI)
		if !ok {
			continue
		}

		w, err := findCheckout(dir)
		if err != nil || slices.Contains(tops, w.top) {
			continue
		}

		tops, in = append(tops, w.top), append(in, dir)
		if _, err := os.Stat(filepath.Join(dir, "program.md")); err == nil {
			with = append(with, dir)
		}
	}

	if len(with) == 1 {
		in = with
	}

	switch len(in) {
	case 1:
		return in[0], nil
	case 0:
		e := research.Describe(cause)
		return "", research.Errorf(e.Code, "open a folder of a repository in the client, or "+e.Next,
			"%s, and none of the client's %d roots lies in one", e.Msg, len(all))
	}

	return "", research.Errorf(research.CodeRepository, "say which: start the server with ratchet mcp -C FOLDER",
		"the client works in several repositories: %s", tools.Clean(strings.Join(in, ", ")))
}

// localFolder is the local folder that a root's URI names, symlinks resolved.
func localFolder(uri string) (string, bool) {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "file" || u.Host != "" && u.Host != "localhost" {
		return "", false
	}

	path := filepath.FromSlash(u.Path)
	if vol := strings.TrimPrefix(path, string(filepath.Separator)); filepath.VolumeName(vol) != "" {
		path = vol // file:///C:/…
	}

	if !filepath.IsAbs(path) {
		return "", false
	}
	dir, err := filepath.EvalSymlinks(path)

	return dir, err == nil
}
