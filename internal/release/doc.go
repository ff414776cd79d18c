// Package release makes what a release needs beyond what goreleaser makes: MCP
// bundles and the registry's server.json. It is a tool of the build, never part
// of the binary; .goreleaser.yaml and the Makefile call it by
// internal/release/run. The same input gives the same bytes: no clock, no random
// number, no path of the machine gets in.
package release
