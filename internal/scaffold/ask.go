package scaffold

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"ratchet/internal/research"
)

// Ask asks a person for what is missing, and for nothing else.
func Ask(proposal *Proposal, in *bufio.Reader, out io.Writer) error {
	for _, q := range []struct {
		flag, text string
		set        func(string)
	}{
		{"--edit", "the one file that the agent may change" + proposal.LikelyFiles() + ": ",
			func(s string) { proposal.Edit = strings.Fields(s) }},
		{"--run", "the command to measure: ", func(s string) { proposal.Run = s }},
		{"--metric", "the metric's name, as that command prints it (METRIC name=value): ", func(s string) {
			proposal.Metric.Name = s
			proposal.Metric.Better = guessDirection(s)
		}},
		{"--better", "which is better, lower or higher? ",
			func(s string) { proposal.Metric.Better = research.Direction(s) }},
	} {
		if !slices.Contains(proposal.Missing(), q.flag) {
			continue
		}

		answer, err := AskLine(in, out, q.text)
		if err != nil {
			return err
		}

		q.set(answer)
	}

	return nil
}

// AskLine prints the question and returns the line that answers it. It fails with
// research.CodeCancelled when the input ends.
func AskLine(in *bufio.Reader, out io.Writer, text string) (string, error) {
	fmt.Fprint(out, text)

	line, err := in.ReadString('\n')
	if err != nil {
		return "", research.Errorf(research.CodeCancelled, "run it again", "the answer did not come: %w", err)
	}

	return strings.TrimSpace(line), nil
}
