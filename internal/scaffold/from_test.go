package scaffold_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ratchet/internal/research/contract"
	"ratchet/internal/scaffold"
)

// directions restate the commands, goals and scopes of karpathy's program.md and of forks
// in other words; want are lines of the program that they become.
var directions = []struct {
	name  string
	files string // beside the text
	text  string
	want  []string
}{
	{"karpathy's", "train.py prepare.py", `
1. Look for data in ` + "`~/.cache/toy/`" + `. Without it, tell the human to run ` + "`uv run prepare.py`" + `.
You launch it as: ` + "`uv run train.py`" + `. If a run exceeds 10 minutes, kill it.
- ` + "`prepare.py`" + ` - fixed constants. Do not modify.
- Modify ` + "`train.py`" + ` - this is the only file you edit.
**The goal: get the lowest val_bpb.**
` + "`grep \"^val_bpb:\\|^peak_vram_mb:\" run.log`" + `
4. Run the experiment: ` + "`uv run train.py > run.log 2>&1`" + ` (no tee)`,
		[]string{"edit: train.py", "run: uv run train.py ", "name: val_bpb", "better: lower", "wall: 10m"}},
	{"python from the first version", "train.py", `
Get the data with ` + "`python prepare.py`" + `. Then ` + "`python train.py`" + `.
Loop: run the experiment ` + "`python train.py > run.log 2>&1`" + `, ` + "`grep \"^val_bpb:\" run.log`" +
		`; lower is better.`,
		[]string{"run: python train.py ", "name: val_bpb", "better: lower"}},
	{"no log", "work.py", `
Get the data: ` + "`python prepare.py`" + `. Measure: ` + "`python work.py`" + `, which prints score: 1.5.
Modify ` + "`work.py`" + ` alone. The goal: the highest score. ` + "`grep '^score:' out`" + ``,
		[]string{"edit: work.py", "run: python work.py ", "name: score", "better: higher"}},
	{"a score of trading", "train.py", `
If not, tell the human to run ` + "`uv run prepare.py`" + `. Launch: ` + "`uv run train.py`" + `.
- ` + "`train.py`" + ` — the file you modify.
**The goal is simple: get the highest score.** Complexity lowers it.
` + "```\ncommit\tscore\tsharpe\tmax_dd\tval_pass\tstatus\tdescription\n```" + `
Example: grep "^score:\|^val_pass:" run.log
4. Run the experiment: ` + "`uv run train.py > run.log 2>&1`" + `
If a run exceeds 6 minutes, kill it.`,
		[]string{"run: uv run train.py ", "name: score", "better: higher", "wall: 6m"}},
	{"the loop in a fence", "bench.py harness.py", `
- ` + "`harness.py`" + ` — fixed: loading and measuring. **Do not modify.**
- ` + "`bench.py`" + ` — the ONLY file you edit. Cache, prefetch.
4. **Verify model exists**. If not, run: ` + "`uv run python scripts/download_model.py`" + `
**The goal: maximize tok/s.** Secondary: minimize peak memory.
Extract: ` + "`grep \"^tok_per_sec:\" run.log`" + `
` +
		"```\nLOOP FOREVER:\n1. git status\n4. uv run python bench.py > run.log 2>&1\n6. tail -n 50 run.log\n8. If tok_per_sec IMPROVED, keep\n```",
		[]string{"edit: bench.py", "run: uv run python bench.py ", "name: tok_per_sec", "better: higher"}},
	{"waypoints", "experiment_waypoints.json game_auto.cpp run_experiment.sh", `
You optimize waypoints. Your goal: **maximize accuracy %**.
` + "```\ng++ -o game_auto game_auto.cpp\n```" + `
1. Write your waypoints to ` + "`experiment_waypoints.json`" + `
2. Run: ` + "`./run_experiment.sh experiment_waypoints.json`" + `
3. The script outputs a single number: the accuracy
4. Also run ` + "`./game_auto experiment_waypoints.json`" + ` for per-sample details
1. **Never modify game_auto.cpp or run_experiment.sh**`,
		[]string{"edit: experiment_waypoints.json", "run: ./run_experiment.sh experiment_waypoints.json ",
			"name: accuracy", "better: higher", "from: "}},
	{"a data check before", "train.py prepare.py", `
- ` + "`prepare.py`" + ` — helpers, used by ` + "`train.py`" + `. **Prefer not to modify.**
4. **Verify data**: Run ` + "`uv run prepare.py`" + ` to confirm datasets load.
Launch with: ` + "`uv run train.py`" + `. Modify ` + "`train.py`" + ` only.
**Goal: get the highest val_sharpe.**
` + "```bash\ngrep \"^val_sharpe:\" run.log\n```" + `
4. Run: ` + "`uv run train.py > run.log 2>&1`",
		[]string{"edit: train.py", "run: uv run train.py ", "name: val_sharpe", "better: higher"}},
	{"JMH", "src/Book.java src/BookBenchmark.java", `
- ` + "`src/Book.java`" + ` — the file you modify.
- ` + "`src/BookBenchmark.java`" + ` — fixed JMH benchmark. Do not modify.
Minimize unpredictable branches. The primary objective is to minimize **AverageTime**.
**Baseline**: ` + "`./gradlew benchmark -PrunArgs=\"-rf json -rff baseline.json -wi 5\"`" + `
` + "```\ncommit\tscore\timprovement\tstatus\tdescription\n```" + `
3. Execute functional tests: ` + "`./gradlew test`" + `.
5. Execute the benchmark: ` + "`./gradlew benchmark -PrunArgs=\"-rf json -rff candidate.json -wi 5\"`" + `.
6. Analyze: ` + "`python3 compare_benchmarks.py baseline.json candidate.json`",
		[]string{"edit: src/Book.java", "-rff candidate.json -wi 5", "name: score", "better: lower",
			"candidate.json#/0/primaryMetric/score"}},
	{"kernels", "kernel.py bench.py", `
` +
		"```bash\nuv run profiler.py --model <path>\n```\n```bash\nuv run extract.py --top 5\n```\n```bash\nuv run prepare.py\n```" + `
- ` + "`bench.py`" + ` -- fixed benchmark (do not modify)
- ` + "`kernel.py`" + ` -- the single file you modify
` +
		"```\nexperiment\ttag\tkernel_type\tthroughput_tflops\tlatency_us\tcorrectness\tpeak_vram_mb\tdescription\n```\n```bash\nuv run bench.py > run.log 2>&1\n```\n```bash\nuv run orchestrate.py record x\n```" + `
grep "correctness\|throughput_tflops\|latency_us" run.log
"Improved" means at least 1% gain in ` + "`throughput_tflops`" + `; maximize it.`,
		[]string{"edit: kernel.py", "run: uv run bench.py ", "name: throughput_tflops", "better: higher"}},
	{"more than one file", "train.py prepare.py", `
If not, tell the human to run ` + "`uv run prepare.py --dataset x`" + `. Launch: ` + "`uv run train.py`" + `.
- ` + "`train.py`" + ` — primary edit target.
- ` + "`prepare.py`" + ` — dataloader changes: edit with care
**Get the lowest val_bpb.** grep "^val_bpb:\|^mfu_percent:" run.log
4. Run the experiment: ` + "`uv run train.py > run.log 2>&1`" + `
If a run exceeds 30 minutes, kill it.`,
		[]string{"edit: train.py", "run: uv run train.py ", "name: val_bpb", "wall: 30m",
			"prepare.py may be edited there, too"}},
	{"in Chinese", "strategy.py", `
1. **只能修改 ` + "`strategy.py`**，不能修改 `prepare.py`" + `
你的优化目标是 **验证集的 ` + "`val_score`**" + `。Sharpe（越高越好）
` + "```\n3. 运行回测：uv run backtest.py > run.log 2>&1\n4. 检查 run.log 中的 val_score\n6. 如果 val_score 比之前最好的分数高\n```",
		[]string{"edit: strategy.py", "run: uv run backtest.py ", "name: val_score", "better: higher"}},
	{"fields before the text", "prompts/treatment.md", `
Goal: Minimize weighted loss on the corpus
Scope: prompts/treatment.md
Metric: Weighted loss (lower is better)
Verify: npx tsx scripts/verify.ts | jq '.loss'
Legacy metric: npx tsx scripts/verify.ts | jq '.score' (higher is better)
` + "```bash\n./run-eval.sh --round 1\n```",
		[]string{"edit: prompts/treatment.md", "run: npx tsx scripts/verify.ts | jq '.loss'", "name: loss",
			"better: lower"}},
	{"a printed rate", "Decode.swift", `
5. **Establish baseline**: ` + "`python runner.py benchmark`" + `
- Modify ` + "`Decode.swift`" + ` — the file you edit.
**Get the highest tok/s.**
` + "```\ncommit\ttok_s\tms_per_tok\tstatus\tdescription\n```" + `
4. Run the experiment: ` + "`python runner.py full > run.log 2>&1`" + `
5. Read: ` + "`grep \"\\[bench\\] tok/s\\|\\[quality\\]\" run.log`" + `
If a run exceeds 15 minutes, kill it.`,
		[]string{"run: python runner.py full ", "name: tok_s", "better: higher", `regex:\[bench\] tok/s`, "wall: 15m"}},
}

