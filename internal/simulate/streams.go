package simulate

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ratchet/internal/research"
)

// mostSkipped is how many samples of a stream pass at most while the agent thinks.
const mostSkipped = 5

// leastSamples is how many samples a stream needs at least, so that a night does not
// meet the same few again and again.
const leastSamples = 20

// Stream is the noise of a real program: the logs of its recorded values about their
// median, in the order of recording.
type Stream struct {
	Name  string
	Noise []float64
}

// SD is the standard deviation of a run, from successive differences (von Neumann 1941).
func (s Stream) SD() float64 {
	sum := 0.0
	for i := 1; i < len(s.Noise); i++ {
		d := s.Noise[i] - s.Noise[i-1]
		sum += d * d
	}

	return math.Sqrt(sum / 2 / float64(len(s.Noise)-1))
}

// recordedNoise is a stream that is walked in order, round and round.
type recordedNoise struct {
	noise []float64
	at    int
}

func (r *recordedNoise) next() float64 {
	r.skip(1)
	return r.noise[r.at]
}

func (r *recordedNoise) skip(n int) { r.at = (r.at + n) % len(r.noise) }

// ReadStreams reads every .tsv and .txt file of the folder, by name.
func ReadStreams(folder string) ([]Stream, error) {
	files, err := os.ReadDir(folder)
	if err != nil {
		return nil, research.Errorf(research.CodeBadArgument, "name a folder of recorded streams",
			"read the streams: %w", err)
	}

	var streams []Stream

	for _, file := range files {
		ending := filepath.Ext(file.Name())
		if file.IsDir() || ending != ".tsv" && ending != ".txt" {
			continue
		}

		text, err := os.ReadFile(filepath.Join(folder, file.Name()))
		if err != nil {
			return nil, fmt.Errorf("read a stream: %w", err)
		}

		noise, err := ParseStream(string(text))
		if err != nil {
			return nil, research.Errorf(research.CodeBadArgument,
				"record it with ratchet measure --record, or write one positive number a line", "%s: %w", file.Name(), err)
		}
		streams = append(streams, Stream{strings.TrimSuffix(file.Name(), ending), noise})
	}

	if len(streams) == 0 {
		return nil, research.Errorf(research.CodeBadArgument, "put .tsv files with a column value into it",
			"%s holds no stream", folder)
	}

	return streams, nil
}

// ParseStream reads tab-separated lines with a head that has a column `value`, or one
// number a line. Empty lines and those that begin with # are passed over.
func ParseStream(text string) ([]float64, error) {
	column, isFirst := 0, true
	var heights []float64

	for number, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, "\t")

		if isFirst {
			isFirst = false
			if i := slices.Index(fields, "value"); i >= 0 {
				column = i
				continue
			}
		}

		if column >= len(fields) {
			return nil, fmt.Errorf("line %d has no column value", number+1)
		}

		value, err := strconv.ParseFloat(strings.TrimSpace(fields[column]), 64)
		if err != nil || !(value > 0) || !research.IsFinite(value) {
			return nil, fmt.Errorf("line %d: %q is not a positive number", number+1, fields[column])
		}
		heights = append(heights, math.Log(value))
	}

	if len(heights) < leastSamples {
		return nil, fmt.Errorf("%d samples are too few, at least %d are needed", len(heights), leastSamples)
	}
	mid := median(heights)

	for i := range heights {
		heights[i] -= mid
	}

	return heights, nil
}
