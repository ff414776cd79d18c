package house_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// absurdWords are what no reader should meet: a house word for why the runs ended, and a
// percentage with an exponent. "stopped by request" names what a person did.
var absurdWords = regexp.MustCompile(`stopped by (%s|%v|price|looks|futility|cap|screen)|stopped at the screen|` +
	`%\.?[0-9]*[ge] ?%%`)

// TestResultsAreToldInPlainWords: views leave values and changes to the one writer, so
// none of them has a format for these.
func TestResultsAreToldInPlainWords(t *testing.T) {
	for _, dir := range []string{"cmd", "internal", "server", "tools", "prompts", "docs"} {
		err := filepath.WalkDir(filepath.Join("../..", dir), func(path string, entry fs.DirEntry, err error) error {
			isText := strings.HasSuffix(path, ".go") || strings.HasSuffix(path, ".js") || strings.HasSuffix(path, ".md")
			if err != nil || entry.IsDir() || !isText || strings.HasSuffix(path, "_test.go") {
				return err
			}

			content, err := os.ReadFile(path)
			if found := absurdWords.FindString(string(content)); found != "" {
				t.Errorf("%s says %q: wording.Metric and rules.Judgement.Describe have the words", path, found)
			}

			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
