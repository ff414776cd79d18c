package importer

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/foreign"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
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
		Path   string          // a file, or a folder with files of known formats
		Format string          // "" to detect it
		Seen   func(lines int) // gets the lines read so far after each transaction; may be nil
	}
	// ImportAnswer is what an import found. Lines = Added + Known.
	ImportAnswer struct {
		Campaign string        `json:"campaign"`
		Source   string        `json:"source"`
		Format   string        `json:"format"` // of several, with commas
		Files    int           `json:"files"`
		Lines    int           `json:"lines"`
		Added    int           `json:"added"`
		Replaced int           `json:"replaced,omitempty"` // of the added: the line at this place was another
		Known    int           `json:"known"`              // imported before
		Runs     int           `json:"runs"`
		Valued   int           `json:"runs_with_value"`
		Broken   int           `json:"broken"`
		Told     []BrokenLine  `json:"broken_lines,omitempty"` // the first ones
		Skipped  []SkippedFile `json:"skipped,omitempty"`
	}
	// BrokenLine is a line that was kept, and not understood.
	BrokenLine struct {
		Place string `json:"place"` // results.tsv:12
		Why   string `json:"why"`
	}
	// SkippedFile is a file of an imported folder that was left out.
	SkippedFile struct {
		Path string `json:"path"`
		Why  string `json:"why"`
	}
)

// Import records every line of another program's log, as it stands there, in
// the checkout's campaign. A line that is there already is not recorded again,
// so a log that grows can be imported again and again. Errors: CodeBadArgument
// (unknown format, nothing to import), CodeNotFound (no such file); what was
// recorded before an error stays, and the call can be repeated.
func Import(ctx context.Context, co *checkout.Checkout, req ImportRequest) (*ImportAnswer, error) {
	campaign, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}

	info, err := os.Stat(req.Path)
	if err != nil {
		return nil, research.Errorf(research.CodeNotFound, "give a file, or a folder that holds one",
			"%s can't be read: %w", req.Path, err)
	}

	im := &importRun{checkout: co, campaign: campaign.Name, request: req,
		answer: &ImportAnswer{Campaign: campaign.Name, Source: co.SourceName(req.Path)}}
	if info.IsDir() {
		err = im.importFolder(ctx)
	} else {
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

	if f == nil {
		head, err := io.ReadAll(io.LimitReader(file, foreign.HeadBytes))
		if err == nil {
			_, err = file.Seek(0, io.SeekStart)
		}

		if err != nil {
			return research.Errorf(research.CodeNotFound, "give a file that can be read", "%s can't be read: %w",
				im.request.Path, err)
		}

		found, err := foreign.DetectFormat(im.answer.Source, head)
		if err != nil {
			return unknownFormatError(im.answer.Source, err)
		}
		f = &found
	}

	if err := im.readLines(ctx, *f, "", file); err != nil {
		return err
	}

	return im.finish(ctx)
}

// unknownFormatError says how a format that Detect did not find can be given.
func unknownFormatError(source string, why error) error {
	if errors.Is(why, foreign.ErrEmpty) {
		return research.Errorf(research.CodeBadArgument, "import it when it has lines", "%s is empty", source)
	}

	return research.Errorf(research.CodeBadArgument,
		"say which with --format: "+formatNames()+" (`ratchet import --help` tells how each is known)",
		"the format of %s is unknown: %w", source, why)
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
		Better: research.Direction(item.Better), Value: item.Value, Status: item.Status, Description: item.Description,
		Commit: item.Commit, Note: item.Note}
	imported.SetText(item.Text)
	im.batch, im.size = append(im.batch, imported), im.size+len(item.Text)
	im.answer.Lines++

	switch imported.Kind {
	case history.ImportRun:
		im.answer.Runs++
		if imported.Value != nil {
			im.answer.Valued++
		}
	case history.ImportBroken:
		im.answer.Broken++
		if len(im.answer.Told) < importTold {
			im.answer.Told = append(im.answer.Told, BrokenLine{imported.Place(), imported.Broken})
		}
	}
}

// flush records the new lines of the batch in one transaction, and empties it.
func (im *importRun) flush(ctx context.Context) error {
	added, replaced := 0, 0

	err := im.checkout.UpdateCampaign(ctx, im.campaign,
		func(tx *ledger.Tx, now *history.Campaign, session string) error {
			added, replaced = 0, 0
			n := now.Imported

			for i := range im.batch {
				imported := im.batch[i]

				was, same := tx.ImportedAt(im.campaign, &imported)
				if same {
					continue
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

	im.batch, im.size = im.batch[:0], 0
	if im.request.Seen != nil {
		im.request.Seen(im.answer.Lines)
	}

	return nil
}

// finish records the last batch, and counts what was known.
func (im *importRun) finish(ctx context.Context) error {
	err := im.flush(ctx)
	im.answer.Known = im.answer.Lines - im.answer.Added

	return err
}
