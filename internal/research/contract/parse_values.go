package contract

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"ratchet/internal/research"
)

// item reads one text of a list, or says how to write it.
type item func(text string) (value, hint string)

const maxItems = 256

// choice accepts one of the values and names them all otherwise.
func choice[T ~string](to *T, values ...T) reader {
	return func(dec *decoder, key string, node *yaml.Node) {
		s, ok := dec.readScalar(key, node)
		if !ok {
			return
		}

		if i := slices.Index(values, T(s)); i >= 0 {
			*to = values[i]
			return
		}
		dec.faultValue(key, node, validHint(s, values))
	}
}

func validHint[T ~string](s string, values []T) string {
	known := make([]string, len(values))
	for i, v := range values {
		known[i] = string(v)
	}

	hint := "valid: " + strings.Join(known, ", ")
	if meant := research.NearestWord(s, known); meant != "" {
		return fmt.Sprintf("did you mean %q? %s", meant, hint)
	}

	return hint
}

// text accepts a value that item accepts.
func text(to *string, accept item) reader {
	return func(dec *decoder, key string, node *yaml.Node) {
		s, ok := dec.readScalar(key, node)
		if !ok {
			return
		}

		v, hint := accept(s)
		if hint != "" {
			dec.faultValue(key, node, hint)
			return
		}
		*to = v
	}
}

// list accepts a list of texts, or one text; required refuses an empty list.
func list(to *[]string, required bool, accept item) reader {
	return func(dec *decoder, key string, node *yaml.Node) {
		nodes := node.Content
		if node.Kind != yaml.SequenceNode {
			nodes = []*yaml.Node{node}
		}

		switch {
		case required && len(nodes) == 0:
			dec.faultAt(node, "%s is empty; name at least one", key)
		case len(nodes) > maxItems:
			dec.faultAt(node, "%s has %d entries; at most %d are accepted", key, len(nodes), maxItems)
			return
		}

		for _, c := range nodes {
			var v string
			before := len(dec.faults)
			text(&v, accept)(dec, key, c)

			switch {
			case len(dec.faults) > before:
			case slices.Contains(*to, v):
				dec.faultAt(c, "%s names %q twice", key, clipText(v))
			default:
				*to = append(*to, v)
			}
		}
	}
}

// optionalList is a list whose emptiness is not its absence.
func optionalList(to *[]string) reader {
	return func(d *decoder, key string, n *yaml.Node) {
		*to = []string{}
		list(to, false, treePath)(d, key, n)
	}
}

var campaignNameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,47}$`)

func campaignName(to *string) reader {
	return text(to, func(s string) (string, string) {
		if !campaignNameForm.MatchString(s) {
			return "", "use up to 48 of a-z, 0-9 and -, not starting with -"
		}

		return s, ""
	})
}

// metricName accepts what a line METRIC name=value can carry.
func metricName(to *string) reader {
	return text(to, func(s string) (string, string) {
		if len(s) > 100 || strings.ContainsAny(s, `=:"{},`) || strings.ContainsFunc(s, isUnprintable) {
			return "", `use up to 100 characters without blanks and = : , " { }`
		}

		return s, ""
	})
}

func unit(to *string) reader {
	return text(to, func(s string) (string, string) {
		s = strings.TrimSpace(s)
		if len(s) > 32 || strings.ContainsFunc(s, func(r rune) bool { return r != ' ' && isUnprintable(r) }) ||
			strings.ContainsAny(s[:1], "+-.0123456789") {
			return "", "use up to 32 printable characters, not starting with a digit or sign"
		}

		return s, ""
	})
}

// isUnprintable is true of blanks and of everything that has no glyph.
func isUnprintable(r rune) bool { return r == ' ' || !strconv.IsPrint(r) }

// command accepts what sh -c gets. Empty lines at its end don't matter.
func command(to *string) reader {
	return text(to, func(s string) (string, string) {
		if strings.Contains(s, "\x00") || !utf8.ValidString(s) {
			return "", "a command can hold neither NUL nor broken UTF-8"
		}

		return strings.TrimRight(s, "\n"), ""
	})
}

var variableForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func variable(s string) (string, string) {
	if !variableForm.MatchString(s) {
		return "", "list names of variables only, such as HF_HOME; their values come from the environment"
	}

	return s, ""
}

// filePath accepts a file below the program's folder, slash-separated.
func filePath(s string) (string, string) {
	if strings.HasSuffix(s, "/") {
		return "", "name a file, not a folder"
	}

	return plainTreePath(s)
}

