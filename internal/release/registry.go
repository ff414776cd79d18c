package release

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Owner stands in server.json where the publishing account's name goes: the
// registry gives a namespace to who proves to own it, so that is said at release.
const Owner = "OWNER"

// Listing is the MCP registry's server.json (schema of 2025-12-11), as far as
// Ratchet uses it.
type Listing struct {
	Schema      string     `json:"$schema"`
	Name        string     `json:"name"`
	Title       string     `json:"title"`
	Description string     `json:"description"`
	Repository  Repository `json:"repository"`
	Version     string     `json:"version"`
	Packages    []Package  `json:"packages"`
}

// Repository is where the sources are.
type Repository struct {
	URL    string `json:"url"`
	Source string `json:"source"`
}

// Package is one thing to download and run.
type Package struct {
	RegistryType string    `json:"registryType"`
	Identifier   string    `json:"identifier"` // the bundle's address
	Version      string    `json:"version"`
	SHA256       string    `json:"fileSha256"`
	Transport    Transport `json:"transport"`
}

// Transport is how a client talks to the server.
type Transport struct {
	Type string `json:"type"`
}

// ReadListing reads server.json; a key that Listing lacks is an error.
func ReadListing(path string) (Listing, error) {
	var l Listing
	return l, readJSON(path, &l)
}

// BuildListing builds the listing of a release: the owner's name in, and one package for
// each bundle, with the digest of its bytes. A bundle's file name must be that
// of the template's package but for its version. The owner is "" for a trial.
func BuildListing(template Listing, owner, version string, bundles []string) ([]byte, error) {
	l := template
	if owner != "" {
		l.Name = strings.ReplaceAll(l.Name, Owner, owner)
		l.Repository.URL = strings.ReplaceAll(l.Repository.URL, Owner, owner)
	}
	l.Version, l.Packages = version, nil

	for _, bundle := range bundles {
		content, err := os.ReadFile(bundle)
		if err != nil {
			return nil, fmt.Errorf("read the bundle: %w", err)
		}

		at, err := url.JoinPath(l.Repository.URL, "releases/download", "v"+version, filepath.Base(bundle))
		if err != nil {
			return nil, fmt.Errorf("make the bundle's address: %w", err)
		}
		sum := sha256.Sum256(content)
		l.Packages = append(l.Packages, Package{RegistryType: "mcpb", Identifier: at, Version: version,
			SHA256: hex.EncodeToString(sum[:]), Transport: Transport{"stdio"}})
	}

	return encodeJSON(l)
}
