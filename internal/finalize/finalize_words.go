package finalize

import (
	"fmt"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
)

// describeAblation is what an ablation came to, in a few lines.
func describeAblation(campaign *history.Campaign, end rules.AblationEnd) string {
	if len(end.Dropped) == 0 {
		return fmt.Sprintf("ablation: %s, nothing to drop", wording.Count(len(end.Kept), "change"))
	}

	words := fmt.Sprintf("ablation: %d of %d changes stay, %s left out", len(end.Kept), len(end.Kept)+len(end.Dropped),
		listExperiments(end.DroppedExperiments()))
	if end.Gain != nil {
		words += "; without them the head has " + campaign.Program.Metric.Words(end.Scale).FormatChange(
			wording.Change{Gain: end.Gain})
	}

	return words
}

// writePullRequest writes the title and the text of a pull request.
func (f *Finalized) writePullRequest(campaign *history.Campaign, a *ablator, made history.Finalization) {
	f.titles = map[int]string{}
	for _, x := range a.kept {
		f.titles[x.N] = wording.FirstLine(wording.StripControls(x.Hypothesis))
	}
	f.Title = f.Campaign + ": " + f.headline(campaign)
	var text strings.Builder
	fmt.Fprintf(&text, "%s\n\nMetric: `%s` (%s is better). %s of %s, out of %s and %s (%s of run time) by Ratchet.\n",
		f.Audit.Finding, campaign.Program.Metric.Name, campaign.Program.Metric.Better, wording.Count(len(made.Kept),
			"change"),
		quoteCode(checkout.EditedFiles(campaign.ProgramPath, campaign.Program)), wording.Count(campaign.Experiments,
			"experiment"),
		wording.Count(campaign.Runs, "run"), totalRunTime(campaign))
	text.WriteString("\n## What changed\n\n| experiment | change | what it brings | why it stays |\n|---|---|---|---|\n")

	for _, k := range f.effectRows(made) {
		fmt.Fprintf(&text, "| x%d | %s | %s | %s |\n", k.N, escapeCell(f.titles[k.N]), f.describeEffect(k),
			escapeCell(k.Why))
	}

	if f.Ablation != nil && len(f.Ablation.Dropped) > 0 {
		text.WriteString("\n## What was tried, kept for a while, and left out\n\n")

		for _, d := range f.Ablation.Dropped {
			fmt.Fprintf(&text, "- x%d %s: %s, %s\n", d.N, escapeCell(f.titles[d.N]), d.Why, f.describeEffect(d))
		}

		if g := f.Ablation.Gain; g != nil {
			fmt.Fprintf(&text, "\nThe result without all of these, against the one with them: %s, %s.\n",
				f.formatGain(*g, f.Ablation.Scale), wording.Count(f.Ablation.Pairs, "pair"))
		}
	}
	fmt.Fprintf(&text,
		"\n## How to check it\n\nEvery figure above follows from recorded runs: `ratchet verify --recompute` derives it again, `ratchet show N` shows an experiment, `git log -p %s..%s` the changes as they were tried.\n", campaign.Start[:9], strings.TrimPrefix(campaign.Branch, "refs/heads/"))
	f.Body = text.String()
}

// headline is what was audited, short: the start's value and the result's.
func (f *Finalized) headline(campaign *history.Campaign) string {
	audited := rules.MeasurementEnd{Samples: f.Audit.Samples, Paired: f.Audit.Paired, Scale: f.Audit.Scale}
	values := audited.FromTo(campaign.Program.Metric)

	if f.Audit.Gain == nil || values == "" {
		return "the result of " + fmt.Sprint(campaign.Experiments) + " experiments"
	}

	words := campaign.Program.Metric.Name + " " + values
	if f.Audit.Gain.Lo <= 0 {
		words += ", no gain shown"
	}

	return words
}

// formatGain is a gain on a scale with the metric's name.
func (f *Finalized) formatGain(gain research.Interval, scale string) string {
	return f.metric.Words(scale).FormatChange(wording.Change{Gain: &gain})
}

// effectRows are the changes that stay; without an ablation nothing is known of each.
func (f *Finalized) effectRows(made history.Finalization) []rules.AblationEffect {
	if f.Ablation != nil {
		return f.Ablation.Kept
	}

	var rows []rules.AblationEffect
	for _, n := range made.Kept {
		rows = append(rows, rules.AblationEffect{N: n, Why: "kept"})
	}

	return rows
}

