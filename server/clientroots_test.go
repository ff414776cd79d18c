package server_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/mcp"

	"ratchet/internal/checkout"
	"ratchet/server"
)

// places are the folders that a client works in.
type places struct {
	dirs  []string
	asked int
}

func (p *places) ListRoots(context.Context, mcp.ListRootsRequest) (*mcp.ListRootsResult, error) {
	p.asked++

	r := &mcp.ListRootsResult{}
	for _, d := range p.dirs {
		r.Roots = append(r.Roots, mcp.Root{URI: "file://" + filepath.ToSlash(d), Name: filepath.Base(d)})
	}

	return r, nil
}

// A server that was started outside every repository works where its client does.
func TestRootsFindTheRepository(t *testing.T) {
	for _, protocol := range []string{"2024-11-05", "2025-11-25", "2026-07-28"} {
		t.Run(protocol, func(t *testing.T) {
			plain, other := t.TempDir(), newRepository(t)
			must(t, os.Remove(filepath.Join(other.dir, "program.md")))
			c := newRepository(t)
			sub := filepath.Join(c.dir, "sub")
			must(t, os.Mkdir(sub, 0o777))

			tests := map[string]struct {
				dirs []string
				want string // of the refusal; "" for none
			}{
				"none":                {nil, "none of the client's 0 roots"},
				"no repository":       {[]string{plain}, "none of the client's 1 roots"},
				"one":                 {[]string{plain, c.dir}, ""},
				"one, twice":          {[]string{c.dir, sub}, ""},
				"one with a program":  {[]string{other.dir, c.dir}, ""},
				"several, none first": {[]string{other.dir, sub}, "several repositories: " + other.dir + ", " + sub},
			}
			for name, tt := range tests {
				p := &places{dirs: tt.dirs}
				o := func(o *server.Options) {
					o.Open = closed
					o.At = func(ctx context.Context, dir, name, version string) (*checkout.Checkout, error) {
						return openLab(ctx, dir, name, version)
					}
				}

				cl, _ := way{"stdio", protocol}.connect(t, c.dir, o, client.WithRootsHandler(p))
				for range 2 {
					text, _, isError := call(t, cl, "read_log", map[string]any{"view": "program"})
					if isError != (tt.want != "") || !strings.Contains(text, tt.want) {
						t.Errorf("%s: %s", name, text)
					}
				}

				if want := map[bool]int{true: 1, false: 2}[tt.want == ""]; p.asked != want {
					t.Errorf("%s: asked %d times, want %d", name, p.asked, want)
				}
				cl.Close()
			}
		})
	}
}

// A client that has not said that it has roots is not asked.
func TestRootsAreNotAskedUnasked(t *testing.T) {
	w := dial(t, server.Options{Open: closed,
		At: func(context.Context, string, string, string) (*checkout.Checkout, error) {
			t.Error("opened another folder")
			return nil, errClosed
		}})
	w.send(hello, ready, tool(1, "read_log", `{}`))

	for range 2 {
		if m := w.read(); m.Method != "" {
			t.Errorf("unasked: %+v", m)
		}
	}
}
