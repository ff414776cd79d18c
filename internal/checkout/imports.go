package checkout

import (
	"fmt"
	"path/filepath"
	"strings"

	"ratchet/internal/research/history"
)

// SourceName is a path as the records have it, so that it is the same from
// every folder and, within the repository, in every checkout.
func (co *Checkout) SourceName(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		abs = path
	}

	if real, err := filepath.EvalSymlinks(abs); err == nil {
		abs = real
	}

	if rel, err := filepath.Rel(co.Repo.Root(), abs); err == nil && filepath.IsLocal(rel) {
		return filepath.ToSlash(rel)
	}

	return filepath.ToSlash(abs)
}

// DescribeImport says what an imported line claims, marked as self-reported.
func DescribeImport(imported *history.Import) string {
	parts := []string{imported.Place(), "(self-reported:"}
	if imported.Status != "" {
		parts = append(parts, imported.Status)
	}

	if imported.Value != nil {
		parts = append(parts, strings.TrimSpace(imported.Metric+" "+fmt.Sprint(*imported.Value)))
	}

	if len(parts) == 2 {
		parts = append(parts, "no value")
	}

	return strings.Join(parts, " ") + ")"
}
