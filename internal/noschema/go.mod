// What stands in for the schema library that mcp-go imports and Ratchet never
// calls; see docs/decisions.md. The module's go.mod puts it in that place.
module github.com/santhosh-tekuri/jsonschema/v6

go 1.26.0
