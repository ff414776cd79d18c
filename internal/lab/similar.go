package lab

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

// similarity is something that a text, or an edit, is like.
type similarity struct {
	id    string // x12, or idea 3
	words string
	share float64
}

const (
	similarExamined = 12 // experiments, and ideas, that are compared
	similarReported = 2  // of each
)

// findSimilarProposals tells which experiments made the same edit, or speak of the
// same in other words. The checkout's own last one is left out if it was
// invalid: this is its repair.
func findSimilarProposals(tx *ledger.Tx, campaign *history.Campaign, proposal *history.Proposal) ([]string, error) {
	var notes []string

	repaired, _ := tx.Latest(campaign.Name, proposal.Checkout)
	if repaired > 0 {
		experiment, err := tx.Experiment(campaign.Name, repaired)
		if err != nil {
			return nil, err
		}

		if experiment.Status != research.Voided {
			repaired = 0
		}
	}

	same, ok := tx.SameEdit(campaign.Name, proposal.Diff)
	if ok && same != repaired {
		tried, err := tx.Experiment(campaign.Name, same)
		if err != nil {
			return nil, err
		}

		notes = append(notes, "the same edit as "+describePast(tried))
	}

	found, err := similarExperiments(tx, campaign, proposal.Hypothesis, same, repaired)
	if err != nil {
		return nil, err
	}

	imported, err := similarImports(tx, campaign, proposal.Hypothesis)
	if err != nil {
		return nil, err
	}

	for _, f := range append(found, imported...) {
		notes = append(notes, "like "+f.words)
	}

	return notes, nil
}

// similarExperiments are the experiments whose hypotheses say the same as text.
func similarExperiments(
	tx *ledger.Tx, campaign *history.Campaign, text string, but ...int,
) ([]similarity, error) {
	var found []similarity

	for _, n := range tx.ExperimentsLike(campaign.Name, text, similarExamined) {
		if slices.Contains(but, n) {
			continue
		}

		experiment, err := tx.Experiment(campaign.Name, n)
		if err != nil {
			return nil, err
		}

		if share, same := research.CompareTexts(text, experiment.Hypothesis); same {
			found = append(found, similarity{string(experiment.Job()), describePast(experiment), share})
		}
	}

	return mostSimilar(found), nil
}

// findSimilarTexts are the ideas and the experiments that say the same as text.
func findSimilarTexts(
	co *checkout.Checkout, tx *ledger.Tx, campaign *history.Campaign, session, text string,
) ([]similarity, error) {
	var ideas []similarity

	for _, n := range tx.IdeasLike(campaign.Name, text, similarExamined) {
		idea, err := tx.Idea(campaign.Name, n)
		if err != nil {
			return nil, err
		}

		share, same := research.CompareTexts(text, idea.Text)
		if !same {
			continue
		}

		view, err := co.ViewIdea(tx, campaign, idea, session)
		if err != nil {
			return nil, err
		}

		id := fmt.Sprintf("idea %d", n)
		ideas = append(ideas, similarity{id, fmt.Sprintf("%s (%s)", id, view.StatusText()), share})
	}

	tried, err := similarExperiments(tx, campaign, text)
	if err != nil {
		return nil, err
	}

	imported, err := similarImports(tx, campaign, text)
	if err != nil {
		return nil, err
	}

	return slices.Concat(mostSimilar(ideas), tried, imported), nil
}

// similarImports is the imported line that is most like text, none if none says the
// same. Lines that a later import replaced are left out.
func similarImports(tx *ledger.Tx, campaign *history.Campaign, text string) ([]similarity, error) {
	if campaign.Imported == 0 {
		return nil, nil
	}
	var found []similarity

	for _, n := range tx.ImportsLike(campaign.Name, text, similarExamined) {
		line, err := tx.Imported(campaign.Name, n)
		if err != nil {
			return nil, err
		}

		if now, _ := tx.ImportedAt(campaign.Name, line); now != n || line.Kind == history.ImportHeader {
			continue
		}

		if share, same := research.CompareTexts(text, line.Description); same {
			found = append(found, similarity{line.Place(), checkout.DescribeImport(line), share})
		}
	}
	found = mostSimilar(found)

	return found[:min(len(found), 1)], nil
}

// mostSimilar are the first of what is alike, the most alike first.
func mostSimilar(found []similarity) []similarity {
	slices.SortStableFunc(found, func(a, b similarity) int { return cmp.Compare(b.share, a.share) })
	return found[:min(len(found), similarReported)]
}

// describePast is what became of an experiment, with its lesson.
func describePast(experiment *history.Experiment) string {
	parts := []string{string(experiment.Status)}
	if experiment.Judgement != nil && string(experiment.Judgement.Verdict) != parts[0] {
		parts = append(parts, string(experiment.Judgement.Verdict))
	}

	if lesson := strings.Join(strings.Fields(experiment.Lesson), " "); lesson != "" {
		parts = append(parts, fmt.Sprintf("%q", wording.Clip(lesson, 100)))
	}

	return fmt.Sprintf("x%d (%s)", experiment.N, strings.Join(parts, ", "))
}

// digestEdit names the edit from base's files to tree's.
func digestEdit(ctx context.Context, co *checkout.Checkout, base, tree string, paths []string) (string, error) {
	from, err := co.Repo.Tree(ctx, base)
	if err != nil {
		return "", err
	}

	edits := make([]research.Edit, len(paths))
	for i, path := range paths {
		e := research.Edit{Path: path}
		if e.Was, err = co.Repo.FileInTree(ctx, from, path); err != nil {
			return "", err
		}

		if e.Is, err = co.Repo.FileInTree(ctx, tree, path); err != nil {
			return "", err
		}
		edits[i] = e
	}

	return research.EditDigest(edits), nil
}
