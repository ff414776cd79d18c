package worker

import (
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
)

// unfit is what is wrong with a head that a change was left out of.
type unfit struct{ reason string }

func (u *unfit) Error() string { return u.reason }

// blamesOmission says whether a build or check that failed is the fault of what the
// ablation left out: all that it is compared with was built.
func (s *worker) blamesOmission(m *history.Measurement) bool {
	with := s.versions[rules.Incumbent]
	return m.Ablates != "" && (m.Paired == "" || s.space.c.Program.Build == "" || with != nil && with.built)
}
