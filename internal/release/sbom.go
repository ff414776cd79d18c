package release

import (
	"cmp"
	"debug/buildinfo"
	"debug/elf"
	"fmt"
	"io"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/CycloneDX/cyclonedx-go"
)

// SBOM writes a Go binary's bill of materials: CycloneDX 1.6 as JSON, from what
// the Go toolchain recorded in the binary itself. It has no serial number and no
// time, so that two builds of one commit give the same bytes; and no licences,
// which binaries don't record. A glibc that the binary is linked to is a
// component too, with the oldest version that will do.
func SBOM(w io.Writer, binary, version string) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("read the build's record of %s: %w", binary, err)
	}
	self := "pkg:generic/ratchet@" + version
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{Component: &cyclonedx.Component{
		BOMRef: self, Type: cyclonedx.ComponentTypeApplication, Name: "ratchet", Version: version, PackageURL: self,
		Properties: properties(info.Settings),
	}}

	components := []cyclonedx.Component{{
		BOMRef: "std", Type: cyclonedx.ComponentTypeLibrary, Name: "std", Version: info.GoVersion,
		PackageURL: "pkg:golang/std@" + strings.TrimPrefix(info.GoVersion, "go"),
	}}
	for _, d := range info.Deps {
		if d.Replace != nil {
			d = d.Replace
		}

		if d.Version == "" { // a folder of this repository
			continue
		}
		url := "pkg:golang/" + strings.ToLower(d.Path) + "@" + d.Version
		components = append(components, cyclonedx.Component{BOMRef: url, Type: cyclonedx.ComponentTypeLibrary,
			Name: d.Path, Version: d.Version, PackageURL: url})
	}

	if glibc, err := Glibc(binary); err == nil && glibc != "" {
		components = append(components, cyclonedx.Component{BOMRef: "glibc", Type: cyclonedx.ComponentTypeLibrary,
			Name: "glibc", Description: "linked dynamically: " + glibc + " or newer"})
	}

	refs := []string{}
	for _, c := range components {
		refs = append(refs, c.BOMRef)
	}
	bom.Components = &components
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: self, Dependencies: &refs}}
	e := cyclonedx.NewBOMEncoder(w, cyclonedx.BOMFileFormatJSON)
	e.SetPretty(true)

	return e.EncodeVersion(bom, cyclonedx.SpecVersion1_6)
}

// properties are the settings that tell which build this is.
func properties(settings []debug.BuildSetting) *[]cyclonedx.Property {
	var out []cyclonedx.Property

	for _, s := range settings {
		if slices.Contains([]string{"GOOS", "GOARCH", "CGO_ENABLED", "vcs.revision", "-tags"}, s.Key) {
			out = append(out, cyclonedx.Property{Name: "go:" + s.Key, Value: s.Value})
		}
	}

	return &out
}

// Glibc is the newest version of glibc's interface that an ELF binary asks for
// ("2.34"), "" for a binary that needs none. It runs where that version, or a
// newer one, is installed.
func Glibc(binary string) (string, error) {
	f, err := elf.Open(binary)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", filepath.Base(binary), err)
	}
	defer f.Close()

	symbols, err := f.ImportedSymbols()
	if err != nil {
		return "", nil // no dynamic section: a static binary
	}

	newest := ""
	for _, s := range symbols {
		if v, ok := strings.CutPrefix(s.Version, "GLIBC_"); ok && compareVersions(v, newest) > 0 {
			newest = v
		}
	}

	return newest, nil
}

// compareVersions orders versions made of numbers and dots.
func compareVersions(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(x, y string) int {
		m, _ := strconv.Atoi(x)
		n, _ := strconv.Atoi(y)

		return cmp.Compare(m, n)
	})
}

// Newer says whether version a, of numbers and dots, is newer than b.
func Newer(a, b string) bool { return compareVersions(a, b) > 0 }
