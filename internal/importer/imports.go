package importer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/foreign"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

const (
	importLines = 200       // appended in one transaction, which keeps others waiting
	importBytes = 256 << 10 // of these lines
	importTold  = 1000      // broken lines that are named in the answer
)

type (

	// ImportRequest names what to import.
	ImportRequest struct {
		Path    string          // a file, or a folder with files of known formats
		Format  string          // "" to detect it
		Columns string          // "metric=…,status=…": see foreign.ParseColumns; "" to find them
		Seen    func(lines int) // gets the lines read so far after each transaction; may be nil
	}
	// ImportAnswer is what an import found. Lines = Added + Known.
	ImportAnswer struct {
		Campaign string        `json:"campaign"`
		Source   string        `json:"source"`
		Format   string        `json:"format"` // of several, with commas
		Files    int           `json:"files"`
		Lines    int           `json:"lines"`
		Added    int           `json:"added"`
		Replaced int           `json:"replaced,omitempty"` // of the added: another line stood there, or another reading
		Known    int           `json:"known"`              // imported before
		Runs     int           `json:"runs"`
		Valued   int           `json:"runs_with_value"`
		Broken   int           `json:"broken"`
		Other    int           `json:"other"` // neither a run, nor settings, nor broken: hooks, remarks, blank lines
		Metrics  []MetricRuns  `json:"metrics,omitempty"`
		Statuses []StatusRuns  `json:"statuses,omitempty"`     // in the source's words, the most frequent first
		Notes    []string      `json:"notes,omitempty"`        // how tables' columns were read
		Waits    bool          `json:"waits,omitempty"`        // for the next campaign, since there is none yet
		Told     []BrokenLine  `json:"broken_lines,omitempty"` // the first ones
		Skipped  []SkippedFile `json:"skipped,omitempty"`
	}
	// MetricRuns counts the runs of one metric; its name is "" where the source does not say it.
	MetricRuns struct {
		history.ImportMetric
		Runs   int `json:"runs"`
		Valued int `json:"runs_with_value"`
	}
	// StatusRuns counts the runs of one status.
	StatusRuns struct {
		Status string `json:"status"`
		Runs   int    `json:"runs"`
	}
	// BrokenLine is a line that was kept, and not understood.
	BrokenLine struct {
		Place string `json:"place"` // results.tsv:12
		Why   string `json:"why"`
		Text  string `json:"text"` // its beginning
	}
	// SkippedFile is a file of an imported folder that was left out.
	SkippedFile struct {
		Path string `json:"path"`
		Why  string `json:"why"`
	}
)

// Import records every line of another program's log, as it stands there, in
// the checkout's campaign. A line that is there already is not recorded again,
// so a log that grows can be imported again and again. Before there is a campaign the
// lines are kept beside the ledger, and TakeWaiting records them in the next one.
// Errors: CodeBadArgument (unknown or unclear format, nothing to import), CodeNotFound
// (no such file); what was recorded before an error stays, and the call can be repeated.
func Import(ctx context.Context, co *checkout.Checkout, req ImportRequest) (*ImportAnswer, error) {
	name := ""

	campaign, err := co.CurrentCampaign(ctx)
	switch {
	case err == nil:
		name = campaign.Name
	case !research.HasCode(err, research.CodeNoCampaign) || co.Campaign() != "":
		return nil, err
	}

	info, err := os.Stat(req.Path)
	if err != nil {
		return nil, research.Errorf(research.CodeNotFound, "give a file, or a folder that holds one",
			"%s can't be read: %w", req.Path, err)
	}

	im := &importRun{checkout: co, campaign: name, request: req,
		answer: &ImportAnswer{Campaign: name, Source: co.SourceName(req.Path), Waits: name == ""}}

	switch {
	case info.IsDir() && req.Columns != "":
		err = research.Errorf(research.CodeBadArgument, "name one of its files",
			"--columns is of one file, and %s is a folder", req.Path)
	case info.IsDir():
		err = im.importFolder(ctx)
	default:
		err = im.importFile(ctx)
	}

	return im.answer, err
}

// importRun is one call of Import.
type importRun struct {
	checkout *checkout.Checkout
	campaign string
	request  ImportRequest
	answer   *ImportAnswer
	formats  []string

	batch []history.Import
	size  int

	waiting bytes.Buffer // the lines as JSON, where there is no campaign
}

// requestedFormat is the format that the request names, nil for none.
func (im *importRun) requestedFormat() (*foreign.Format, error) {
	if im.request.Format == "" {
		return nil, nil
	}

	f, ok := foreign.FindFormat(im.request.Format)
	if !ok {
		return nil, research.Errorf(research.CodeBadArgument, "use one of "+formatNames(), "there is no format %q",
			im.request.Format)
	}

	return &f, nil
}

func formatNames() string {
	var names []string
	for _, f := range foreign.AllFormats() {
		names = append(names, f.Name)
	}

	return strings.Join(names, ", ")
}

