// Package dashboard is the dashboard's page, as files that the binary carries;
// package server serves them and what they ask for. Nothing else is here.
package dashboard

import "embed"

// Files are index.html, and below assets what it loads: nothing comes from
// another host. What lies in assets is served as it is, to everybody.
//
//go:embed index.html assets
var Files embed.FS
