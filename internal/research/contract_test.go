package research_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/research"
)

func TestChanges(t *testing.T) {
	was := autoProgram()
	now := was
	now.Run, now.Env = "./other", []string{"HF_HOME"}
	var keys []string
	for _, c := range research.Changes(was, now) {
		keys = append(keys, c.Key)
		if c.Was == c.Now {
			t.Errorf("%+v", c)
		}
	}
	if diff := cmp.Diff([]string{"env", "run"}, keys); diff != "" {
		t.Error(diff)
	}
	if all := research.Changes(was, was); all != nil {
		t.Errorf("of the same: %v", all)
	}
}
