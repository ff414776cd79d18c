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
		f, err := house.Measure(root)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}

		methods, most := house.Largest(f.Methods)
		folder, files := house.Largest(f.Files)

		fmt.Printf("%s: %d lines; in bodies of more than 12 lines %.1f %% blank, %.1f %% comments; "+
			"identifiers of one letter %.1f %%; mean length of a function's name %.1f; lines over 120 columns %.1f %%; "+
			"most methods %d (%s); most files that are not tests %d (%s)\n",
			root, f.Lines, house.Share(f.Blank, f.Body), house.Share(f.Comments, f.Body),
			house.Share(f.OneLetter, f.Names), float64(f.NameBytes)/float64(max(f.Functions, 1)),
			house.Share(f.Wide, f.Lines), most, methods, files, folder)
	}
}
