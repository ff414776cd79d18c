package view

import (
	"context"
	"slices"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/importer"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

type (

	// ImportPage is a page of imported lines, newest first, and where they are from.
	ImportPage struct {
		Campaign string
		Total    int
		Sources  []history.ImportSource
		Lines    []history.Import
		Next     string // cursor of the next page, "" at the end
	}
)

// ListImports is a page of what was imported into the checkout's campaign.
func ListImports(ctx context.Context, co *checkout.Checkout, query Query) (*ImportPage, error) {
	campaign, err := job.CurrentReaped(ctx, co)
	if research.HasCode(err, research.CodeNoCampaign) && co.Campaign() == "" {
		return listWaiting(co, query, err)
	}

	if err != nil {
		return nil, err
	}
	page := &ImportPage{Campaign: campaign.Name, Total: campaign.Imported}
	err = co.Ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		if page.Sources, err = tx.ImportSources(campaign.Name); err != nil {
			return err
		}
		page.Lines, page.Next, err = tx.Imports(campaign.Name,
			ledger.Query{Text: query.Text, Cursor: query.Cursor, Limit: query.Limit})

		return err
	})

	return page, err
}

// listWaiting is a page of what was imported before there was a campaign, as far as it has
// room; noCampaign where nothing was.
func listWaiting(co *checkout.Checkout, query Query, noCampaign error) (*ImportPage, error) {
	lines, err := importer.ReadWaiting(co)
	if err != nil {
		return nil, err
	}

	if len(lines) == 0 {
		return nil, noCampaign
	}
	page := &ImportPage{Total: len(lines)}

	for i := range lines {
		if n := len(page.Sources); n == 0 || page.Sources[n-1].Source != lines[i].Source {
			page.Sources = append(page.Sources, history.ImportSource{})
		}
		page.Sources[len(page.Sources)-1].Add(&lines[i])
	}

	for _, imported := range slices.Backward(lines) {
		if len(page.Lines) < query.Limit && strings.Contains(strings.ToLower(imported.Searched()),
			strings.ToLower(query.Text)) {
			page.Lines = append(page.Lines, imported)
		}
	}

	return page, nil
}

// ReadOriginal calls f with the text of each line that was imported from a file, in
// order: joined, they are the file as it was imported. A file of a folder is
// named by FOLDER/PATH; "" is the only file that there is. Errors: CodeNotFound,
// with the names that there are.
func ReadOriginal(ctx context.Context, co *checkout.Checkout, campaign, file string, f func(text []byte) error) error {
	var sources []string
	asked := file

	for after := (*history.Import)(nil); ; {
		var page []history.Import

		err := co.Ledger.View(ctx, func(tx *ledger.Tx) error {
			if after == nil {
				all, err := tx.ImportSources(campaign)
				if err != nil {
					return err
				}

				for _, s := range all {
					sources = append(sources, s.Source)
				}

				if file == "" && len(sources) == 1 {
					file = sources[0]
				}
			}
			var err error
			page, err = tx.ImportPage(campaign, file, after)

			return err
		})
		if err == nil && len(page) == 0 && after == nil {
			if as := co.SourceName(file); file == asked && asked != "" && as != asked { // as it was named to import
				file = as
				continue
			}

			return notImportedError(campaign, asked, sources)
		}

		if err != nil || len(page) == 0 {
			return err
		}

		for i := range page {
			if err := f(page[i].Text()); err != nil {
				return err
			}
		}
		after = &page[len(page)-1]
	}
}

func notImportedError(campaign, file string, sources []string) error {
	switch {
	case len(sources) == 0:
		return research.Errorf(research.CodeNotFound, "`ratchet import FILE` imports one",
			"nothing was imported into the campaign %q", campaign)
	case file == "":
		return research.Errorf(research.CodeBadArgument, "name one with --source: "+strings.Join(sources, ", "),
			"several sources were imported into the campaign %q", campaign)
	}

	return research.Errorf(research.CodeNotFound,
		"name one with --source: "+strings.Join(sources, ", ")+"; a file of a folder as FOLDER/PATH",
		"%q is not a file that was imported into the campaign %q", file, campaign)
}
