package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
)

// A binding is the name of a formula, or the name of a value in a record:
//
//	r57.0123456789abcdef:gain:/gain
//
// record 57, whose hash begins so; how the value is shown; where it stands in
// the record's body (a JSON pointer, "" for all of it).

const hashShown = 16 // hex digits of a record's hash in a binding

// formatBinding makes the binding of a value in a record.
func formatBinding(r Ref, as, path string) string {
	return fmt.Sprintf("r%d.%s:%s:%s", r.Seq, r.Hash[:min(hashShown, len(r.Hash))], as, path)
}

type binding struct {
	seq      uint64
	hash     string
	as, path string
}

// parseBinding reads a binding of a record. false: it is none.
func parseBinding(s string) (b binding, ok bool) {
	parts := strings.SplitN(s, ":", 3)
	if len(parts) != 3 || !strings.HasPrefix(parts[0], "r") {
		return b, false
	}
	seq, hash, found := strings.Cut(parts[0][1:], ".")

	n, err := strconv.ParseUint(seq, 10, 64)
	if err != nil || !found || len(hash) != hashShown {
		return b, false
	}

	return binding{n, hash, parts[1], parts[2]}, true
}

// Source is the ledger, as a check reads it.
type Source interface {
	// Record is one record, checked against its own hash.
	Record(seq uint64) (history.Record, error)
	// Facts are the campaign's, as of the head that the report names.
	Facts() (*Facts, error)
}

var errNoFigure = errors.New("the ledger has no such figure")

// resolveBinding derives a binding's text afresh, and how it may be shown.
func resolveBinding(src Source, facts *Facts, bound string) (string, error) {
	b, ok := parseBinding(bound)
	if !ok {
		if s, ok := deriveNamed(facts, bound); ok {
			return s, nil
		}

		return "", errNoFigure
	}

	if b.seq > facts.Head.Seq {
		return "", fmt.Errorf("record %d is younger than the report", b.seq)
	}

	rec, err := src.Record(b.seq)
	switch {
	case err != nil:
		return "", fmt.Errorf("record %d can't be read: %w", b.seq, err)
	case !strings.HasPrefix(rec.Hash, b.hash):
		return "", fmt.Errorf("record %d is not the one that the report was made from", b.seq)
	case rec.Campaign != facts.Campaign.Name:
		return "", fmt.Errorf("record %d is of the campaign %q", b.seq, rec.Campaign)
	}

	var body any
	if err := json.Unmarshal(rec.Body, &body); err != nil {
		return "", fmt.Errorf("record %d can't be decoded: %w", b.seq, err)
	}

	v, ok := valueAt(body, b.path)
	if !ok {
		return "", fmt.Errorf("record %d has nothing at %s", b.seq, b.path)
	}

	s, err := formatBound(b.as, v, scaleAt(body, b.path), toldMetric(&facts.Campaign))
	if err != nil {
		return "", fmt.Errorf("record %d, %s: %w", b.seq, b.path, err)
	}

	return s, nil
}

// valueAt returns the value at a JSON pointer without escapes.
func valueAt(v any, path string) (any, bool) {
	for _, key := range strings.Split(path, "/")[1:] {
		switch x := v.(type) {
		case map[string]any:
			inner, ok := x[key]
			if !ok {
				return nil, false
			}
			v = inner
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(x) || strconv.Itoa(i) != key {
				return nil, false
			}
			v = x[i]
		default:
			return nil, false
		}
	}

	return v, true
}

// scaleAt returns the scale of the gain at path: the one beside it, else the record's.
func scaleAt(body any, path string) string {
	scale, ok := valueAt(body, path[:max(0, strings.LastIndexByte(path, '/'))]+"/scale")
	if !ok {
		scale, _ = valueAt(body, "/scale")
	}

	return fmt.Sprint(scale)
}

// formatBound writes a decoded value the way that a binding asks for.
func formatBound(as string, v any, scale string, metric contract.Metric) (string, error) {
	var raw []byte

	var err error
	if raw, err = json.Marshal(v); err != nil {
		return "", err
	}
	decode := func(into any) error { return json.Unmarshal(raw, into) }

	switch as {
	case "x":
		var n int
		err = decode(&n)

		return fmt.Sprintf("x%d", n), err
	case "gain":
		var g research.Interval
		err = decode(&g)

		return formatGain(metric, g, scale), err
	case "judged":
		var judgement rules.Judgement
		err = decode(&judgement)

		return judgement.DescribeChange(metric), err
	case "measured":
		var end rules.MeasurementEnd
		err = decode(&end)

		return end.DescribeChange(metric), err
	case "certificate":
		var certificate rules.Certificate
		err = decode(&certificate)

		return certificate.DescribeChange(metric), err
	case "pairs", "edits", "commits":
		var n int
		if list, ok := v.([]any); ok {
			n = len(list)
		} else {
			err = decode(&n)
		}

		return formatCount(n, as[:len(as)-1]+"|"+as), err
	case "outof":
		var made history.Finalization
		err = decode(&made)

		return formatDropped(&made), err
	case "xs":
		var ns []int
		err = decode(&ns)

		return formatExperiments(ns), err
	case "lines":
		var proposal history.Proposal
		err = decode(&proposal)

		return formatLines(proposal.Added, proposal.Removed), err
	case "paths":
		var paths []string
		err = decode(&paths)

		return formatPaths(paths), err
	}

	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("it is not text")
	}

	return formatBoundText(as, s)
}

// formatBoundText writes a text the way that a binding asks for: cut to a number of
// characters, or as a commit's short name.
func formatBoundText(as, s string) (string, error) {
	switch as {
	case "commit":
		return shortCommit(s), nil
	case "branch":
		return shortBranch(s), nil
	}

	n, err := strconv.Atoi(strings.TrimPrefix(as, "text"))
	if err != nil || !strings.HasPrefix(as, "text") || n < 8 || n > 1000 {
		return "", fmt.Errorf("there is no way %q to show it", as)
	}

	return cleanText(s, n), nil
}
