package worker

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/research/history"
)

// A stamp says in full what a cached folder is made from, a fact a line. The folder
// is named by the stamp's hash, and holds it; it is used only while it holds the
// stamp that is wanted, and made again otherwise.
type stamp string

// with is the stamp with one more fact. A value is quoted, so none can look like two.
func (s stamp) with(fact, value string) stamp { return s + stamp(fmt.Sprintf("%s %q\n", fact, value)) }

// has says whether the stamp has this fact.
func (s stamp) has(fact, value string) bool {
	return strings.Contains("\n"+string(s), "\n"+string(stamp("").with(fact, value)))
}

// name is a name for what is made from all this and from nothing else.
func (s stamp) name() string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// isIn says whether the file holds exactly this stamp.
func (s stamp) isIn(file string) bool {
	text, err := os.ReadFile(file)
	return err == nil && string(text) == string(s)
}

// write makes the file hold the stamp. It is not durable: half a stamp is none.
func (s stamp) write(file string) error {
	if err := os.WriteFile(file, []byte(s), 0o666); err != nil {
		return fmt.Errorf("stamp a folder of the workspace: %w", err)
	}

	return nil
}

// stampFile is the stamp of a folder that appears as a whole, or the mark that what
// fills it bit by bit has come to its end.
func stampFile(dir string) string { return filepath.Join(dir, "stamp") }

// stamps are those of the folders of a workspace.
type stamps struct {
	campaign stamp // of everything in it: this very campaign, of this very repository, and its start
	base     stamp // of the start's files
	setup    stamp // of what the contract's setup made
	version  stamp // of every version, but for its tree
}

// newStamps are the stamps of a campaign's workspace. Commands write the paths at which
// they run into what they make, so each checkout has its own setup and versions.
func newStamps(co *checkout.Checkout, repository string, campaign *history.Campaign) stamps {
	start := stamp("").
		with("repository", repository).
		with("git directory", co.Repo.CommonDir()).
		with("campaign", campaign.Name).
		with("campaign id", campaign.ID).
		with("started", campaign.StartedAt.UTC().Format(time.RFC3339Nano)).
		with("start", campaign.Start).
		with("start tree", campaign.StartTree)
	built := start.with("contract", campaign.Digest).with("checkout", co.Repo.Root())

	return stamps{campaign: start, base: start.with("folder", "base"), setup: built.with("folder", "setup"),
		version: built.with("folder", "version")}
}

// versionOf is the stamp of the version with this tree.
func (s stamps) versionOf(tree string) stamp { return s.version.with("tree", tree) }
