package history

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
)

// Notice is one thing that a person wants to know of a campaign that runs
// without them. Text is one sentence without a full stop, in the words of the
// verdicts: never two raw numbers of a noisy metric.
type Notice struct {
	Event      contract.Event     `json:"event"`
	Seq        uint64             `json:"seq"` // of the record that it follows from, or of the head when it was noticed
	At         time.Time          `json:"at"`
	Experiment int                `json:"experiment,omitempty"` // 0: of none
	Text       string             `json:"text"`
	Hypothesis string             `json:"hypothesis,omitempty"` // of the experiment: an agent's words
	Value      *float64           `json:"value,omitempty"`      // of a deterministic metric, in its unit
	Gain       *research.Interval `json:"gain,omitempty"`
	Scale      string             `json:"scale,omitempty"` // of Gain: log | linear
}

// crashLoop is how many experiments in a row must end invalid for the same cause
// to be a loop.
const crashLoop = 5

// CrashesLookedAt is how many experiments before its own Noticed wants to see.
const CrashesLookedAt = crashLoop

// Noticed is what one record is news of, nil for most. x is the experiment that
// the record touches, as it is now, nil for none; before are the ones with lower
// numbers, newest first, CrashesLookedAt or as many as there are. c is the
// campaign as it is now. One record gives one event at most, always the same but
// for a loop of crashes where experiments ran side by side.
func Noticed(c *Campaign, r Record, x *Experiment, before []Experiment) (*Notice, error) {
	n := &Notice{Seq: r.Seq, At: r.Time}
	switch r.Kind {
	case KindExperimentKept:
		k, err := body[Keeping](r)
		if err != nil || x == nil || k.Simplification || k.Overridden != "" || x.Judgement == nil {
			return nil, err
		}

		return n.describeBest(c, x), nil
	case KindCertificateFinished:
		e, err := body[CertificateEnd](r)
		if err != nil {
			return nil, err
		}

		n.Event, n.Text = contract.EventCertified, "the head of "+c.Name+" is "+e.Describe(c.Program.Metric)
		if e.Outcome == rules.RolledBack {
			n.Event, n.Text = contract.EventRolledBack,
				"the head of "+c.Name+" went back to its checkpoint: "+e.Describe(c.Program.Metric)
		}
		n.Gain, n.Scale = e.Gain, e.Scale

		return n, nil
	case KindExperimentJudged, KindRunLost:
		if x == nil || !completesCrashLoop(x, before) {
			return nil, nil
		}
		n.Event, n.Experiment = contract.EventCrashLoop, x.N
		n.Text = fmt.Sprintf("%s of %s in a row ended invalid for the same reason: %s",
			wording.Count(crashLoop, "experiment"), c.Name, singleLine(x.Judgement.Reason, 200))

		return n, nil
	}

	return nil, nil
}

func (n *Notice) describeBest(c *Campaign, x *Experiment) *Notice {
	j := x.Judgement
	n.Event, n.Experiment, n.Hypothesis, n.Gain, n.Scale = contract.EventBest, x.N, singleLine(x.Hypothesis, 200),
		j.Gain, j.Scale

	n.Text = fmt.Sprintf("experiment %d is the new best of %s: %s", x.N, c.Name, j.Describe(c.Program.Metric))
	if j.StoppedBy == "one_run" { // a deterministic metric's value is the same however often it is measured
		n.Value = j.Value
	}

	return n
}

// completesCrashLoop says whether x is the experiment with which a loop of crashes is
// full: it and the ones right before it are invalid for one cause, and the one
// before those is not. So one loop gives one notice, however long it gets.
func completesCrashLoop(x *Experiment, before []Experiment) bool {
	why := invalidCause(x)
	if why == "" || len(before) < crashLoop-1 {
		return false
	}

	for i, b := range before {
		same := b.N == x.N-1-i && invalidCause(&b) == why
		if i == crashLoop-1 {
			return !same
		}

		if !same {
			return false
		}
	}

	return true
}

// invalidCause is why an experiment is invalid, less the numbers and quoted names that
// differ from one time to the next; "" of one that is not, or that was stopped.
func invalidCause(x *Experiment) string {
	j := x.Judgement
	if j == nil || j.Verdict != research.Invalid || j.StoppedBy == "stopped" || j.Reason == "stopped by request" {
		return ""
	}

	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return -1
		}

		return r
	}, "why: "+singleLine(j.Reason, 120))
}

