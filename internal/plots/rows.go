// Package plots draws a campaign: progress, noise, budget, GPU use and yield of
// families of ideas, each as a figure for the chart package and, in the same
// numbers, as an answer in characters.
package plots

// SpentRow is a part of the budget in a drawing's numbers.
type SpentRow struct {
	Of    string  `json:"of"` // experiments, hours of runs, gpu_hours
	Spent float64 `json:"spent"`
	Limit float64 `json:"limit"` // 0: none
}

// PlotRow is a kept experiment in a drawing's numbers.
type PlotRow struct {
	N          int      `json:"n"`
	Value      *float64 `json:"value,omitempty"`
	Gain       *float64 `json:"gain,omitempty"` // over the incumbent of then
	Hypothesis string   `json:"hypothesis"`
}
