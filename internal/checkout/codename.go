package checkout

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

var (
	codeAdjectives = []string{"amber", "brisk", "calm", "clear", "dusky", "early", "fair", "gentle", "hazel", "ivory",
		"jolly", "keen", "lucid", "mellow", "nimble", "olive", "plain", "quiet", "ruddy", "sober", "steady", "tidy",
		"umber", "vivid", "warm", "young"}
	codeAnimals = []string{"badger", "bison", "crane", "dingo", "egret", "falcon", "gecko", "heron", "ibis", "jackal",
		"kestrel", "lemur", "marten", "newt", "otter", "panda", "quail", "raven", "stoat", "tapir", "urchin", "vole",
		"walrus", "yak", "zebra"}
)

// isCodename says whether name could be the checkout's codename.
func isCodename(checkout, name string) bool {
	for i := range 8 {
		if makeCodename(checkout, i) == name {
			return true
		}
	}

	return false
}

// makeCodename is a checkout's name in the records: the same for the same folder,
// and another one for each attempt when two folders collide.
func makeCodename(checkout string, attempt int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d", checkout, attempt))
	h := binary.BigEndian.Uint64(sum[:8])
	n := uint64(len(codeAdjectives))

	return codeAdjectives[h%n] + codeAnimals[h/n%uint64(len(codeAnimals))]
}
