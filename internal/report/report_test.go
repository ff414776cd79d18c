package report_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"ratchet/internal/report"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/ledger"
)

// The campaigns were made by the real binary: noisy.jsonl.gz is a night with
// provisional keeps, a certificate, an audit, a chain that was rolled back and
// hostile hypotheses; shrink.jsonl is deterministic, with imported history, and
// was abandoned; trimmed.jsonl.gz is noisy, was finalized as a stack without two
// of five keeps at record 168, and went on after that; exact.jsonl.gz is the same
// of a deterministic metric, at its end. All lack what says something of the machine.
const (
	noisy     = "noisy.jsonl.gz"
	shrink    = "shrink.jsonl"
	trimmed   = "trimmed.jsonl.gz"
	finalized = 168 // the record of trimmed that says so
	exact     = "exact.jsonl.gz"
)

// TestGolden: what a report of a whole campaign says, and that it is accepted.
func TestGolden(t *testing.T) {
	for name, base := range map[string]string{noisy: "../../docs/example-report", shrink: "testdata/shrink",
		exact: "testdata/exact"} {
		withEvidence(t, openLedger(t, name, 0), func(e *evidence) {
			d := buildReport(t, e, report.FullSize())
			compareGolden(t, base+".md", d.RenderMarkdown())
			compareGolden(t, base+".html", d.RenderHTML())

			for _, written := range [][]byte{d.RenderMarkdown(), d.RenderHTML()} {
				if c, err := checkWritten(e, written); err != nil || c.Figures < 30 || c.Records < 5 {
					t.Errorf("%s: %+v %v", name, c, err)
				}
			}

			if n := strings.Count(d.RenderPlainMarkdown(), "\n"); n > 100 {
				t.Errorf("%s: %d lines are more than two pages", name, n)
			}
		})
	}
}

// TestFinalized: what finalize made of the present incumbent is the answer, is
// named as what to merge, and every kept change is told with what became of it;
// what it made of an older one is not an answer, whatever it measured.
func TestFinalized(t *testing.T) {
	saying := func(n int, facts func(f *report.Facts) error, size report.Size) string {
		var text string
		withEvidence(t, openLedger(t, trimmed, n), func(e *evidence) {
			e.facts = facts
			text = buildReport(t, e, size).RenderPlainMarkdown()
		})

		return text
	}

	dropped := "left out: `no gain shown`, worth 0.6 % more (90 %: -0.7..1.9)"
	for _, x := range []struct {
		about string
		n     int
		facts func(f *report.Facts) error
		size  report.Size
		has   []string
		not   []string
	}{
		{"the present incumbent", finalized, nil, report.FullSize(),
			[]string{"37.8 % less (90 %: 37.4..38.2)",
				"Left out: 2 of 5 kept changes, which were not shown to pay.",
				"To merge: the branch `ratchet/overtaken-final`, 3 commits",
				"`x4`: in the branch: `pays`, worth 18.5 % less (90 %: 17.4..19.7) from 6 pairs", dropped,
				"put the incumbent, with all that was kept, at"},
			[]string{"older head", "no audit was made", "leans upwards"}},
		{"the short form", finalized, nil, report.ShortSizes()[0],
			[]string{"**Audited:** `ms` (lower is better), 99.927 → about 62.1 ms, 37.8 % less", "2 of 5 kept changes", "To merge: the branch `ratchet/overtaken-final`"},
			[]string{" from 8 pairs"}},
		{"an older incumbent", 0, nil, report.FullSize(),
			[]string{"**Certified:**", "`ratchet/overtaken-final` is of an older head", "It was audited at 37.8 % less",
				"leans upwards", "no audit was made"},
			[]string{"**Audited", "To merge", "left out", "in the branch"}},
		{"no stack", finalized, func(f *report.Facts) error { f.Final.Stack = nil; return nil }, report.FullSize(),
			[]string{"a single commit on", "from the pairs that decided", dropped}, []string{"over the commit before"}},
		{"nothing left out on trial", finalized, func(f *report.Facts) error {
			f.Final.Stack, f.Final.Ablation, f.Final.Dropped = nil, nil, nil
			return nil
		}, report.FullSize(),
			[]string{"a single commit on", "`x4`: in the branch, when it was kept 79.237 → 70.868 ms, expected 10.4 % less", "leans upwards"},
			[]string{"Left out", "worth"}},
		{"an audit of the incumbent too", finalized, func(f *report.Facts) error {
			f.Campaign.Audit = &history.Audited{Job: "a2", Commit: f.Campaign.Incumbent,
				Gain: research.Interval{Mid: .3, Lo: .2, Hi: .4}, Scale: "log", Pairs: 9}
			f.Audit = &report.Proof{Ref: f.Final.Ref}

			return nil
		}, report.FullSize(), []string{"**Audited:** `ms` (lower is better), 99.927 → about 62.1 ms, 37.8 % less",
			"The incumbent itself, with all that was kept, was audited at 30 % less (90 %: 20..40), from 9 pairs."},
			nil},
		{"one that can't be left out", finalized, func(f *report.Facts) error {
			f.Final.Stack, f.Final.Ablation.Kept[0].Gain, f.Final.Ablation.Kept[0].Why = nil, nil, "build failed"
			return nil
		}, report.FullSize(),
			[]string{"`x3`: in the branch, since without it: `build failed`, when it was kept 86.153 → 79.48 ms, expected 7.6 % less"}, nil},
	} {
		text := saying(x.n, x.facts, x.size)
		for _, s := range x.has {
			if !strings.Contains(text, s) {
				t.Errorf("%s: it does not say %q:\n%s", x.about, s, text)
			}
		}

		for _, s := range x.not {
			if strings.Contains(text, s) {
				t.Errorf("%s: it says %q:\n%s", x.about, s, text)
			}
		}
	}
}

