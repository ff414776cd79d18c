package clients

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// signature is what Ratchet writes beside its texts: who wrote them, and what
// they were, so that a person's edits are seen.
var signature = regexp.MustCompile(`ratchet (\S+), sha256:([0-9a-f]{12})`)

func formatSignature(version, text string) string {
	return fmt.Sprintf("ratchet %s, sha256:%s", strings.Join(strings.Fields(version), "_"), shortDigest(text))
}

func shortDigest(text string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(text)))[:12]
}

// normalizeLineEnds is text with the line ends that digests are made of.
func normalizeLineEnds(text []byte) string { return strings.ReplaceAll(string(text), "\r\n", "\n") }

// page is a file of Ratchet's own; its last line is the signature, in a comment.
type page struct {
	render        func(l Loop) string
	begin, finish string // of the comment
}

func (k page) signedText(l Loop) string {
	text := k.render(l)
	return text + k.begin + formatSignature(l.Version, text) + k.finish + "\n"
}

func (k page) readState(text []byte) (ExtraState, error) {
	all := normalizeLineEnds(text)

	at := signature.FindAllStringSubmatchIndex(all, -1)
	if len(at) == 0 {
		return ExtraState{Edited: true}, nil
	}

	// The last signature counts, and nothing may follow its line.
	m := at[len(at)-1]
	line := strings.LastIndexByte(all[:m[0]], '\n') + 1
	_, after, _ := strings.Cut(all[m[1]:], "\n")
	edited := all[m[4]:m[5]] != shortDigest(all[:line]) || strings.TrimSpace(after) != ""

	return ExtraState{Exists: true, Edited: edited, Version: all[m[2]:m[3]]}, nil
}

func (k page) planInstall(plan *Plan, l Loop) error {
	want := []byte(k.signedText(l))
	if plan.Before == nil {
		plan.Action, plan.After, plan.Mode = Added, want, 0o644
		return nil
	}

	f, err := k.readState(plan.Before)
	switch {
	case err != nil:
		return err
	case normalizeLineEnds(plan.Before) == string(want):
		plan.After = plan.Before
	case f.Edited:
		plan.Action, plan.After = Left, plan.Before
	default:
		plan.Action, plan.After, plan.ours = Updated, want, true
	}

	return nil
}

func (k page) planUninstall(plan *Plan) error {
	f, err := k.readState(plan.Before)
	switch {
	case err != nil:
		return err
	case !f.Exists: // somebody else's
	case f.Edited:
		plan.Action = Left
	default:
		plan.Action, plan.After, plan.ours = Deleted, nil, true
	}

	return nil
}

// block is a paragraph at the end of a Markdown file of the person's, between
// two comments; the first has the signature of what stands between them.
type block struct{ render func(l Loop) string }

const blockEnd = "<!-- /ratchet -->"

var blockBegin = regexp.MustCompile(`<!-- ` + signature.String() + ` -->\n`)

func (k block) signedText(l Loop) string {
	text := k.render(l)
	return "<!-- " + formatSignature(l.Version, text) + " -->\n" + text + blockEnd + "\n"
}

// locateBlock is where the block stands in all, which has plain line ends; end is
// after its last line end.
func (k block) locateBlock(all string) (begin, inner, end int, f ExtraState, err error) {
	at := blockBegin.FindAllStringSubmatchIndex(all, -1)
	if len(at) == 0 {
		return 0, 0, 0, f, nil
	}
	begin, inner = at[0][0], at[0][1]

	n := strings.Index(all[inner:], blockEnd)
	if len(at) > 1 || n < 0 {
		return 0, 0, 0, f, uneditableError("Ratchet's block begins twice, or does not end with %s", blockEnd)
	}

	end = inner + n + len(blockEnd)
	if strings.HasPrefix(all[end:], "\n") {
		end++
	}

	return begin, inner, end, ExtraState{Exists: true, Version: all[at[0][2]:at[0][3]],
		Edited: all[at[0][4]:at[0][5]] != shortDigest(all[inner:inner+n])}, nil
}

func (k block) readState(text []byte) (ExtraState, error) {
	_, _, _, f, err := k.locateBlock(normalizeLineEnds(text))
	return f, err
}

func (k block) planInstall(plan *Plan, l Loop) error {
	all := normalizeLineEnds(plan.Before)

	begin, _, end, f, err := k.locateBlock(all)
	switch {
	case err != nil:
		return err
	case f.Exists && f.Edited:
		plan.Action, plan.After = Left, plan.Before
	case f.Exists && all[begin:end] == k.signedText(l):
		plan.After = plan.Before
	case f.Exists:
		plan.Action, plan.After = Updated, k.restoreLineEnds(plan, all[:begin]+k.signedText(l)+all[end:])
		plan.ours = begin == 0 && end == len(all)
	default:
		plan.Action, plan.After = Added, k.restoreLineEnds(plan, appendBlock(all, k.signedText(l)))
	}

	if plan.Before == nil {
		plan.Mode = 0o644
	}

	return nil
}

// appendBlock is the block after the text, with an empty line between them.
func appendBlock(all, text string) string {
	if all != "" && !strings.HasSuffix(all, "\n") {
		all += "\n"
	}

	if all != "" {
		all += "\n"
	}

	return all + text
}

// restoreLineEnds gives text the file's line ends.
func (k block) restoreLineEnds(p *Plan, text string) []byte {
	return []byte(strings.ReplaceAll(text, "\n", lineEnding(p.Before)))
}

func (k block) planUninstall(plan *Plan) error {
	all := normalizeLineEnds(plan.Before)

	begin, _, end, f, err := k.locateBlock(all)
	switch {
	case err != nil || !f.Exists:
		return err
	case f.Edited:
		plan.Action = Left
		return nil
	}

	plan.Action = Removed
	for _, old := range readBackups(plan.File) {
		if normalizeLineEnds(plan.Before) == appendBlock(normalizeLineEnds(old), all[begin:end]) {
			plan.After = old
			return nil
		}
	}

	rest := strings.TrimSuffix(all[:begin], "\n") + all[end:]
	if rest == "" && len(readBackups(plan.File)) == 0 {
		plan.Action, plan.After, plan.ours = Deleted, nil, true
		return nil
	}
	plan.After = k.restoreLineEnds(plan, rest)

	return nil
}

// readBackups are the contents of the file's backups, the newest first.
func readBackups(file string) [][]byte {
	var out [][]byte
	for _, b := range listBackups(file) {
		old, err := os.ReadFile(b)
		if err != nil {
			continue
		}

		if !slices.ContainsFunc(out, func(o []byte) bool { return bytes.Equal(o, old) }) {
			out = append(out, old)
		}
	}

	return out
}
