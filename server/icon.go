package server

import (
	_ "embed"
	"encoding/base64"
)

//go:embed icon.svg
var iconSVG []byte

// iconURI is the server's picture as a data URI, some 250 bytes, sent once in a
// session. Tools have none: it would cost every list ten times as much, and no
// model sees it.
func iconURI() string {
	return "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString(iconSVG)
}