// plainTreePath accepts a file or folder below the program's folder, but no pattern.
func plainTreePath(s string) (string, string) {
	if strings.ContainsAny(s, "*?") {
		return "", "name each file; patterns are not accepted"
	}

	return treePath(s)
}

// treePath accepts a file or folder below the program's folder.
func treePath(s string) (string, string) {
	parts := strings.Split(s, "/")

	clean := path.Clean(s)
	switch {
	case isBadText(s):
		return "", "use printable characters only"
	case strings.HasPrefix(s, "/") || strings.HasPrefix(s, "~"):
		return "", "give a path relative to program.md's folder"
	case slices.Contains(parts, ".."):
		return "", "the path must stay below program.md's folder, without .."
	case clean == ".":
		return "", "name something below program.md's folder"
	case slices.ContainsFunc(parts, func(p string) bool { return strings.EqualFold(p, ".git") }):
		return "", "git's own files are out of bounds"
	}

	return clean, ""
}

// outsidePath accepts an absolute path or one from the home folder.
func outsidePath(s string) (string, string) {
	switch {
	case isBadText(s):
		return "", "use printable characters only"
	case !strings.HasPrefix(s, "/") && s != "~" && !strings.HasPrefix(s, "~/"):
		return "", "give an absolute path or one that starts with ~/; what is in the repository is read anyway"
	case slices.Contains(strings.Split(s, "/"), ".."):
		return "", "write the path without .."
	}

	return path.Clean(s), ""
}

func isBadText(s string) bool {
	return len(s) > 4096 || !utf8.ValidString(s) || strings.ContainsFunc(s,
		func(r rune) bool { return r < ' ' || r == 0x7f })
}

func wholeNumber(to *int, lo, hi int) reader {
	return func(dec *decoder, key string, node *yaml.Node) {
		s, ok := dec.readScalar(key, node)
		if !ok {
			return
		}

		v, err := strconv.Atoi(s)
		if err != nil || v < lo || v > hi {
			dec.faultValue(key, node, fmt.Sprintf("give a whole number from %d to %d", lo, hi))
			return
		}
		*to = v
	}
}

func hours(to *float64) reader {
	return func(dec *decoder, key string, node *yaml.Node) {
		s, ok := dec.readScalar(key, node)
		if !ok {
			return
		}

		v, err := parseDecimal(s)
		if err != nil || v <= 0 || v > 100_000 {
			dec.faultValue(key, node, "give a number of hours above 0, such as 10 or 0.5")
			return
		}
		*to = v
	}
}

func optionalNumber(to **float64) reader {
	return func(dec *decoder, key string, node *yaml.Node) {
		s, ok := dec.readScalar(key, node)
		if !ok {
			return
		}

		v, err := parseDecimal(s)
		if err != nil {
			dec.faultValue(key, node, "give a number in the guard's own unit")
			return
		}
		*to = &v
	}
}

// gain accepts an amount that is not negative.
func gain(to *Amount) reader {
	return func(dec *decoder, key string, node *yaml.Node) {
		s, ok := dec.readScalar(key, node)
		if !ok {
			return
		}

		a, err := parseAmount(s)
		if err != nil || a.Value < 0 {
			dec.faultValue(key, node, "give a share such as 0.5% or a bare number, not below 0")
			return
		}
		*to = a
	}
}

func duration(to *Duration, lo, hi time.Duration) reader {
	return func(dec *decoder, key string, node *yaml.Node) {
		s, ok := dec.readScalar(key, node)
		if !ok {
			return
		}
		v, err := time.ParseDuration(s)

		_, bare := parseDecimal(s)
		switch {
		case bare == nil && v == 0:
			dec.faultValue(key, node, fmt.Sprintf("a duration needs a unit: %ss or %sm", clipText(s), clipText(s)))
		case err != nil:
			dec.faultValue(key, node, "give a duration such as 5m, 90s or 1h30m")
		case v < lo || v > hi:
			dec.faultValue(key, node, fmt.Sprintf("give a duration from %s to %s",
				formatDuration(Duration(lo)), formatDuration(Duration(hi))))
		default:
			*to = Duration(v)
		}
	}
}

func size(to *int64, lo, hi int64) reader {
	return func(dec *decoder, key string, node *yaml.Node) {
		s, ok := dec.readScalar(key, node)
		if !ok {
			return
		}

		v, err := parseSize(s)
		switch {
		case err != nil:
			dec.faultValue(key, node, "give a size such as 8GiB, 512MB, 4MiB or plain bytes")
		case v < lo || v > hi:
			dec.faultValue(key, node, fmt.Sprintf("give a size from %s to %s", formatSize(lo), formatSize(hi)))
		default:
			*to = v
		}
	}
}
