package report

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
)

// What a report looks at, whatever the campaign's size.
const (
	MostRecent  = 250  // newest experiments, for what was tried
	MostInvalid = 100  // newest invalid experiments, for their causes
	MostRuns    = 4000 // runs that are added up one by one; of more nothing is
	MostKept    = 8    // kept changes that are told
	MostTold    = 5    // lessons, and ideas
	MostProofs  = 4    // newest certificates
)

// Ref names a record by its place and its hash.
type Ref struct {
	Seq  uint64
	Hash string
}

// RefOf is a record's name.
func RefOf(r history.Record) Ref { return Ref{r.Seq, r.Hash} }

// Change is an experiment whose edit is in the incumbent. The heaviest MostKept
// have their records' names.
type Change struct {
	history.Experiment
	ProposedAt Ref // of experiment.proposed
	JudgedAt   Ref // of experiment.judged
	KeptAt     Ref // of experiment.kept
}

// RecordedText is a text with its record.
type RecordedText struct {
	Ref
	Text       string
	Experiment int // that a lesson is of, 0 for none
}

// Proof is a certificate that has ended, or the last audit.
type Proof struct {
	Ref
	Job         research.JobID
	Certificate *rules.Certificate    // nil for an audit
	Measured    *rules.MeasurementEnd // of an audit
}

// Final is what finalize made last, of the present incumbent or an older one.
type Final struct {
	Ref // of campaign.finalized
	history.Finalization
	Ablation  *rules.AblationEnd // nil where nothing was left out on trial
	AblatedAt Ref                // of ablation.finished
}

// Sums are what only the runs themselves say. They are read one by one, so they
// exist only of campaigns with at most MostRuns.
type Sums struct {
	CPU       float64 // seconds
	Joules    float64 // of GPUs, where their driver told
	Metered   int     // runs that told them
	Contended int
	Void      int
}

// Facts are a campaign as the ledger has it at its head. Lists are newest first
// unless it is said otherwise.
type Facts struct {
	Head     Ref
	At       time.Time // of the head
	Campaign history.Campaign
	Kept     []Change             // in the incumbent, as Facts.Sort sorts them
	Recent   []history.Experiment // at most MostRecent
	Invalid  []history.Experiment // at most MostInvalid
	Lessons  []RecordedText       // at most MostTold
	Ideas    []RecordedText       // free ones, at most MostTold
	Proofs   []Proof              // certificates, at most MostProofs
	Audit    *Proof               // the last one; nil for none
	Final    *Final               // nil for none
	Sessions []history.Session    // the busiest first
	Sources  []history.ImportSource
	Sums     *Sums // nil where there are more than MostRuns runs

	families []history.Family // of Recent, once they were asked for
	causes   []Cause          // of Invalid
}

// GuardsOfKept are the guards' values of the kept changes that are told, one after another.
func (f *Facts) GuardsOfKept() (all []rules.GuardValue) {
	for i := range f.Kept[:min(len(f.Kept), MostKept)] {
		all = append(all, f.Kept[i].Guards...)
	}

	return all
}

// SortByGain sorts kept experiments by the size of their gain, the newest of equals first.
func SortByGain(xs []history.Experiment) {
	weight := func(experiment *history.Experiment) float64 {
		if experiment.Judgement == nil {
			return 0
		}

		gain := experiment.Judgement.ExpectedGain()
		if gain == nil {
			return 0
		}

		return math.Abs(gain.Mid)
	}
	slices.SortFunc(xs, func(a, b history.Experiment) int {
		return cmp.Or(cmp.Compare(weight(&b), weight(&a)), cmp.Compare(b.N, a.N))
	})
}

// SortByExperiments sorts sessions by their experiments.
func SortByExperiments(ss []history.Session) {
	slices.SortFunc(ss, func(a, b history.Session) int {
		return cmp.Or(cmp.Compare(b.Experiments, a.Experiments), cmp.Compare(a.Codename, b.Codename))
	})
}

// Cause is why some experiments were invalid.
type Cause struct {
	Text   string
	N      int
	Newest int // experiment
}

// Families are what the recent experiments have in common.
func (f *Facts) Families() []history.Family {
	if f.families == nil {
		f.families = history.Families(f.Recent)
	}

	return f.families
}

// Causes groups the invalid experiments by what their reason begins with, the
// commonest first.
func (f *Facts) Causes() []Cause {
	if f.causes == nil {
		f.causes = groupCauses(f.Invalid)
	}

	return f.causes
}

func groupCauses(xs []history.Experiment) []Cause {
	var out []Cause

	for i := range xs {
		if xs[i].Judgement == nil {
			continue
		}
		text, _, _ := strings.Cut(xs[i].Judgement.Reason, ":")
		text = cleanText(text, 60)

		k := slices.IndexFunc(out, func(c Cause) bool { return c.Text == text })
		if k < 0 {
			k = len(out)
			out = append(out, Cause{Text: text, Newest: xs[i].N})
		}

		out[k].N++
	}
	slices.SortStableFunc(out, func(a, b Cause) int { return cmp.Compare(b.N, a.N) })

	return out
}

// SumAnswers sums up what all sessions' agents were told.
func (f *Facts) SumAnswers() (all history.Answered) {
	for i := range f.Sessions {
		all = all.Plus(f.Sessions[i].AnswerTotal())
	}

	return all
}

// SumPredictions sums up what all sessions expected and found.
func (f *Facts) SumPredictions() (all history.Predictions) {
	for i := range f.Sessions {
		p := f.Sessions[i].Predictions
		all.N += p.N
		all.Gains += p.Gains
		all.Expected += p.Expected
		all.Found += p.Found
		all.Missed += p.Missed
	}

	return all
}

// SumImported sums up what came from other programs' logs.
func (f *Facts) SumImported() (lines, runs int) {
	for _, s := range f.Sources {
		lines += s.Lines
		runs += s.Runs
	}

	return lines, runs
}
