package simulate

import "fmt"

// flag is the part of the document's command that names the recordings.
func (r Report) flag() string {
	if r.Recording == nil {
		return ""
	}
	return " --recordings docs"
}

// recorded are the document's sections about a real machine; "" without recordings.
func (r Report) recorded() string {
	if r.Recording == nil {
		return ""
	}
	return fmt.Sprintf(recordedSections, PlayedTables(r.Played), RecordingTable(*r.Recording), ReplayTable(r.Replayed))
}

const recordedSections = `## Through the real binary

Whole campaigns that an MCP client drove on ` + "`ratchet mcp`" + ` over its standard streams: edit, run_experiment, keep whenever the verdict
allows it, else revert, and at the end the certificate, the audit and ` + "`ratchet verify --recompute`" + `. The benchmark is a program that prints
the true value of the edited file times noise that follows from the run's seed: normal of 2 %%, or heavy (normal of 1 %%, and in a tenth of the runs
10 to 30 %% on top). min_gain is 0, the hardest setting. Figures of ` + "`make nights`" + `, from docs/evidence-nights.jsonl, a line a night; the last
two columns are what keeping every lower first run of the same nights would have kept. A mixed night has ten gains of 5 %%, ten losses of 5 %% and ten useless edits;
the greedy driver measures by the same binary and keeps what one run shows lower than its best. Three short nights of either kind are part of ` + "`make test`" + `.

%s
## On a real benchmark

Sixty edits of examples/wordfreq that change nothing a program does (comments, renamed variables, reordered functions), measured against the
start by measure_metric in interleaved pairs, CPU time of one round each, while one or two busy loops came and went in blocks of 5 to 20 seconds
on a machine of two CPUs that was in use besides. Recorded by ` + "`make evidence-wordfreq`" + ` into docs/evidence-wordfreq.jsonl.

%s
Every rule on these very samples. A run of an edit is the next sample recorded of that edit, a run of the baseline the next one of the start
beside it; a certificate's pairs are those of all edits together. The nights begin at different pairs of every edit. Ratchet's
rules have min_gain 0 and 5 runs an edit, the peers as many runs as they want. A test of Ratchet's that wants more samples than were recorded ends there undecided;
the peers never want as many.

%s
`
