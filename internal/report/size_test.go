package report_test

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"ratchet/internal/report"
	"ratchet/internal/research/rules"
)

// TestTwoPages: whatever a campaign has, its report is bounded. 100 lines and
// 7,500 bytes of it filled two pages of paper when they were printed.
func TestTwoPages(t *testing.T) {
	withEvidence(t, openLedger(t, noisy, 0), func(e *evidence) {
		e.facts = func(f *report.Facts) error {
			fillFacts(f)
			return nil
		}

		text := buildReport(t, e, report.FullSize()).RenderPlainMarkdown()
		if lines := strings.Count(text, "\n"); lines > 100 || len(text) > 7500 || !strings.Contains(text, "56 more") {
			t.Errorf("%d lines, %d bytes:\n%s", lines, len(text), text)
		}

		sizes := report.ShortSizes()
		if short := buildReport(t, e,
			sizes[len(sizes)-1]).RenderPlainMarkdown(); len(short) > 1500 { // of the 2,048 bytes of an answer, as JSON
			t.Errorf("the shortest has %d bytes:\n%s", len(short), short)
		}
	})
}

// fillFacts gives a campaign as much of everything as there can be.
func fillFacts(f *report.Facts) {
	long := strings.Repeat("read the blocks in another order ", 9)

	for len(f.Kept) < 64 {
		f.Kept = append(f.Kept, f.Kept[0])
	}

	for i := range f.Kept {
		f.Kept[i].Hypothesis, f.Kept[i].Paths = long, []string{"internal/deep/folder/with/a/long/name.go"}
	}

	for len(f.Lessons) < report.MostTold {
		f.Lessons = append(f.Lessons, f.Lessons[0])
	}

	for len(f.Ideas) < report.MostTold {
		f.Ideas = append(f.Ideas, f.Ideas[0])
	}

	for i := range report.MostTold {
		f.Lessons[i].Text, f.Ideas[i].Text = long, long
	}

	for len(f.Sessions) < 40 {
		f.Sessions = append(f.Sessions, f.Sessions[0])
	}

	words := strings.Fields("alpha beta gamma delta epsilon")
	for i := range f.Recent {
		f.Recent[i].Hypothesis = words[i%4]
	}

	for i := range 8 {
		x := f.Invalid[0]
		x.Judgement = &rules.Judgement{Reason: words[i%5]}
		f.Invalid = append(f.Invalid, x)
	}
	c := &f.Campaign
	c.LostTests, c.Overridden, c.Class, f.Sums.Void, f.Sums.Metered, c.GPUSeconds = 3, 2, 2, 2, 3, 1e5
}

// TestContrast holds the page's colours to WCAG 2 AA (4.5 to 1) on each of its papers.
func TestContrast(t *testing.T) {
	var page string
	withEvidence(t, openLedger(t, shrink, 0),
		func(e *evidence) { page = string(buildReport(t, e, report.FullSize()).RenderHTML()) })

	schemes := regexp.MustCompile(`--ink: (#\w{6}); --dim: (#\w{6}); --paper: (#\w{6}); --line: #\w{6}; --mark: (#\w{6})`).FindAllStringSubmatch(page, -1)
	if len(schemes) != 3 {
		t.Fatalf("%d colour schemes, want light, dark and print", len(schemes))
	}

	for _, s := range schemes {
		for _, pair := range [][2]string{{s[1], s[3]}, {s[2], s[3]}, {s[1], s[4]}, {s[2], s[4]}} {
			if c := contrastRatio(t, pair[0], pair[1]); c < 4.5 {
				t.Errorf("%v have a contrast of %.1f", pair, c)
			}
		}
	}

	if strings.Contains(page, "http://") || strings.Contains(page, "<script") || strings.Contains(page, "url(") {
		t.Error("the page asks for something else")
	}
}

// contrastRatio is that of WCAG 2.2, from the colours' relative luminance.
func contrastRatio(t *testing.T, a, b string) float64 {
	luminance := func(hex string) (sum float64) {
		for i, weight := range []float64{.2126, .7152, .0722} {
			n, err := strconv.ParseUint(hex[1+2*i:3+2*i], 16, 8)
			if err != nil {
				t.Fatal(fmt.Errorf("colour %s: %w", hex, err))
			}

			v := float64(n) / 255
			if v <= .04045 {
				sum += weight * v / 12.92
			} else {
				sum += weight * math.Pow((v+.055)/1.055, 2.4)
			}
		}

		return sum
	}
	x, y := luminance(a), luminance(b)

	return (math.Max(x, y) + .05) / (math.Min(x, y) + .05)
}
