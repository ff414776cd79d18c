package simulate

import (
	"fmt"
	"maps"
	"slices"
)

// recordingsFlag is the part of the document's command that names the recordings.
func (r Report) recordingsFlag() string {
	if r.Recording == nil {
		return ""
	}

	return " --recordings docs"
}

// recordedText are the document's sections about a real machine; "" without recordings.
func (r Report) recordedText() string {
	if r.Recording == nil {
		return ""
	}

	return fmt.Sprintf(recordedSections, RenderPlayedTables(r.Played), r.Recording.countVerdicts(),
		RenderRecordingTable(*r.Recording), RenderReplayTable(r.Replayed))
}

// countVerdicts counts the live verdicts, in words.
func (rec Recording) countVerdicts() string {
	count := map[string]int{}

	for _, e := range rec.Edits {
		if e.Verdict != "" {
			count[e.Verdict]++
		}
	}
	words := fmt.Sprintf("%d improved", count["improved"])
	delete(count, "improved")

	for _, v := range slices.Sorted(maps.Keys(count)) {
		words += fmt.Sprintf(", %d %s", count[v], v)
	}

	return words
}

const recordedSections = `## Through the real binary

Whole campaigns that an MCP client drove on ` + "`ratchet mcp`" +
	` over its standard streams: edit, run_experiment, keep whenever the verdict
allows it, else revert; at the end the certificate, the audit, and ` + "`ratchet verify --recompute`" +
	` on every ledger. The benchmark prints the
true value of the edited file times noise that follows from the run's seed: normal of 2 %%, or heavy (normal of 1 %%, and in a tenth of the runs
10 to 30 %% on top). min_gain is 0, the hardest setting, and runs are not scarce. "Proven" is a certificate (auto) or a keep (certify); the last
two columns are what keeping every lower first run of the very same nights would have kept. Made by ` +
	"`make nights`" + ` into
docs/evidence-nights.jsonl, a line a night; short nights of either kind are part of ` + "`make test`" + `.

A mixed night has ten gains of 5 %%, ten losses of 5 %% and ten useless edits. The greedy driver measures by the same binary and keeps what one
run shows lower than its best; its claim is its best value over its first.

%s
## On a real benchmark

Sixty edits of examples/wordfreq that change nothing a program does (comments, renamed variables, reordered functions), each measured against
the start in 22 interleaved pairs, CPU time of one round, while one or two busy loops came and went in blocks of 5 to 20 seconds on a machine of two
CPUs that was in use besides. Made by ` + "`make evidence-wordfreq`" +
	` into docs/evidence-wordfreq.jsonl. Each edit was also proposed to the real binary
as an experiment first (search: certify, min_gain 2 %%, runs of its own): %s.

%s
Every rule on these very samples: a run of an edit is the next sample recorded of that edit, a run of the baseline the next one of the start
beside it, and a certificate's pairs are those of all edits together. The nights begin at different pairs of every edit, so they are not independent.
Ratchet's rules have min_gain 0, and like the peers more runs than they want. A test of Ratchet's that wants more samples of an edit than were recorded ends undecided, as at the end
of a budget; the peers never want as many.

%s
`
