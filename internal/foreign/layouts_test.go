package foreign_test

import (
	"errors"
	"strings"
	"testing"

	"ratchet/internal/foreign"
)

// layouts restates tables and logs that users of other tools keep in public repositories:
// each header as it stands there, with made-up rows. want are the runs and broken lines,
// as describeRun writes them; refused is what the refusal says, proposal what it proposes.
var layouts = []struct {
	name     string
	path     string
	text     string
	columns  string // --columns, "" to detect
	want     []string
	refused  string
	proposal string
}{
	{name: "karpathy's own", path: "results.tsv",
		text: "commit val_bpb memory_gb status description|aaaaaa1 0.99 44.0 keep start|aaaaaa2 0.000000 0.0 crash wider",
		want: []string{"val_bpb 0.99 keep start", "val_bpb - crash wider"}},
	{name: "another metric, no rows yet", path: "results.tsv",
		text: "commit val_sharpe memory_gb status description"},
	{name: "tokens with resources", path: "results.tsv",
		text: "commit tok_per_sec vram_gb ram_gb cache_hit status description|aaaaaa1 0.7 0.0 0.7 0.0 keep separate_reads|aaaaaa2 1.8 0.0 0.6 0.0 discard prefetch",
		want: []string{"tok_per_sec 0.7 keep separate_reads", "tok_per_sec 1.8 discard prefetch"}},
	{name: "parameters and no status", path: "results_phase3.tsv",
		text: "commit tok_per_sec n_gpu_layers n_threads n_ctx n_batch notes|exp01 6.2 5 8 512 128 smaller|exp02 5.9 5 8 512 256 larger",
		want: []string{"tok_per_sec 6.2  smaller", "tok_per_sec 5.9  larger"}},
	{name: "a counter first", path: "results_phase4.tsv",
		text: "exp tok_per_sec vram_peak_mb n_ctx type_k type_v flash_attn n_gpu_layers status description|1 8.2 3601 512 f16 f16 False 5 baseline start|2 8.5 3609 512 q8 q8 True 5 keep q8_cache",
		want: []string{"tok_per_sec 8.2 baseline start", "tok_per_sec 8.5 keep q8_cache"}},
	{name: "notes and description", path: "results_phase5.tsv",
		text: "exp tok_per_sec vram_peak_mb n_ctx type_k type_v flash_attn n_gpu_layers n_batch n_ubatch notes status description|1 11.1 7703 512 q8 q8 True 16 48 48 asym discard smaller|2 0.000 0 512 q8 q8 True 16 48 48 big OOM larger",
		want: []string{"tok_per_sec 11.1 discard smaller notes: asym", "tok_per_sec - OOM larger notes: big"}},
	{name: "notes, cleaned", path: "results_phase5_clean.tsv",
		text: "exp tok_per_sec vram_peak_mb n_ctx type_k type_v flash_attn n_gpu_layers n_batch n_ubatch status description|1 11.1 7703 512 q8 q8 True 16 48 48 discard smaller",
		want: []string{"tok_per_sec 11.1 discard smaller"}},
	{name: "labels and notes", path: "results_phase6.tsv",
		text: "exp_id tok_s vram_mb n_ctx kv_type_k kv_type_v flash_attn n_gpu n_batch n_ubatch label status notes|1 0.000 0 512 q8 q8 True 16 64 128 base crash no_model|2 6.5 6953 512 q8 q8 True 14 64 64 n14 ok fine",
		want: []string{"tok_s - crash no_model label: base", "tok_s 6.5 ok fine label: n14"}},
	{name: "a ratio beside the metric", path: "results_phase7.tsv",
		text: "exp_id tok_s compression_ratio n_ctx kv_algo n_gpu n_batch label status notes|1 0.000 7.59 512 py4 0 0 py ok slow|2 11.6 7.59 512 rust4 0 0 rust ok fast",
		want: []string{"tok_s 0 ok slow label: py", "tok_s 11.6 ok fast label: rust"}},
	{name: "more parameters", path: "results_phase8.tsv",
		text: "exp_id tok_s vram_mb n_ctx kv_type_k kv_type_v flash_attn n_gpu n_batch n_ubatch n_threads gen_tokens label status notes|1 10.6 7700 512 q8 q8 True 16 256 64 12 256 best ok again",
		want: []string{"tok_s 10.6 ok again label: best"}},
	{name: "rows shorter than the header", path: "results_phase9.tsv",
		text:    "exp_id tok_s vram_mb n_ctx kv_type_k kv_type_v flash_attn n_gpu n_batch n_ubatch n_threads gen label status notes|1 11.0 7698 512 q8 q8 True 16 256 64 gen192 ok measured_as_before|2 0.000 0 512 q8 q8 True 16 256 64 gen224 crash no_model_this_time",
		refused: "no row has as many", proposal: "metric=2,status=12,note=13,better=higher"},
	{name: "rows shorter, by number", path: "results_phase9.tsv", columns: "metric=2,status=12,note=13",
		text: "exp_id tok_s vram_mb n_ctx kv_type_k kv_type_v flash_attn n_gpu n_batch n_ubatch n_threads gen label status notes|1 11.0 7698 512 q8 q8 True 16 256 64 gen192 ok as_before|2 0.000 0 512 q8 q8 True 16 256 64 gen224 crash no_model",
		want: []string{"2 11 ok as_before", "2 - crash no_model"}},
	{name: "labels and notes again", path: "results_phase10.tsv",
		text: "exp_id tok_s vram_mb n_ctx kv_type_k kv_type_v flash_attn n_gpu n_batch n_ubatch label status notes|1 0.000 0 512 q8 q8 False 16 252 94 p10 oom no_context",
		want: []string{"tok_s - oom no_context label: p10"}},
	{name: "labels and notes, once more", path: "results_phase11.tsv",
		text: "exp_id tok_s vram_mb n_ctx kv_type_k kv_type_v flash_attn n_gpu n_batch n_ubatch label status notes|1 11.4 7691 512 q8 q8 True 17 252 94 p11 ok again",
		want: []string{"tok_s 11.4 ok again label: p11"}},
	{name: "another header than its rows", path: "results_phase12.tsv",
		text:    "exp_id model_file n_gpu batch_size ubatch_size type_k type_v flash_attn op_offload n_threads n_ctx n_gen tok_s notes|1 27.5 7595 256 q8 q8 True 26 32 16 p12 ok measured_as_before|2 26.6 6976 256 q8 q8 True 26 64 32 p12b ok measured_once_more",
		refused: "no row has as many", proposal: "metric=2,status=12,note=13"},
	{name: "accuracy, no rows yet", path: "results.tsv",
		text: "id timestamp accuracy num_waypoints strategy status notes"},
	{name: "a guard after the status", path: "autoresearch-results.tsv",
		text: "iteration commit metric delta status guard description|0 - 1061 0.0 baseline pass start|1 aaaaaa1 1002 -59.0 keep pass switches",
		want: []string{"metric 1061 baseline start", "metric 1002 keep switches"}},
	{name: "events without runs", path: ".research/events.jsonl",
		text:    `{"event":"claim","node_id":"B-1","attempt_id":"f00","revision":1,"timestamp":"2026-01-01T00:00:00Z"}`,
		refused: "keys attempt_id, event"},
	{name: "a word first", path: "results.tsv",
		text: "commit cycle score improvement status description|aaaaaa1 baseline 900.5 0.00% keep start|aaaaaa2 tick 450.2 50.00% keep levels|aaaaaa3 tock FAIL NA discard heads",
		want: []string{"score 900.5 keep start", "score 450.2 keep levels",
			`score - discard heads the value "FAIL" is not a finite number`}},
	{name: "a sweep", path: "kv_sweep_results.tsv",
		text:    "kv_dtype conc ok total_tokens wall_s aggregate_tok_s peak_gen_tok_s|auto 1 1 128 1.1 120 2|fp8 32 32 3949 1.6 2544 0",
		refused: "no list of experiments", proposal: "metric=aggregate_tok_s,better=higher"},
	{name: "a sweep with columns", path: "kv_sweep_results.tsv",
		columns: "metric=aggregate_tok_s,note=kv_dtype,better=higher",
		text:    "kv_dtype conc ok total_tokens wall_s aggregate_tok_s peak_gen_tok_s|auto 1 1 128 1.1 120 2",
		want:    []string{"aggregate_tok_s 120  auto"}},
	{name: "a sweep without rows", path: "autotune_results.tsv", text: "B H BLOCK_H num_warps num_stages latency_us",
		refused: "a header and no rows", proposal: "metric=latency_us,better=lower"},
	{name: "autokernel's agent", path: "results.tsv",
		text: "experiment tag kernel_type throughput_tflops latency_us pct_peak speedup_vs_pytorch correctness peak_vram_mb description|0 baseline matmul 15.1 7094.6 3.6 0.2 PASS 1603.2 start|1 swizzle matmul 0.0 0.0 0.0 0.0 FAIL 0.0 no_build",
		want: []string{"throughput_tflops 15.1 PASS baseline: start", "throughput_tflops - FAIL swizzle: no_build"}},
	{name: "tags and two rates", path: "sglang_results.tsv",
		text: "experiment tag decode_tok_s batch32_tok_s accept_length status description|102 base 107.2 1290 N/A KEEP start|103 flash 362.4 1873 8.00 KEEP eight_drafts",
		want: []string{"decode_tok_s 107.2 KEEP start tag: base", "decode_tok_s 362.4 KEEP eight_drafts tag: flash"}},
	{name: "the MLX fork", path: "results.tsv",
		text: "commit val_bpb memory_gb status description|aaaaaa1 2.6 26.9 keep start",
		want: []string{"val_bpb 2.6 keep start"}},
	{name: "many measures", path: "results.tsv",
		text: "commit val_bpb memory_gb mfu tok_per_sec num_steps num_params_M batch_size final_loss status description|aaaaaa1 2.3 5.5 58.1 37700 180 162.1 4 5.1 keep start",
		want: []string{"val_bpb 2.3 keep start"}},
	{name: "a hash as the counter", path: "results.tsv",
		text: "config_id tg_tok_s pp_tok_s vram_gb ppl status description|4f9a41c 29.1 830.2 10.1 4.5 keep start|0915577 26.3 831.0 9.9 - discard q8",
		want: []string{"tg_tok_s 29.1 keep start", "tg_tok_s 26.3 discard q8"}},
	{name: "two scores and remarks", path: "results.tsv",
		text: "round strategy train_score val_score train_return val_return train_drawdown val_drawdown status|0 双均线 -0.2 -1.6 -27.5% -10.9% 38.6% 17.7% 基线|--- phase_two - - - - - - done|1 RSI -1.8 -3.2 -81.7% -39.7% 82.1% 40.8% 回滚",
		want: []string{"val_score -1.6 基线 双均线", "val_score -3.2 回滚 RSI"}},
	{name: "pi: a word count", path: "autoresearch.jsonl",
		text: `{"type":"config","name":"n","metricName":"total_words","metricUnit":"","bestDirection":"lower"}
{"run":1,"commit":"aaaaaa1","metric":4867,"metrics":{"words_a":786},"status":"keep","description":"start","segment":0}
{"run":2,"commit":"failed","metric":0,"metrics":{},"status":"crash","description":"rejected","segment":0}`,
		want: []string{"total_words 4867 keep start", "total_words - crash rejected"}},
	{name: "result for status", path: "autoresearch-results.tsv",
		text: "iteration metric result description|0 2678.8 baseline start|7b - discard too_large|motion 2228.7 keep macro",
		want: []string{"metric 2678.8 baseline start", "metric - discard too_large", "metric 2228.7 keep macro"}},
	{name: "pi: microseconds", path: "autoresearch.jsonl",
		text: `{"type":"config","name":"n","metricName":"combined_µs","metricUnit":"µs","bestDirection":"lower"}
{"run":1,"commit":"aaaaaa1","metric":3818,"metrics":{"parse_µs":2722},"status":"keep","description":"start"}`,
		want: []string{"combined_µs 3818 keep start"}},
	{name: "codex with packets", path: "autoresearch.jsonl",
		text: `{"type":"config","name":"n","metricName":"quality_gap","metricUnit":"gaps","bestDirection":"lower"}
{"run":1,"commit":"aaaaaa1aaaaa","metric":12,"metrics":{"evidence":"x"},"metricEligible":true,"status":"keep","description":"start","asi":{},"benchmarkContract":{"command":""}}`,
		want: []string{"quality_gap 12 keep start"}},
	{name: "pi: the metric stays", path: ".auto/log.jsonl",
		text: `{"type":"config","name":"n","metricName":"geomean_ns","metricUnit":"ns","bestDirection":"lower"}
{"run":1,"commit":"aaaaaa1","metric":438066.1,"metrics":{"mid_ns":1},"status":"keep","description":"start","segment":0}
{"type":"config","name":"fixed work","metricName":"geomean_ns","metricUnit":"ns","bestDirection":"lower"}
{"run":2,"commit":"aaaaaa2","metric":435340.4,"metrics":{},"status":"discard","description":"hoist","segment":1}`,
		want: []string{"geomean_ns 438066.1 keep start", "geomean_ns 435340.4 discard hoist"}},
	{name: "tokens and milliseconds", path: "results.tsv",
		text: "commit tok_s ms_per_tok compile_ms quality status description|aaaaaa1 68.0 15.1 841 1.00 keep start|aaaaaa2 0.0 0.0 0 0.00 crash fused",
		want: []string{"tok_s 68 keep start", "tok_s - crash fused"}},
	{name: "no metric at all", path: "autoresearch-results.tsv",
		text: "cycle timestamp hypothesis result commit notes|1 2026-03-13T01:10:11 add_percentiles kept aaaaaa1 tests_pass|2 2026-03-13T01:12:28 DRY take_the_whole_of_it_out_into_a_variable script PASS aaaaaa2 more",
		want: []string{" - kept tests_pass hypothesis: add_percentiles",
			"broken: its result is a sentence, so its fields stand in other columns"}},
	{name: "karpathy's, as test data", path: "test-data/results.tsv",
		text: "commit val_bpb memory_gb status description|abc1234 1.05 45.2 keep start",
		want: []string{"val_bpb 1.05 keep start"}},
	{name: "pi: notes of an experiment", path: ".auto/log.jsonl",
		text: `{"type":"config","name":"n","metricName":"tq_mse","metricUnit":"","bestDirection":"lower"}
{"run":1,"commit":"aaaaaa1","metric":0.2959,"metrics":{"fwht_us":372.4},"status":"keep","description":"start","asi":{"hypothesis":"h"}}`,
		want: []string{"tq_mse 0.2959 keep start"}},
	{name: "pi: no settings", path: ".auto/log.jsonl",
		text: `{"run":2,"commit":"aaaaaa1","metric":1331,"metrics":{"vram_gb":14.4},"status":"keep","description":"inference mode","segment":0}`,
		want: []string{" 1331 keep inference mode"}},
	{name: "a decision, and remarks between", path: "autoresearch-results-hard.tsv",
		text: "iteration n_walkers direction width slice_fn n_expand n_shrink n_slices metric delta decision note|New benchmark|0 128 de_mcz cov mh 1 1 1 0.010266 - STALE inflated|FIX the_bench|1 128 de_mcz cov mh 3 1 1 0.003523 +0.0003 BASELINE corrected",
		want: []string{"broken: 2 fields, and the header has 12", "metric 0.010266 STALE inflated",
			"broken: 2 fields, and the header has 12", "metric 0.003523 BASELINE corrected"}},
	{name: "a decision", path: "autoresearch-results.tsv",
		text: "iteration n_walkers direction width slice_fn n_expand n_shrink n_slices metric delta decision note|0 64 de_mcz scale fixed 3 12 1 0.000473 baseline keep start|1 64 de_mcz scale fixed 3 6 1 0.000736 +0.0002 keep fewer",
		want: []string{"metric 0.000473 keep start", "metric 0.000736 keep fewer"}},
	{name: "free notes as lines", path: ".auto/log.jsonl",
		text: `{"experiment":"promote one register","result":"crash","detail":"no macro"}
{"experiment":"read the code","result":"complete","evidence":"four loads","decision":"keep the switch"}`,
		want: []string{" - crash promote one register detail: no macro",
			" - complete read the code evidence: four loads"}},
	{name: "pi: checks failed", path: ".auto/log.jsonl",
		text: `{"type":"config","name":"n","metricName":"render_ns","metricUnit":"","bestDirection":"lower"}
{"run":3,"commit":"aaaaaa1","metric":7869882.9,"metrics":{"feed_ns":1},"status":"checks_failed","description":"inline","asi":{"rollback_reason":"no build"}}`,
		want: []string{"render_ns 7869882.9 checks_failed inline rollback reason: no build"}},
	{name: "pi: several metrics", path: "autoresearch.jsonl",
		text: `{"bestDirection": "higher", "metricName": "f1_pct", "metricUnit": "pct", "name": "n", "type": "config"}
{"metric": 22.2, "metrics": {}, "run": 1, "segment": 0, "status": "keep", "description": "start"}
{"bestDirection": "lower", "metricName": "hit_ms", "metricUnit": "ms", "name": "m", "type": "config"}
{"metric": 26.3, "metrics": {}, "run": 2, "segment": 1, "status": "discard", "description": "threads"}`,
		want: []string{"f1_pct 22.2 keep start", "hit_ms 26.3 discard threads"}},

	// Not of that list: what must not be guessed.
	{name: "two columns whose names say nothing", path: "results.tsv",
		text:    "commit alpha omega status description|aaaaaa1 1.5 2.5 keep start",
		refused: "alpha, omega", proposal: "status=status,note=description"},
	{name: "one column whose name says nothing", path: "results.tsv",
		text: "commit sneezes memory_gb status description|aaaaaa1 1.5 44.0 keep start",
		want: []string{"sneezes 1.5 keep start"}},
	{name: "a counter alone", path: "results.tsv",
		text: "run seed status description|1 17 keep start",
		want: []string{" - keep start"}},
}

