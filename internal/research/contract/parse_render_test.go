package contract_test

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/research/contract"
)

func TestRenderProgramWritesOnlyWhatIsNotDefault(t *testing.T) {
	p := defaults()
	p.Metric.Unit, p.Build = "ns", "go build -o bench ."
	p.Budget.Wall = contract.Duration(90 * time.Second)
	p.Check = "set -e\ngo vet: ./..."

	want := `---
name: sort-speed                     # the campaign's name
edit: sort.go                        # what the agent may change, and nothing else
metric:
  name: ns_per_op                    # as the run prints it: METRIC ns_per_op=1.5
  better: lower                      # lower | higher
  unit: ns
build: go build -o bench .           # once per version, not measured
run: ./bench                         # the measured command (sh -c)
check: |-                            # must pass before anything is kept
  set -e
  go vet: ./...
budget:                              # per run
  wall: 1m30s
---
Try this.
`
	if diff := cmp.Diff(want, string(contract.RenderProgram(p, "Try this.\n"))); diff != "" {
		t.Error(diff)
	}
}

func TestRenderProgramParsesBack(t *testing.T) {
	every, err := os.ReadFile("testdata/every_key.md")
	if err != nil {
		t.Fatal(err)
	}
	odd := defaults()
	odd.Run = " - echo 'a: b' # \"c\" \\ \t \x1b €"
	odd.Build = "null"
	odd.Setup = "a\n  b\n\nc"
	odd.Check = "first\n\n\tindented"
	odd.Edit = []string{"app/[id]/{x},y.ts", "~x y.go"[1:], "- z", "ü: v"}
	odd.Carry = []string{}
	odd.Env = []string{"A"}
	odd.Metric.Unit = "% of µs"
	odd.Metric.From = contract.Source{Kind: "regex", Expr: `^\s*"time": ([0-9.]+) # ms$`}
	odd.Metric.MinGain, odd.Metric.MinGainSet = contract.Amount{Value: 0.007, Relative: true}, true
	odd.Guards = []contract.Guard{{Name: "[a", MaxGrowth: &contract.Amount{Value: 1e-9, Relative: true}}}
	odd.Budget.Grace = 0
	odd.Budget.Memory = 1<<30 + 1

	odd.Campaign.Hours = 0.1
	for _, doc := range []*contract.Document{
		parse(t, smallest), parse(t, string(every)), {Program: odd, Body: "---\n\r\nno newline at the end"},
	} {
		doc.Named = true // as every text that is rendered
		text := contract.RenderProgram(doc.Program, doc.Body)
		if diff := cmp.Diff(doc, parse(t, string(text))); diff != "" {
			t.Errorf("%s\n%s", text, diff)
		}
	}
}

// Commands made of whatever YAML gives a meaning to.
func TestRenderProgramQuotesWhatYAMLWouldRead(t *testing.T) {
	alphabet := []rune("  ::##--\n\n\t'\"\\[]{},&*!|>%@`?~=<.a0nul\r\u0085\u2028\ufeff\u00a0é€\x1b\x7f\ufffd😀")

	random := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		command := make([]rune, 1+random.IntN(12))
		for i := range command {
			command[i] = alphabet[random.IntN(len(alphabet))]
		}

		p := defaults()
		if p.Run = strings.TrimRight(string(command), "\n"); strings.TrimSpace(p.Run) == "" {
			continue
		}

		doc, err := contract.ParseProgram(contract.RenderProgram(p, ""), "")
		if err != nil || doc.Program.Run != p.Run {
			t.Fatalf("%q: %+v, %v\n%s", p.Run, doc, err, contract.RenderProgram(p, ""))
		}
	}
}

func TestAmountsKeepTheirDigits(t *testing.T) {
	for _, s := range []string{"0.7%", "0.5%", "12.345%", "0%", "1e-09%", "0", "0.0015", "3e+20"} {
		p := parse(t, strings.Replace(smallest, "better: lower", "better: higher\n  min_gain: "+s, 1)).Program
		if got := p.Metric.MinGain.String(); got != s {
			t.Errorf("%s is written %s", s, got)
		}
	}
}

