package dashboard

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"

	"ratchet/internal/research"
)

// files are index.html, and below assets what it loads: nothing comes from
// another host. What lies in assets is served as it is, without a token.
//
//go:embed index.html assets
var files embed.FS

// pagePolicy lets the page load its own files and ask its own server, nothing else.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// ServeFile sends a file of the page: index.html, or one below assets. Errors:
// CodeNotFound.
func ServeFile(response http.ResponseWriter, request *http.Request, name string) error {
	mediaType := mediaTypeOf(name)

	data, err := fs.ReadFile(files, name)
	if err != nil || mediaType == "" {
		return research.Errorf(research.CodeNotFound, "open /ui/", "the dashboard has no such file")
	}

	sum := sha256.Sum256(data)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`

	header := response.Header()
	header.Set("Content-Security-Policy", pagePolicy)
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-cache") // ask again: a newer binary has newer files
	header.Set("ETag", tag)

	if hasTag(request.Header.Get("If-None-Match"), tag) {
		response.WriteHeader(http.StatusNotModified)
		return nil
	}

	header.Set("Content-Type", mediaType)
	header.Set("Content-Length", strconv.Itoa(len(data)))
	response.WriteHeader(http.StatusOK)

	if request.Method == http.MethodGet {
		_, _ = response.Write(data)
	}

	return nil
}

// hasTag says whether tag is in an If-None-Match header, weak or strong.
func hasTag(header, tag string) bool {
	for known := range strings.SplitSeq(header, ",") {
		if strings.TrimPrefix(strings.TrimSpace(known), "W/") == tag {
			return true
		}
	}

	return false
}

// mediaTypeOf is a file's media type by its name, "" for one that the page never loads.
func mediaTypeOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".json", ".map":
		return "application/json"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".ico":
		return "image/x-icon"
	case ".woff2":
		return "font/woff2"
	case ".txt", ".md":
		return "text/plain; charset=utf-8"
	}

	return ""
}
