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
// verdicts.
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

// Noticed is what one record is news of, nil for most. experiment is the one that
// the record touches, as it is now, nil for none; before are the ones with lower
// numbers, newest first, CrashesLookedAt or as many as there are. campaign is the
// campaign as it is now. One record gives one event at most, always the same but
// for a loop of crashes where experiments ran side by side.
func Noticed(campaign *Campaign, record Record, experiment *Experiment, before []Experiment) (*Notice, error) {
	n := &Notice{Seq: record.Seq, At: record.Time}
	switch record.Kind {
	case KindExperimentKept:
		k, err := body[Keeping](record)
		if err != nil || experiment == nil || k.Simplification || k.Overridden != "" || experiment.Judgement == nil {
			return nil, err
		}

		return n.describeBest(campaign, experiment), nil
	case KindCertificateFinished:
		end, err := body[CertificateEnd](record)
		if err != nil {
			return nil, err
		}

		n.Event, n.Text = contract.EventCertified,
			"the head of "+campaign.Name+" is "+end.Describe(campaign.Program.Metric)
		if end.Outcome == rules.RolledBack {
			n.Event, n.Text = contract.EventRolledBack,
				"the head of "+campaign.Name+" went back to its checkpoint: "+end.Describe(campaign.Program.Metric)
		}
		n.Gain, n.Scale = end.Gain, end.Scale

		return n, nil
	case KindExperimentJudged, KindRunLost:
		if experiment == nil || !completesCrashLoop(experiment, before) {
			return nil, nil
		}
		n.Event, n.Experiment = contract.EventCrashLoop, experiment.N
		n.Text = fmt.Sprintf("%s of %s in a row ended invalid for the same reason: %s",
			wording.Count(crashLoop, "experiment"), campaign.Name, singleLine(experiment.Judgement.Reason, 200))

		return n, nil
	}

	return nil, nil
}

func (n *Notice) describeBest(campaign *Campaign, experiment *Experiment) *Notice {
	judgement := experiment.Judgement
	n.Event, n.Experiment, n.Hypothesis, n.Gain, n.Scale = contract.EventBest, experiment.N,
		singleLine(experiment.Hypothesis, 200), judgement.Gain, judgement.Scale

	as := "the new best"
	if judgement.Verdict == research.Provisional {
		as = "kept as the head"
	}
	n.Text = fmt.Sprintf("experiment %d is %s of %s: %s", experiment.N, as, campaign.Name,
		judgement.Describe(campaign.Program.Metric))

	if judgement.StoppedBy == "one_run" { // a deterministic metric's value is the same however often it is measured
		n.Value = judgement.Value
	}

	return n
}

// completesCrashLoop says whether the experiment is the one with which a loop of crashes is
// full: it and the ones right before it are invalid for one cause, and the one
// before those is not. So one loop gives one notice, however long it gets.
func completesCrashLoop(experiment *Experiment, before []Experiment) bool {
	why := invalidCause(experiment)
	if why == "" || len(before) < crashLoop-1 {
		return false
	}

	for i, b := range before {
		same := b.N == experiment.N-1-i && invalidCause(&b) == why
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
	judgement := x.Judgement
	if judgement == nil || judgement.Verdict != research.Invalid || judgement.StoppedBy == "stopped" ||
		judgement.Reason == "stopped by request" {
		return ""
	}

	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return -1
		}

		return r
	}, "why: "+singleLine(judgement.Reason, 120))
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
	Running bool      // a job is under way, with a worker
	Changed bool      // the contract on disk is not the accepted one
}

// Circumstances are the states that the campaign is in now, each with the
// notice of its beginning. The caller remembers which it has sent, and forgets
// those that are not among them any more.
func Circumstances(campaign *Campaign, s Situation) map[Circumstance]Notice {
	out := map[Circumstance]Notice{}
	add := func(what Circumstance, e contract.Event, format string, args ...any) {
		out[what] = Notice{Event: e, Seq: s.Head, At: s.Now, Text: fmt.Sprintf(format, args...)}
	}

	if campaign.Ended != "" {
		return out
	}

	stall := campaign.Program.Stall.WithDefaults()
	if campaign.Streak >= stall.Experiments {
		add(Standstill, contract.EventStall, "%s of %s in a row, and none was kept",
			wording.Count(campaign.Streak, "experiment"), campaign.Name)
	}

	if s.Changed {
		add(Contract, contract.EventNeedsYou,
			"the contract of %s was changed, so nothing runs: `ratchet accept` in a terminal, or put the front matter back", campaign.Name)
	}

	if campaign.Broken != "" {
		add(Broken, contract.EventNeedsYou, "the start version of %s gives no usable metric: %s", campaign.Name,
			singleLine(campaign.Broken, 200))
	}

	isSpent := campaign.isSpent()
	quiet := s.Now.Sub(s.Last)

	lastMayBeKept := len(campaign.Unresolved) > 0 && quiet < time.Minute
	if isSpent && !s.Running && !lastMayBeKept {
		add(Spent, contract.EventBudget, "the budget of %s is spent: %s; %s kept%s", campaign.Name,
			campaign.spentWords(), wording.Count(campaign.Kept, "edit"), campaign.gainedWords())
	}

	couldRun := !isSpent && !s.Changed && campaign.Rests == nil && campaign.Broken == ""
	if couldRun && !s.Running && quiet.Hours() >= stall.Hours {
		add(Silence, contract.EventStall,
			"nothing has happened in %s for %s, and %d experiments are left: its agent seems to have stopped",
			campaign.Name, wording.FormatDuration(quiet.Seconds()),
			campaign.Program.Campaign.Experiments-campaign.Experiments)
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

	if s := c.ExactWords(); s != "" {
		return "; " + s
	}

	return ""
}

// singleLine is a text of a program or an agent in one line of at most n characters.
func singleLine(s string, n int) string {
	words := strings.FieldsFunc(strings.ToValidUTF8(s, "?"), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
	})

	return wording.Truncate(strings.Join(words, " "), n)
}
