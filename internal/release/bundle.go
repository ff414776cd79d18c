package release

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"ratchet/tools"
)

// Manifest is an MCP bundle's manifest.json (MCPB, manifest version 0.3), as
// far as Ratchet uses it. The template in manifest.json leaves out Version and
// Tools, which Bundle fills in.
type Manifest struct {
	ManifestVersion  string        `json:"manifest_version"`
	Name             string        `json:"name"`
	DisplayName      string        `json:"display_name"`
	Version          string        `json:"version"`
	Description      string        `json:"description"`
	LongDescription  string        `json:"long_description"`
	Author           Author        `json:"author"`
	License          string        `json:"license"`
	Keywords         []string      `json:"keywords"`
	Server           Server        `json:"server"`
	Tools            []Tool        `json:"tools"`
	PromptsGenerated bool          `json:"prompts_generated"`
	UserConfig       UserConfig    `json:"user_config"`
	Compatibility    Compatibility `json:"compatibility"`
}

// Author is who made it.
type Author struct {
	Name string `json:"name"`
}

// Server says what the host starts.
type Server struct {
	Type       string  `json:"type"`
	EntryPoint string  `json:"entry_point"` // the binary's path in the bundle
	Command    Command `json:"mcp_config"`
}

// Command is a command line; the host puts the bundle's folder for
// ${__dirname} and what the user chose for ${user_config.KEY}.
type Command struct {
	Command string            `json:"command"`
	Args    []string          `json:"args"`
	Env     map[string]string `json:"env"`
}

// Tool is a tool's name and description, shown before anything is installed.
type Tool struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

// UserConfig is what the host asks the user for: a host that is not an editor has
// no folder open, so the repository must be named.
type UserConfig struct {
	Repository Setting `json:"repository"`
}

// Setting is one question.
type Setting struct {
	Type        string `json:"type"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Required    bool   `json:"required"`
}

// Compatibility names the platforms by Node's words.
type Compatibility struct {
	Platforms []string `json:"platforms"`
}

// ReadManifest reads the template; a key that Manifest lacks is an error.
func ReadManifest(path string) (Manifest, error) {
	var m Manifest
	return m, readJSON(path, &m)
}

// WriteBundle writes the MCP bundle (a zip) of a Linux binary: manifest.json, the
// binary at the manifest's entry point, and the licence. Every file has the
// time when, which must be in UTC. The version is without a leading v.
func WriteBundle(out io.Writer, m Manifest, version string, binary, licence []byte, when time.Time) error {
	m.Version, m.Tools = version, nil
	for _, t := range tools.All() {
		m.Tools = append(m.Tools, Tool{t.Name, t.About})
	}

	manifest, err := encodeJSON(m)
	if err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	z := zip.NewWriter(out)

	for _, f := range []struct {
		name string
		mode os.FileMode
		data []byte
	}{
		{"manifest.json", 0o644, manifest},
		{m.Server.EntryPoint, 0o755, binary},
		{"LICENSE", 0o644, licence},
	} {
		head := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: when}
		head.SetMode(f.mode)

		to, err := z.CreateHeader(head)
		if err != nil {
			return fmt.Errorf("add %s to the bundle: %w", f.name, err)
		}

		if _, err := to.Write(f.data); err != nil {
			return fmt.Errorf("add %s to the bundle: %w", f.name, err)
		}
	}

	return z.Close()
}

func readJSON(path string, v any) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()

	if err := d.Decode(v); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}

	return nil
}

// encodeJSON is indented JSON with < and > as they are, for people to read.
func encodeJSON(v any) ([]byte, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)

	return text.Bytes(), err
}
