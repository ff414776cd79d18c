package tools

import (
	"context"
	"fmt"
	"io"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/render"
	"ratchet/internal/research/history"
	"ratchet/internal/view"
)

// WriteTSV writes the newest experiments, at most rows, newest first, one a
// line with a header. Values are whole, texts are one line without tabs.
func WriteTSV(ctx context.Context, co *checkout.Checkout, out io.Writer, rows int) error {
	if _, err := fmt.Fprintln(out,
		"n\tstatus\tverdict\tvalue\tgain\tscale\tcommit\tsession\thypothesis\tlesson\tmetric\tguards"); err != nil {
		return fmt.Errorf("write table: %w", err)
	}

	for cursor := ""; rows > 0; {
		page, err := view.ListExperiments(ctx, co, view.Query{Cursor: cursor, Limit: min(rows, maxRows)})
		if err != nil {
			return err
		}

		for i := range page.Experiments {
			experiment := &page.Experiments[i]

			verdict, value, gain, scale := "", "", "", ""
			if j := experiment.Judgement; j != nil {
				verdict, scale = string(j.Verdict), j.Scale
				if j.Value != nil {
					value = fmt.Sprint(*j.Value)
				}

				if expected := j.ExpectedGain(); expected != nil {
					gain = fmt.Sprint(expected.Mid)
				}
			}

			commit := experiment.Commit
			if commit == "" {
				commit = experiment.Candidate
			}

			line := strings.Join([]string{fmt.Sprint(experiment.N), string(experiment.Status), verdict, value, gain,
				scale, commit, render.OneLine(experiment.Session, 60), render.OneLine(experiment.Hypothesis,
					render.MaxText), render.OneLine(experiment.Lesson,
					render.MaxText), metricOfRow(experiment), guardsOfRow(experiment)}, "\t")
			if _, err := fmt.Fprintln(out, line); err != nil {
				return fmt.Errorf("write table: %w", err)
			}
		}

		rows -= len(page.Experiments)
		if cursor = page.Next; cursor == "" || len(page.Experiments) == 0 {
			return nil
		}
	}

	return nil
}

// metricOfRow names the metric that a value is of, "" where it is the campaign's present one.
func metricOfRow(experiment *history.Experiment) string {
	if experiment.Under == nil {
		return ""
	}

	return render.OneLine(experiment.Under.Name, 60)
}

// guardsOfRow are the guards' values: "errors=0 rss_mb=12.5".
func guardsOfRow(experiment *history.Experiment) string {
	all := make([]string, len(experiment.Guards))
	for i, guard := range experiment.Guards {
		all[i] = render.OneLine(guard.Name, 60) + "=" + fmt.Sprint(guard.Value)
	}

	return strings.Join(all, " ")
}
