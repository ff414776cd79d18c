package tools

import (
	"fmt"
	"strconv"
)

const (
	maxRows  = 100
	maxBytes = 16 << 10
)

// pageText shows a long text from the byte offset that in.Cursor gives.
func pageText(name, text string, in logIn, then string) (Answer, error) {
	text = Clean(text)

	from, err := strconv.Atoi("0" + in.Cursor)
	if err != nil || from > len(text) {
		return Answer{}, refuse("take the cursor of the last page", "the cursor %q is not one of this text",
			oneLine(in.Cursor, 20))
	}

	return fit(bytesFor(in), bytesFor(in), func(n int) (Answer, error) {
		part := cutHead(text[from:], n)

		fields := []field{{key: "view", val: name}, {key: "text", val: part, line: part}}
		if len(part) < len(text[from:]) {
			part = part[:len(part)-len("…")]
			cursor := strconv.Itoa(from + len(part))
			fields[1] = field{key: "text", val: part, line: part}
			then = fmt.Sprintf(`read_log{view:%q,query:%q,cursor:%q} for the rest`, name, in.Query, cursor)
			fields = append(fields, field{key: "cursor", val: cursor})
		}

		return buildAnswer(1<<30, append(fields, nextStep(then))...), nil
	})
}

// fit calls page with n, and with less until its answer has at most limit bytes.
func fit(limit, n int, page func(n int) (Answer, error)) (Answer, error) {
	for {
		a, err := page(n)

		size := max(len(a.Text), len(a.Structured))
		if err != nil || size <= limit || n <= 1 {
			return a, err
		}
		n = max(1, min(n-1, n*limit/size-n/50))
	}
}

// bytesFor is the size of an answer whose limit is in bytes.
func bytesFor(in logIn) int {
	if in.Limit == 0 {
		return Limit
	}

	return min(max(in.Limit, 512), maxBytes)
}

// rowsLimit is the size of an answer whose limit is in rows of at most row bytes.
func rowsLimit(in logIn, row int) int {
	if in.Limit == 0 {
		return Limit
	}

	return max(Limit, 512+row*min(in.Limit, maxRows))
}

// orRows is how many rows are asked for.
func orRows(in logIn, otherwise int) int {
	if in.Limit == 0 {
		return otherwise
	}

	return min(in.Limit, maxRows)
}