func TestDirectionsOfForks(t *testing.T) {
	for _, tt := range directions {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			writeFiles(t, dir, tt.files)
			writeFile(t, dir, "direction.md", tt.text)

			text := proposeFrom(t, dir, "direction.md")
			for _, want := range tt.want {
				if !strings.Contains(strings.ReplaceAll(text, "\n", " \n"), want) {
					t.Errorf("it lacks %q:\n%s", want, text)
				}
			}
		})
	}
}

func writeFiles(t *testing.T, dir, names string) {
	t.Helper()

	for _, name := range strings.Fields(names) {
		writeFile(t, dir, name, "x\n")
	}
}

func writeFile(t *testing.T, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, name)

	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// proposeFrom is program.md as `init --from` makes it.
func proposeFrom(t *testing.T, dir, from string) string {
	t.Helper()

	all, render, err := scaffold.Request{From: from}.Propose(dir)
	if err != nil {
		t.Fatal(err)
	}

	text, _, err := render(all[0], "", "case")
	if err != nil {
		t.Fatalf("%v; found %q", err, all[0].Why)
	}

	return string(text)
}

const piPrompt = `# Autoresearch: smaller
## Objective
Make it smaller.
## Metrics
- **Primary**: bytes (B, lower is better)
- **Secondary**: words (count, higher is better), must stay >= 1
- **Secondary**: lines, at most 20
- **Secondary**: letters
## How to Run
./.auto/measure.sh
## Files in Scope
- ` + "`t.txt` / `u.txt`" + ` - the text
- ` + "`.auto/measure.sh`" + ` - only to add diagnostics
- ` + "`bench/quick.rb`" + ` — benchmark script
- ` + "`base/benchmark_q.py`" + ` — the benchmark. Do not weaken it
- ` + "`src/`" + ` - helpers
- ` + "`lib/*.txt`" + `
- ` + "`gone.txt`: was there" + `
- ` + "`held.txt`" + `
## Off Limits
- ` + "`held.txt`" + ` stays
## Constraints
- no new words
- no tricks
`

