package simulate

import "fmt"

// Document is docs/evidence.md: the report's tables, how to make them again,
// and what they do not show.
func (r Report) Document() string {
	return fmt.Sprintf(document, r.Nights, r.Seed, r.flag(),
		NullTable(r.Null), NullTable(r.Broken), GainTable(r.Gains), r.recorded(), sampleNights, sampleSeed, Sample())
}

const document = `# Evidence: what the rules are worth, on simulated nights

Made by ` + "`ratchet simulate --nights %d --seed %d%s > docs/evidence.md`" + `. Every rule meets the same proposals and the same machine.
Ratchet's two modes are driven through the very functions of internal/research that judge a campaign; the peers' rules are restated from what those tools do.
A log-%% is a hundredth of a log-ratio.

## Useless edits

A night of 100 proposals that change nothing, in 300 runs. The share of nights that end with something called proven: for auto a
certificate, for every other rule a kept edit. Ratchet promises at most .05.

%s
The same nights with one part of Ratchet's rules taken out. A table in which nothing can fail would show nothing.

%s
## Gains

The true gain of what was kept, against the best of the eleven peers' rules in each row (the gain of that rule in log-%% a night, then what it claims over
what it has). "100/300" is 100 proposals in 300 runs; "unlimited" proposals cost nothing. Most proposals are null (70 %%; late-stage 80 %%, flat 50 %%), the gains .5 to
10 %%. "Riders" is the share of kept edits that bring no gain: auto adopts what is expected to help and proves only the sum. The rows marked held out, flat and
overlapping are settings that no constant was tuned on. Standard errors are paired.

%s
%s## A sample that a test plays again

%d nights, seed %d.

%s
## What this does not show

- Noise here does not depend on the edit, effects add up, and a run costs the same whatever it measures.
- Where the assumptions fail (a pair's noise is a contaminated normal; with ` + "`assumptions: none`" + `, a pair is as likely to fall either way) nothing is promised: two sides that
  disturb each other, or an edit that changes the shape of the noise, are matters of isolation.
- The best peer of a row is picked after the fact, and is another one in another row; with so few nights some rows owe it to luck. Where auto is
  below 1 beyond its standard error, that peer claims as proven what it only saw once.
- Late-stage at 5 %% noise is auto's weakest row, and 100 nights blur it. Over 600 nights (` + "`ratchet simulate --nights 600 --seed 11 --rule auto --cell \"late-stage 100/300, lognormal 5%%\"`" + `)
  it is .675 (.068) of the best peer's gain, with claimed/true 1.22; that peer claims 4.5 times what it has. The belief does not unlearn its prior of helpful
  proposals fast enough there, and a head of 3 log-%% against a pair noise of 7 %% needs about 50 pairs.
- Over 1,000 null nights of each of the ten noise models (seed 79) certify's share is .010 to .027, without assumptions at most .007.
  That nights of edits that gain exactly min_gain stay as clean is tested in internal/research.

## What was tried and is not in the rule

Certify, on 150 nights of every row of gains, the same seeds with and without:

- A second screen run where the first may be a plain loss or one slow outlier: 2 to 12 %% more gain under one-sided heavy noise with 100 proposals, 3 to 10 %% less in
  nearly every row with unlimited proposals, 7 %% less in two late-stage rows. Left out.
- Sharp instead of blurred steps of the grid of effects (24 %% apart): nothing at .5 to 5 %% noise, but at .03 %% noise the gain falls from 43.6 to 19.7 log-%%, since a
  large effect between two steps looks like an outlier. The blur stays.

Auto: a prior of effects that unlearns faster for late-stage at 5 %% noise has not been simulated yet. Riders are pruned after the night, by ` + "`ratchet finalize`" + `: performance.md,
"Dropping what does not pay".
`
