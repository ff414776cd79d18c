package chart

import (
	"slices"
	"strings"

	"github.com/go-analyze/charts/chartdraw"
)

const lackNote = "… here: letters that this font lacks. "

// LacksLetters says whether a text of f has letters that a PNG's font has not. A PNG
// has "…" in their place then, and says so at its foot; an SVG has the letters.
func LacksLetters(f Figure) bool {
	_, lacks := spellForFont(f)
	return lacks
}

// spellForFont returns f with signs spelt in letters of the font ("->" for an arrow)
// and "…" for other letters that the font lacks, and whether there were any of these.
func spellForFont(figure Figure) (Figure, bool) {
	font := chartdraw.GetFont("notosans")
	spelt := strings.NewReplacer("→", "->", "←", "<-", "⇒", "=>", "≤", "<=", "≥", ">=", "≠", "!=", "≈", "~", "−", "-",
		"∞", "inf", "\ufe0f", "")
	lacks := false
	fix := func(s *string) {
		var text strings.Builder

		gap := false
		for _, r := range spelt.Replace(cleanText(*s)) {
			if has := font.Index(r) != 0; has || !gap {
				if !has {
					r, lacks = '…', true
				}
				text.WriteRune(r)
				gap = !has
			}
		}
		*s = text.String()
	}
	fix(&figure.Title)
	fix(&figure.Subtitle)
	fix(&figure.Empty)

	figure.Panels = slices.Clone(figure.Panels)
	for i := range figure.Panels {
		fixPanelTexts(&figure.Panels[i], fix)
	}

	if lacks {
		figure.Foot = lackNote + figure.Foot
	}

	return figure, lacks
}

func fixPanelTexts(panel *Panel, fix func(*string)) {
	panel.Series = slices.Clone(panel.Series)
	panel.Rules = slices.Clone(panel.Rules)
	panel.Labels = slices.Clone(panel.Labels)
	panel.Bars = slices.Clone(panel.Bars)

	fix(&panel.Title)
	fix(&panel.X.Name)
	fix(&panel.Y.Name)

	for i := range panel.Series {
		fix(&panel.Series[i].Name)
	}

	for i := range panel.Rules {
		fix(&panel.Rules[i].Text)
	}

	for i := range panel.Labels {
		fix(&panel.Labels[i].Text)
	}

	for i := range panel.Bars {
		fix(&panel.Bars[i].Name)
		fix(&panel.Bars[i].Text)
	}
}
