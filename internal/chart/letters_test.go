package chart_test

import (
	"bytes"
	"testing"

	"ratchet/internal/chart"
)

// TestLettersThatTheFontLacks: no boxes in a PNG, and a word about it.
func TestLettersThatTheFontLacks(t *testing.T) {
	odd, plain := dotFigure(1, 2, 3), dotFigure(1, 2, 3)
	odd.Title, plain.Title = "schnell 漢字🚀 ja", "schnell … ja"
	odd.Foot, plain.Foot = "a foot", "… here: letters that this font lacks. a foot"

	odd.Panels[0].Labels[0].Text, plain.Panels[0].Labels[0].Text = "7 排序", "7 …"
	if !chart.LacksLetters(odd) || chart.LacksLetters(plain) {
		t.Error("not told apart")
	}

	if known := dotFigure(1); chart.LacksLetters(known) {
		t.Error("numbers lack letters")
	}

	if !bytes.Equal(drawFigure(t, odd, chart.Options{}), drawFigure(t, plain, chart.Options{})) {
		t.Error("a PNG shows other than … in their place")
	}

	if svg := drawFigure(t, odd, chart.Options{Format: chart.SVG}); !bytes.Contains(svg, []byte("漢字🚀")) {
		t.Error("an SVG lacks the letters")
	}

	if odd.Panels[0].Labels[0].Text != "7 排序" {
		t.Error("the figure was changed")
	}

	greek := dotFigure(1)
	if greek.Title = "3 → 2, ≤ 1, µs, Größe, λ, Жук, 10 × α"; chart.LacksLetters(greek) {
		t.Error("Greek and Cyrillic letters are lacking")
	}
}
