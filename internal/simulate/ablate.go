package simulate

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
)

// Planted is a head to be ablated, of changes whose effects are known. Sizes
// are in standard deviations of a run.
type Planted struct {
	Name   string
	Noise  NoiseModel
	Riders int // changes that do nothing
	Lucky  int // riders more, that much was believed of
	Gains  int
	Size   float64 // of a gain
	// Redundant pairs do the same twice: one of the two is enough. Of a
	// synergistic pair each does nothing alone.
	Redundant, Synergies int
	Pairs                int // at most, of one comparison; 0 is the default
}

// Trim is what one ablation came to.
type Trim struct {
	Riders, Dropped int     // changes that do nothing (one of each redundant pair), and how many went
	Gains, Kept     int     // changes that pay, and how many stayed
	Retained        float64 // true gain of the trimmed head over that of the untrimmed
	Runs            int
}

// Trimmer decides which changes of a head to leave out.
type Trimmer struct {
	Name string
	trim func(*bench, rules.Ablation) (out []int)
}

// Trimmers are Ratchet's ablation, then two that are broken on purpose.
func Trimmers() []Trimmer {
	return []Trimmer{{"ablation", ablate}, {"stored baseline", ablateStored}, {"one pair, by its sign", bySign}}
}

// PlayAblation is ablation number i of the planted head.
func PlayAblation(t Trimmer, p Planted, seed uint64, i int) Trim {
	b := newBench(p, seed, i)
	out := t.trim(b, b.ablation())
	b.Trim.Runs = b.world.Runs - b.before

	return b.scoreAgainstTruth(out)
}

// bench measures heads without some of their changes.
type bench struct {
	Trim
	Planted
	world   *world
	before  int // runs of the campaign
	changes []rules.AblationChange
	effects map[int]float64
	pairs   [][2]int // redundant, then synergistic
	pairNo  int
}

// newBench plants the changes in a random order: experiments are numbered by
// their place in it.
func newBench(p Planted, seed uint64, i int) *bench {
	r := rand.New(rand.NewPCG(seed+7, uint64(i)+1))
	b := &bench{Planted: p, world: newWorld(Cell{Noise: p.Noise}, seed, i), effects: map[int]float64{}}
	sigma := p.Noise.Sigma

	var effects, claims []float64 // by change
	add := func(effect, claim float64) (change int) {
		effects, claims = append(effects, effect), append(claims, claim)
		return len(effects) - 1
	}

	for range p.Riders {
		add(0, sigma*.3*math.Abs(r.NormFloat64()))
	}

	for range p.Lucky {
		add(0, sigma*(1.5+r.Float64()))
	}

	for range p.Gains {
		add(sigma*p.Size, sigma*p.Size*(.6+.5*r.Float64()))
	}

	for k := range p.Redundant + p.Synergies {
		firstClaim := 0.0
		if k < p.Redundant {
			firstClaim = sigma * p.Size
		}

		b.pairs = append(b.pairs, [2]int{add(0, firstClaim), add(0, sigma*p.Size)})
	}

	number := make([]int, len(claims)) // of the experiment, by change
	for place, change := range r.Perm(len(claims)) {
		n := place + 1
		number[change] = n
		b.effects[n] = effects[change]
		b.changes = append(b.changes, rules.AblationChange{N: n, Claim: claims[change]})
	}

	for k, pair := range b.pairs {
		b.pairs[k] = [2]int{number[pair[0]], number[pair[1]]}
	}

	return b
}

// sumTrueGain is the true gain of the head without some changes.
func (b *bench) sumTrueGain(out map[int]bool) float64 {
	sum := 0.0

	for n, effect := range b.effects {
		if !out[n] {
			sum += effect
		}
	}

	for k := range b.pairs {
		present := b.countPresent(k, out)
		if present == 2 || present == 1 && k < b.Redundant {
			sum += b.Size * b.Noise.Sigma
		}
	}

	return sum
}

// countPresent is how many changes of pair k are not left out.
func (b *bench) countPresent(k int, out map[int]bool) int {
	present := 0

	for _, n := range b.pairs[k] {
		if !out[n] {
			present++
		}
	}

	return present
}

