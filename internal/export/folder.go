package export

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
)

// folder is what an export writes that is not a stream: one file or more for each
// campaign and for each of its decided experiments, the start being the first.
type folder struct {
	Format    string `json:"format"`
	Folder    string `json:"folder"`
	Campaigns int    `json:"campaigns"`
	Runs      int    `json:"experiments"` // decided ones; the starts are not counted
	usual     string // name that the other program expects
	begin     func(history.Campaign) error
	run       func(row) error
}

// writeFolder makes the folder of --out and writes the selected campaigns there.
func (w *writer) writeFolder(ctx context.Context, f *folder) error {
	if w.Dir == "" {
		return research.Errorf(research.CodeBadArgument, "name the folder: --out "+f.usual, "%s is a folder of files",
			f.Format)
	}

	if w.From != 0 || !w.Since.IsZero() {
		return research.Errorf(research.CodeBadArgument, "leave it out", "%s is written whole: --since can't be used",
			f.Format)
	}

	all, err := w.listCampaigns(ctx)
	if err != nil {
		return err
	}

	if err := os.Mkdir(f.Folder, 0o777); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return research.Errorf(research.CodeConflict, "name another folder, or move that one away",
				"%s exists already", w.Dir)
		}

		return research.Errorf(research.CodeStorage, "check the folder's permissions", "%s can't be written: %w", w.Dir,
			err)
	}

	for _, c := range all {
		if err := w.writeCampaign(ctx, c, f); err != nil {
			return err
		}
	}

	if !w.JSON {
		return nil
	}
	enc := json.NewEncoder(w.out)
	enc.SetIndent("", "  ")

	return enc.Encode(f)
}

func (w *writer) writeCampaign(ctx context.Context, campaign history.Campaign, f *folder) error {
	f.Campaigns++
	if err := f.begin(campaign); err != nil {
		return err
	}

	if campaign.Baseline != nil {
		if err := f.run(startRow(campaign)); err != nil {
			return err
		}
	}

	return w.eachRow(ctx, campaign, nil, func(r row) error {
		f.Runs++
		return f.run(r)
	})
}

// startRow is a campaign's start as if it were its experiment 0.
func startRow(campaign history.Campaign) row {
	return row{Experiment: history.Experiment{Proposal: history.Proposal{N: 0, Hypothesis: "the start",
		Candidate: campaign.Start}, Status: research.Kept,
		ProposedAt: campaign.StartedAt, Commit: campaign.Start, Judgement: &rules.Judgement{Value: campaign.Baseline}}}
}

// runName is what an experiment is called in other programs.
func (r row) runName() string {
	if r.N == 0 {
		return "start"
	}

	return string(r.Job())
}

func unwritten(err error) error {
	return research.Errorf(research.CodeStorage, "free some space, remove the folder and repeat",
		"the folder can't be written: %w", err)
}

// newFile writes a file and the folders above it.
func newFile(text []byte, path ...string) error {
	name := filepath.Join(path...)

	err := os.MkdirAll(filepath.Dir(name), 0o777)
	if err == nil {
		err = os.WriteFile(name, text, 0o666)
	}

	if err != nil {
		return unwritten(err)
	}

	return nil
}
