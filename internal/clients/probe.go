package clients

import (
	"regexp"
	"strings"
)

// trimBearer is the token of an Authorization header's value.
func trimBearer(auth string) string { return strings.TrimPrefix(auth, "Bearer ") }

// variableReference is how clients write an environment variable.
var variableReference = regexp.MustCompile(`\$\{(?:env:)?(\w+)\}|\{env:(\w+)\}|\$(\w+)`)

// BearerToken is the bearer token that the client would send: the entry's, with
// environment variables read by getenv. "" if there is none.
func (e Entry) BearerToken(getenv func(string) string) string {
	return trimBearer(variableReference.ReplaceAllStringFunc(e.Auth, func(s string) string {
		return getenv(strings.Trim(strings.TrimPrefix(strings.Trim(s, "${}"), "env:"), "{}"))
	}))
}
