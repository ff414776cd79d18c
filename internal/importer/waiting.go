package importer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"ratchet/internal/atomicfile"
	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
)

// waitingDir holds what was imported before there was a campaign: for each source a file of
// history.Import as JSON lines. It is in the git directory, which all worktrees share.
func waitingDir(co *checkout.Checkout) string { return filepath.Join(co.Ledger.Dir(), "imports") }

// appendWaiting adds the batch to what waits.
func (im *importRun) appendWaiting() error {
	encoder := json.NewEncoder(&im.waiting)

	for i := range im.batch {
		if err := encoder.Encode(&im.batch[i]); err != nil {
			return fmt.Errorf("encode an imported line: %w", err)
		}
	}

	return nil
}

// keepWaiting writes what waits of this source, in place of an earlier import of it.
func (im *importRun) keepWaiting() error {
	sum := sha256.Sum256([]byte(im.answer.Source))
	file := filepath.Join(waitingDir(im.checkout), hex.EncodeToString(sum[:16])+".jsonl")

	err := os.MkdirAll(filepath.Dir(file), 0o777)
	if err == nil {
		err = atomicfile.Write(file, im.waiting.Bytes(), atomicfile.Options{})
	}

	if err != nil {
		return research.Errorf(research.CodeStorage, "free some space, or check the folder's permissions",
			"%s can't be kept: %w", im.answer.Source, err)
	}
	im.answer.Added = im.answer.Lines

	return nil
}

// ReadWaiting returns what was imported before there was a campaign, by source in the
// order of the files, lines in their order; nil where nothing waits.
func ReadWaiting(co *checkout.Checkout) ([]history.Import, error) {
	files, err := filepath.Glob(filepath.Join(waitingDir(co), "*.jsonl"))
	if err != nil {
		return nil, fmt.Errorf("list the waiting imports: %w", err)
	}
	var all []history.Import

	for _, file := range files {
		lines, err := readWaitingFile(file)
		if err != nil {
			return nil, err
		}
		all = append(all, lines...)
	}

	return all, nil
}

func readWaitingFile(file string) ([]history.Import, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, research.Errorf(research.CodeStorage, "check its permissions", "%s can't be read: %w", file, err)
	}
	var lines []history.Import

	for decoder := json.NewDecoder(bytes.NewReader(content)); ; {
		var imported history.Import
		if err := decoder.Decode(&imported); err == io.EOF {
			return lines, nil
		} else if err != nil {
			return nil, research.Errorf(research.CodeStorage, "remove it, and import its source again",
				"%s is damaged: %w", file, err)
		}
		lines = append(lines, imported)
	}
}

// TakeWaiting records in the campaign what was imported before there was one, and says
// what it took, one sentence for each source. What fails stays, and is said; it is no
// reason not to start.
func TakeWaiting(ctx context.Context, co *checkout.Checkout, campaign string) (notes []string) {
	files, _ := filepath.Glob(filepath.Join(waitingDir(co), "*.jsonl")) // the pattern is valid

	for _, file := range files {
		lines, err := readWaitingFile(file)
		if err == nil && len(lines) > 0 {
			err = recordLines(ctx, co, campaign, lines)
		}

		if err == nil {
			err = os.Remove(file)
		}

		switch {
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			notes = append(notes, "what was imported before is not in the campaign: "+research.Describe(err).Msg)
		case len(lines) > 0:
			notes = append(notes, fmt.Sprintf("%s, imported before, is in the campaign: ratchet log --imported",
				lines[0].Source))
		}
	}

	return notes
}

// recordLines records lines as an import of their source does.
func recordLines(ctx context.Context, co *checkout.Checkout, campaign string, lines []history.Import) error {
	im := &importRun{checkout: co, campaign: campaign, answer: &ImportAnswer{}}

	for i := range lines {
		im.batch, im.size = append(im.batch, lines[i]), im.size+len(lines[i].Text())

		if len(im.batch) < importLines && im.size < importBytes {
			continue
		}

		if err := im.flush(ctx); err != nil {
			return err
		}
	}

	return im.flush(ctx)
}
