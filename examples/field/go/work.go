package main

import (
	"sort"
	"strconv"
	"strings"
)

const rounds = 800

// page is what is known of one page.
type page struct {
	name string
	hits int
	size int
}

// doUnit parses the log and returns a checksum of its pages.
func doUnit(log string) int {
	pages := rankPages(tallyPages(log))
	checksum := 0
	for place, entry := range pages {
		checksum += (place + 1) * (entry.hits + entry.size + len(entry.name))
	}
	return checksum
}

// tallyPages adds up hits and bytes of every page.
func tallyPages(log string) map[string]*page {
	found := map[string]*page{}
	for _, line := range strings.Split(log, "\n") {
		words := strings.Fields(line)
		if len(words) < 6 {
			continue
		}
		known, ok := found[words[3]]
		if !ok {
			known = &page{name: words[3]}
			found[words[3]] = known
		}
		known.hits++
		known.size += readNumber(words[5])
	}
	return found
}

// readNumber is the number behind an equals sign, 0 where there is none.
func readNumber(word string) int {
	_, digits, _ := strings.Cut(word, "=")
	number, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return number
}

// rankPages sorts by falling hits, then by name.
func rankPages(tally map[string]*page) []page {
	var ranked []page
	for _, one := range tally {
		ranked = append(ranked, *one)
	}
	sort.Slice(ranked, func(left, right int) bool {
		if ranked[left].hits != ranked[right].hits {
			return ranked[left].hits > ranked[right].hits
		}
		return ranked[left].name < ranked[right].name
	})
	return ranked
}
