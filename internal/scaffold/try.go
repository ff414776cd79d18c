package scaffold

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/wording"
)

// Trial is what one run of a program showed.
type Trial struct {
	Value   *float64 // of the metric
	Seconds float64  // that the run took
	Problem string   // why the run gave no value, "" where it did
	// FailedCheck says why the check failed, "" where it did not: the run was made all the same.
	FailedCheck string
	Output      []byte // what the run printed, or the command that failed before it
	Excerpt     string // the part of it that says most of the cause
}

// text is all that the trial says.
func (t *Trial) text() string { return string(t.Output) + "\n" + t.Problem }

// A Trier runs a program once, of the tree as it is committed. An error says that
// nothing can be run here.
type Trier func(ctx context.Context, doc *contract.Document, proposal *Proposal) (*Trial, error)

// Choice is the program that `init` writes, and how it came about.
type Choice struct {
	Proposal *Proposal
	Text     []byte // of program.md
	Program  contract.Program
	Others   []*Proposal // what else can be measured
	Numbers  []Printed   // what else the run printed
	Trial    *Trial      // nil where none was made
	Untried  string      // why not
	Failed   []string    // what was tried before and gave no value, with the reasons
}

// maxTried is how many things to measure are tried one after the other.
const maxTried = 3

// Choose tries the proposals in their order, each once, until one gives a value. Only
// the first is tried where a person said what to run; the time of builds and tests is not
// measured in place of a benchmark that lacks something. A nil try chooses the first.
func (r Request) Choose(
	ctx context.Context, all []*Proposal, render Renderer, folder string, try Trier,
) (*Choice, error) {
	tried := all[:min(len(all), maxTried)]
	if !r.IsOpen() {
		tried = all[:1]
	}
	var failed []string
	var first error
	lacksSomething := false // a benchmark that was tried

	for i, proposal := range tried {
		isPoor := proposal.kind == ofTests && (len(proposal.Edit) == 0 || lacksSomething)
		if i > 0 && (proposal.Run == "" || isPoor) {
			continue
		}
		r.Override(proposal)

		choice := &Choice{Proposal: proposal, Others: others(all, proposal), Failed: failed}
		err := choice.make(ctx, r, render, folder, try)

		if err == nil {
			return choice, nil
		}

		if first == nil {
			first = err
		}

		if ctx.Err() != nil || try == nil || choice.Trial == nil {
			break
		}
		missing := ExplainMissing(choice.Trial.text())
		lacksSomething = lacksSomething || missing != ""
		failed = append(failed, proposal.What+": "+cmp.Or(missing, choice.Trial.Problem, wording.ErrorLine(err)))
	}

	return nil, first
}

func others(all []*Proposal, chosen *Proposal) []*Proposal {
	return slices.DeleteFunc(slices.Clone(all), func(p *Proposal) bool { return p == chosen })
}

// make tries the proposal and renders it.
func (c *Choice) make(ctx context.Context, r Request, render Renderer, folder string, try Trier) (err error) {
	p := c.Proposal

	if try != nil && p.Run != "" && len(p.Edit) > 0 {
		if err := c.try(ctx, r, render, folder, try); err != nil {
			return err
		}
	}
	c.Text, c.Program, err = render(p, r.Name, folder)

	if err != nil && c.Trial != nil && len(c.Numbers) > 0 {
		return addNext(err, "the run printed: "+describeNumbers(c.Numbers))
	}

	return err
}

// try runs the proposal once, and settles its metric by what that run printed.
func (c *Choice) try(ctx context.Context, r Request, render Renderer, folder string, try Trier) error {
	p := c.Proposal

	text, _, err := render(p.ForTrial(), r.Name, folder)
	if err != nil {
		return err
	}

	doc, err := contract.ParseProgram(text, folder)
	if err != nil {
		return err
	}

	trial, err := try(ctx, doc, p)
	if err != nil {
		if research.HasCode(err, research.CodeCancelled) || ctx.Err() != nil {
			return err
		}
		told := research.Describe(err)
		c.Untried = wording.FirstLine(told.Msg) + "; to try it: " + told.Next

		return nil
	}
	c.Trial = trial
	wasOpen := p.WantsTrial()

	if trial.Problem != "" && !wasOpen { // the metric was not where it was looked for
		if numbers := FindPrinted(trial.Output, folder); len(numbers) > 0 && trial.Seconds > 0 {
			c.Numbers = numbers[:min(len(numbers), 5)]
		}
	}

	switch {
	case trial.FailedCheck != "" && r.Check != "":
		trial.Problem = cmp.Or(trial.Problem, trial.FailedCheck)
	case trial.FailedCheck != "":
		p.addReasonf("the check `%s` fails here, so it is left out: %s", p.Check, trial.FailedCheck)
		p.Check = ""
	}

	if trial.Problem != "" {
		return c.explainTrial()
	}
	c.Numbers = p.Settle(r.Metric, folder, trial.Output, trial.Seconds)

	if wasOpen && !p.WantsTrial() {
		trial.Value = readValue(p.Metric, trial.Output)
	}

	return nil
}

// readValue is the value that a metric reads in an output, nil where it is not there.
func readValue(metric contract.Metric, output []byte) *float64 {
	scanner := contract.NewScanner(metric, nil)
	_, _ = scanner.Write(output)

	values, err := scanner.Values()
	if err != nil {
		return nil
	}
	value := values[metric.Name]

	return &value
}

// explainTrial is the error of a trial that gave no value.
func (c *Choice) explainTrial() error {
	next := "fix it, and run `ratchet init` again; --no-try writes program.md as it is"

	switch missing := ExplainMissing(c.Trial.text()); {
	case missing != "":
		next = missing + "; then run `ratchet init` again"
	case len(c.Numbers) > 0:
		next = "choose one of the numbers that it printed: " + describeNumbers(c.Numbers)
	case len(c.Others) > 0:
		next += "; or choose something else: " + strings.Join(ListOthers(c.Others, 3), ", ")
	}
	end := strings.TrimSpace(cmp.Or(c.Trial.Excerpt, wording.LastLines(c.Trial.Output, 1500)))
	if end != "" {
		end = "\nwhat it printed:\n" + end
	}

	return research.Errorf(research.CodeProgram, next, "%s was tried once, `%s`, and gave no value: %s%s",
		c.Proposal.What, c.Proposal.Run, c.Trial.Problem, end)
}

func describeNumbers(numbers []Printed) string {
	lines := make([]string, len(numbers))
	for i, number := range numbers {
		lines[i] = fmt.Sprintf("%q (%s)", wording.Clip(strings.TrimSpace(number.Line), 60), number.Describe())
	}

	return strings.Join(lines, ", ")
}

// addNext adds to what an error says of the next step.
func addNext(err error, more string) error {
	told := research.Describe(err)
	return research.Errorf(told.Code, told.Next+"; "+more, "%w", err)
}