// TestEveryStage: a report can be made after any record, and is accepted.
func TestEveryStage(t *testing.T) {
	stages := map[string]map[int]string{
		shrink: {1: "Nothing is measured yet", 3: "Still under way: c1", 6: "No experiment was made",
			7: "Still under way: x1", 9: "No gain so far", 26: "Gained:", 27: "has ended: “abandoned”"},
		noisy: {8: "No gain", 40: "No gain is proven", 78: "Certified: ", 90: "Audited: ", 300: "Audited: "},
		trimmed: {finalized - 1: "Certified: ", finalized: "of the branch ratchet/overtaken-final, from 6 pairs",
			0: "is of an older head"},
		exact: {91: "Gained: ", 0: "of the branch ratchet/best-final, from 2 pairs"},
	}
	for name, at := range stages {
		for n, want := range at {
			withEvidence(t, openLedger(t, name, n), func(e *evidence) {
				for _, size := range append(report.ShortSizes(), report.FullSize()) {
					d := buildReport(t, e, size)

					text := strings.NewReplacer("**", "", "`", "").Replace(d.RenderPlainMarkdown())
					if !strings.Contains(text, want) {
						t.Errorf("%s at record %d does not say %q:\n%s", name, n, want, text)
					}

					for _, written := range [][]byte{d.RenderMarkdown(), d.RenderHTML()} {
						if _, err := checkWritten(e, written); err != nil {
							t.Errorf("%s at record %d: %v\n%s", name, n, err, text)
						}
					}
				}
			})
		}
	}
}

