package chart

import (
	"slices"
	"strings"

	"github.com/go-analyze/charts/chartdraw"
)

const lackNote = "… here: letters that this font lacks. "

// Lacks says whether a text of f has letters that a PNG's font has not. A PNG
// has "…" in their place then, and says so at its foot; an SVG has the letters.
func Lacks(f Figure) bool {
	_, lacks := readable(f)
	return lacks
}

// readable is f with signs that can be spelt in letters of the font, without letters that the font lacks, and whether there were any.
func readable(f Figure) (Figure, bool) {
	font := chartdraw.GetFont("notosans")
	spelt := strings.NewReplacer("→", "->", "←", "<-", "⇒", "=>", "≤", "<=", "≥", ">=", "≠", "!=", "≈", "~", "−", "-",
		"∞", "inf", "\ufe0f", "")
	lacks := false
	fix := func(s *string) {
		var b strings.Builder

		gap := false
		for _, r := range spelt.Replace(plain(*s)) {
			if has := font.Index(r) != 0; has || !gap {
				if !has {
					r, lacks = '…', true
				}
				b.WriteRune(r)
				gap = !has
			}
		}
		*s = b.String()
	}
	fix(&f.Title)
	fix(&f.Subtitle)
	fix(&f.Empty)

	f.Panels = slices.Clone(f.Panels)
	for i := range f.Panels {
		fixPanel(&f.Panels[i], fix)
	}

	if lacks {
		f.Foot = lackNote + f.Foot
	}

	return f, lacks
}

func fixPanel(q *Panel, fix func(*string)) {
	q.Series, q.Rules, q.Labels, q.Bars = slices.Clone(q.Series), slices.Clone(q.Rules), slices.Clone(q.Labels),
		slices.Clone(q.Bars)
	fix(&q.Title)
	fix(&q.X.Name)
	fix(&q.Y.Name)

	for i := range q.Series {
		fix(&q.Series[i].Name)
	}

	for i := range q.Rules {
		fix(&q.Rules[i].Text)
	}

	for i := range q.Labels {
		fix(&q.Labels[i].Text)
	}

	for i := range q.Bars {
		fix(&q.Bars[i].Name)
		fix(&q.Bars[i].Text)
	}
}
