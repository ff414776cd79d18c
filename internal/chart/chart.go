// Package chart draws a figure as PNG or SVG. It is a function from plain data
// to bytes: the same figure gives the same bytes. What the data mean is its
// callers' business.
//
// Whatever the data are, a picture comes out: numbers that are not finite are
// left out, points beyond the scale become arrows at its edge, with their
// values where there is room, texts that are
// too long are cut, and a figure without data says why. Series differ by shape
// as well as by colour. The colours are those of Okabe and Ito, which people
// with any kind of colour blindness tell apart, darkened or lightened where
// they had less than 3:1 contrast with the ground; texts have 4.5:1 at least.
// Each picture brings its ground along, so that it reads on any page.
//
// Limits: the fonts have Latin, Greek and Cyrillic letters; a PNG has "…" in the
// place of others, which its foot says (Lacks). An SVG names its font, and readers
// without it take another.
package chart

// Figure is a picture: a title, a line below it, and panels one above the other.
type Figure struct {
	Title    string
	Subtitle string
	Foot     string // a note at the bottom
	Panels   []Panel
	Empty    string // what is said instead of panels when there is nothing to draw
}

// Panel is one pair of axes. A panel with Bars has nothing else.
type Panel struct {
	Title  string // what Y is
	X, Y   Axis
	Series []Series
	Rules  []Rule
	Labels []Label
	Bars   []Bar
	Share  float64 // of the figure's height, relative to other panels; 0 counts as 1
}

// Axis says how its numbers are written and which of them must be seen.
type Axis struct {
	Name    string
	Unit    Unit
	Include []float64 // values that the axis reaches, whatever the data
	// Robust lets the axis leave out a few points that are far from all others.
	Robust bool
	// Log lets it be logarithmic, where all values are positive and span more
	// than a factor of 20, on a robust axis without those far off.
	Log bool
}

// Unit is how an axis writes its numbers.
type Unit int

// The units.
const (
	Number Unit = iota
	Whole       // whole numbers, no ticks between
	Share       // .05 is 5 %
	Hours
)

// Kind is how a series is drawn.
type Kind int

// The kinds.
const (
	Marks Kind = iota // a mark each, with a whisker where it has a span
	Line
	Steps // horizontal, then vertical
	Area  // between Lo and Hi, in steps
	Stems // from zero
)

// Shape is a mark's.
type Shape int

// The shapes.
const (
	Dot Shape = iota
	Ring
	Square
	Diamond
	TriangleUp
	TriangleDown
	Cross
	Halo // a ring around another mark
)

// Colour is what a colour stands for; the theme says what it looks like.
type Colour int

// The colours.
const (
	Ink Colour = iota
	Faint
	Grey
	Green
	Blue
	Vermillion
	Orange
	Purple
)

// Point is a value with its span, if it has one.
type Point struct {
	X, Y   float64
	Lo, Hi float64 // used if Span
	Span   bool
}

// Series is points that are drawn alike. Series without a Name have no entry
// in the legend.
type Series struct {
	Name   string
	Kind   Kind
	Shape  Shape
	Colour Colour
	Dashed bool
	Points []Point
	// Floor puts the marks on the panel's floor, whatever their Y: they have no value.
	Floor bool
}

// Rule is a straight line across the panel, with a word beside it.
type Rule struct {
	At       float64
	Vertical bool
	Text     string
	Colour   Colour
}

// Label is a text beside a point. Labels that find no room are left out, the
// last ones first.
type Label struct {
	X, Y float64
	Text string
}

// Bar is a horizontal bar: a part of a whole.
type Bar struct {
	Name  string
	Whole float64
	Part  float64
	Text  string // beside the bar
}

// Theme is the ground that the picture brings along.
type Theme string

// The themes.
const (
	Light Theme = "light"
	Dark  Theme = "dark"
)

// Format is how a picture is stored.
type Format string

// The formats.
const (
	PNG Format = "png"
	SVG Format = "svg"
)

// Options say how a figure is drawn. The zero value is a light PNG of 800 pixels.
type Options struct {
	Theme  Theme
	Format Format
	Width  int // pixels, 400 to 3200; everything grows with it. 0: 800
}
