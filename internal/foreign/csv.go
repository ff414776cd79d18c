package foreign

import (
	"encoding/csv"
	"errors"
	"slices"
	"strings"
	"unicode"
)

// maxColumnName is how many bytes the name of a column has at most; a longer first field
// is a sentence with commas.
const maxColumnName = 40

// findComma returns what parts the fields of a table that is not parted by tabs: a comma
// or a semicolon; 0 where the text is no such table. The first line that is not a comment
// has names in it, and the next one has as many fields; a line alone has no blanks.
func findComma(head string) rune {
	for _, comma := range ",;" {
		var rows [][]string

		for line := range strings.Lines(head) {
			line = strings.TrimRight(line, "\r\n")
			if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
				continue
			}

			fields, err := splitFields(line, comma)
			if err != nil {
				break
			}

			if rows = append(rows, fields); len(rows) == 2 {
				break
			}
		}

		switch {
		case len(rows) == 0 || !isHeader(rows[0]):
		case len(rows) == 2 && len(rows[1]) == len(rows[0]):
			return comma
		case len(rows) == 1 && !strings.ContainsFunc(strings.Join(rows[0], ""), unicode.IsSpace):
			return comma // no rows yet, and no sentence
		}
	}

	return 0
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

// splitFields splits a line of a table that a comma, or a semicolon, parts.
func splitFields(line string, comma rune) ([]string, error) {
	in := csv.NewReader(strings.NewReader(line))
	in.Comma, in.FieldsPerRecord = comma, -1

	fields, err := in.Read()
	if err != nil {
		return nil, errors.New("its quotation marks are not those of a CSV file, or a field goes on over lines")
	}

	return fields, nil
}

// partByTabs writes a line of such a table with tabs between its fields, as the formats
// read it; comments stay as they are.
func partByTabs(line string, comma rune) (string, error) {
	if strings.HasPrefix(line, "#") {
		return line, nil
	}

	fields, err := splitFields(line, comma)
	if err != nil {
		return "", err
	}

	for i, field := range fields {
		fields[i] = strings.ReplaceAll(field, "\t", " ")
	}

	return strings.Join(fields, "\t"), nil
}

// decodeCSV is a table's decoder for lines that comma parts.
func decodeCSV(decode decoder, comma rune) decoder {
	return func(line string) (Entry, error) {
		parted, err := partByTabs(line, comma)
		if err != nil {
			return Entry{}, err
		}

		return decode(parted)
	}
}

// withTabs is the beginning of a source, parted by tabs; lines that can't be parted are
// left out. A source that has tabs is left alone.
func withTabs(head string) (parted string, comma rune) {
	first, _, _ := strings.Cut(strings.TrimLeft(head, "\r\n\t "), "\n")
	if strings.Contains(first, "\t") || slices.Contains([]byte("{["), (first + " ")[0]) {
		return head, 0
	}

	if comma = findComma(head); comma == 0 {
		return head, 0
	}

	var out strings.Builder

	for line := range strings.Lines(head) {
		if text, err := partByTabs(strings.TrimRight(line, "\r\n"), comma); err == nil {
			out.WriteString(text + "\n")
		}
	}

	return out.String(), comma
}
