package release_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v4"

	"ratchet/internal/release"
)

var schemaFile = flag.String("schema", "", "the MCP registry's server.schema.json, to hold server.json against")

const root = "../.."

// config is what the tests read of .goreleaser.yaml.
type config struct {
	Name   string `yaml:"project_name"`
	Builds []struct {
		ID, Main, Binary    string
		Goos, Goarch        []string
		Env, Flags, Ldflags []string
		Hooks               struct{ Post []string }
	}
	Archives []struct {
		IDs   []string `yaml:"ids"`
		Files []struct{ Src string }
	}
	NFPMs []struct {
		IDs          []string `yaml:"ids"`
		Package      string   `yaml:"package_name"`
		Dependencies []string
		Contents     []struct{ Src string }
	} `yaml:"nfpms"`
}

func readText(t *testing.T, name string) string {
	t.Helper()

	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}

	return string(b)
}

func readConfig(t *testing.T) (c config) {
	t.Helper()

	if err := yaml.Unmarshal([]byte(readText(t, ".goreleaser.yaml")), &c); err != nil {
		t.Fatal(err)
	}

	return c
}

func readTemplates(t *testing.T) (release.Listing, release.Manifest) {
	t.Helper()

	l, err := release.ReadListing(filepath.Join(root, "server.json"))
	if err != nil {
		t.Fatal(err)
	}

	m, err := release.ReadManifest("manifest.json")
	if err != nil {
		t.Fatal(err)
	}

	return l, m
}

// TestNamesAgree: one program, one command, one description, in every file.
func TestNamesAgree(t *testing.T) {
	c := readConfig(t)

	l, m := readTemplates(t)
	if _, name, _ := strings.Cut(l.Name, "/"); name != c.Name || m.Name != c.Name || c.NFPMs[0].Package != c.Name {
		t.Errorf("names: %q in server.json, %q in manifest.json, %q in .goreleaser.yaml", l.Name, m.Name, c.Name)
	}

	if want := "${__dirname}/" + m.Server.EntryPoint; m.Server.Command.Command != want {
		t.Errorf("the bundle starts %q, want its entry point %q", m.Server.Command.Command, want)
	}

	if want := []string{"mcp", "-C", "${user_config.repository}"}; !slices.Equal(m.Server.Command.Args, want) {
		t.Errorf("the bundle's arguments are %q, want %q", m.Server.Command.Args, want)
	}

	if !strings.HasPrefix(m.Description, l.Description) {
		t.Errorf("descriptions differ:\n%s\n%s", l.Description, m.Description)
	}

	container := readText(t, "Containerfile")
	for _, want := range []string{`io.modelcontextprotocol.server.name="` + l.Name + `"`, `CMD ["mcp"]`,
		`ENTRYPOINT ["ratchet"]`, "./cmd/ratchet"} {
		if !strings.Contains(container, want) {
			t.Errorf("the Containerfile lacks %s", want)
		}
	}
}

// TestVersionsAgree: every build is told version, commit and date, in the
// variables that main has; templates hold no version of their own.
func TestVersionsAgree(t *testing.T) {
	c := readConfig(t)
	l, m := readTemplates(t)
	mainText := readText(t, "cmd/ratchet/main.go")
	told := regexp.MustCompile(`-X main\.(\w+)=`)

	want := []string{"version", "commit", "date"}
	for _, name := range want {
		if !regexp.MustCompile(`(?m)^var .*\b` + name + `\b`).MatchString(mainText) {
			t.Errorf("main has no variable %s", name)
		}
	}

	flags := map[string]string{"Makefile": readText(t, "Makefile"), "Containerfile": readText(t, "Containerfile")}
	for _, b := range c.Builds {
		flags[b.ID] = strings.Join(b.Ldflags, " ")
		if b.Main != "./cmd/ratchet" || b.Binary != c.Name || !slices.Contains(b.Flags, "-trimpath") {
			t.Errorf("build %s: %+v", b.ID, b)
		}
	}

	for where, f := range flags {
		var got []string
		for _, m := range told.FindAllStringSubmatch(f, -1) {
			got = append(got, m[1])
		}

		if !slices.Equal(got, want) {
			t.Errorf("%s tells the linker %q, want %q", where, got, want)
		}
	}

	if l.Version != "0.0.0" || m.Version != "" {
		t.Errorf("templates have the versions %q and %q: a release puts its own in", l.Version, m.Version)
	}
}

