package server_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ratchet/internal/research"
	"ratchet/server"
)

// A file of before there were roles has agents; a role of a later version opens nothing.
func TestTokensOfOtherVersions(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens.json")
	tokens := server.OpenTokens(path)
	old, err := tokens.Add("old", server.RoleAgent)
	must(t, err)
	later, err := tokens.Add("later", server.RoleRead)
	must(t, err)
	data, err := os.ReadFile(path)
	must(t, err)
	data = bytes.ReplaceAll(data, []byte(",\n      \"role\": \"agent\""), nil)
	must(t, os.WriteFile(path, bytes.ReplaceAll(data, []byte(`"read"`), []byte(`"owner"`)), 0o600))

	if strings.Contains(string(data), "agent") || !strings.Contains(string(data), `"read"`) {
		t.Fatalf("the file: %s", data)
	}

	if who, ok, err := tokens.Check(old); !ok || err != nil || who.Role != server.RoleAgent || who.Name != "old" {
		t.Errorf("a token without a role: %+v, %t, %v", who, ok, err)
	}

	if who, ok, err := tokens.Check(later); ok || err != nil {
		t.Errorf("a token of an unknown role: %+v, %v", who, err)
	}

	if _, err := tokens.Add("x", "owner"); research.Describe(err).Code != research.CodeBadArgument {
		t.Errorf("an unknown role was added: %v", err)
	}
	own := server.OpenTokens("")
	token, err := own.Add("ui", server.RolePerson)
	must(t, err)

	if who, ok, err := own.Check(token); !ok || err != nil || who.Role != server.RolePerson {
		t.Errorf("a token without a file: %+v, %t, %v", who, ok, err)
	}
}
