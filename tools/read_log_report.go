package tools

import (
	"context"

	"ratchet/internal/checkout"
	"ratchet/internal/report"
	"ratchet/internal/view"
)

// shortReport is the campaign's report for a person, checked and without its
// bindings: the longest form that fits.
func shortReport(ctx context.Context, l *checkout.Checkout) (Answer, error) {
	var a Answer

	for _, size := range report.Short() {
		w, err := view.WriteReport(ctx, l, size, false)
		if err != nil {
			return Answer{}, err
		}

		a = buildAnswer(1<<30, field{key: "view", val: "report"}, field{key: "text", val: w.Plain, line: w.Plain},
			nextStep("give it to the human as it stands: change no figure; `ratchet report` in a shell writes the whole"))
		if max(len(a.Text), len(a.Structured)) <= Limit {
			break
		}
	}

	return a, nil
}
