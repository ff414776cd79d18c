package release

import (
	"cmp"
	"debug/elf"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// RequiredGlibc returns the newest version of glibc's interface that an ELF binary asks for
// ("2.34"), "" for a binary that needs none. It runs where that version, or a
// newer one, is installed.
func RequiredGlibc(binary string) (string, error) {
	f, err := elf.Open(binary)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", filepath.Base(binary), err)
	}
	defer f.Close()

	symbols, err := f.ImportedSymbols()
	if err != nil {
		return "", nil // no dynamic section: a static binary
	}

	newest := ""
	for _, s := range symbols {
		if v, ok := strings.CutPrefix(s.Version, "GLIBC_"); ok && compareVersions(v, newest) > 0 {
			newest = v
		}
	}

	return newest, nil
}

// compareVersions orders versions made of numbers and dots.
func compareVersions(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(x, y string) int {
		m, _ := strconv.Atoi(x)
		n, _ := strconv.Atoi(y)

		return cmp.Compare(m, n)
	})
}

// IsNewer says whether version a, of numbers and dots, is newer than b.
func IsNewer(a, b string) bool { return compareVersions(a, b) > 0 }
