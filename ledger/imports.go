package ledger

import (
	"ratchet/internal/research"
	"ratchet/internal/research/history"
)

// ImportedAt is the number of the line that was imported last from i's place in
// its source, 0 if none was; same says whether its text was i's.
func (t *Tx) ImportedAt(campaign string, i *history.Import) (n int, same bool) {
	place, ok := history.ParseImportPlace(t.s.get(bucketImportLines, keyOf(campaign, i.LineKey())))
	return place.N, ok && place.Digest == string(i.Digest())
}

// Imported returns an imported line; research.CodeNotFound when there is none.
func (t *Tx) Imported(campaign string, n int) (*history.Import, error) {
	seq := t.s.get(bucketImports, numberKey(campaign, n))
	if seq == nil {
		return nil, research.Errorf(research.CodeNotFound, "`ratchet log --imported` lists them",
			"the campaign %q has no imported line %d", campaign, n)
	}

	imports, err := decodeBodies[history.Import](t, []uint64{trailingNumber(seq)})
	if err != nil {
		return nil, err
	}

	return &imports[0], nil
}

// Imports returns a page of imported lines, newest first, and the cursor of the
// next page, "" at the end, as Experiments does; q.Status and q.Verdict are not looked at.
// Lines that the source has changed since are left out.
func (t *Tx) Imports(campaign string, q Query) ([]history.Import, string, error) {
	m := newMatcher(t.s, list{bucketImports, keyPrefix(campaign)})
	if q.Text != "" {
		m = newMatcher(t.s, wordLists(bucketImportText, campaign, q.Text)...)
	}

	return collectPage(m, q, func(n int) (*history.Import, bool, error) {
		imported, err := t.Imported(campaign, n)
		if err != nil {
			return nil, false, err
		}
		current, _ := t.ImportedAt(campaign, imported)

		return imported, current == imported.N, nil
	})
}

// ImportsLike is ExperimentsLike for imported lines.
func (t *Tx) ImportsLike(campaign, text string, limit int) []int {
	return textIndex{t.s, bucketImportText, campaign}.findSharing(text, limit)
}

// ImportSources returns what lines were imported from, by name.
func (t *Tx) ImportSources(campaign string) ([]history.ImportSource, error) {
	return readStates[history.ImportSource](t.s, bucketImportSources, keyPrefix(campaign))
}

// ImportPage returns lines of one file (Import.File) as they stand there now, in
// order, after the line and part of after (nil: from the first on): about 256
// KiB, none only at the end.
func (t *Tx) ImportPage(campaign, file string, after *history.Import) ([]history.Import, error) {
	pre := keyPrefix(campaign, file)

	from := pre
	if after != nil {
		from = keyOf(campaign, after.LineKey()) + "\x00"
	}

	var page []history.Import
	var size int
	var err error

	t.s.scan(bucketImportLines, pre, from, func(_, place []byte) bool {
		var imported *history.Import
		if imported, err = t.Imported(campaign, trailingInt(place)); err != nil {
			return false
		}
		page = append(page, *imported)
		size += len(imported.Text())

		return len(page) < pageRecords && size < pageBytes
	})

	return page, err
}