// Nothing of pi's prompt is lost without a word, and what measures is never edited.
func TestPiScopeAndBounds(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, "t.txt u.txt held.txt src/s.txt lib/l.txt lib/m.md bench/quick.rb base/benchmark_q.py")
	writeFile(t, dir, ".auto/prompt.md", piPrompt)
	writeFile(t, dir, ".auto/measure.sh", "ruby bench/quick.rb\necho METRIC bytes=1\necho METRIC lines=2\n")

	text := proposeFrom(t, dir, ".")

	program, err := contract.ParseProgram([]byte(text), "case")
	if err != nil {
		t.Fatal(err)
	}

	if got := strings.Join(program.Program.Edit, " "); got != "t.txt u.txt" {
		t.Errorf("edit is %s", got)
	}

	guards := program.Program.Guards
	if len(guards) != 1 || guards[0].Name != "lines" || guards[0].Max == nil || *guards[0].Max != 20 {
		t.Errorf("guards are %+v", guards)
	}

	_, body, _ := strings.Cut(text, "\n---\n")
	if !strings.HasPrefix(body, "## Objective\nMake it smaller.\n") {
		t.Errorf("the direction begins with %.80q", body)
	}

	for _, want := range []string{
		"in scope is .auto/measure.sh, which measures",
		"in scope is bench/quick.rb, which measures",
		"in scope is base/benchmark_q.py, which measures",
		"held.txt is in scope and off limits",
		"which are not taken: src/, lib/*.txt. `edit` names files; to take theirs: --edit t.txt,u.txt,src/s.txt,lib/l.txt",
		"no file here: gone.txt",
		"words >= 1 is not enforced",
		"guards: [{name: words, min: 1}]",
		"secondary: letters",
		"2 constraints: the agent reads them",
		"off limits is everything but `edit`",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
}