// table writes a restated table: | ends a line, a blank a field, _ in the text stays.
func table(text string) []byte {
	if strings.HasPrefix(text, "{") {
		return []byte(text + "\n")
	}

	return []byte(strings.NewReplacer(" ", "\t", "|", "\n").Replace(text) + "\n")
}

func describeRun(i foreign.Item) string {
	if i.Kind == foreign.Broken {
		return "broken: " + i.Broken
	}

	value := "-"
	if i.Value != nil {
		value = strings.TrimRight(strings.TrimRight(formatFixed(*i.Value), "0"), ".")
	}

	return strings.TrimRight(strings.Join([]string{i.Metric, value, i.Status, i.Description, i.Note}, " "), " ")
}

// A format that is forced finds the columns by their names, too.
func TestForcedFormat(t *testing.T) {
	text := table("config_id tg_tok_s vram_gb status description|4f9a41c 29.1 10.1 keep start|0915577 26.3 9.9 discard q8")

	for _, name := range []string{"karpathy", "table"} {
		var got []string

		for _, i := range readItems(t, findFormat(t, name), "results.tsv", text) {
			got = append(got, string(i.Kind)+" "+describeRun(i))
		}

		if want := "run tg_tok_s 29.1 keep start"; len(got) != 3 || got[1] != want {
			t.Errorf("%s gives %q, want %q", name, got, want)
		}
	}
}

func TestLayoutsOfUsers(t *testing.T) {
	for _, tt := range layouts {
		t.Run(tt.name, func(t *testing.T) {
			text := table(tt.text)

			f, err := foreign.DetectFormat(tt.path, text)
			if tt.columns != "" {
				columns, parseErr := foreign.ParseColumns(tt.columns)
				if parseErr != nil {
					t.Fatal(parseErr)
				}
				f, err = foreign.UseColumns(tt.path, text, columns)
			}

			if tt.refused != "" {
				var unclear *foreign.UnclearError
				if !errors.As(err, &unclear) || !strings.Contains(err.Error(), tt.refused) ||
					unclear.Proposal.String() != tt.proposal {
					t.Fatalf("it is %q, refused with %v, proposed %+v", f.Name, err, unclear)
				}

				return
			}

			if err != nil {
				t.Fatal(err)
			}

			var got []string

			for _, i := range readItems(t, f, tt.path, text) {
				if i.Kind == foreign.Run || i.Kind == foreign.Broken {
					got = append(got, describeRun(i))
				}
			}

			if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("%s gives\n%s\nwant\n%s", f.Name, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}
