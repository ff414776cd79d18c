package clients_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/clients"
)

// The part of docs/clients.md between its marks is written by this test (with
// -update), from the table that install uses.
func TestDocs(t *testing.T) {
	const file, begin, end = "../../docs/clients.md", "<!-- clients -->\n", "<!-- end -->\n"

	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), begin)

	_, tail, okay := strings.Cut(rest, end)
	if !ok || !okay {
		t.Fatal("docs/clients.md has lost its marks")
	}

	var b bytes.Buffer
	for _, c := range clients.AllClients() {
		describeClient(t, &b, c)
	}

	want := head + begin + b.String() + end + tail
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Errorf("docs/clients.md is not what the table says (run with -update):\n%s", cmp.Diff(string(text), want))
	}
}

func describeClient(t *testing.T, b *bytes.Buffer, c clients.Client) {
	t.Helper()
	fmt.Fprintf(b, "\n### %s\n\n```\nratchet install %s\n```\n\n| | |\n|---|---|\n", c.Name, c.ID)
	fmt.Fprintf(b, "| known from | %s |\n", c.Evidence)

	for _, scope := range c.Scopes() {
		fmt.Fprintf(b, "| %s's file | %s |\n", scope, listPlaces(t, c, scope))
	}

	for _, scope := range c.Scopes() {
		m := clients.Machine{GOOS: "linux", Home: "/~", Getenv: func(string) string { return "" }}

		var all []string
		for _, e := range c.LoopExtras(m, scope, "/.") {
			all = append(all, e.About+" `"+strings.TrimPrefix(strings.TrimPrefix(e.File, "/"), "./")+"`")
		}

		if len(all) > 0 {
			fmt.Fprintf(b, "| `--with-loop`, %s scope | %s |\n", scope, strings.Join(all, ", "))
		}
	}
	fmt.Fprintf(b, "| limit of one call | %s |\n", c.Timeout)

	token := "in the file itself (mode 0600), taken from `" + clients.TokenVariable + "` when you install"
	if c.ExpandsVariables() {
		token = "from `" + clients.TokenVariable + "` when the client starts"
	}
	fmt.Fprintf(b, "| token, with `--http` | %s |\n", token)

	for _, scope := range c.Scopes() {
		if what := c.Approve[scope]; what != "" {
			fmt.Fprintf(b, "| then, %s scope | %s |\n", scope, what)
		}
	}

	snippet, err := c.RenderSnippet(clients.Server{Command: "/home/ada/.local/bin/ratchet",
		Args: c.CommandArguments("")})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(b, "| start | %s |\n\n```\n%s```\n", c.StartSentence(), snippet)
}

// listPlaces are a client's file on the three systems, said once where they agree.
func listPlaces(t *testing.T, c clients.Client, scope clients.Scope) string {
	t.Helper()
	var out []string
	last := ""

	for _, system := range [][2]string{{"linux", ""}, {"darwin", "macOS: "}, {"windows", "Windows: "}} {
		m := clients.Machine{GOOS: system[0], Home: "/~", Getenv: func(string) string { return "" }}

		file, err := c.ConfigFile(m, scope, "/.")
		if err != nil {
			t.Fatal(err)
		}
		file = strings.TrimPrefix(strings.TrimPrefix(file, "/"), "./")

		file = strings.Replace(file, "~/AppData/Roaming", "%APPDATA%", 1)
		if file != last {
			out = append(out, system[1]+"`"+file+"`")
		}
		last = file
	}

	return strings.Join(out, "; ")
}
