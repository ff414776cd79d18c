package tools

import (
	"fmt"
	"strconv"

	"ratchet/internal/render"
)

const (
	maxRows  = 100
	maxBytes = 16 << 10
)

// pageText shows a long text from the byte offset that in.Cursor gives.
func pageText(name, text string, in logIn, then string) (render.Answer, error) {
	text = render.Clean(text)

	from, err := strconv.Atoi("0" + in.Cursor)
	if err != nil || from > len(text) {
		return render.Answer{}, render.Refuse("take the cursor of the last page",
			"the cursor %q is not one of this text", render.OneLine(in.Cursor, 20))
	}

	return fit(bytesFor(in), bytesFor(in), func(n int) (render.Answer, error) {
		part := render.CutHead(text[from:], n)

		fields := []render.Field{{Key: "view", Val: name}, {Key: "text", Val: part, Line: part}}
		if len(part) < len(text[from:]) {
			part = part[:len(part)-len("…")]
			cursor := strconv.Itoa(from + len(part))
			fields[1] = render.Field{Key: "text", Val: part, Line: part}
			then = fmt.Sprintf(`read_log{view:%q,query:%q,cursor:%q} for the rest`, name, in.Query, cursor)
			fields = append(fields, render.Field{Key: "cursor", Val: cursor})
		}

		return render.BuildAnswer(1<<30, append(fields, render.NextStep(then))...), nil
	})
}

// fit calls page with n, and with less until its answer has at most limit bytes.
func fit(limit, n int, page func(n int) (render.Answer, error)) (render.Answer, error) {
	for {
		answer, err := page(n)

		size := max(len(answer.Text), len(answer.Structured))
		if err != nil || size <= limit || n <= 1 {
			return answer, err
		}
		n = max(1, min(n-1, n*limit/size-n/50))
	}
}

// bytesFor is the size of an answer whose limit is in bytes.
func bytesFor(in logIn) int {
	if in.Limit == 0 {
		return render.Limit
	}

	return min(max(in.Limit, 512), maxBytes)
}

// rowsLimit is the size of an answer whose limit is in rows of at most row bytes.
func rowsLimit(in logIn, row int) int {
	if in.Limit == 0 {
		return render.Limit
	}

	return max(render.Limit, 512+row*min(in.Limit, maxRows))
}

// orRows is how many rows are asked for.
func orRows(in logIn, otherwise int) int {
	if in.Limit == 0 {
		return otherwise
	}

	return min(in.Limit, maxRows)
}
