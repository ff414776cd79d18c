package chart

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// axisScale maps the values of an axis to its length, and chooses its ticks.
type axisScale struct {
	lo, hi float64
	ticks  []float64
	unit   Unit
	places int     // decimals of a tick
	log    bool    // lo and hi are decimal logarithms
	per    float64 // what a tick is written in: so many to the unit
	suffix string
}

// logFrom is the least ratio of the greatest to the least value with which an axis
// that may be logarithmic is.
const logFrom = 20

// fitAxis chooses the range of an axis from its values, with some air around it. Values that are
// not finite are left out; without any it is 0 to 1.
func fitAxis(a Axis, must []float64, may []Point, ticks int) axisScale {
	must = keepFinite(append(slices.Clone(must), a.Include...))
	lows, mids, highs := whiskerEnds(may)

	all := slices.Concat(must, lows, mids, highs)
	if len(all) == 0 {
		all = []float64{0, 1}
	}
	lo, hi := slices.Min(all), slices.Max(all)

	l, h := lo, hi
	if a.Robust && len(lows) > 0 && len(highs) > 0 {
		l, h = bulkRange(must, lows, highs)
	}

	if a.Log && lo > 0 && h/l > logFrom {
		s := axisScale{lo: math.Log10(lo), hi: math.Log10(hi), unit: a.Unit, log: true}
		air := (s.hi - s.lo) / 20
		s.lo, s.hi = s.lo-air, s.hi+air
		s.chooseDecades(ticks)

		return s
	}

	lo, hi = widenRange(all, l, h, len(lows))
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
	s := axisScale{lo: lo - air, hi: hi + air, unit: a.Unit}
	s.chooseTicks(ticks)

	return s
}

// manyPoints is the number of points from which a tenth of them, not a quarter, is
// left out of the bulk, and a point is far off at half the distance.
const manyPoints = 20

// bulkRange returns the range that holds must and most points: all but a tenth on either
// side, of fewer than enough all but a quarter. A point counts once, whether it
// has a whisker or not.
func bulkRange(must, lows, highs []float64) (lo, hi float64) {
	slices.Sort(lows)
	slices.Sort(highs)

	aside := 10
	if len(lows) < manyPoints {
		aside = 4
	}

	lo, hi = lows[len(lows)/aside], highs[len(highs)-1-len(highs)/aside]
	for _, v := range must {
		lo, hi = min(lo, v), max(hi, v)
	}

	return lo, hi
}

// RobustRange returns the range of vs, which are finite and at least one, without those
// far off: what a robust axis shows of them.
func RobustRange(vs []float64) (lo, hi float64) {
	l, h := bulkRange(nil, slices.Clone(vs), slices.Clone(vs))
	return widenRange(vs, l, h, len(vs))
}

// widenRange widens l to h by those of all, which come from n points, that are not far off it.
func widenRange(all []float64, l, h float64, n int) (lo, hi float64) {
	wide := 1.0
	if n < manyPoints {
		wide = 2
	}
	reach := math.Max(wide*h-wide*l, math.Max(math.Abs(l), math.Abs(h))*1e-9)

	lo, hi = l, h
	for _, v := range all {
		if v >= l-reach && v <= h+reach {
			lo, hi = min(lo, v), max(hi, v)
		}
	}

	return lo, hi
}

// whiskerEnds are the finite values of points, and where their whiskers end.
func whiskerEnds(points []Point) (lows, mids, highs []float64) {
	for _, pt := range points {
		mids = append(mids, pt.Y)

		low, high := pt.Y, pt.Y
		if pt.Span {
			low, high = min(pt.Y, pt.Lo), max(pt.Y, pt.Hi)
		}

		lows = append(lows, low)
		highs = append(highs, high)
	}

	return keepFinite(lows), keepFinite(mids), keepFinite(highs)
}

func keepFinite(vs []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(vs), func(v float64) bool { return math.IsNaN(v) || math.Abs(v) > 1e300 })
}

// chooseTicks chooses about n round numbers within the span.
func (s *axisScale) chooseTicks(n int) {
	s.per, s.suffix = s.unit.tickUnit(s.hi - s.lo)

	step := roundStep((s.hi/float64(n) - s.lo/float64(n)) * s.per)
	if s.unit == Whole {
		step = math.Max(1, step)
	}
	s.places = stepDecimals(step)
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

// tickUnit returns the factor and the suffix with which numbers on an axis of this
// reach are written.
func (u Unit) tickUnit(reach float64) (per float64, suffix string) {
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

// chooseDecades chooses ticks of a logarithmic span: powers of ten, with 2 and 5
// between where there is room.
func (s *axisScale) chooseDecades(n int) {
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

// roundStep returns the next of 1, 2 and 5 times a power of ten.
func roundStep(v float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if v <= m*p*1.0001 {
			return m * p
		}
	}

	return 10 * p
}

func stepDecimals(step float64) int {
	return max(0, int(math.Ceil(-math.Log10(step)-1e-9)))
}

// positionOf says where v lies on the span, 0 to 1, and whether it is within.
func (s axisScale) positionOf(v float64) (share float64, in bool) {
	if s.log {
		if v <= 0 {
			return 0, false
		}
		v = math.Log10(v)
	}
	share = (v/2 - s.lo/2) / (s.hi/2 - s.lo/2)

	return min(max(share, 0), 1), share >= -1e-9 && share <= 1+1e-9
}

// formatTick writes a tick.
func (s axisScale) formatTick(v float64) string {
	if s.log {
		return strings.Replace(strconv.FormatFloat(v, 'g', 6, 64), "e+", "e", 1)
	}
	v *= s.per

	big := math.Max(math.Abs(s.lo), math.Abs(s.hi)) * s.per
	if v != 0 && (big >= 1e7 || s.places > 6) {
		return strings.Replace(strconv.FormatFloat(v, 'g', significantDigits(v, s.places), 64), "e+", "e", 1) + s.suffix
	}

	return strconv.FormatFloat(v, 'f', s.places, 64) + s.suffix
}

// formatExact writes v beside an arrow: to three digits at least, also where ticks are coarse.
func (s axisScale) formatExact(v float64) string {
	if !s.log {
		v *= s.per
	}

	if math.Abs(v) >= 1e7 || v != 0 && math.Abs(v) < 1e-4 {
		return strings.Replace(strconv.FormatFloat(v, 'g', 4, 64), "e+", "e", 1) + s.suffix
	}

	return strconv.FormatFloat(v, 'f', max(0, 3-len(strconv.Itoa(int(math.Abs(v))))), 64) + s.suffix
}

// significantDigits returns how many significant digits v needs at a tick's precision.
func significantDigits(v float64, places int) int {
	return min(max(1, int(math.Floor(math.Log10(math.Abs(v))))+1+places), 9)
}
