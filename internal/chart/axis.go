package chart

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// span is the range that an axis shows.
type span struct {
	lo, hi float64
	ticks  []float64
	unit   Unit
	places int     // decimals of a tick
	log    bool    // lo and hi are decimal logarithms
	per    float64 // what a tick is written in: so many to the unit
	suffix string
}

// logFrom is the factor between the least and the greatest value from which an
// axis that may be logarithmic is.
const logFrom = 20

// extent finds the range of values, with some air around it. Values that are
// not finite are left out; without any it is 0 to 1.
func extent(a Axis, must, may []float64, ticks int) span {
	must, may = finite(append(slices.Clone(must), a.Include...)), finite(may)
	all := append(slices.Clone(must), may...)
	if len(all) == 0 {
		all = []float64{0, 1}
	}
	lo, hi := slices.Min(all), slices.Max(all)
	if a.Log && lo > 0 && hi/lo > logFrom {
		s := span{lo: math.Log10(lo), hi: math.Log10(hi), unit: a.Unit, log: true}
		air := (s.hi - s.lo) / 20
		s.lo, s.hi = s.lo-air, s.hi+air
		s.decades(ticks)
		return s
	}
	if a.Robust && len(may) >= fewest {
		lo, hi = robust(must, may, lo, hi)
	}
	if !(hi-lo > math.Max(math.Abs(lo), math.Abs(hi))*1e-12) { // one value, or as good as one
		d := math.Abs(lo) * .05
		switch {
		case d == 0 && a.Unit == Share:
			d = .05
		case a.Unit == Whole || d == 0:
			d = 1
		}
		lo, hi = lo-d, hi+d
	}
	air := hi/16 - lo/16
	s := span{lo: lo - air, hi: hi + air, unit: a.Unit}
	s.tick(ticks)
	return s
}

// fewest is how many points tell that one of them is far off.
const fewest = 8

// robust is a range that holds must and all of may but what is far outside of
// its middle nine tenths (of fewer than twenty: of its middle half).
func robust(must, may []float64, lo, hi float64) (float64, float64) {
	slices.Sort(may)
	n := len(may) - 1
	l, h, wide := may[n/20], may[n-n/20], .75
	if len(may) < 20 {
		l, h, wide = may[n/4], may[n-n/4], 2
	}
	for _, v := range must {
		l, h = min(l, v), max(h, v)
	}
	reach := math.Max(wide*h-wide*l, math.Abs(h)*1e-9)
	return max(lo, l-reach), min(hi, h+reach)
}

func finite(vs []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(vs), func(v float64) bool { return math.IsNaN(v) || math.Abs(v) > 1e300 })
}

// tick chooses about n round numbers within the span.
func (s *span) tick(n int) {
	s.per, s.suffix = s.unit.written(s.hi - s.lo)
	step := round((s.hi/float64(n) - s.lo/float64(n)) * s.per)
	if s.unit == Whole {
		step = math.Max(1, step)
	}
	s.places = decimals(step)
	step /= s.per
	first := math.Ceil(s.lo / step)
	for i := 0.0; i < 40; i++ {
		v := (first + i) * step
		if v > s.hi || step == 0 || math.IsInf(v, 0) {
			break
		}
		if v == 0 {
			v = 0 // not -0
		}
		s.ticks = append(s.ticks, v)
	}
}

// written is how numbers on an axis of some reach are written: multiplied, and
// with what behind them.
func (u Unit) written(reach float64) (per float64, suffix string) {
	switch {
	case u == Share:
		return 100, " %"
	case u != Hours:
		return 1, ""
	case reach < .1:
		return 3600, " s"
	case reach < 4:
		return 60, " min"
	case reach > 100:
		return 1. / 24, " d"
	}
	return 1, " h"
}

// decades chooses ticks of a logarithmic span: powers of ten, with 2 and 5
// between where there is room.
func (s *span) decades(n int) {
	every := max(1, int(math.Ceil((s.hi-s.lo)/float64(n))))
	between := []float64{1}
	if s.hi-s.lo < float64(n)/2 {
		between = []float64{1, 2, 5}
	}
	for e := int(math.Floor(s.lo)) / every * every; float64(e) <= s.hi; e += every {
		for _, m := range between {
			if v := m * math.Pow(10, float64(e)); math.Log10(v) >= s.lo && math.Log10(v) <= s.hi {
				s.ticks = append(s.ticks, v)
			}
		}
	}
}

// round is the next of 1, 2 and 5 times a power of ten.
func round(v float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if v <= m*p*1.0001 {
			return m * p
		}
	}
	return 10 * p
}

func decimals(step float64) int {
	return max(0, int(math.Ceil(-math.Log10(step)-1e-9)))
}

// at is where v lies on the span, 0 to 1, and whether it is within.
func (s span) at(v float64) (share float64, in bool) {
	if s.log {
		if v <= 0 {
			return 0, false
		}
		v = math.Log10(v)
	}
	share = (v/2 - s.lo/2) / (s.hi/2 - s.lo/2)
	return min(max(share, 0), 1), share >= -1e-9 && share <= 1+1e-9
}

// write is a tick's text.
func (s span) write(v float64) string {
	if s.log {
		return strings.Replace(strconv.FormatFloat(v, 'g', 6, 64), "e+", "e", 1)
	}
	v *= s.per
	big := math.Max(math.Abs(s.lo), math.Abs(s.hi)) * s.per
	if v != 0 && (big >= 1e7 || s.places > 6) {
		return strings.Replace(strconv.FormatFloat(v, 'g', digits(v, s.places), 64), "e+", "e", 1) + s.suffix
	}
	return strconv.FormatFloat(v, 'f', s.places, 64) + s.suffix
}

// digits is how many significant digits v needs at a tick's precision.
func digits(v float64, places int) int {
	return min(max(1, int(math.Floor(math.Log10(math.Abs(v))))+1+places), 9)
}
