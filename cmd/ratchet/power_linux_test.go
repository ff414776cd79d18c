package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ratchet/internal/testform"
	"ratchet/ledger"
)

// A power cut is an image of a disk, taken the moment after an answer: what the
// file system had not been told to write is not on it. Everything that was
// acknowledged must be: the records, the anchor, the outputs, the kept commit and
// the refs. Without the anchor's sync, or an output's, the same demands fail.
func TestPowerCut(t *testing.T) {
	testform.SkipQuick(t, "ledger: TestDamage, TestKilledAppenders")
	t.Parallel()

	if _, err := exec.LookPath("mkfs.ext4"); err != nil || os.Geteuid() != 0 {
		t.Skip("it takes root and mkfs.ext4 to make a disk")
	}

	for name, c := range map[string]struct {
		step, fault string
		want        string
	}{
		"whole":       {"keep", "", ""},
		"anchor.sync": {"keep", "call/anchor.sync:before:skip:1", "the anchor is at record"},
		"git.sync":    {"keep", "call/git.sync:before:skip:1", "the refs are"},
		"file.sync":   {"shorten", "supervise/file.sync:before:skip:1", "output"},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && name != "whole" && name != "anchor.sync" {
				t.Skip("make crash leaves out every sync")
			}

			if name != "whole" {
				testform.SkipQuick(t, "nothing is lost when every sync is made")
			}
			s, image := diskStory(t)

			for _, d := range storySteps {
				fault := ""
				if d.name == c.step {
					fault = c.fault
					s.sync() // what came before is not at stake
				}

				if d.before != nil {
					d.before(s)
				}

				a, err := s.call(fault, d.tool, strings.Replace(d.args, ": 2}", ": 50}", 1))
				if err != nil || a.Error != nil {
					t.Fatal(err, a.text)
				}

				if d.name == c.step {
					break
				}

				if err := d.done(s, a); err != nil {
					t.Fatal(err)
				}
			}

			err := afterCut(t, s, image)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("after the cut: %v", err)
			}
		})
	}
}

// diskStory is a story whose repository lies on a disk of its own.
func diskStory(t *testing.T) (*story, string) {
	t.Helper()

	bin, err := faulty()
	if err != nil {
		t.Fatal(err)
	}
	base := t.TempDir()
	image, mount := filepath.Join(base, "disk"), filepath.Join(base, "mount")

	f, err := os.Create(image)
	if err == nil {
		err = errors.Join(f.Truncate(64<<20), f.Close(), os.Mkdir(mount, 0o777))
	}

	if err != nil {
		t.Fatal(err)
	}

	if out, err := exec.Command("mkfs.ext4", "-q", "-F", image).CombinedOutput(); err != nil {
		t.Skipf("no disk here: %v %s", err, out)
	}
	mounted(t, image, mount)
	env := isolated(filepath.Join(base, "home"))

	s := &story{site: &site{t: t, dir: filepath.Join(mount, "repo"), env: append(os.Environ(), env...)}, bin: bin}
	if err := makeRepo(s.dir, func(k string) string {
		for _, kv := range env {
			if v, ok := strings.CutPrefix(kv, k+"="); ok {
				return v
			}
		}

		return ""
	}); err != nil {
		t.Fatal(err)
	}

	return s, image
}

// mounted mounts a disk for the length of the test.
func mounted(t *testing.T, image, at string) {
	t.Helper()

	if out, err := exec.Command("mount", "-o", "loop,noatime,commit=300", image, at).CombinedOutput(); err != nil {
		t.Skipf("no disk can be mounted here: %v %s", err, out)
	}
	t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
}

// sync makes all that is on the story's disk so far durable.
func (s *story) sync() {
	d, err := os.Open(s.dir)
	if err == nil {
		err = errors.Join(unix.Syncfs(int(d.Fd())), d.Close())
	}

	if err != nil {
		s.t.Fatal(err)
	}
}

// afterCut takes the disk's image and looks at it in another place.
func afterCut(t *testing.T, s *story, image string) error {
	cut, mount := image+".cut", filepath.Join(filepath.Dir(image), "after")

	from, err := os.Open(image)
	if err != nil {
		return err
	}
	defer from.Close()

	to, err := os.Create(cut)
	if err != nil {
		return err
	}

	_, err = io.Copy(to, from)
	if err = errors.Join(err, to.Close(), os.Mkdir(mount, 0o777)); err != nil {
		return err
	}
	mounted(t, cut, mount)
	at := *s.site
	at.dir = filepath.Join(mount, "repo")
	out, err := at.try(ratchet, "--json", "verify", "--recompute")

	var report struct{ Records, Anchor uint64 }
	if err != nil || json.Unmarshal([]byte(out), &report) != nil {
		return fmt.Errorf("verify: %v: %s", err, out)
	}

	if report.Records != report.Anchor {
		err = fmt.Errorf("the anchor is at record %d of %d", report.Anchor, report.Records)
	}

	l, lerr := ledger.Open(filepath.Join(at.dir, ".git", "ratchet", "ledger.db"), ledger.Options{})
	if lerr != nil {
		return lerr
	}

	return errors.Join(err, l.View(t.Context(), func(tx *ledger.Tx) error {
		c, err := tx.Campaign("shrink")
		if err != nil {
			return err
		}

		refs, err := at.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/ratchet/shrink/incumbent",
			c.Branch)
		if want := c.Branch + " " + c.Incumbent + "\nrefs/ratchet/shrink/incumbent " + c.Incumbent; err != nil ||
			refs != want {
			return fmt.Errorf("the refs are %q, want %q, %v", refs, want, err)
		}

		if said, err := at.git("rev-list", "--objects", c.Incumbent); err != nil {
			return fmt.Errorf("%w: %s", err, said)
		}

		return at.stored(l, tx, false)
	}))
}