// describeEffect is a change's measured effect in words.
func (f *Finalized) describeEffect(k rules.AblationEffect) string {
	if k.Gain == nil {
		return "not measured"
	}

	words := fmt.Sprintf("%s, %s", f.metric.Words(f.Ablation.Scale).FormatGain(*k.Gain),
		wording.Count(k.Pairs, "pair"))
	if len(k.With) > 0 {
		words += ", together with " + listExperiments(k.With)
	}

	return words
}

// totalRunTime is what all runs of the campaign took.
func totalRunTime(c *history.Campaign) string {
	return wording.FormatDuration(c.RunSeconds)
}

// escapeCell is s for a cell or an item of Markdown: it can't end the table or list, and
// makes no link, image or mention.
func escapeCell(s string) string {
	var text strings.Builder

	for i, r := range s {
		if strings.ContainsRune("\\`*_[]<>|~&#$!@{}^", r) || r == ':' && strings.HasPrefix(s[i:], "://") ||
			r == '.' && strings.HasSuffix(strings.ToLower(s[:i]), "www") {
			text.WriteByte('\\')
		}
		text.WriteRune(r)
	}

	return strings.ReplaceAll(text.String(), "\n", " ")
}

// quoteCode writes names as code, with commas.
func quoteCode(names []string) string { return "`" + strings.Join(names, "`, `") + "`" }

// commitMessage is the message of the one commit that holds everything.
func (f *Finalized) commitMessage(campaign *history.Campaign, made history.Finalization, proof string) string {
	var text strings.Builder
	are := "are in it"
	if !made.Ablated { // which would say what is left of each
		are = "were kept on the way to it, of which a later one may have replaced an earlier one"
	}
	fmt.Fprintf(&text, "%s\n\n%s.\n%d of %d experiments %s:\n\n", f.Title, f.Audit.Finding, len(made.Kept),
		campaign.Experiments, are)

	for _, k := range f.effectRows(made) {
		fmt.Fprintf(&text, "- x%d %s", k.N, f.titles[k.N])

		if k.Gain != nil {
			fmt.Fprintf(&text, ": %s", f.describeEffect(k))
		}
		text.WriteString("\n")
	}

	if len(made.Dropped) > 0 {
		fmt.Fprintf(&text, "\nLeft out, since not shown to pay: %s.\n", listExperiments(made.Dropped))
	}
	text.WriteString("\n" + commitTrailers(campaign, f, proof))

	return text.String()
}

// commitTrailers bind a commit to the ledger.
func commitTrailers(c *history.Campaign, f *Finalized, proof string) string {
	t := fmt.Sprintf("Ratchet-Campaign: %s\nRatchet-Incumbent: %s\nRatchet-Audit: %s\n", c.Name, c.Incumbent,
		f.Audit.ID)
	if proof != "" {
		t += "Ratchet-Ablation: " + proof + "\n"
	}

	return t
}

// stackCommitMessage is the message of one commit of a stack.
func stackCommitMessage(
	campaign *history.Campaign, ablation *ablator, s history.StackEntry, last bool, result *Finalized, proof string,
) string {
	var text strings.Builder
	var refs []string

	for i, n := range s.Experiments {
		for _, experiment := range ablation.kept {
			if experiment.N != n {
				continue
			}

			if i > 0 {
				text.WriteString("and: ")
			}
			fmt.Fprintf(&text, "%s\n\n", strings.TrimSpace(wording.StripTrailers(experiment.Hypothesis)))
			refs = append(refs, fmt.Sprintf("Ratchet-Experiment: %s/%d\nRatchet-Ledger: %d:%s\n", campaign.Name, n,
				experiment.JudgedSeq, experiment.JudgedHash))
		}
	}

	if s.Gain != nil {
		fmt.Fprintf(&text, "Measured against the commit before: %s, %s.\n\n",
			result.formatGain(*s.Gain, ablation.plan.Scale), wording.Count(s.Pairs, "pair"))
	} else {
		text.WriteString("Not measured by itself: the version before it does not work.\n\n")
	}

	if last {
		fmt.Fprintf(&text, "All commits together: %s.\n\n", result.Audit.Finding)
	}
	text.WriteString(strings.Join(refs, ""))

	if len(s.Jobs) > 0 {
		fmt.Fprintf(&text, "Ratchet-Measured: %s\n", joinJobIDs(s.Jobs))
	}

	if last {
		text.WriteString(commitTrailers(campaign, result, proof))
	}

	return text.String()
}

// joinJobIDs writes ids with commas.
func joinJobIDs(ids []research.JobID) string {
	var all []string
	for _, id := range ids {
		all = append(all, string(id))
	}

	return strings.Join(all, ", ")
}
