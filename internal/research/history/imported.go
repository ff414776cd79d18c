package history

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"ratchet/internal/research"
)

// Import is the body of history.imported: one line of another program's log,
// or one of its files. What it says is its writer's word. It is shown, searched
// and exported again; it is part of no verdict, count, best value or budget.
type Import struct {
	N int `json:"n"`
	// the file or folder: relative to the repository where it lies within, slash-separated
	Source     string `json:"source"`
	Path       string `json:"path,omitempty"` // within a folder
	Format     string `json:"format"`
	LineNumber int    `json:"line_number"`    // from 1
	Part       int    `json:"part,omitempty"` // of a line that is too long for one record, from 1
	// Line is the text as it stands there, line ending included; where it is not
	// UTF-8, Bytes has it instead.
	Line  string `json:"line"`
	Bytes []byte `json:"line_bytes,omitempty"`
	// Kind says what the line is: run | header | other | broken.
	Kind   string             `json:"kind"`
	Broken string             `json:"broken,omitempty"` // why it was not understood
	Metric string             `json:"metric,omitempty"`
	Better research.Direction `json:"better,omitempty"`
	// the metric's; "" where the source does not say it, and in records from before it was read
	Unit        string   `json:"unit,omitempty"`
	Value       *float64 `json:"self_reported_value,omitempty"`
	Status      string   `json:"status,omitempty"` // in the source's words
	Description string   `json:"description,omitempty"`
	Commit      string   `json:"commit,omitempty"` // as it stands there
	Note        string   `json:"note,omitempty"`
	// the import that stood at this place of the source before
	Replaces int `json:"replaces,omitempty"`
}

// The kinds of an imported line.
const (
	ImportRun    = "run"
	ImportHeader = "header"
	ImportOther  = "other"
	ImportBroken = "broken"
)

// SetText stores a line.
func (i *Import) SetText(text []byte) {
	if utf8.Valid(text) {
		i.Line, i.Bytes = string(text), nil
		return
	}
	i.Line, i.Bytes = "", text
}

// Text is the line, byte for byte.
func (i *Import) Text() []byte {
	if len(i.Bytes) > 0 {
		return i.Bytes
	}

	return []byte(i.Line)
}

const digestLen = 16

// Digest is that of the text: SHA-256, cut to 16 bytes.
func (i *Import) Digest() []byte {
	sum := sha256.Sum256(i.Text())
	return sum[:digestLen]
}

// ReadsLike says whether two imports of a line say the same of it.
func (i *Import) ReadsLike(other *Import) bool {
	sameValue := i.Value == nil && other.Value == nil ||
		i.Value != nil && other.Value != nil && *i.Value == *other.Value

	return sameValue && i.Kind == other.Kind && i.Metric == other.Metric && i.Better == other.Better &&
		i.Unit == other.Unit && i.Status == other.Status && i.Description == other.Description &&
		i.Commit == other.Commit && i.Note == other.Note && i.Broken == other.Broken
}

// Key is the idempotency key: the place, the text and what it replaces.
func (i *Import) Key() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{i.File(), strconv.Itoa(i.LineNumber), strconv.Itoa(i.Part),
		hex.EncodeToString(i.Digest()), strconv.Itoa(i.Replaces)}, "\x00")))

	return "import/" + hex.EncodeToString(sum[:16])
}

// File is the path of the file that the line is from, however it was imported.
func (i *Import) File() string { return path.Join(i.Source, i.Path) }

// Place names the line for people: results.tsv:12.
func (i *Import) Place() string { return i.File() + ":" + strconv.Itoa(i.LineNumber) }

// Searched is the text that the line is found by.
func (i *Import) Searched() string { return strings.TrimSpace(i.Description + " " + i.Note) }

// LineKey is the key of the line's place in its source.
func (i *Import) LineKey() Key {
	return Key{Index: IndexImportLines, Names: []string{i.File()},
		Numbers: []uint64{uint64(i.LineNumber), uint64(i.Part)}}
}

// ImportPlace is what the index of import lines holds of a place: indexes are
// folded without the records at hand, so what a later line needs of the one that
// it replaces is there.
type ImportPlace struct {
	Digest string // see Import.Digest
	Kind   string
	Source string
	N      int
}

