package house_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// floors says on which floor a package stands. A package imports only lower
// floors; siblings never import each other, except inside one room.
var floors = map[string]int{
	// 0: pure
	"ratchet/internal/research":           0,
	"ratchet/internal/wording":            1,
	"ratchet/internal/research/contract":  2,
	"ratchet/internal/research/rules":     3,
	"ratchet/internal/research/history":   4,
	"ratchet/internal/research/rulestest": 4,
	"ratchet/internal/atomicfile":         4,
	"ratchet/internal/queue":              4,
	"ratchet/internal/fault":              4,
	"ratchet/internal/scripted":           4,
	"ratchet/internal/foreign":            4,
	"ratchet/internal/mcpclient":          4,
	"ratchet/internal/testform":           4,
	"ratchet/examples":                    4,
	"ratchet/server/lru":                  4,
	// 1: one thing of the outside world each
	"ratchet/ledger":               10,
	"ratchet/sandbox":              10,
	"ratchet/internal/source":      10,
	"ratchet/internal/passphrase":  10,
	"ratchet/internal/clients":     10,
	"ratchet/internal/chart":       10,
	"ratchet/internal/report":      10,
	"ratchet/internal/screen":      10,
	"ratchet/internal/simulate":    10,
	"ratchet/internal/notify/send": 10,
	"ratchet/prompts":              10,
	"ratchet/internal/scaffold":    11,
	"ratchet/internal/demo":        11,
	// 2a, 2b, 2c: the laboratory
	"ratchet/internal/host":     20,
	"ratchet/internal/checkout": 21,
	"ratchet/internal/job":      22,
	"ratchet/internal/notify":   22,
	"ratchet/internal/importer": 22,
	"ratchet/internal/lab":      23,
	"ratchet/internal/view":     23,
	"ratchet/internal/finalize": 23,
	"ratchet/internal/worker":   23,
	"ratchet/internal/export":   25,
	"ratchet/internal/render":   25,
	"ratchet/internal/plots":    26,
	// 3, 4, 5: what agents and people see
	"ratchet/tools":             30,
	"ratchet/internal/terminal": 35,
	"ratchet/server/dashboard":  39,
	"ratchet/server":            40,
	"ratchet/cmd/ratchet":       50,
	"ratchet/internal/house":    50,
	"ratchet/internal/release":  50,
}

