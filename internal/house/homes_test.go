package house_test

import (
	"strings"
	"testing"

	"ratchet/internal/house"
)

// Wording and atomic replaces have one home each.
func TestHomes(t *testing.T) {
	for _, fault := range house.CheckTreeHomes(root) {
		t.Error(fault)
	}
}

func TestHomelessCodeIsNoticed(t *testing.T) {
	const head = "package p\n\nimport (\n\t\"fmt\"\n\t\"os\"\n)\n\nfunc f(n int, s string, r []rune) string {\n\t"

	for _, c := range []struct{ path, body, want string }{
		{"p/p.go", `_ = os.Rename("a", "b")`, "renames by itself"},
		{"p/p.go", `move := os.Rename; _ = move`, "renames by itself"},
		{"ledger/anchor.go", `_ = os.Rename("a", "b")`, ""},
		{"p/p.go", `return fmt.Sprintf("%d %ss", n, s)`, "makes a plural"},
		{"p/p.go", `return fmt.Sprintf("%d %s", n, s)`, ""},
		{"p/p.go", `s += "s"`, "makes a plural"},
		{"p/p.go", `return "2 " + s + "s"`, "makes a plural"},
		{"internal/wording/number.go", `return "2 " + s + "s"`, ""},
		{"p/p.go", `return string(r[:n-1]) + "…"`, "cuts a text"},
		{"p/p.go", `return s[:n] + "…\n"`, "cuts a text"},
		{"p/p.go", `return s + "…"`, ""},
	} {
		faults := strings.Join(house.CheckHomes(c.path, []byte(head+c.body+"\n}\n")), "\n")
		if c.want == "" && faults != "" || !strings.Contains(faults, c.want) {
			t.Errorf("%s in %s: %q, want %q", c.body, c.path, faults, c.want)
		}
	}
}