// primaries are the ways in which prompts name the metric.
func TestPrimaryMetricOfPrompts(t *testing.T) {
	for line, want := range map[string][3]string{
		"- **Primary**: `geomean_ns` (ns, lower is better) — mean of six": {"geomean_ns", "lower",
			"ns"},
		"- **Primary (optimization target)**: `combined_µs` (µs, lower is better)": {"combined_µs", "lower",
			"µs"},
		"- Primary: median local-hit latency (`hit_ms`, milliseconds, lower is best)": {"hit_ms", "lower",
			"milliseconds"},
		"- Primary: quality_closed (accepted gaps closed, higher is better)": {"quality_closed", "higher",
			""},
		"- **Primary**: tokens_per_sec (tok/s, higher is better) — throughput": {"tokens_per_sec", "higher",
			"tok/s"},
		"- **Primary**: `rate_m` (million instructions per second,\n  higher is better).": {"rate_m", "higher", ""},
		"Primary metric from `init_experiment`: **`tq_mse`** (lower is better) — mean":    {"tq_mse", "lower", ""},
	} {
		dir := t.TempDir()
		writeFiles(t, dir, "a.txt .auto/measure.sh")
		writeFile(t, dir, ".auto/prompt.md", "## Metrics\n"+line+"\n## Files in Scope\n- `a.txt`\n")

		program, err := contract.ParseProgram([]byte(proposeFrom(t, dir, ".")), "case")
		if err != nil {
			t.Fatal(err)
		}

		m := program.Program.Metric
		if got := [3]string{m.Name, string(m.Better), m.Unit}; got != want {
			t.Errorf("%q gives %q, want %q", line, got, want)
		}
	}
}

func TestOffer(t *testing.T) {
	for _, tt := range []struct{ file, text, want string }{
		{".auto/measure.sh", "echo\n", "ratchet init --from ."},
		{"program.md", "Run the experiment: `python train.py > run.log`\n",
			"git mv program.md direction.md && ratchet init --from direction.md"},
		{"program.md", "---\nedit: a\n---\nRun the experiment: `python train.py > run.log`\n", ""},
		{"program.md", "mine\n", ""},
		{"README.md", "Run the experiment: `python train.py > run.log`\n", ""},
	} {
		dir := t.TempDir()
		writeFile(t, dir, tt.file, tt.text)

		if got := scaffold.OfferFrom(dir, filepath.Join(dir, "program.md")); got != tt.want {
			t.Errorf("%s %q: offered %q, want %q", tt.file, tt.text, got, tt.want)
		}
	}
}
