package main_test

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"ratchet/internal/testform"
	"ratchet/sandbox"
	"ratchet/sandbox/layers"
)

var attackTable = flag.String("attack-table", "",
	"file to which TestAttacks writes how each case ended; then all cases run, as each user in each tier")

// attack is a case of testdata/attacks: a script that makes a repository, does in it what
// must not work, and says in its last line how that ended.
//
//	# kind: what it tries
//	# suite                   it also runs without -attack-table
//	# quiet                   it needs a quiet machine
//	# needs: COMMAND          it can't be tried without this command
//	# open in TIER: REASON    it may work in this tier
type attack struct {
	name, kind, needs string
	inSuite, isQuiet  bool
	open              map[string]string // the reason, by tier
}

// attackWay is how a case is played: by whom, and in which tier.
type attackWay struct {
	user, tier string
	as         *syscall.Credential
}

// TestAttacks plays the cases one after the other: their timings decide.
func TestAttacks(t *testing.T) {
	testform.SkipQuick(t, "each measure has a test in internal/worker or sandbox")
	cases, ways := readAttacks(t), attackWays()
	ended := map[string]map[string]string{} // how, by case and way

	for _, way := range ways {
		for _, a := range cases {
			t.Run(way.String()+"/"+a.name, func(t *testing.T) {
				if *attackTable == "" && (!a.inSuite || way != ways[0]) {
					t.Skip("runs in make abuse")
				}

				end := a.play(t, way)
				t.Log(end)

				if ended[a.name] == nil {
					ended[a.name] = map[string]string{}
				}
				ended[a.name][way.String()] = end

				outcome, _, _ := strings.Cut(end, ":")
				mayBeOpen := outcome == "open" && a.open[way.tier] != ""

				if outcome != "held" && outcome != "void" && !mayBeOpen {
					t.Errorf("%s: %s", a.kind, end)
				}
			})
		}
	}

	if *attackTable != "" {
		must(t, os.WriteFile(*attackTable, []byte(attackRows(cases, ways, ended)), 0o644))
	}
}

// A case that tries a gain and ends with a loss is broken: the scripts know a gain by what
// an agent reads, whose words may change.
func TestAttacksNoticeGains(t *testing.T) {
	testform.SkipQuick(t, "it shows that TestAttacks can fail")
	t.Parallel()

	end := attack{name: "selfcheck/honest_gain"}.play(t, attackWays()[0])
	if want := "broken: a gain for: an honest gain;"; end != want {
		t.Errorf("it ends with %q, want %q", end, want)
	}
}

// readAttacks reads the heads of the cases, in the order of their names.
func readAttacks(t *testing.T) (cases []attack) {
	t.Helper()

	paths, err := filepath.Glob("testdata/attacks/*.sh")
	must(t, err)

	for _, path := range paths {
		text, err := os.ReadFile(path)
		must(t, err)
		head := func(key string) string {
			found := regexp.MustCompile(`(?m)^# ` + key + `: (.*)$`).FindSubmatch(text)
			if found == nil {
				return ""
			}

			return string(found[1])
		}

		a := attack{name: strings.TrimSuffix(filepath.Base(path), ".sh"), kind: head("kind"), needs: head("needs"),
			inSuite: bytes.Contains(text, []byte("\n# suite\n")), isQuiet: bytes.Contains(text, []byte("\n# quiet\n")),
			open: map[string]string{"copies": head("open in copies"), "namespaces": head("open in namespaces")}}
		if a.kind != "" {
			cases = append(cases, a)
		} else if a.name != "lib" {
			t.Errorf("%s has no kind", path)
		}
	}

	return cases
}

// attackWays are the two users, where there can be two, in the two tiers.
func attackWays() (ways []attackWay) {
	for _, tier := range []string{"namespaces", "copies"} {
		if os.Geteuid() == 0 {
			ways = append(ways, attackWay{user: "root", tier: tier})
		}
		ways = append(ways, attackWay{"nobody", tier, otherUser()})
	}

	return ways
}

// otherUser is who a test runs a command as, so that it is not root: nil where it is not.
func otherUser() *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}

	return &syscall.Credential{Uid: nobody, Gid: nobody}
}

func (w attackWay) String() string { return w.user + ", " + w.tier }

// play runs the case in a folder, a home and with locks of its own, and returns its last line.
func (a attack) play(t *testing.T, way attackWay) string {
	if _, err := exec.LookPath(cmp.Or(a.needs, "sh")); err != nil {
		t.Skip("no " + a.needs)
	}

	base := t.TempDir()
	scripts, work := filepath.Join(base, "attacks"), filepath.Join(base, "work")
	must(t, os.CopyFS(scripts, os.DirFS("testdata/attacks")), os.Mkdir(work, 0o755),
		layers.Copy(ratchet, filepath.Join(scripts, "ratchet")), os.Chmod(filepath.Join(scripts, "ratchet"), 0o755),
		os.Chmod(filepath.Dir(base), 0o755))

	if way.as != nil {
		must(t, filepath.WalkDir(base, func(path string, _ fs.DirEntry, err error) error {
			return cmp.Or(err, os.Lchown(path, int(way.as.Uid), int(way.as.Gid)))
		}))
	}

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", a.name+".sh")
	cmd.Dir = scripts
	cmd.Env = append(os.Environ(), isolated(filepath.Join(base, "home"))...)
	cmd.Env = append(cmd.Env, "W="+work, sandbox.TierVariable+"="+way.tier,
		"PATH="+scripts+string(os.PathListSeparator)+os.Getenv("PATH"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: way.as, Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second

	defer (&site{t: t, dir: filepath.Join(work, "repo")}).vacate()
	out, err := cmd.CombinedOutput()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	end := lines[len(lines)-1]

	if _, _, ok := strings.Cut(end, ":"); err != nil || !ok {
		end = fmt.Sprintf("broken: the case did not end: %v", err)
	}

	if strings.HasPrefix(end, "broken") || testing.Verbose() {
		t.Logf("%s", out)
	}

	return end
}

// attackRows is the table of docs/confinement.md.
func attackRows(cases []attack, ways []attackWay, ended map[string]map[string]string) string {
	var text strings.Builder
	text.WriteString("| kind | case |")

	for _, way := range ways {
		fmt.Fprintf(&text, " %s |", way)
	}
	text.WriteString("\n" + strings.Repeat("|---", len(ways)+2) + "|\n")

	for _, a := range cases {
		name := "`" + a.name + "`"
		if a.isQuiet {
			name += ", on a quiet machine"
		}
		fmt.Fprintf(&text, "| %s | %s |", a.kind, name)

		for _, way := range ways {
			end := cmp.Or(ended[a.name][way.String()], "not tried")
			fmt.Fprintf(&text, " %s |", strings.ReplaceAll(strings.TrimSuffix(strings.TrimSpace(end), ":"), "|", `\|`))
		}
		text.WriteString("\n")
	}

	return text.String()
}
