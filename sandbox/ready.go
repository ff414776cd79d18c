package sandbox

import (
	"os"
	"strconv"
	"strings"

	"ratchet/internal/research"
)

// ReadyVariable tells a detached program which descriptor to acknowledge on.
const ReadyVariable = "RATCHET_READY_FD"

// Ready tells the caller of Detach that this program has taken over (nil) or
// refuses to. Call it once, before starting other processes, which would
// inherit the descriptor; it does nothing in a program that was not detached.
func Ready(err error) {
	fd, convErr := strconv.Atoi(os.Getenv(ReadyVariable))
	if convErr != nil || fd < 3 {
		return
	}
	os.Unsetenv(ReadyVariable)

	file := os.NewFile(uintptr(fd), "ready")
	if file == nil {
		return
	}
	defer file.Close()

	words := []string{"ready"}

	if err != nil {
		said := research.DescribeInFull(err)
		words = []string{"refused", string(said.Code), said.Next, said.Msg}
	}

	file.WriteString(strings.Join(words, "\x00")) // nobody may be listening any more
}