// TestAnswersClaimNoMoreThanIsProven: values of a noisy metric stand beside what is known
// of the change, and imported numbers are in no figure.
func TestAnswersClaimNoMoreThanIsProven(t *testing.T) {
	withEvidence(t, openLedger(t, noisy, 0), func(e *evidence) {
		text := buildReport(t, e, report.FullSize()).RenderPlainMarkdown()
		if !regexp.MustCompile(`Audited:.*[0-9.]+ → [0-9.]+ ms, [0-9.]+ % less \(90 %: [0-9.]+\.\.[0-9.]+\)`).MatchString(text) {
			t.Errorf("the audit is not told in values:\n%s", text)
		}
	})
	withEvidence(t, openLedger(t, noisy, 60), func(e *evidence) {
		text := buildReport(t, e, report.FullSize()).RenderPlainMarkdown()
		if !strings.Contains(text, "No gain is proven") || !strings.Contains(text, "Only claimed:") ||
			!strings.Contains(text, "provisional, only claimed") {
			t.Errorf("a chain without a certificate:\n%s", text)
		}
	})
	withEvidence(t, openLedger(t, shrink, 0), func(e *evidence) {
		text := buildReport(t, e, report.FullSize()).RenderPlainMarkdown()
		if strings.Contains(text, "1.0001") || !strings.Contains(text, "Self-reported history:** 3 lines with 2 runs") {
			t.Errorf("imported numbers:\n%s", text)
		}
	})
}

// TestOldChecksStayGood: a report of an earlier head is checked against the
// ledger as it stood then.
func TestOldChecksStayGood(t *testing.T) {
	var old []byte
	withEvidence(t, openLedger(t, noisy, 60),
		func(e *evidence) { old = buildReport(t, e, report.FullSize()).RenderMarkdown() })
	l := openLedger(t, noisy, 0)
	withEvidence(t, l, func(e *evidence) {
		if _, err := checkWritten(e, old); err == nil {
			t.Error("a report of record 60 passed as one of the head")
		}
	})

	err := l.At(t.Context(), 60, func(tx *ledger.Tx) error {
		_, err := checkWritten(&evidence{tx: tx, campaign: "blocks"}, old)
		return err
	})
	if err != nil {
		t.Error(err)
	}

	if err := l.At(t.Context(), 9999, func(*ledger.Tx) error {
		return nil
	}); research.Describe(err).Code != research.CodeNotFound {
		t.Errorf("the ledger at a record that it lacks: %v", err)
	}
}

