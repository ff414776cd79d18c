package main

import "strings"

// Entry is a word, in lower case, and how often it occurs.
type Entry struct {
	Word  string
	Count int
}

// Count returns the words of text, the most frequent first and equally frequent
// ones in alphabetical order. A word is a run of the letters a-z and A-Z.
func Count(text string) []Entry {
	return rank(tally(split(text)))
}

const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// isLetter says whether c belongs to a word.
func isLetter(c byte) bool {
	for i := 0; i < len(alphabet); i++ {
		if alphabet[i] == c {
			return true
		}
	}
	return false
}

// lower turns A-Z into a-z.
func lower(c byte) byte {
	return strings.ToLower(string(rune(c)))[0]
}

// split cuts text into words in lower case.
func split(text string) []string {
	var words []string
	word := ""
	for i := 0; i < len(text); i++ {
		if isLetter(text[i]) {
			word += string(rune(lower(text[i])))
			continue
		}
		if word != "" {
			words = append(words, word)
			word = ""
		}
	}
	if word != "" {
		words = append(words, word)
		word = ""
	}
	return words
}

// tally counts equal words: as many as the places where the word stands.
func tally(words []string) map[string]int {
	places := map[string][]int{}
	for place, word := range words {
		places[word] = append(places[word], place)
	}
	counts := map[string]int{}
	for word, list := range places {
		counts[word] = len(list)
	}
	return counts
}

// rank sorts by falling count, then by word.
func rank(counts map[string]int) []Entry {
	var entries []Entry
	for word, count := range counts {
		entries = append(entries, Entry{word, count})
		for i := len(entries) - 1; i > 0 && before(entries[i], entries[i-1]); i-- {
			entries[i], entries[i-1] = entries[i-1], entries[i]
		}
	}
	return entries
}

// before is the order of the result.
func before(a, b Entry) bool {
	if a.Count != b.Count {
		return a.Count > b.Count
	}
	return a.Word < b.Word
}
