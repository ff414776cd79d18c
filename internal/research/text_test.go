package research_test

import (
	"testing"

	"ratchet/internal/research"
)

// TestAlike holds the threshold to pairs of hypotheses as agents write them:
// the same idea in other words, and different ideas about the same thing.
func TestAlike(t *testing.T) {
	tests := []struct {
		a, b string
		same bool
	}{
		{"unroll the inner loop: fewer branches", "Unroll the inner loop, which means fewer branches", true},
		{"unroll the inner loop to cut branches", "cut branches by unrolling the inner loop", true},
		{"use insertion sort for small partitions", "small partitions: use an insertion sort", true},
		{"switch to insertion sort below 16 elements", "insertion sort for partitions below 16 elements", true},
		{"preallocate the result slice with its final capacity",
			"preallocating the result slice to its final capacity avoids growth", true},
		{"median-of-three pivot selection avoids the quadratic case",
			"choose the pivot by median of three to avoid quadratic cases", true},
		{"replace the map by a slice indexed by id", "replace map with slice indexed by id", true},
		{"add a warm-up schedule to the learning rate", "learning rate: warmup schedule", true},
		{"fuse the bias add into the matmul kernel", "fusing bias add and matmul into one kernel", true},
		{"raise the batch size to 64", "Raise batch size to 64.", true},

		{"raise the batch size to 64", "raise the batch size to 128", false},
		{"use insertion sort for small partitions", "use heap sort for large partitions", false},
		{"unroll the inner loop to cut branches", "hoist the bounds check out of the inner loop", false},
		{"cache the compiled regexp", "replace the regexp by strings.Index", false},
		{"lower the learning rate to 3e-4", "lower the weight decay to 3e-4", false},
		{"preallocate the result slice", "reuse the result buffer between calls", false},
		{"median-of-three pivot selection", "random pivot selection", false},
		{"vectorise the distance computation", "parallelise the distance computation over cores", false},
		{"use a larger embedding dimension", "use a smaller vocabulary", false},
		{"add dropout to the attention layers", "add residual scaling to the attention layers", false},
		{"remove the bounds check in partition", "inline the comparison function", false},
		{"keep the hot data in one cache line", "sort the keys before the lookup", false},
		{"raise the batch size to 64", "batch of sixty-four",
			false}, // missed: what a measure of letters can't see
		{"cache the compiled regexp instead of compiling it per call", "compile the regexp once and cache it",
			false}, // missed
		{"GELU instead of ReLU", "SwiGLU instead of ReLU in the MLP", false},
	}
	for _, tt := range tests { // those that are the same reach .80 or more, those that are not .71 or less
		for _, p := range [][2]string{{tt.a, tt.b}, {tt.b, tt.a}} {
			share, same := research.CompareTexts(p[0], p[1])
			t.Logf("%.2f %-5t %s / %s", share, tt.same, p[0], p[1])

			if same != tt.same {
				t.Errorf("%q and %q are %.2f alike: same %t, want %t", p[0], p[1], share, same, tt.same)
			}
		}
	}
}

func TestEditDigest(t *testing.T) {
	was := "a := 1\n\nfor i := range n {\n\tsum += i\n}\n"
	digest := func(was, is string) string {
		return research.EditDigest([]research.Edit{{Path: "f.go", Was: []byte(was), Is: []byte(is)}})
	}
	first := digest(was, "a := 2\n\nfor i := range n {\n\tsum += i\n}\n")

	tests := []struct {
		name, was, is string
		same          bool
	}{
		{"the same lines elsewhere, with other white space", "x\ny\nz\n" + was,
			"x\ny\nz\n\n\n  a :=  2\r\nfor i := range n {\n    sum += i\n}\n", true},
		{"without the line's end", "a := 1", "a := 2", true},
		{"another value", was, "a := 3\n\nfor i := range n {\n\tsum += i\n}\n", false},
		{"the other way round", "a := 2", "a := 1", false},
		{"the line twice", "a := 1", "a := 2\na := 2", false},
		{"one line more", was, "a := 2\nb := 2\nfor i := range n {\n\tsum += i\n}\n", false},
	}
	for _, tt := range tests {
		if got := digest(tt.was, tt.is); (got == first) != tt.same || got == "" {
			t.Errorf("%s: digest %q against %q, want the same: %t", tt.name, got, first, tt.same)
		}
	}

	if got := digest("a\nb\n", "b\n\n  a\n"); got != "" {
		t.Errorf("moved lines have the digest %q", got)
	}

	x, y := research.Edit{Path: "x", Is: []byte("1\n")}, research.Edit{Path: "y", Is: []byte("2\n")}
	if research.EditDigest([]research.Edit{x, y}) != research.EditDigest([]research.Edit{y, x}) {
		t.Error("the order of the files counts")
	}

	x.Path, y.Path = "y", "x"
	if research.EditDigest([]research.Edit{x, y}) == research.EditDigest([]research.Edit{{Path: "x", Is: []byte("1\n")},
		{Path: "y", Is: []byte("2\n")}}) {
		t.Error("which file holds the lines does not count")
	}
}
