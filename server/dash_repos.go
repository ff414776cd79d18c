package server

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ratchet/internal/lab"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/view"
	"ratchet/tools"
)

const (
	repoDepth = 4    // folders below a root
	repoLooks = 2000 // folders looked into
	repoMost  = 50   // that are shown
)

type (
	boardRepo struct {
		Path      string         `json:"path"`
		Name      string         `json:"name"`
		Campaigns []boardSummary `json:"campaigns"`
	}
	boardSummary struct {
		Name        string    `json:"name"`
		Ended       string    `json:"ended,omitempty"`
		Rests       bool      `json:"rests"`
		Experiments int       `json:"experiments"`
		Kept        int       `json:"kept"`
		StartedAt   time.Time `json:"started_at"`
	}
)

// listRepos are the checkouts below the roots that have a ledger, and the roots
// themselves that are checkouts; the first so many.
func listRepos(ctx context.Context, b *board) (any, error) {
	repos := []boardRepo{}

	for _, dir := range b.h.roots.campaigns() {
		if _, err := b.h.roots.checkout(dir); err != nil {
			continue // it reaches outside the roots, or is another user's: not to be shown
		}

		l, err := b.h.boardOpen(ctx, dir)
		if err != nil {
			b.h.opt.Log.Debug("a repository is not shown", "dir", dir, "err", err)
			continue
		}
		r := boardRepo{Path: dir, Name: filepath.Base(dir), Campaigns: []boardSummary{}}

		all, err := l.CampaignStates(ctx)
		if err != nil {
			return nil, err
		}

		for _, c := range all {
			r.Campaigns = append(r.Campaigns,
				boardSummary{c.Name, c.Ended, c.Rests != nil, c.Experiments, c.Kept, c.StartedAt})
		}

		repos = append(repos, r)
	}

	return map[string]any{"repos": repos, "role": b.v.role, "version": b.h.opt.Version}, nil
}

// campaigns are the roots that are checkouts, and the checkouts below roots that
// have a ledger of their own. A bounded number of folders is looked into.
func (r roots) campaigns() (out []string) {
	looks := 0
	var walk func(dir string, depth int)
	walk = func(dir string, depth int) {
		if looks++; looks > repoLooks || len(out) >= repoMost {
			return
		}

		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			w, err := locate(dir)
			if err != nil {
				return
			}

			if _, err := os.Stat(filepath.Join(w.all, "ratchet", "ledger.db")); err == nil || depth == 0 {
				out = append(out, dir)
			}

			return
		}

		entries, err := os.ReadDir(dir)
		if err != nil || depth == repoDepth {
			return
		}

		for _, e := range entries {
			if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && e.Name() != "node_modules" {
				walk(filepath.Join(dir, e.Name()), depth+1)
			}
		}
	}

	for _, root := range r {
		if w, err := locate(root); err == nil { // a checkout, or a folder in one
			if r.hold(w.top) {
				root = w.top
			}

			out = append(out, root)

			continue
		}
		walk(root, 0)
	}

	return out
}

// showProgram is program.md, and the contract that waits to be accepted.
func showProgram(ctx context.Context, b *board) (any, error) {
	type pending struct {
		Digest string `json:"digest"`
		Diff   string `json:"diff"` // lines of YAML: - was, + is
	}
	var out struct {
		Text    string   `json:"text"`
		Path    string   `json:"path"` // within the repository
		Digest  string   `json:"digest"`
		Changed bool     `json:"changed"`
		Pending *pending `json:"pending"`
		Problem string   `json:"problem"` // why it can't be read, "" if it can
	}

	s, err := view.ReadBoard(ctx, b.lab)
	if err != nil {
		return nil, err
	}
	c := s.Campaign

	out.Path, out.Digest = c.ProgramPath, c.Digest
	if text, err := view.ReadProgramText(ctx, b.lab); err != nil {
		out.Problem = research.Describe(err).Msg
		return &out, nil
	} else if out.Text = tools.Clean(text); len(out.Text) > maxProgram {
		out.Text = strings.ToValidUTF8(out.Text[:maxProgram], "") + "\n… cut here\n"
	}

	_, now, digest, err := lab.PendingContract(ctx, b.lab)
	if err != nil {
		out.Problem = research.Describe(err).Msg
		return &out, nil
	}

	if out.Changed = digest != c.Digest; out.Changed {
		out.Pending = &pending{digest, tools.Clean(contract.ContractDiff(c.Program, now))}
	}

	return &out, nil
}

const maxProgram = 256 << 10 // bytes of it that are shown