// Circumstance names a lasting state of a campaign that a person wants to know
// of once, when it begins.
type Circumstance string

const (
	Standstill Circumstance = "standstill" // experiments, and none is kept
	Silence    Circumstance = "silence"    // no record, although something could run
	Spent      Circumstance = "spent"
	Broken     Circumstance = "broken"   // the start gives no usable metric
	Contract   Circumstance = "contract" // changed, and not accepted
)

// Situation is what Circumstances looks at besides the campaign.
type Situation struct {
	Now     time.Time
	Last    time.Time // of the campaign's newest record
	Head    uint64    // its sequence
	Running bool      // a job is under way, with a supervisor
	Changed bool      // the contract on disk is not the accepted one
}

// Circumstances are the states that the campaign is in now, each with the
// notice of its beginning. The caller remembers which it has sent, and forgets
// those that are not among them any more.
func Circumstances(c *Campaign, s Situation) map[Circumstance]Notice {
	out := map[Circumstance]Notice{}
	add := func(what Circumstance, e contract.Event, format string, args ...any) {
		out[what] = Notice{Event: e, Seq: s.Head, At: s.Now, Text: fmt.Sprintf(format, args...)}
	}

	if c.Ended != "" {
		return out
	}

	stall := c.Program.Stall.WithDefaults()
	if c.Streak >= stall.Experiments {
		add(Standstill, contract.EventStall, "%s of %s in a row, and none was kept",
			wording.Count(c.Streak, "experiment"), c.Name)
	}

	if s.Changed {
		add(Contract, contract.EventNeedsYou,
			"the contract of %s was changed, so nothing runs: `ratchet accept` in a terminal, or put the front matter back", c.Name)
	}

	if c.Broken != "" {
		add(Broken, contract.EventNeedsYou, "the start version of %s gives no usable metric: %s", c.Name,
			singleLine(c.Broken, 200))
	}

	isSpent := c.isSpent()
	quiet := s.Now.Sub(s.Last)

	lastMayBeKept := len(c.Unresolved) > 0 && quiet < time.Minute
	if isSpent && !s.Running && !lastMayBeKept {
		add(Spent, contract.EventBudget, "the budget of %s is spent: %s; %s kept%s", c.Name, c.spentWords(),
			wording.Count(c.Kept, "edit"), c.gainedWords())
	}

	couldRun := !isSpent && !s.Changed && c.Rests == nil && c.Broken == ""
	if couldRun && !s.Running && quiet.Hours() >= stall.Hours {
		add(Silence, contract.EventStall,
			"nothing has happened in %s for %s, and %d experiments are left: its agent seems to have stopped", c.Name,
			wording.FormatDuration(quiet.Seconds()), c.Program.Campaign.Experiments-c.Experiments)
	}

	return out
}

// isSpent says whether nothing is left to spend on another experiment.
func (c *Campaign) isSpent() bool {
	return c.Experiments >= c.Program.Campaign.Experiments || c.SecondsLeft() <= 0 ||
		c.Calibrated && c.Plan() == rules.PlanEnd
}

func (c *Campaign) spentWords() string {
	return fmt.Sprintf("%d of %d experiments, %.3g of %g run hours", c.Experiments, c.Program.Campaign.Experiments,
		c.RunSeconds/3600, c.Program.Campaign.Hours)
}

// gainedWords is what came of it: values of a deterministic metric, else what
// is proven and claimed.
func (c *Campaign) gainedWords() string {
	if s := c.Standing(); s != "" {
		return "; " + s
	}

	if c.Rule.NoiseKind != research.Deterministic || c.Baseline == nil || c.BaselineClass != c.Class {
		return ""
	}

	return fmt.Sprintf("; %s %s, %s at the start", c.Program.Metric.Name,
		wording.FormatValue(c.Rule.Incumbent, c.Program.Metric.Unit), wording.FormatValue(*c.Baseline,
			c.Program.Metric.Unit))
}

// singleLine is a text of a program or an agent in one line of at most n characters.
func singleLine(s string, n int) string {
	words := strings.FieldsFunc(strings.ToValidUTF8(s, "?"), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
	})

	return wording.Truncate(strings.Join(words, " "), n)
}
