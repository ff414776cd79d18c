// Command run is what .goreleaser.yaml and the Makefile call at a release:
//
//	run bundle BINARY VERSION TIME OUT.mcpb   (TIME: seconds since 1970, of the commit)
//	run listing VERSION OWNER OUT.json BUNDLE…   (OWNER: "" for a trial)
//	run glibc BINARY NEWEST   (fails if the binary asks for a newer glibc)
//
// Templates are read from the working folder's repository: see -root.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"ratchet/internal/release"
)

func main() {
	root := flag.String("root", ".", "the repository's folder")
	flag.Parse()

	if err := run(*root, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(root string, args []string) error {
	switch {
	case len(args) == 5 && args[0] == "bundle":
		return bundle(root, args[1], args[2], args[3], args[4])
	case len(args) >= 5 && args[0] == "listing":
		template, err := release.ReadListing(filepath.Join(root, "server.json"))
		if err != nil {
			return err
		}

		text, err := release.BuildListing(template, args[2], args[1], args[4:])
		if err != nil {
			return err
		}

		return os.WriteFile(args[3], text, 0o644)
	case len(args) == 3 && args[0] == "glibc":
		return glibc(args[1], args[2])
	}

	return fmt.Errorf("wrong arguments %q; see the package's documentation", args)
}

func bundle(root, binary, version, at, out string) error {
	manifest, err := release.ReadManifest(filepath.Join(root, "internal/release/manifest.json"))
	if err != nil {
		return err
	}

	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return fmt.Errorf("read the time: %w", err)
	}

	program, err := os.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("read the binary: %w", err)
	}

	licence, err := os.ReadFile(filepath.Join(root, "LICENSE"))
	if err != nil {
		return fmt.Errorf("read the licence: %w", err)
	}

	var text bytes.Buffer
	if err := release.WriteBundle(&text, manifest, version, program, licence, time.Unix(seconds, 0).UTC()); err != nil {
		return err
	}

	return os.WriteFile(out, text.Bytes(), 0o644)
}

func glibc(binary, newest string) error {
	needs, err := release.RequiredGlibc(binary)
	if err != nil {
		return err
	}

	if release.IsNewer(needs, newest) {
		return fmt.Errorf("%s needs glibc %s, and the packages promise %s", binary, needs, newest)
	}

	return nil
}
