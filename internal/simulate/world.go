package simulate

import (
	"math"
	"math/rand/v2"

	"ratchet/internal/research/rules"
)

// Effects is a mix of proposed edits; what the shares leave is large gains
// (3 to 10 %). All effects are log-ratios, lower is better.
type Effects struct {
	Null    float64 // share of edits that change nothing
	Harm    float64 // share of losses of .5 to 10 %
	Small   float64 // share of gains of .5 to 2 %
	Overlap float64 // gains after the first are worth this share; 0 is all of it
}

// The mixes.
var (
	nullEdits   = Effects{Null: 1}
	mixed       = Effects{Null: .70, Harm: .15, Small: .10}
	lateStage   = Effects{Null: .80, Harm: .17, Small: .025}
	flat        = Effects{Null: .50, Harm: .30, Small: .20}
	overlapping = Effects{Null: .70, Harm: .15, Small: .10, Overlap: .8}
)

func (e Effects) drawEffect(r *rand.Rand, scale float64) float64 {
	u, v := r.Float64(), r.Float64()
	switch {
	case u < e.Null:
		return 0
	case u < e.Null+e.Harm:
		return scale * math.Log1p(.005+.095*v)
	case u < e.Null+e.Harm+e.Small:
		return scale * math.Log1p(-(.005 + .015*v))
	}

	return scale * math.Log1p(-(.03 + .07*v))
}

// NoiseModel is the noise of one run, on the log scale.
type NoiseModel struct {
	Name             string
	Sigma            float64 // standard deviation of the independent part
	TailP, TailMean  float64 // chance and mean of one-sided slow outliers, exponential
	DriftSD, Rho     float64 // AR(1) drift of the machine: stationary sd, correlation per run
	Jump, JumpP      float64 // two-speed clock: height of the slow state, chance per run to switch
	BurstP, BurstEnd float64 // chance per run that a burst of outliers begins, that it ends
	// Two speeds: a run in the slow state takes Slow longer; SlowShare of all runs do, and
	// a state that was entered stays with chance SlowStay (0: every run draws again).
	Slow, SlowShare, SlowStay float64
	Step, StepP               float64 // the level jumps by about Step, up or down; chance per run
	WarmUp, WarmUpRuns        float64 // excess of the first run, and the runs in which it falls to 1/e
	Load, LoadRuns            float64 // load that grows and falls: most that it adds, and runs of one wave
	Quantum                   float64 // the clock's tick, as a share of the start's value; 0 for none
	// Beside is what others' load adds to the baseline's half of a pair, and to it alone;
	// such a pair is recorded as unequal.
	Beside float64
	Scale  float64 // of the effects that go with this metric
}

// NoiseModels are the noise models: ten noisy ones, of which nothing was tuned on
// the last two, and a deterministic metric.
func NoiseModels() []NoiseModel {
	return []NoiseModel{
		{Name: "lognormal 0.5%", Sigma: .005, Scale: 1},
		{Name: "lognormal 2%", Sigma: .02, Scale: 1},
		{Name: "lognormal 5%", Sigma: .05, Scale: 1},
		{Name: "heavy one-sided", Sigma: .01, TailP: .10, TailMean: .15, Scale: 1},
		{Name: "drift", Sigma: .01, DriftSD: .025, Rho: .974, Scale: 1},
		{Name: "drift+heavy", Sigma: .01, TailP: .05, TailMean: .10, DriftSD: .025, Rho: .974, Scale: 1},
		{Name: "loss s=.001", Sigma: .001, Scale: .1},
		{Name: "loss s=.003", Sigma: .003, Scale: .1},
		{Name: "two-speed clock", Sigma: .01, Jump: .05, JumpP: .05, Scale: 1},
		{Name: "bursts", Sigma: .01, TailMean: .10, BurstP: .01, BurstEnd: .20, Scale: 1},
		{Name: "deterministic", Scale: 1},
	}
}

// noiseNamed is the noise model of that name; the zero one when there is none.
func noiseNamed(name string) NoiseModel {
	for _, n := range NoiseModels() {
		if n.Name == name {
			return n
		}
	}

	return NoiseModel{}
}

// Unlimited is a Cell's number of proposals when only runs are scarce.
const Unlimited = 1 << 30

// Cell is one setting to compare rules in.
type Cell struct {
	Name      string
	Noise     NoiseModel
	Effects   Effects
	Runs      int // of the night, calibration and warm-up included; Unlimited is allowed if Proposals is not
	Proposals int // Unlimited when only runs are scarce
	// Stream is recorded noise, which takes the place of Noise's; nil for none.
	Stream []float64
	// keepBar is the KeepBar of search: auto; 0 is the rule's own.
	keepBar float64
}

// Night is what one night came to. Gains are log-ratios, positive is better.
type Night struct {
	Gain         float64 `json:"gain"`    // true gain of what was kept
	Claimed      float64 `json:"claimed"` // what the rule said of it
	Keeps        int     `json:"keeps"`
	FalseKeeps   int     `json:"false_keeps"` // kept edits without a gain, riders of a chain included
	Certificates int     `json:"certificates"`
	FalseCerts   int     `json:"false_certificates"` // steps claimed to be proven that bring no gain
	Runs         int     `json:"runs"`
	Proposals    int     `json:"proposals"`
}

