package source

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Diff is the unified diff from commit a to b at paths (none: everywhere), as
// stored, without renames, external tools or colours. Past maxBytes (0: no
// limit) it is cut at a line's end and says so in a last line.
func (o *Objects) Diff(ctx context.Context, a, b string, paths []string, maxBytes int) (string, error) {
	args := []string{"diff-tree", "-r", "-p", "-U3", "--inter-hunk-context=0", "--no-ext-diff", "--no-textconv",
		"--no-renames", "--no-color", "--src-prefix=a/", "--dst-prefix=b/", "--submodule=short",
		"--ignore-submodules=none", "--end-of-options", a, b, "--"}

	limit := 0
	if maxBytes > 0 {
		limit = maxBytes + 1
	}

	out, err := o.run(ctx, invocation{limit: limit}, append(args, paths...)...)
	if err != nil {
		return "", err
	}

	if maxBytes <= 0 || len(out) <= maxBytes {
		return strings.ToValidUTF8(string(out), "\uFFFD"), nil
	}

	out = out[:bytes.LastIndexByte(out[:maxBytes], '\n')+1]

	return strings.ToValidUTF8(string(out), "\uFFFD") + fmt.Sprintf("… cut after %d bytes\n", len(out)), nil
}

// parseLineCounts reads a line of --numstat: lines added, lines removed, path. A
// binary file has dashes, which count nothing.
func parseLineCounts(line string) (added, removed int, path string, err error) {
	columns := strings.SplitN(line, "\t", 3)
	if len(columns) != 3 {
		return 0, 0, "", fmt.Errorf("read git's line counts: %q", line)
	}

	path = columns[2]
	if columns[0] == "-" {
		return 0, 0, path, nil
	}

	added, err = strconv.Atoi(columns[0])
	if err == nil {
		removed, err = strconv.Atoi(columns[1])
	}

	if err != nil {
		return 0, 0, "", fmt.Errorf("read git's line counts: %w", err)
	}

	return added, removed, path, nil
}