func TestDigestIsOfTheContractAlone(t *testing.T) {
	base := parse(t,
		"---\nedit: [a.go, b.go]\nmetric: {name: t, better: lower}\nrun: ./x\nbudget: {wall: 5m, memory: 1GiB}\n---\nBody\n").Program

	same := []string{
		"---\n# a comment\nrun: './x'\nbudget:\n  memory: 1073741824\n  wall: 300s\nmetric:\n  better: lower\n  name: t\n  from: output\nedit: [./b.go, a.go]\ngpus: 0\n---\nOther\n",
		"---\nname: other\nedit: [a.go, b.go]\nmetric: {name: t, better: lower}\nrun: |\n  ./x\nbudget: {memory: 1024MiB}\n---\n",
	}
	for _, s := range same {
		if got := parse(t, s).Program.Digest(); got != base.Digest() {
			t.Errorf("another digest for\n%s", s)
		}
	}
	const noisy = "metric: {name: t, better: lower, noise: noisy"

	given, left := parse(t, "---\nedit: a\n"+noisy+", min_gain: 0.50%}\nrun: x\n---\n"), parse(t,
		"---\nedit: a\n"+noisy+"}\nrun: x\n---\n")
	if given.Program.Digest() != left.Program.Digest() {
		t.Error("a default that is written out changes the digest")
	}
	older := base // of a ledger that knows no assumptions

	older.Assumptions, older.Stall = "", contract.Stall{}
	if older.Digest() != base.Digest() {
		t.Error("the default assumptions change the digest of older contracts")
	}

	judged := parse(t, "---\nedit: a\nmetric: {name: t, better: lower}\nrun: x\nmeasure: y\n---\n").Program
	if got := judged.Digest(); got != "a3635d2e3e974fa2fb8ccc66651d058353d95ca0f5b96f93380a2fe580100def" {
		t.Errorf("a program without hands has another digest than before there were any: %s", got)
	}

	seen := map[string]int{base.Digest(): -1}
	for i, change := range []func(*contract.Program){
		func(p *contract.Program) { p.Run = "./y" },
		func(p *contract.Program) { p.Edit = p.Edit[:1] },
		func(p *contract.Program) { p.Assumptions = contract.AssumeNone },
		func(p *contract.Program) { p.Carry = []string{} },
		func(p *contract.Program) { p.Metric.MinGainSet = true },
		func(p *contract.Program) { p.Budget.Wall++ },
		func(p *contract.Program) { p.Hands = []string{"a", "b"} },
		func(p *contract.Program) { p.Stall.Hours = 3 },
		func(p *contract.Program) { p.Notify = []contract.Target{{Command: "a"}} }, // or an agent could slip one in
		func(p *contract.Program) { p.Notify = []contract.Target{{Command: "b"}} },
		func(p *contract.Program) { p.Guards = []contract.Guard{{Name: "g", Max: new(float64)}} },
		func(p *contract.Program) { p.Guards = []contract.Guard{{Name: "g", Min: new(float64)}} },
		func(p *contract.Program) {
			p.Guards = []contract.Guard{{Name: "g", Min: new(float64),
				From: contract.Source{Kind: "regex", Expr: `^a, "b": ([0-9.]+) B/op\s}`}}}
		},
	} {
		p := base
		change(&p)

		if j, ok := seen[p.Digest()]; ok {
			t.Errorf("changes %d and %d have one digest", i, j)
		}
		seen[p.Digest()] = i
	}

	if len(base.Digest()) != 64 {
		t.Errorf("digest %q is not hex SHA-256", base.Digest())
	}
}

func FuzzParseProgram(f *testing.F) {
	f.Add([]byte(smallest))

	if every, err := os.ReadFile("testdata/every_key.md"); err == nil {
		f.Add(every)
	}
	f.Add([]byte("---\nedit: [a, 'b: c']\nmetric: {name: x, better: higher, min_gain: 0.7%, from: \"regex:\\ta(.)\\n\"}\nrun: |+\n  a\n\n   b\n\n---\n---\n"))
	f.Add([]byte("---\nedit: \"\\u0085\\u2028 x\"\nmetric: {name: é, better: lower, from: file:a b#/x}\nrun: \"\\e[0m \\x7f \\\"\"\nguards: [{name: 'g,', max: 1e-9, max_growth: 1e2%}]\n---"))
	f.Add([]byte("---\r\nedit: a\r\nrun: >\r\n  b\r\n  c\r\nmetric:\r\n  name: m\r\n  better: lower\r\n---\r\n"))
	f.Add([]byte("---\na: &a [*a]\n<<: *a\n---\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		doc, err := contract.ParseProgram(text, "folder")
		if err != nil {
			return
		}

		again, err := contract.ParseProgram(contract.RenderProgram(doc.Program, doc.Body), "elsewhere")
		if err != nil {
			t.Fatalf("its own text is refused: %v\n%s", err, contract.RenderProgram(doc.Program, doc.Body))
		}

		doc.Named = true // as every text that is rendered
		if diff := cmp.Diff(doc, again); diff != "" {
			t.Fatalf("%s\n%s", contract.RenderProgram(doc.Program, doc.Body), diff)
		}

		if doc.Program.Digest() != again.Program.Digest() {
			t.Fatal("equal programs, other digests")
		}
	})
}
