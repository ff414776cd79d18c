// Package contract is program.md: its front matter as a Program, what it means for a
// guard or a notice, and how a run's output becomes the metric's sample.
//
// Invariants:
//
//   - It is pure: text and bytes in, values out.
//   - ParseProgram is strict. An unknown, doubled or missing key, a wrong type and an
//     impossible value are faults with their lines; no value is guessed.
//   - RenderProgram and ParseProgram are inverse: what one writes, the other reads back.
//   - A Program's Digest changes with every value that is enforced, and with nothing
//     else: not with comments, the order of keys or the spelling of a value.
//   - A sample is a finite decimal number or an error that becomes the run's reason;
//     what can't be read is never passed over in favour of another value.
//
// Limits: program.md has at most 256 KiB, a line of output that holds a metric at most
// 64 KiB, a median at most 100,000 values. YAML's anchors, aliases and tags are refused.
package contract