// rooms says where a library may be imported, and why only there.
var rooms = map[string]struct {
	in  []string
	why string
}{
	"github.com/mark3labs/mcp-go": {[]string{"ratchet/server"},
		"its API changes by thousands of lines between versions"},
	"github.com/invopop/jsonschema": {[]string{"ratchet/tools"}, "schemas come from the tools' argument structs"},
	"github.com/go-git/go-git": {[]string{"ratchet/internal/source"},
		"it may only read objects; its writes lose data"},
	"github.com/prometheus": {[]string{"ratchet/server"}, "what the HTTP server counts"},
	"golang.org/x/time":     {[]string{"ratchet/server"}, "the HTTP server's rate limits"},
	"github.com/NVIDIA/go-nvml": {[]string{"ratchet/sandbox"},
		"a failed Init must never be followed by another call"},
	"go.etcd.io/bbolt": {[]string{"ratchet/ledger"},
		"only the ledger guards against what bbolt lets pass"},
	"go.yaml.in/yaml": {[]string{"ratchet/internal/research/contract", "ratchet/internal/clients"},
		"the program, and one client's configuration, are the YAML texts"},
	"github.com/tailscale/hujson": {[]string{"ratchet/internal/clients"},
		"only the clients' files are edited as text"},
	"github.com/pelletier/go-toml": {[]string{"ratchet/internal/clients"},
		"only the clients' files are edited as text"},
	"github.com/aymanbagabas/go-udiff": {[]string{"ratchet/internal/clients", "ratchet/internal/research/contract"},
		"what is shown before a client's file is written, and of a changed contract"},
	"github.com/agnivade/levenshtein": {[]string{"ratchet/internal/research"}, "nearest names, in messages"},
	"github.com/adrg/strutil": {[]string{"ratchet/internal/research"},
		"how alike two texts are is part of no verdict"},
	"github.com/clipperhouse": {[]string{"ratchet/internal/screen"}, "how wide a text is, is asked in one place"},
	"github.com/creack/pty":   {[]string{}, "tests only"},
	"github.com/spf13/cobra":  {[]string{"ratchet/cmd/ratchet"}, "the command line"},
	"github.com/go-analyze/charts": {[]string{"ratchet/internal/chart"},
		"figures are plain data, so that the library can be replaced"},
	"golang.org/x/crypto": {[]string{"ratchet/internal/passphrase"}, "the one hash of a passphrase"},
	"golang.org/x/term":   {[]string{"ratchet/internal/terminal"}, "what a terminal is, is asked in one place"},
	"golang.org/x/sys": {[]string{"ratchet/sandbox", "ratchet/ledger", "ratchet/internal/queue"},
		"system calls stay where their limits are written down"},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func list(t *testing.T) []pkg {
	t.Helper()

	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "ratchet/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var pkgs []pkg

	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

// room is the package of floors that path is or lies in.
func room(path string) string {
	for p := path; strings.Contains(p, "/"); p = p[:strings.LastIndexByte(p, '/')] {
		if _, ok := floors[p]; ok {
			return p
		}
	}

	return ""
}

func TestFloors(t *testing.T) {
	pkgs := list(t)
	if len(pkgs) < 8 {
		t.Fatalf("only %d packages found", len(pkgs))
	}

	for _, fault := range checkFloors(pkgs) {
		t.Error(fault)
	}
}

// checkFloors names the imports of a package that is not on a lower floor.
func checkFloors(pkgs []pkg) (faults []string) {
	for _, p := range pkgs {
		at := room(p.ImportPath)
		if at == "" {
			faults = append(faults, p.ImportPath+" stands on no floor: give it one in this test")
			continue
		}

		for _, imp := range p.Imports {
			to := room(imp)
			if !strings.HasPrefix(imp, "ratchet/") || to == at {
				continue
			}

			if floors[to] >= floors[at] {
				faults = append(faults,
					fmt.Sprintf("%s (floor %d) imports %s (floor %d): a package imports only lower floors, so that each can be read and replaced alone; move the shared part down or hand a value up",
						p.ImportPath, floors[at], imp, floors[to]))
			}
		}
	}

	return faults
}

func TestLibrariesStayInTheirRooms(t *testing.T) {
	for _, fault := range checkLibraries(list(t)) {
		t.Error(fault)
	}
}

// checkLibraries names the imports of a library outside of its rooms.
func checkLibraries(pkgs []pkg) (faults []string) {
	for _, p := range pkgs {
		for _, imp := range p.Imports {
			for lib, r := range rooms {
				inside := slices.Contains(r.in, room(p.ImportPath))
				if (imp == lib || strings.HasPrefix(imp, lib+"/")) && !inside {
					faults = append(faults, fmt.Sprintf("%s imports %s, which lives only in %s: %s", p.ImportPath, imp,
						strings.Join(r.in, " and "), r.why))
				}
			}
		}
	}

	return faults
}

func TestResearchIsPure(t *testing.T) {
	for _, fault := range checkPurity(list(t)) {
		t.Error(fault)
	}
}

// checkPurity names what would let the vocabulary and the rules do something.
func checkPurity(pkgs []pkg) (faults []string) {
	pure := []string{"ratchet/internal/research", "ratchet/internal/wording", "ratchet/internal/research/contract",
		"ratchet/internal/research/rules", "ratchet/internal/research/history"}
	forbidden := []string{"os", "os/exec", "net", "syscall", "io/fs", "log", "log/slog", "context", "sync"}

	for _, p := range pkgs {
		for _, imp := range p.Imports {
			if slices.Contains(pure, p.ImportPath) && slices.Contains(forbidden, imp) {
				faults = append(faults,
					fmt.Sprintf("%s imports %s: a verdict must be derivable from records alone, so there is no I/O, no clock and no goroutine here",
						p.ImportPath, imp))
			}
		}
	}

	return faults
}

// Each rule of imports is shown to notice an offence.
func TestWrongImportsAreNoticed(t *testing.T) {
	of := func(path string, imports ...string) []pkg { return []pkg{{ImportPath: path, Imports: imports}} }

	for name, c := range map[string]struct {
		faults []string
		want   string
	}{
		"a higher floor": {checkFloors(of("ratchet/ledger", "ratchet/internal/lab")), "imports only lower floors"},
		"a sibling": {checkFloors(of("ratchet/internal/view", "ratchet/internal/worker")),
			"imports only lower floors"},
		"no floor": {checkFloors(of("ratchet/internal/new")), "stands on no floor"},
		"a library elsewhere": {checkLibraries(of("ratchet/tools", "github.com/mark3labs/mcp-go/mcp")),
			"lives only in"},
		"a clock in a rule": {checkPurity(of("ratchet/internal/research/rules", "os")), "derivable from records alone"},
	} {
		if len(c.faults) != 1 || !strings.Contains(c.faults[0], c.want) {
			t.Errorf("%s: %q, want one fault with %q", name, c.faults, c.want)
		}
	}

	if faults := checkFloors(of("ratchet/internal/lab", "ratchet/ledger", "ratchet/internal/job")); len(faults) > 0 {
		t.Errorf("lower floors: %q", faults)
	}
}
