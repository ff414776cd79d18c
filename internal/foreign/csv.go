package foreign

import (
	"encoding/csv"
	"errors"
	"strings"
	"unicode"
)

// maxColumnName is how many bytes the name of a column has at most; a longer first field
// is a sentence with commas.
const maxColumnName = 40

// withTabs returns the beginning of a source as a table with tabs, and its separator; lines
// that can't be split are left out. What is no CSV file comes back as it is, with 0.
func withTabs(head string) (text string, separator rune) {
	separator = findSeparator(head)
	if separator == 0 {
		return head, 0
	}

	var out strings.Builder

	for line := range strings.Lines(head) {
		if line, err := joinWithTabs(strings.TrimRight(line, "\r\n"), separator); err == nil {
			out.WriteString(line + "\n")
		}
	}

	return out.String(), separator
}

// decodeCSV returns a table's decoder for lines with another separator than the tab.
func decodeCSV(decode decoder, separator rune) decoder {
	return func(line string) (Entry, error) {
		joined, err := joinWithTabs(line, separator)
		if err != nil {
			return Entry{}, err
		}

		return decode(joined)
	}
}

// findSeparator returns the separator of a CSV file, a comma or a semicolon; 0 where the
// text is none, or has tabs.
func findSeparator(head string) rune {
	first := strings.TrimSpace(head)
	if strings.HasPrefix(first, "{") || strings.HasPrefix(first, "[") {
		return 0
	}

	for _, separator := range ",;" {
		if isTable(readRows(head, separator, 2)) {
			return separator
		}
	}

	return 0
}

// readRows splits the first lines that are neither blank nor comments, n at most; it ends
// at one that can't be split.
func readRows(head string, separator rune, n int) (rows [][]string) {
	for line := range strings.Lines(head) {
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}

		fields, err := splitFields(line, separator)
		if err != nil {
			return rows
		}

		if rows = append(rows, fields); len(rows) == n {
			return rows
		}
	}

	return rows
}

// isTable says whether the first two rows are a header and a row of as many fields. A
// header alone is one if it has no blanks, as a sentence has.
func isTable(rows [][]string) bool {
	switch {
	case len(rows) == 0 || !isHeader(rows[0]):
		return false
	case len(rows) == 1:
		return !strings.ContainsFunc(strings.Join(rows[0], ""), unicode.IsSpace)
	}

	return len(rows[1]) == len(rows[0])
}

// isHeader says whether fields can be names of columns: three or more short ones, all
// different, none of them a number.
func isHeader(fields []string) bool {
	seen := map[string]bool{}

	for _, field := range fields {
		name := strings.ToLower(strings.TrimSpace(field))
		if name == "" || len(name) > maxColumnName || seen[name] || strings.ContainsAny(name, "\t{}[]:=") ||
			strings.ContainsAny(name[:1], "0123456789.-") {
			return false
		}
		seen[name] = true
	}

	return len(fields) >= 3
}

// splitFields splits a line of a CSV file.
func splitFields(line string, separator rune) ([]string, error) {
	in := csv.NewReader(strings.NewReader(line))
	in.Comma = separator

	fields, err := in.Read()
	if err != nil {
		return nil, errors.New("its quotation marks are not those of a CSV file, or a field has a line break in it")
	}

	return fields, nil
}

// joinWithTabs writes a line of a CSV file with tabs between its fields, as the formats
// read it; a comment stays as it is.
func joinWithTabs(line string, separator rune) (string, error) {
	if strings.HasPrefix(line, "#") {
		return line, nil
	}

	fields, err := splitFields(line, separator)
	if err != nil {
		return "", err
	}

	for i, field := range fields {
		fields[i] = strings.ReplaceAll(field, "\t", " ")
	}

	return strings.Join(fields, "\t"), nil
}
