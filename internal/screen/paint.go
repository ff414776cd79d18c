package screen

// Colour is one of the few that every terminal has, in the user's own palette.
type Colour string

// What the colours stand for, so that two views never disagree.
const (
	Plain Colour = ""
	Good  Colour = "32" // green: better, kept, added lines
	Bad   Colour = "31" // red: worse, invalid, removed lines
	Maybe Colour = "33" // yellow: not decided
	Live  Colour = "36" // cyan: running
	Faint Colour = "2"  // what only labels
	Bold  Colour = "1"
)

// Pen paints; the zero Pen leaves every text as it is.
type Pen struct {
	On bool
}

// Paint gives s a colour.
func (p Pen) Paint(c Colour, s string) string {
	if !p.On || c == Plain || s == "" {
		return s
	}

	return "\x1b[" + string(c) + "m" + s + "\x1b[0m"
}
