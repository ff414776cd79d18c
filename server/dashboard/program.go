package dashboard

import (
	"context"
	"ratchet/internal/lab"
	"ratchet/internal/render"
	"ratchet/internal/view"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

const maxProgram = 256 << 10 // bytes of program.md that are shown

type (
	program struct {
		Text    string           `json:"text"`
		Path    string           `json:"path"` // within the repository
		Digest  string           `json:"digest"`
		Changed bool             `json:"changed"`
		Pending *pendingContract `json:"pending"`
		Problem string           `json:"problem"` // why it can't be read, "" if it can
	}
	pendingContract struct {
		Digest string `json:"digest"`
		Diff   string `json:"diff"` // lines of YAML: - was, + is
	}
)

// showProgram answers with program.md, and with the contract that waits to be
// accepted, if there is one. A program that can't be read is an answer too.
func showProgram(ctx context.Context, c *call) (any, error) {
	board, err := view.ReadBoard(ctx, c.lab)
	if err != nil {
		return nil, err
	}
	accepted := board.Campaign
	out := &program{Path: accepted.ProgramPath, Digest: accepted.Digest}

	text, err := view.ReadProgramText(ctx, c.lab)
	if err != nil {
		out.Problem = research.Describe(err).Msg
		return out, nil
	}

	out.Text = render.Clean(text)
	if len(out.Text) > maxProgram {
		out.Text = strings.ToValidUTF8(out.Text[:maxProgram], "") + "\n… cut here\n"
	}

	_, current, digest, err := lab.PendingContract(ctx, c.lab)
	if err != nil {
		out.Problem = research.Describe(err).Msg
		return out, nil
	}

	if digest != accepted.Digest {
		out.Changed = true
		out.Pending = &pendingContract{
			Digest: digest,
			Diff:   render.Clean(contract.RenderDiff(accepted.Program, current)),
		}
	}

	return out, nil
}
