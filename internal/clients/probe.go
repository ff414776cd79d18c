package clients

import (
	"regexp"
	"strings"
)

// bearer is the token of an Authorization header's value.
func bearer(auth string) string { return strings.TrimPrefix(auth, "Bearer ") }

// reference is how clients write an environment variable.
var reference = regexp.MustCompile(`\$\{(?:env:)?(\w+)\}|\{env:(\w+)\}|\$(\w+)`)

// Token is the bearer token that the client would send: the entry's, with
// environment variables read by getenv. "" if there is none.
func (e Entry) Token(getenv func(string) string) string {
	return bearer(reference.ReplaceAllStringFunc(e.Auth, func(s string) string {
		return getenv(strings.Trim(strings.TrimPrefix(strings.Trim(s, "${}"), "env:"), "{}"))
	}))
}
