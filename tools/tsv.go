package tools

import (
	"context"
	"fmt"
	"io"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/render"
	"ratchet/internal/view"
)

// WriteTSV writes the newest experiments, at most rows, newest first, one a
// line with a header. Values are whole, texts are one line without tabs.
func WriteTSV(ctx context.Context, l *checkout.Checkout, w io.Writer, rows int) error {
	if _, err := fmt.Fprintln(w,
		"n\tstatus\tverdict\tvalue\tgain\tscale\tcommit\tsession\thypothesis\tlesson"); err != nil {
		return fmt.Errorf("write table: %w", err)
	}

	for cursor := ""; rows > 0; {
		p, err := view.ListExperiments(ctx, l, view.Query{Cursor: cursor, Limit: min(rows, maxRows)})
		if err != nil {
			return err
		}

		for i := range p.Experiments {
			x := &p.Experiments[i]

			verdict, value, gain, scale := "", "", "", ""
			if j := x.Judgement; j != nil {
				verdict, scale = string(j.Verdict), j.Scale
				if j.Value != nil {
					value = fmt.Sprint(*j.Value)
				}

				if j.Gain != nil {
					gain = fmt.Sprint(j.Gain.Mid)
				}
			}

			commit := x.Commit
			if commit == "" {
				commit = x.Candidate
			}

			line := strings.Join([]string{fmt.Sprint(x.N), string(x.Status), verdict, value, gain, scale, commit,
				render.OneLine(x.Session, 60), render.OneLine(x.Hypothesis, render.MaxText), render.OneLine(x.Lesson,
					render.MaxText)}, "\t")
			if _, err := fmt.Fprintln(w, line); err != nil {
				return fmt.Errorf("write table: %w", err)
			}
		}

		rows -= len(p.Experiments)
		if cursor = p.Next; cursor == "" || len(p.Experiments) == 0 {
			return nil
		}
	}

	return nil
}
