package history

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"ratchet/internal/research/rules"
)

// FormatStream is a metric's values of runs of one version as a table that
// `ratchet simulate --streams` plays: a row for each valid run that was no warm-up, with
// the seconds from the first run's start to its end (t), its value and length, and 1 where
// others kept the machine busy beside it.
func FormatStream(runs []rules.Run, metric string) string {
	var text strings.Builder
	text.WriteString("t\tvalue\twall_s\tcontended\n")

	var began time.Time

	for _, run := range runs {
		value, ok := run.Samples[metric]
		if !run.Valid || run.Void || run.WarmUp || !ok {
			continue
		}

		if began.IsZero() {
			began = run.Started
		}

		contended := 0
		if run.Contended {
			contended = 1
		}
		fmt.Fprintf(&text, "%.3f\t%s\t%.4f\t%d\n", run.Started.Sub(began).Seconds()+run.Wall,
			strconv.FormatFloat(value, 'g', -1, 64), run.Wall, contended)
	}

	return text.String()
}
