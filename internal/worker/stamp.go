package worker

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

// origin is what everything in the workspace is made from: this very campaign, of
// this very repository, and its start.
func (ws *workspace) origin() stamp {
	campaign := ws.campaign

	return stamp("").
		with("repository", ws.repository).
		with("git directory", ws.co.Repo.CommonDir()).
		with("campaign", campaign.Name).
		with("campaign id", campaign.ID).
		with("started", campaign.StartedAt.String()).
		with("start", campaign.Start).
		with("start tree", campaign.StartTree)
}

// baseStamp is of the start's tree.
func (ws *workspace) baseStamp() stamp { return ws.origin().with("holds", "the start's files") }

// builtStamp is of what a command of the contract makes. Commands write the paths at
// which they run into what they make, so each checkout has its own.
func (ws *workspace) builtStamp() stamp {
	return ws.origin().with("contract", ws.campaign.Digest).with("checkout", ws.co.Repo.Root())
}

// setupStamp is of what the contract's setup made.
func (ws *workspace) setupStamp() stamp { return ws.builtStamp().with("holds", "what the setup made") }

// versionStamp is of the version with this tree.
func (ws *workspace) versionStamp(tree string) stamp { return ws.builtStamp().with("tree", tree) }