// ablation is what the campaign has learnt of its noise, from a calibration and ten runs more.
func (b *bench) ablation() rules.Ablation {
	program := contract.Program{Metric: metric(Cell{Noise: b.Noise}, flaws{})}
	rule := rules.NewAuto(program)

	var obs []rules.Observation
	for w := rule.Calibrate(obs); w != nil; w = rule.Calibrate(obs) {
		obs = append(obs, rules.Observation{RunRequest: *w, Valid: true,
			Value: unit * math.Exp(b.world.measureOnce(0))})
	}

	st, err := rule.Calibrated(obs)
	if err != nil {
		return rules.Ablation{}
	}

	var more []float64
	for range 10 {
		more = append(more, unit*math.Exp(b.world.measureOnce(0)))
	}
	b.before = b.world.Runs

	return rules.NewAblation(program, st.AfterRepeats(program, more), b.changes,
		cmp.Or(b.Pairs, rules.SparingAblationPairs))
}

// differ runs a pair of the head without besides and the same without out, each
// first in turn; the difference is without minus with.
func (b *bench) differ(besides, out []int) float64 {
	with, without := map[int]bool{}, map[int]bool{}
	for _, n := range besides {
		with[n], without[n] = true, true
	}

	for _, n := range out {
		without[n] = true
	}

	b.pairNo++
	if b.pairNo%2 > 0 {
		y := b.world.measureOnce(-b.sumTrueGain(with))
		return b.world.measureOnce(-b.sumTrueGain(without)) - y
	}

	y := b.world.measureOnce(-b.sumTrueGain(without))

	return y - b.world.measureOnce(-b.sumTrueGain(with))
}

type comparison struct {
	besides, out []int
	e            rules.ComparisonResult
}

// comparisons remembers what was measured.
type comparisons []comparison

func (c *comparisons) at(besides, out []int) *rules.ComparisonResult {
	for i := range *c {
		if x := &(*c)[i]; slices.Equal(x.besides, besides) && slices.Equal(x.out, out) {
			return &x.e
		}
	}
	*c = append(*c, comparison{besides: besides, out: out})

	return &(*c)[len(*c)-1].e
}

func ablate(b *bench, a rules.Ablation) []int {
	var made comparisons

	for {
		step := a.NextComparison(func(besides, out []int) rules.ComparisonResult { return *made.at(besides, out) })
		if step.Done != nil {
			return step.Done.DroppedExperiments()
		}

		e := made.at(step.Compare.Besides, step.Compare.Out)
		for range step.Compare.Pairs {
			e.Diffs = append(e.Diffs, b.differ(step.Compare.Besides, step.Compare.Out))
		}
	}
}

// ablateStored measures the head once, before all else, and never again.
func ablateStored(b *bench, a rules.Ablation) []int {
	var head []float64
	for range 4 {
		head = append(head, b.world.measureOnce(-b.sumTrueGain(nil)))
	}
	var made comparisons

	for {
		step := a.NextComparison(func(besides, out []int) rules.ComparisonResult { return *made.at(besides, out) })
		if step.Done != nil {
			return step.Done.DroppedExperiments()
		}

		result, less := made.at(step.Compare.Besides, step.Compare.Out), map[int]bool{}
		for _, n := range slices.Concat(step.Compare.Besides, step.Compare.Out) {
			less[n] = true
		}

		for range step.Compare.Pairs {
			result.Diffs = append(result.Diffs,
				b.world.measureOnce(-b.sumTrueGain(less))-head[len(result.Diffs)%len(head)])
		}
	}
}

// bySign leaves out, one by one, what a single pair does not show to pay.
func bySign(b *bench, a rules.Ablation) (out []int) {
	for _, c := range a.Changes {
		if b.differ(out, []int{c.N}) <= 0 {
			out = append(out, c.N)
		}
	}

	return out
}

// scoreAgainstTruth holds what was left out against the truth.
func (b *bench) scoreAgainstTruth(gone []int) Trim {
	out, paired := map[int]bool{}, map[int]bool{}
	for _, n := range gone {
		out[n] = true
	}

	trim := b.Trim

	for k, pair := range b.pairs {
		paired[pair[0]], paired[pair[1]] = true, true
		present := b.countPresent(k, out)

		if k < b.Redundant {
			trim.Riders++
			trim.Gains++
			trim.Kept += min(present, 1)
			trim.Dropped += min(2-present, 1)
		} else {
			trim.Gains += 2
			trim.Kept += present
		}
	}

	for n, effect := range b.effects {
		switch {
		case paired[n]:
		case effect > 0:
			trim.Gains++
			if !out[n] {
				trim.Kept++
			}
		default:
			trim.Riders++
			if out[n] {
				trim.Dropped++
			}
		}
	}

	trim.Retained = 1
	if all := b.sumTrueGain(nil); all > 0 {
		trim.Retained = b.sumTrueGain(out) / all
	}

	return trim
}
