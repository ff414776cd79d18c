package main

import "strings"

// stems are everyday English words; with the endings they make the vocabulary.
const stems = `the of and to in that it is was for on are as with his they at be this from
have or by one had not but what all were when we there can an your which their said if do
will each about how up out them then she many some so these would other into has more her
two like him see time could no make than first been its who now people my made over did
down only way find use may water long little very after word call just where most know
garden winter market river bridge stone cloud letter island forest copper silver harbour
engine lantern window kitchen journey number picture country mountain morning evening summer
teacher doctor farmer painter sailor singer writer worker builder hunter baker
carry gather travel listen answer follow measure wonder remember consider deliver discover
simple quiet narrow bitter gentle clever modern common certain familiar ancient
land build light plant cover train point press start count paint walk talk work turn
look jump rain snow wind storm field grain bread salt apple orange lemon pepper ginger
green yellow purple brown white black paper cotton leather iron glass sugar butter honey
north south east west center corner border valley desert ocean planet signal pattern
reason question problem moment minute second season century history story chapter language
sound music colour shadow mirror circle square triangle balance motion power force
science nature method theory result sample trial metric record ledger campaign verdict`

var endings = []string{"", "s", "ed", "ing", "er", "ly", "ness", "less", "ful", "able", "ship", "ward", "like",
	"y", "en", "ish", "ment", "ance", "dom", "hood", "wise", "most", "some"}

// corpus makes at least size bytes of sentences. The r-th word of the
// vocabulary turns up about 1/r as often as the first (Zipf's law, 1935), and
// the same size always gives the same bytes.
func corpus(size int) string {
	vocabulary := vocabulary()
	ranks := zipf(len(vocabulary))
	var text strings.Builder
	text.Grow(size + 256)
	seed := uint64(1)
	next := func(n int) int { // a 64-bit linear congruential generator, high bits only
		seed = seed*6364136223846793005 + 1442695040888963407
		return int((seed >> 33) % uint64(n))
	}
	for sentence := 1; text.Len() < size; sentence++ {
		length := 5 + next(14)
		for i := 0; i < length; i++ {
			word := vocabulary[ranks[next(len(ranks))]]
			switch {
			case i == 0:
				text.WriteByte(word[0] - 'a' + 'A')
				text.WriteString(word[1:])
			case next(11) == 0:
				text.WriteString(", " + word)
			default:
				text.WriteString(" " + word)
			}
		}
		text.WriteString(". ")
		if sentence%7 == 0 {
			text.WriteString("\n\n")
		}
	}
	return text.String()
}

func vocabulary() []string {
	var words []string
	for _, ending := range endings {
		for _, stem := range strings.Fields(stems) {
			words = append(words, stem+ending)
		}
	}
	return words
}

// zipf lists every rank below n, rank r about 20000/(r+1) times.
func zipf(n int) []int {
	var ranks []int
	for r := 0; r < n; r++ {
		for i := 0; i < 1+20000/(r+1); i++ {
			ranks = append(ranks, r)
		}
	}
	return ranks
}
