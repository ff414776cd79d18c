package tools_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/invopop/jsonschema"

	"ratchet/tools"
)

// TestSchemasComeFromTheStructs holds the embedded schemas to the argument and
// answer structs; -update writes them.
func TestSchemasComeFromTheStructs(t *testing.T) {
	for _, tool := range tools.All() {
		schemaGolden(t, tool.Name+".input.json", inputOf(tool.Arguments))
		schemaGolden(t, tool.Name+".output.json", outputOf(tool.Answers))
	}
}

func schemaGolden(t *testing.T, name string, s *jsonschema.Schema) {
	t.Helper()

	got, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}

	got = append(got, '\n')

	path := filepath.Join("schema", name)
	if *update {
		if err := os.WriteFile(path, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}

	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	if string(want) != string(got) {
		t.Errorf("%s is stale, run with -update:\nhave %s\nwant %s", path, want, got)
	}
}

// inputOf is the JSON Schema of an argument struct. Whatever it does not name
// is refused; whatever is not omitempty is required.
func inputOf(arguments any) *jsonschema.Schema {
	return reflectSchema(reflect.TypeOf(arguments), false)
}

// outputOf is the JSON Schema of what a tool answers. Nothing is required,
// because a client may hold a refusal, which has only error, to the same schema.
func outputOf(answers any) *jsonschema.Schema {
	s := reflectSchema(reflect.TypeOf(answers), true)
	s.Properties.Set("error", reflectSchema(reflect.TypeFor[struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Next    string `json:"next"`
	}](), true))
	relax(s)

	return s
}

func reflectSchema(t reflect.Type, open bool) *jsonschema.Schema {
	r := jsonschema.Reflector{Anonymous: true, DoNotReference: true, ExpandedStruct: true,
		AllowAdditionalProperties: open}
	s := r.ReflectFromType(t)
	s.Version = ""

	return s
}

// relax drops every required list.
func relax(s *jsonschema.Schema) {
	s.Required = nil
	if s.Items != nil {
		relax(s.Items)
	}

	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		relax(p.Value)
	}
}
