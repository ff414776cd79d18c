package tools

import (
	"context"

	"ratchet/internal/checkout"
	"ratchet/internal/render"
	"ratchet/internal/report"
	"ratchet/internal/view"
)

// shortReport is the campaign's report for a person, checked and without its
// bindings: the longest form that fits.
func shortReport(ctx context.Context, co *checkout.Checkout) (render.Answer, error) {
	var answer render.Answer

	for _, size := range report.ShortSizes() {
		w, err := view.WriteReport(ctx, co, size, false)
		if err != nil {
			return render.Answer{}, err
		}

		answer = render.BuildAnswer(1<<30, render.Field{Key: "view", Val: "report"},
			render.Field{Key: "text", Val: w.Plain, Line: w.Plain},
			render.NextStep("give it to the human as it stands: change no figure; `ratchet report` in a shell writes the whole"))
		if max(len(answer.Text), len(answer.Structured)) <= render.Limit {
			break
		}
	}

	return answer, nil
}
