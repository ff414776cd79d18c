package screen

import (
	"fmt"
	"math"
	"strings"
	"time"

	"ratchet/internal/wording"
)

// Progress is how far long work has come.
type Progress struct {
	What  string // the work, a word or two
	Unit  string // of Done, in the plural: "records"; "" where nothing is counted
	Done  int64
	Total int64  // 0: not known
	Note  string // what is done now, "" for nothing to say
	Took  time.Duration
}

const (
	barMin = 8
	barMax = 30
)

// FormatLine writes the progress in one line of at most width columns, with rate and,
// where the total is known, a bar and the time that is left at that rate.
func (p Progress) FormatLine(width int) string {
	head := p.What
	if p.Note != "" {
		head += ": " + p.Note
	}

	tail := p.formatFigures()
	if p.Total > 0 {
		if room := width - TextWidth(head) - TextWidth(tail) - 4 - 2; room >= barMin {
			return head + "  " + p.formatBar(min(room, barMax)) + "  " + tail
		}
	}

	return CutText(head+"  "+tail, width)
}

// formatFigures writes share, count, rate and time.
func (p Progress) formatFigures() string {
	var parts []string

	rate := 0.
	if p.Took > 0 {
		rate = float64(p.Done) / p.Took.Seconds()
	}

	if p.Total > 0 {
		parts = append(parts, fmt.Sprintf("%d%%", 100*min(p.Done, p.Total)/p.Total))
	}

	if p.Unit != "" {
		of := ""
		if p.Total > 0 {
			of = fmt.Sprintf(" of %d", p.Total)
		}
		parts = append(parts, fmt.Sprintf("%d%s %s", p.Done, of, p.Unit))
	}

	if p.Unit != "" && rate >= 10 {
		parts = append(parts, fmt.Sprintf("%.0f a second", rate))
	}

	if p.Total > 0 && rate > 0 && p.Done < p.Total {
		parts = append(parts, FormatSpan(time.Duration(float64(p.Total-p.Done)/rate*float64(time.Second)))+" left")
	} else {
		parts = append(parts, FormatSpan(p.Took))
	}

	return strings.Join(parts, ", ")
}

func (p Progress) formatBar(width int) string {
	full := int(float64(width) * float64(min(p.Done, p.Total)) / float64(p.Total))
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", width-full) + "]"
}

// FormatSpan writes a duration for people, to the second.
func FormatSpan(d time.Duration) string { return wording.FormatDuration(math.Round(d.Seconds())) }
