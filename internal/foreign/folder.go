package foreign

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// Source is one file that can be imported.
type Source struct {
	Path   string // slash-separated, within the folder
	Format Format
}

const (
	folderFiles = 100_000 // of a folder that are looked at
	folderDepth = 10
)

// ErrManyFiles is the error of FindSources where it would have to leave some out.
var ErrManyFiles = fmt.Errorf("it has more than %d files that could be logs", folderFiles)

// Skipped is a file whose name promises a log, and that is not read.
type Skipped struct {
	Path string
	Why  string
}

// FindSources finds the files of known formats and layouts in a folder, in the order
// of their names. Of pi's two layouts the current one wins where it has a log;
// of several checkpoints of one evolution the newest. What else goes by the
// name of a log is skipped, with the reason; files of other names are passed
// over. root is the folder's own name, which says something too (.research). A
// folder that can't be read is an error.
func FindSources(fsys fs.FS, root string) (found []Source, skipped []Skipped, err error) {
	names, err := listCandidates(fsys, root)
	if err != nil {
		return nil, nil, err
	}

	names, skipped = dropOutdated(names)
	for _, name := range names {
		f, why, err := detectFile(fsys, root, name)
		switch {
		case err != nil:
			return nil, nil, err
		case why != "":
			skipped = append(skipped, Skipped{name, why})
		default:
			found = append(found, Source{name, f})
		}
	}

	return found, skipped, nil
}

var skippedFolders = map[string]bool{".git": true, "node_modules": true, ".venv": true, "artifacts": true}

var likelyLog = compileLazily(`(?i)(^|[_/.])(results|autoresearch|log|rigor_ledger|events|exec_output)\.(tsv|csv|jsonl)$|_results\.[tc]sv$|(^|[/_-])results[\w.-]*\.[tc]sv$|(^|/)\.research/|(^|/)programs/[^/]+\.json$|/results/(metrics|correct)\.json$|/outputs/step_\d+\.out\.txt$|(^|/)[GHECL]-\d+\.md$|(^|/)O-\d+\.json$|(^|/)programs\.jsonl?$`)

// listCandidates returns the files whose names are ones that some format uses.
func listCandidates(fsys fs.FS, root string) (names []string, err error) {
	err = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (skippedFolders[d.Name()] || strings.Count(name, "/") >= folderDepth):
			return fs.SkipDir
		case d.Type().IsRegular() && likelyLog().MatchString(path.Join(root, name)):
			names = append(names, name)
		}

		if len(names) > folderFiles {
			return ErrManyFiles
		}

		return nil
	})

	return names, err
}

// detectFile gives a file's format, or why it has none that is known.
func detectFile(fsys fs.FS, root, name string) (f Format, why string, err error) {
	file, err := fsys.Open(name)
	if err != nil {
		return f, "", err
	}
	defer file.Close()

	head, err := io.ReadAll(io.LimitReader(file, HeadBytes))
	if err != nil {
		return f, "", err
	}

	if f, err = DetectFormat(path.Join(root, name), head); err != nil {
		why = err.Error()
		if unclear := (*UnclearError)(nil); errors.As(err, &unclear) {
			why += "; name it alone, with --columns"
		}

		return f, why, nil
	}

	return f, "", nil
}

var checkpoint = compileLazily(`^(.*/|)checkpoints?_(\d+)/`)

// dropOutdated drops the files for which a newer one in the folder stands.
func dropOutdated(names []string) (left []string, skipped []Skipped) {
	auto := map[string]bool{}  // folders with pi's current layout
	newest := map[string]int{} // folders of checkpoints

	for _, name := range names {
		if dir, base := path.Split(name); strings.HasSuffix(dir, ".auto/") && base == "log.jsonl" {
			auto[strings.TrimSuffix(dir, ".auto/")] = true
		}

		if m := checkpoint().FindStringSubmatch(name); m != nil {
			n, _ := strconv.Atoi(m[2])
			newest[m[1]] = max(newest[m[1]], n)
		}
	}

	for _, name := range names {
		dir, base := path.Split(name)

		m := checkpoint().FindStringSubmatch(name)
		if base == "autoresearch.jsonl" && auto[dir] {
			skipped = append(skipped, Skipped{name,
				".auto/log.jsonl stands for it; import it by its name if it holds more"})
			continue
		}

		if m != nil {
			if n, _ := strconv.Atoi(m[2]); n != newest[m[1]] {
				skipped = append(skipped, Skipped{name, "there is a newer checkpoint"})
				continue
			}
		}

		left = append(left, name)
	}

	return left, skipped
}