// world is a night being played.
type world struct {
	Night
	cell         Cell
	noise, edits *rand.Rand // separate, so that every rule meets the same proposals
	drift        float64
	slow, burst  bool
	gained       bool
	isSlow       bool    // in the slow one of two speeds
	step         float64 // sum of the level's jumps
	level        float64 // true log level of what is proven, or kept
	stream       *recordedNoise
	// judged is told of every verdict of Ratchet's; nil for nobody.
	judged func(effect float64, judgement rules.Judgement)
	tape   *tape // of recorded samples, instead of all the above noise; nil for none
}

func newWorld(c Cell, seed uint64, night int) *world {
	machine := &world{cell: c,
		noise: rand.New(rand.NewPCG(seed, uint64(night)+1)),
		edits: rand.New(rand.NewPCG(seed+1e9, uint64(night)+1)),
	}
	machine.drift = c.Noise.DriftSD * machine.noise.NormFloat64()
	machine.slow = c.Noise.Jump > 0 && machine.noise.IntN(2) == 0
	if c.Noise.SlowShare > 0 {
		machine.isSlow = machine.noise.Float64() < c.Noise.SlowShare
	}

	if len(c.Stream) > 0 {
		machine.stream = &recordedNoise{noise: c.Stream, at: machine.noise.IntN(len(c.Stream))}
	}

	return machine
}

// measureOnce measures a program of the true log level.
func (w *world) measureOnce(level float64) float64 {
	w.Runs++

	switch {
	case w.tape != nil:
		return w.tape.readSample(w.Proposals, level != w.level)
	case w.stream != nil:
		return level + w.stream.next()
	}

	w.advanceMachine()
	noise := w.cell.Noise

	y := level + w.drift + noise.Sigma*w.noise.NormFloat64()
	if noise.TailP > 0 && w.noise.Float64() < noise.TailP {
		y += noise.TailMean * w.noise.ExpFloat64()
	}

	if w.slow {
		y += noise.Jump
	}

	if w.burst {
		y += noise.TailMean * w.noise.ExpFloat64()
	}

	return w.readClock(y + w.machineState())
}

// machineState is what the state of the machine adds to a run: the slower of two speeds,
// jumps, a warm-up, load. With load the runs scatter more, too.
func (w *world) machineState() float64 {
	noise, extra := w.cell.Noise, w.step
	if w.isSlow {
		extra += noise.Slow
	}

	if noise.WarmUp > 0 {
		extra += noise.WarmUp * math.Exp(-float64(w.Runs-1)/noise.WarmUpRuns)
	}

	if noise.Load > 0 {
		wave := math.Sin(math.Pi * float64(w.Runs) / noise.LoadRuns)
		extra += noise.Load * wave * wave * (1 + .3*w.noise.NormFloat64())
	}

	return extra
}

// readClock is the height as a clock of whole ticks shows it.
func (w *world) readClock(height float64) float64 {
	tick := w.cell.Noise.Quantum
	if tick == 0 {
		return height
	}

	return math.Log(tick * max(1, math.Round(math.Exp(height)/tick)))
}

// advanceMachine lets one step of time pass on the machine.
func (w *world) advanceMachine() {
	noise := w.cell.Noise
	if noise.DriftSD > 0 {
		w.drift = noise.Rho*w.drift + noise.DriftSD*math.Sqrt(1-noise.Rho*noise.Rho)*w.noise.NormFloat64()
	}

	if noise.JumpP > 0 && w.noise.Float64() < noise.JumpP {
		w.slow = !w.slow
	}

	if noise.SlowShare > 0 && w.noise.Float64() >= noise.SlowStay {
		w.isSlow = w.noise.Float64() < noise.SlowShare
	}

	if noise.StepP > 0 && w.noise.Float64() < noise.StepP {
		size := noise.Step * (.5 + w.noise.Float64())
		if w.noise.IntN(2) == 0 {
			size = -size
		}
		w.step += size
	}

	if noise.BurstP == 0 {
		return
	}

	if w.burst {
		w.burst = w.noise.Float64() >= noise.BurstEnd
	} else {
		w.burst = w.noise.Float64() < noise.BurstP
	}
}

// hasRunsLeft says whether k more runs fit in the night.
func (w *world) hasRunsLeft(k int) bool { return w.Runs+k <= w.cell.Runs }

// propose is the true effect of the next edit, false when there are no more. A
// step of time passes while the agent thinks.
func (w *world) propose() (float64, bool) {
	if w.Proposals >= w.cell.Proposals {
		return 0, false
	}

	w.Proposals++
	if w.stream != nil {
		w.stream.skip(w.noise.IntN(mostSkipped + 1))
	}
	w.advanceMachine()

	d := w.cell.Effects.drawEffect(w.edits, w.cell.Noise.Scale)
	if d < 0 && w.cell.Effects.Overlap > 0 {
		if w.gained {
			d *= w.cell.Effects.Overlap
		}
		w.gained = true
	}

	return d, true
}

// keepEdit takes one edit, with the gain that the rule claims for it.
func (w *world) keepEdit(effect, claim float64) {
	w.keepChain([]float64{effect}, claim)
}

// keepChain takes edits that were proven together.
func (w *world) keepChain(effects []float64, claim float64) {
	total := 0.0

	for _, d := range effects {
		w.Keeps++
		if d >= 0 {
			w.FalseKeeps++
		}
		total += d
	}

	w.Certificates++
	if total >= 0 {
		w.FalseCerts++
	}
	w.level += total
	w.Gain -= total
	w.Claimed += claim
}