// TestPlatformsAgree: linux, darwin and windows on two architectures; bundles
// and packages for those that can run experiments; one build with cgo.
func TestPlatformsAgree(t *testing.T) {
	c := readConfig(t)
	l, m := readTemplates(t)
	var plain, bundled, cgo []string

	for _, b := range c.Builds {
		for _, os := range b.Goos {
			for _, arch := range b.Goarch {
				switch on := os + "_" + arch; {
				case slices.Contains(b.Env, "CGO_ENABLED=1"):
					cgo = append(cgo, on)
				default:
					plain = append(plain, on)
					if strings.Contains(strings.Join(b.Hooks.Post, " "), "bundle") {
						bundled = append(bundled, on)
					}
				}
			}
		}
	}
	slices.Sort(plain)

	if want := []string{"darwin_amd64", "darwin_arm64", "linux_amd64", "linux_arm64", "windows_amd64",
		"windows_arm64"}; !slices.Equal(plain, want) {
		t.Errorf("built for %q, want %q", plain, want)
	}

	if !slices.Equal(cgo, []string{"linux_amd64"}) {
		t.Errorf("built with cgo for %q", cgo)
	}
	var listed []string

	for _, p := range l.Packages {
		name := strings.TrimSuffix(p.Identifier[strings.LastIndexByte(p.Identifier, '/')+1:], ".mcpb")
		listed = append(listed, strings.TrimPrefix(name, "ratchet_0.0.0_"))

		if p.RegistryType != "mcpb" || p.Transport.Type != "stdio" || !strings.HasPrefix(p.Identifier,
			l.Repository.URL+"/releases/download/v0.0.0/") {
			t.Errorf("package %+v", p)
		}
	}

	if !slices.Equal(listed, bundled) || !slices.Equal(m.Compatibility.Platforms, []string{"linux"}) {
		t.Errorf("server.json lists %q, bundles are made for %q, the manifest says %q", listed, bundled,
			m.Compatibility.Platforms)
	}
}

// TestPackagedFilesExist: what archives and packages take from the tree is
// there; what they take from dist is made by the Makefile.
func TestPackagedFilesExist(t *testing.T) {
	c := readConfig(t)
	var sources []string

	for _, a := range c.Archives {
		for _, f := range a.Files {
			sources = append(sources, f.Src)
		}
	}

	for _, n := range c.NFPMs {
		for _, f := range n.Contents {
			sources = append(sources, f.Src)
		}

		if !strings.HasPrefix(strings.Join(n.Dependencies, ","), "git ") {
			t.Errorf("the package of %q does not depend on git", n.IDs)
		}
	}
	made := readText(t, "Makefile")

	for _, src := range slices.Compact(slices.Sorted(slices.Values(sources))) {
		if rest, ok := strings.CutPrefix(src, "dist/"); ok {
			dir, name, _ := strings.Cut(rest, "/")
			if !strings.Contains(made, ":= dist/"+dir) || !strings.Contains(name, "*") && !strings.Contains(made,
				")/"+name) {
				t.Errorf("nothing makes %s", src)
			}

			continue
		}

		if found, err := filepath.Glob(filepath.Join(root, src)); err != nil || len(found) == 0 {
			t.Errorf("there is no %s", src)
		}
	}
}

// TestListing holds server.json to the registry's rules that matter here, in our
// own words; with -schema also to the registry's schema (docs/releasing.md).
func TestListing(t *testing.T) {
	l, _ := readTemplates(t)
	if !regexp.MustCompile(`^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$`).MatchString(l.Name) || len(l.Description) > 100 ||
		len(l.Title) > 100 {
		t.Errorf("name %q, %d bytes of description", l.Name, len(l.Description))
	}

	for _, p := range l.Packages {
		if !strings.HasPrefix(p.Identifier, "https://") || !strings.Contains(p.Identifier, "mcp") ||
			!regexp.MustCompile(`^[a-f0-9]{64}$`).MatchString(p.SHA256) {
			t.Errorf("package %+v", p)
		}
	}

	if *schemaFile == "" {
		t.Skip("the registry's schema is not part of this repository: -args -schema FILE")
	}
	var schema jsonschema.Schema
	decodeFile(t, *schemaFile, &schema)

	rules, err := schema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}

	listings := []string{filepath.Join(root, "server.json")}
	if *dist != "" {
		listings = append(listings, filepath.Join(*dist, "server.json"))
	}

	for _, name := range listings {
		var v any
		decodeFile(t, name, &v)

		if err := rules.Validate(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func decodeFile(t *testing.T, name string, v any) {
	t.Helper()

	b, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(b, v)
	}

	if err != nil {
		t.Fatal(err)
	}
}
