package screen

import "strings"

// Column is one column of a table.
type Column struct {
	Head  string
	Right bool // aligned right: numbers
	Flex  bool // takes the room that is left, and is cut; one column at most, the last
	// Leave says in which order columns are left out where the room is short,
	// the highest first; 0: never. A column is never cut unless it is Flex.
	Leave int
}

// flexMin is the room that a flexible column needs before columns are left out for it.
const flexMin = 16

// Cell is one entry of a table.
type Cell struct {
	Text   string // one line
	Colour Colour
}

// RenderTable renders rows below their heads in lines of at most width columns, as
// far as the columns that are never left out allow.
func RenderTable(cols []Column, rows [][]Cell, width int, pen Pen) []string {
	wide := columnWidths(cols, rows)

	shown := fitColumns(cols, wide, width)
	if last := len(cols) - 1; cols[last].Flex {
		used := 0

		for i := range last {
			if shown[i] {
				used += wide[i] + gap
			}
		}
		wide[last] = max(1, width-used)
	}

	heads := make([]Cell, len(cols))
	for i, c := range cols {
		heads[i] = Cell{c.Head, Faint}
	}

	var out []string
	for _, row := range append([][]Cell{heads}, rows...) {
		out = append(out, renderRow(cols, row, wide, shown, pen))
	}

	return out
}

const gap = 2 // columns between two

func renderRow(cols []Column, row []Cell, wide []int, shown []bool, pen Pen) string {
	var out strings.Builder

	for i, cell := range row {
		if !shown[i] {
			continue
		}

		if out.Len() > 0 {
			out.WriteString(strings.Repeat(" ", gap))
		}

		text := cell.Text
		if cols[i].Flex {
			text = CutText(text, wide[i])
		}

		painted := pen.Paint(cell.Colour, text)
		if i == len(row)-1 {
			out.WriteString(painted)
			break
		}

		fill := strings.Repeat(" ", max(0, wide[i]-TextWidth(text)))
		if cols[i].Right {
			painted = fill + painted
		} else {
			painted += fill
		}
		out.WriteString(painted)
	}

	return strings.TrimRight(out.String(), " ")
}

// columnWidths returns the width of the widest entry of each column.
func columnWidths(cols []Column, rows [][]Cell) []int {
	wide := make([]int, len(cols))
	for i, c := range cols {
		wide[i] = TextWidth(c.Head)
		for _, row := range rows {
			wide[i] = max(wide[i], TextWidth(row[i].Text))
		}
	}

	return wide
}

// fitColumns says which columns are shown so that a line is at most width columns wide.
func fitColumns(cols []Column, wide []int, width int) []bool {
	shown := make([]bool, len(cols))
	for i := range shown {
		shown[i] = true
	}

	for {
		need, worst := -gap, -1

		for i, c := range cols {
			if !shown[i] {
				continue
			}

			w := wide[i]
			if c.Flex {
				w = min(w, flexMin)
			}
			need += w + gap

			if c.Leave > 0 && (worst < 0 || c.Leave > cols[worst].Leave) {
				worst = i
			}
		}

		if need <= width || worst < 0 {
			return shown
		}
		shown[worst] = false
	}
}

// RenderFacts renders labels and values in two columns, the values wrapped.
func RenderFacts(facts [][2]string, width int, pen Pen) []string {
	label := 0
	for _, f := range facts {
		label = max(label, TextWidth(f[0]))
	}
	var out []string

	for _, f := range facts {
		indent := label + gap

		lines := WrapText(f[1], max(width-indent, 20), 0)
		for i, line := range lines {
			head := ""
			if i == 0 {
				head = f[0]
			}

			head = pen.Paint(Faint, padText(head, label, false))
			out = append(out, strings.TrimRight(head+strings.Repeat(" ", gap)+line, " "))
		}
	}

	return out
}