func (im *importRun) importFile(ctx context.Context) error {
	f, err := im.requestedFormat()
	if err != nil {
		return err
	}

	file, err := os.Open(im.request.Path)
	if err != nil {
		return research.Errorf(research.CodeNotFound, "check its permissions", "%s can't be read: %w", im.request.Path,
			err)
	}
	defer file.Close()

	if f == nil || im.request.Columns != "" {
		if f, err = im.detectFormat(f, file); err != nil {
			return err
		}
	}

	if err := im.readLines(ctx, *f, "", file); err != nil {
		return err
	}

	return im.finish(ctx)
}

// detectFormat tells the format from the file's beginning, or takes the columns that the
// request names; forced is the format that it names, nil for none.
func (im *importRun) detectFormat(forced *foreign.Format, file *os.File) (*foreign.Format, error) {
	head, err := io.ReadAll(io.LimitReader(file, foreign.HeadBytes))
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}

	if err != nil {
		return nil, research.Errorf(research.CodeNotFound, "give a file that can be read", "%s can't be read: %w",
			im.request.Path, err)
	}

	if im.request.Columns == "" {
		found, err := foreign.DetectFormat(im.answer.Source, head)
		if err != nil {
			return nil, im.unknownFormatError(err)
		}

		return &found, nil
	}

	if forced != nil && !forced.HasColumns() {
		return nil, research.Errorf(research.CodeBadArgument, "leave --columns out",
			"the format %s has its own columns", forced.Name)
	}

	columns, err := foreign.ParseColumns(im.request.Columns)
	if err != nil {
		return nil, research.Errorf(research.CodeBadArgument,
			"write it as --columns metric=COLUMN,status=COLUMN,note=COLUMN,better=lower", "--columns: %w", err)
	}

	found, err := foreign.UseColumns(im.answer.Source, head, columns)
	if err != nil {
		return nil, im.unknownFormatError(err)
	}

	return &found, nil
}

// unknownFormatError says how a format that Detect did not find can be given.
func (im *importRun) unknownFormatError(why error) error {
	source := im.answer.Source

	if unclear := (*foreign.UnclearError)(nil); errors.As(why, &unclear) {
		return research.Errorf(research.CodeBadArgument, im.proposeColumns(unclear.Proposal),
			"it is not clear how to read %s: %w", source, why)
	}

	if errors.Is(why, foreign.ErrEmpty) {
		return research.Errorf(research.CodeBadArgument, "import it when it has lines", "%s is empty", source)
	}

	return research.Errorf(research.CodeBadArgument,
		"say which with --format: "+formatNames()+" (`ratchet import --help` tells how each is known)",
		"the format of %s is unknown: %w", source, why)
}

// proposeColumns is the command line that says which columns hold what, as far as that can be told.
func (im *importRun) proposeColumns(columns foreign.Columns) string {
	hint := ""
	if columns.Metric == "" {
		columns.Metric, hint = "COLUMN", " with the metric's column for COLUMN"
	}

	name := im.answer.Source
	if strings.ContainsAny(name, " '\"\\$&;()") {
		name = "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
	}

	return fmt.Sprintf("if it is a list of experiments: `ratchet import %s --columns %s`%s", name, columns, hint)
}

func (im *importRun) importFolder(ctx context.Context) error {
	forced, err := im.requestedFormat()
	if err != nil {
		return err
	}
	root := os.DirFS(im.request.Path)

	sources, skipped, err := foreign.FindSources(root, filepath.Base(im.request.Path))
	if err != nil {
		return research.Errorf(research.CodeBadArgument, "name one of its files", "the folder %s can't be imported: %w",
			im.request.Path, err)
	}

	for _, s := range skipped {
		im.answer.Skipped = append(im.answer.Skipped, SkippedFile{s.Path, s.Why})
	}

	for _, s := range sources {
		if forced != nil && s.Format.Name != forced.Name {
			im.answer.Skipped = append(im.answer.Skipped, SkippedFile{s.Path, "its format is " + s.Format.Name})
			continue
		}

		if err := im.openSource(ctx, root, s); err != nil {
			return err
		}
	}

	if im.answer.Files == 0 {
		return research.Errorf(research.CodeBadArgument,
			"name a file, with --format where it can't be told: "+formatNames(), "no file of a known format is in %s",
			im.request.Path)
	}

	return im.finish(ctx)
}

func (im *importRun) openSource(ctx context.Context, root fs.FS, s foreign.Source) error {
	file, err := root.Open(s.Path)
	if err != nil {
		return research.Errorf(research.CodeNotFound, "check its permissions", "%s can't be read: %w", s.Path, err)
	}
	defer file.Close()

	return im.readLines(ctx, s.Format, s.Path, file)
}

