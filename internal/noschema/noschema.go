// Package jsonschema has the names that mcp-go's validation of tool calls wants
// from github.com/santhosh-tekuri/jsonschema/v6, and no validation: Ratchet
// decodes its arguments itself and switches mcp-go's off. The library compiles
// seven meta-schemas whenever a process starts, which a server, a worker and
// every command would pay for. Where somebody switches validation on after all,
// the first call panics, since mcp-go takes a schema that does not compile for
// one that allows everything. Written from mcp-go's use of the names.
package jsonschema

import "io"

const left = "schema validation is left out of this build: drop the replace line for santhosh-tekuri/jsonschema from go.mod"

// Compiler compiles nothing.
type Compiler struct{}

// NewCompiler panics.
func NewCompiler() *Compiler { panic(left) }

// AddResource panics.
func (*Compiler) AddResource(string, any) error { panic(left) }

// Compile panics.
func (*Compiler) Compile(string) (*Schema, error) { panic(left) }

// UnmarshalJSON panics.
func UnmarshalJSON(io.Reader) (any, error) { panic(left) }

// Schema validates nothing.
type Schema struct{}

// Validate panics.
func (*Schema) Validate(any) error { panic(left) }

// ValidationError is one that nobody makes.
type ValidationError struct {
	InstanceLocation []string
	ErrorKind        any
	Causes           []*ValidationError
}

func (*ValidationError) Error() string { return left }
