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
	folders       = "roots" // among what a call of 2026-07-28 needs
	maxRoots      = 64
)

// homeless says whether a call failed because the server stands in no
// repository, and the client can say where it works.
func (s *Server) homeless(ctx context.Context, err error) bool {
	if err == nil || s.opt.At == nil || s.find != nil || research.Describe(err).Code != research.CodeRepository ||
		eraOf(ctx).caps.Roots == nil {
		return false
	}
	_, oerr := s.open(ctx)

	return oerr != nil
}

// settle finds the checkout that the client works in, and opens it for its
// further calls. need is the answer of a call that has to come back with the roots.
func (s *Server) settle(
	ctx context.Context, req mcp.CallToolRequest, cause error,
) (need *mcp.CallToolResult, err error) {
	var list *mcp.ListRootsResult

	if eraOf(ctx).modern {
		if _, ok := s.unseal(req.Params.RequestState, req.Params.Name, who(ctx)); !ok {
			state := s.seal(sealed{Tool: req.Params.Name, Who: who(ctx), Until: time.Now().Add(5 * s.patience())})
			return mcpserver.NewInputRequestBuilder(state).Roots(folders).ToolResult(), nil
		}
		list = mcpserver.RootsResponse(req.Params.InputResponses, folders)
	} else {
		raw, err := s.ask(ctx, mcp.MethodListRoots, nil, rootsPatience)
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
	s.keep(c, l)

	return nil, nil
}

// chooseRoot is the one root that lies in a checkout; of several the one with a
// program.md. Which of several is meant can't be guessed: the error names them.
func chooseRoot(all []mcp.Root, cause error) (string, error) {
	var in, with []string
	var tops []string

	for _, r := range all[:min(len(all), maxRoots)] {
		dir, ok := folderOf(r.URI)
		if !ok {
			continue
		}

		w, err := locate(dir)
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

// folderOf is the local folder that a root's URI names, symlinks resolved.
func folderOf(uri string) (string, bool) {
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