// readLines reads one file's lines, and records them batch by batch. path is within the
// imported folder, "" for a single file. Errors: CodeStorage when reading fails.
func (im *importRun) readLines(ctx context.Context, f foreign.Format, path string, input io.Reader) error {
	im.answer.Files++
	if !strings.Contains(", "+strings.Join(im.formats, ", ")+",", ", "+f.Name+",") {
		im.formats = append(im.formats, f.Name)
	}
	im.answer.Format = strings.Join(im.formats, ", ")

	name := im.answer.Source
	if path != "" {
		name += "/" + path
	}
	err := f.ReadItems(name, input, func(item foreign.Item) error {
		im.addItem(f.Name, path, item)

		if len(im.batch) < importLines && im.size < importBytes {
			return nil
		}

		return im.flush(ctx)
	})

	var e *research.Error
	if err != nil && !errors.As(err, &e) {
		return research.Errorf(research.CodeStorage, "repeat the call: what was recorded is not recorded again",
			"reading %s failed: %w", name, err)
	}

	return err
}

// addItem counts a line and puts it into the batch.
func (im *importRun) addItem(format, path string, item foreign.Item) {
	imported := history.Import{Source: im.answer.Source, Path: path, Format: format, LineNumber: item.Number,
		Part: item.Part, Kind: string(item.Kind), Broken: item.Broken, Metric: item.Metric,
		Better: research.Direction(item.Better), Unit: item.Unit, Value: item.Value, Status: item.Status,
		Description: item.Description, Commit: item.Commit, Note: item.Note}
	imported.SetText(item.Text)
	im.batch, im.size = append(im.batch, imported), im.size+len(item.Text)
	im.answer.Lines++

	switch imported.Kind {
	case history.ImportRun:
		im.answer.countRun(&imported)
	case history.ImportBroken:
		im.answer.Broken++
		if len(im.answer.Told) < importTold {
			im.answer.Told = append(im.answer.Told,
				BrokenLine{imported.Place(), imported.Broken, wording.PlainLine(wording.Clip(imported.Line, 80))})
		}
	case history.ImportHeader:
		if note := imported.Note; note != "" && !slices.Contains(im.answer.Notes, note) &&
			len(im.answer.Notes) < importTold {
			im.answer.Notes = append(im.answer.Notes, note)
		}
	case history.ImportOther:
		im.answer.Other++
	}
}

// countRun counts a run, by its metric and by its status.
func (a *ImportAnswer) countRun(run *history.Import) {
	metric := history.ImportMetric{Name: run.Metric, Better: run.Better, Unit: run.Unit}

	i := slices.IndexFunc(a.Metrics, func(m MetricRuns) bool { return m.ImportMetric == metric })
	if i < 0 {
		i = len(a.Metrics)
		a.Metrics = append(a.Metrics, MetricRuns{ImportMetric: metric})
	}
	a.Runs++
	a.Metrics[i].Runs++

	if run.Value != nil {
		a.Valued++
		a.Metrics[i].Valued++
	}

	if j := slices.IndexFunc(a.Statuses, func(s StatusRuns) bool { return s.Status == run.Status }); j >= 0 {
		a.Statuses[j].Runs++
	} else if len(a.Statuses) < importTold {
		a.Statuses = append(a.Statuses, StatusRuns{run.Status, 1})
	}
}

// flush records the new lines of the batch in one transaction, and empties it. Without a
// campaign it keeps them for keepWaiting.
func (im *importRun) flush(ctx context.Context) error {
	if im.campaign == "" {
		if err := im.appendWaiting(); err != nil {
			return err
		}
		im.forgetBatch()

		return nil
	}

	added, replaced := 0, 0

	err := im.checkout.UpdateCampaign(ctx, im.campaign,
		func(tx *ledger.Tx, now *history.Campaign, session string) error {
			added, replaced = 0, 0
			n := now.Imported

			for i := range im.batch {
				imported := im.batch[i]

				was, same := tx.ImportedAt(im.campaign, &imported)
				if same {
					before, err := tx.Imported(im.campaign, was)
					if err != nil {
						return err
					}

					if before.ReadsLike(&imported) {
						continue
					}
				}

				n++

				imported.N, imported.Replaces = n, was
				if _, err := tx.Append(history.Entry{Campaign: im.campaign, Session: session,
					Kind: history.KindHistoryImported, Key: imported.Key(), Body: imported}); err != nil {
					return err
				}

				if added++; was > 0 {
					replaced++
				}
			}

			return nil
		})
	if err != nil {
		return err
	}
	im.answer.Added, im.answer.Replaced = im.answer.Added+added, im.answer.Replaced+replaced
	im.forgetBatch()

	return nil
}

// forgetBatch empties the batch, and tells how far the import is.
func (im *importRun) forgetBatch() {
	im.batch, im.size = im.batch[:0], 0
	if im.request.Seen != nil {
		im.request.Seen(im.answer.Lines)
	}
}

// finish records the last batch, and counts what was known.
func (im *importRun) finish(ctx context.Context) error {
	err := im.flush(ctx)
	if err == nil && im.campaign == "" {
		err = im.keepWaiting()
	}
	im.answer.Known = im.answer.Lines - im.answer.Added

	slices.SortStableFunc(im.answer.Statuses, func(a, b StatusRuns) int { return b.Runs - a.Runs })

	return err
}
