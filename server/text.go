package server

import (
	"strings"

	"ratchet/tools"
)

// excerpt is a text of a client's as errors and logs may have it: no control
// characters, not long.
func excerpt(text string) string { return cutText(tools.Clean(text), 200) }

// cutText cuts a text of more than most bytes, and marks the cut.
func cutText(text string, most int) string {
	if len(text) <= most {
		return text
	}

	return strings.ToValidUTF8(text[:most], "") + "…"
}

// clipName is a client's name or version as records and logs may have it: one
// line, not long.
func clipName(name string) string {
	name = strings.Join(strings.Fields(tools.Clean(name)), " ")
	if len(name) > maxClientName {
		name = strings.ToValidUTF8(name[:maxClientName], "")
	}

	return name
}
