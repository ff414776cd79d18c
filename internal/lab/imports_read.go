package lab

import (
	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// similarImports are the imported lines that say the same as text.
func similarImports(co *checkout.Checkout, tx *ledger.Tx, c *history.Campaign, text string) ([]similarity, error) {
	if c.Imported == 0 {
		return nil, nil
	}
	var found []similarity

	for _, n := range tx.ImportsLike(c.Name, text, similarExamined) {
		i, err := tx.Imported(c.Name, n)
		if err != nil {
			return nil, err
		}

		now, _ := tx.ImportedAt(c.Name, i)
		if share, same := research.CompareTexts(text, i.Description); same && now == n && i.Kind != history.ImportHeader {
			found = append(found, similarity{i.Place(), checkout.DescribeImport(i), share})
		}
	}
	found = mostSimilar(found)

	return found[:min(len(found), 1)], nil
}
