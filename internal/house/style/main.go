// Command style prints how the sources below its arguments are laid out, a line a
// tree: the table in docs/architecture.md.
package main

import (
	"fmt"
	"os"

	"ratchet/internal/house"
)

func main() {
	for _, root := range os.Args[1:] {
		figures, err := house.Measure(root)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}

		methods, most := house.Largest(figures.Methods)
		folder, files := house.Largest(figures.Files)

		fmt.Printf("%s: %d lines; in bodies of more than 12 lines %.1f %% blank, %.1f %% comments; "+
			"identifiers of one letter %.1f %%; mean length of a function's name %.1f; lines over 120 columns %.1f %%; "+
			"most methods %d (%s); most files that are not tests %d (%s)\n",
			root, figures.Lines, house.Share(figures.Blank, figures.Body), house.Share(figures.Comments, figures.Body),
			house.Share(figures.OneLetter, figures.Names),
			float64(figures.NameBytes)/float64(max(figures.Functions, 1)), house.Share(figures.Wide, figures.Lines),
			most, methods, files, folder)
	}
}