func (i *Import) place() ImportPlace {
	return ImportPlace{Digest: string(i.Digest()), Kind: i.Kind, Source: i.Source, N: i.N}
}

// encode gives the stored form: the digest, the kind, NUL, the source, and the
// number as 8 bytes, big-endian.
func (p ImportPlace) encode() string {
	return string(binary.BigEndian.AppendUint64([]byte(p.Digest+p.Kind+"\x00"+p.Source), uint64(p.N)))
}

// ParseImportPlace reads the stored form; ok is false for what is too short to be one.
func ParseImportPlace(stored []byte) (p ImportPlace, ok bool) {
	end := len(stored) - 8
	if end <= digestLen {
		return ImportPlace{}, false
	}

	p.Digest = string(stored[:digestLen])
	p.Kind, p.Source, _ = strings.Cut(string(stored[digestLen:end]), "\x00")
	p.N = int(binary.BigEndian.Uint64(stored[end:]))

	return p, true
}

// ImportSource is the fold of what was imported from one file or folder.
type ImportSource struct {
	Source string             `json:"source"`
	Format string             `json:"format"` // of the last line, in a folder
	Metric string             `json:"metric,omitempty"`
	Better research.Direction `json:"better,omitempty"`
	// the metrics that runs name together with their direction, in the order of their first
	// runs, at most maxImportMetrics; nil where none does, and for older records
	Metrics  []ImportMetric `json:"metrics,omitempty"`
	Lines    int            `json:"lines"` // places, or files, that are held
	Runs     int            `json:"runs"`
	Broken   int            `json:"broken"`
	Replaced int            `json:"replaced,omitempty"` // lines that changed after they were imported
	At       time.Time      `json:"at"`                 // of the last one
}

// ImportMetric is a metric that a source's runs tell of.
type ImportMetric struct {
	Name   string             `json:"name"`
	Better research.Direction `json:"better,omitempty"`
	Unit   string             `json:"unit,omitempty"`
}

// Describe is the metric with its unit and its direction, as far as they are known; unnamed
// stands for a name that is not.
func (m ImportMetric) Describe(unnamed string) string {
	words := cmp.Or(m.Name, unnamed)
	if m.Unit != "" {
		words += " in " + m.Unit
	}

	if m.Better != "" {
		words += ", " + string(m.Better) + " is better"
	}

	return words
}

// maxImportMetrics is how many metrics of one source are told apart.
const maxImportMetrics = 20

// addMetric notes the metric of a run that says which direction is better.
func (s *ImportSource) addMetric(imported *Import) {
	metric := ImportMetric{imported.Metric, imported.Better, imported.Unit}
	if imported.Kind != ImportRun || metric.Name == "" || metric.Better == "" || len(s.Metrics) == maxImportMetrics ||
		slices.Contains(s.Metrics, metric) {
		return
	}

	s.Metrics = append(s.Metrics, metric)
}

// count adds lines of a kind, or takes them away.
func (s *ImportSource) count(kind string, by int) {
	switch kind {
	case ImportRun:
		s.Runs += by
	case ImportBroken:
		s.Broken += by
	}
	s.Lines += by
}

func foldImported(change *Change, record Record, imported Import) error {
	campaign, s, replaced := change.Campaign, change.Source, change.Replaced

	if imported.N != campaign.Imported+1 {
		return research.Errorf(research.CodeConflict, "repeat the call: it will take the next number",
			"the next imported line is %d, not %d", campaign.Imported+1, imported.N)
	}

	was := 0
	if replaced != nil {
		was = replaced.N
	}

	if imported.Replaces != was {
		return research.Errorf(research.CodeConflict, "repeat the call", "%s has been imported already, as %d",
			imported.Place(), was)
	}

	campaign.Imported = imported.N

	if replaced != nil && replaced.Source == imported.Source {
		s.count(replaced.Kind, -1)
		s.Replaced++
	}
	s.Add(&imported)
	s.At = record.Time

	return nil
}

// Add counts a line.
func (s *ImportSource) Add(imported *Import) {
	s.count(imported.Kind, 1)
	s.addMetric(imported)

	s.Source, s.Format = imported.Source, imported.Format
	if imported.Metric != "" {
		s.Metric = imported.Metric
	}

	if imported.Better != "" {
		s.Better = imported.Better
	}
}
