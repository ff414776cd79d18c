package contract

import "ratchet/internal/wording"

// Words writes the metric's values, and differences on the scale, for people and agents.
// Its name and unit are one line each, of at most 60 and 16 characters.
func (m Metric) Words(scale string) wording.Metric {
	return wording.Metric{Name: wording.Truncate(wording.PlainLine(m.Name), 60),
		Unit: wording.Truncate(wording.PlainLine(m.Unit), 16), Better: m.Better, Scale: scale}
}