// TestNoDigitInPlainWords: a stray digit in a template, or a number in words,
// fails the build.
func TestNoDigitInPlainWords(t *testing.T) {
	for _, words := range []string{"kept 3 of them", "about half of them", "twelve were kept", "½", "x²", "a ⅔ chance",
		"٣ kept", "5", "up +", "10%", "Ⅻ", "a < b", "see [this]", "~ many"} {
		withEvidence(t, openLedger(t, shrink, 0), func(e *evidence) {
			d := buildReport(t, e, report.FullSize())

			d.Blocks = append(d.Blocks, report.Block{Shape: report.Paragraph,
				Cells: [][]report.Span{{{Kind: report.Words, Text: words}}}})
			for _, written := range [][]byte{d.RenderMarkdown(), d.RenderHTML()} {
				if _, err := checkWritten(e, written); err == nil {
					t.Errorf("%q was accepted in plain words", words)
				}
			}

			f, _ := e.Facts()
			if _, err := report.BuildDocument(f, "test", report.FullSize()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestHostileTexts: whatever an agent writes stays inside its quotation.
func TestHostileTexts(t *testing.T) {
	for i, text := range []string{
		"”, 99 kept. “", "\n\n## 99 % faster\n", "-->\n<!-- ratchet report", "</q><b>99 %</b>", "` 99 `", "<!-- -->",
		"\u202e99\u202c", "| 99 | 99 |", "\\", "**99**", "[99](https://evil.example)", "&#57;&#57;",
		"r1.0123456789abcdef:x:/n", "", "\x00\x1b[31m99", "＜script＞", strings.Repeat("9", 5000), "ratchet verify",
		"99 kept", "\xff\xfe",
	} {
		withEvidence(t, openLedger(t, shrink, 12), func(e *evidence) {
			e.facts = func(f *report.Facts) error {
				f.Campaign.Branch = "refs/heads/" + text
				f.Campaign.Program.Metric.Unit, f.Campaign.Program.Metric.Name, f.Campaign.Ended = text, text, text

				f.Sources = []history.ImportSource{{Source: text, Lines: 3}}
				for i := range f.Sessions {
					f.Sessions[i].Codename, f.Sessions[i].Client = text, text
				}

				for i := range f.Recent {
					f.Recent[i].Judgement = &rules.Judgement{Verdict: research.Invalid, Reason: text}
				}
				f.Invalid = f.Recent

				return nil
			}

			d := buildReport(t, e, report.FullSize())
			for k, written := range [][]byte{d.RenderMarkdown(), d.RenderHTML()} {
				if _, err := checkWritten(e, written); err != nil && !strings.Contains(err.Error(), "of the campaign") {
					t.Errorf("text %d, form %d: %v", i, k, err)
				}
			}

			plain := d.RenderPlainMarkdown()
			if strings.Count(plain, "\n## ") != 8 && strings.Count(plain, "\n## ") != 7 || strings.Contains(plain,
				"\n<!--") {
				t.Errorf("text %d broke out:\n%s", i, plain)
			}

			page := string(d.RenderHTML())
			if _, body, _ := strings.Cut(page, "<main"); regexp.MustCompile(`<(b|script|a|img)\b`).MatchString(body) {
				t.Errorf("text %d broke out of the page:\n%s", i, body)
			}
		})
	}
}

// TestFormulasAreNamedOnce: each named figure has one meaning, and the page
// lists them all.
func TestFormulasAreNamedOnce(t *testing.T) {
	seen := map[string]bool{}
	page := "# The named figures of a report\n\nA figure of a [report](reading.md#the-report) that rests on more than one record is bound to one of these names. " +
		"`#` is an index, from 0. The checker derives each from the campaign's folded state at the report's head: the ledger's own, or, with `--recompute` and when the ledger has grown since, " +
		"one that is folded again from the records.\n\n| name | counts |\n|---|---|\n"

	for _, f := range report.AllFormulas() {
		if seen[f.Name] || f.About == "" || !regexp.MustCompile(`^[a-z.#]+$`).MatchString(f.Name) {
			t.Errorf("%q: %q", f.Name, f.About)
		}
		seen[f.Name] = true
		page += fmt.Sprintf("| `%s` | %s |\n", f.Name, f.About)
	}
	compareGolden(t, "../../docs/report-figures.md", []byte(page))
}

// TestNothingTouchesAFigure: letters or signs right before or behind a figure,
// outside of its element, and an end that was cut off.
func TestNothingTouchesAFigure(t *testing.T) {
	withEvidence(t, openLedger(t, shrink, 0), func(e *evidence) {
		d := buildReport(t, e, report.FullSize())
		page, text := string(d.RenderHTML()), string(d.RenderMarkdown())

		end := strings.Index(text, "\n<!-- ratchet report")
		for what, written := range map[string]string{
			"before, html":        strings.Replace(page, `<td><span class="n"`, `<td>k<span class="n"`, 1),
			"behind, html":        strings.Replace(page, "</span>", "</span>k", 1),
			"behind a tag, html":  strings.Replace(page, "</span>", "</span><strong>k</strong>", 1),
			"behind, markdown":    strings.Replace(text, "2 kept", "2 kept-ish", 1),
			"emphasis, markdown":  strings.Replace(text, "2 kept", "2 kept**k**", 1),
			"the end, markdown":   text[:strings.LastIndex(text[:end], "The ledger's newest")] + text[end:],
			"the comment":         text[:end+30],
			"two comments":        text[:end] + text[end:] + text[end:],
			"a hidden line, html": strings.Replace(page, "<h2>", `<h2 hidden>`, 1),
			"a style, html":       strings.Replace(page, "</style>", "h1::after { content: ' of 99 %' } </style>", 1),
			"a comment, html":     strings.Replace(page, "<h2>", "<!-- --><h2>", 1),
			"a script, html":      strings.Replace(page, "</main>", "<script>x</script></main>", 1),
		} {
			if written == page || written == text {
				t.Errorf("%s: nothing was changed", what)
			}

			if _, err := checkWritten(e, []byte(written)); research.Describe(err).Code != research.CodeReport {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}
