// Package screen lays text out for a terminal: by display width, with colour
// where it is wanted. It is pure: what it is told of the terminal is all that
// it knows, and it writes nothing.
//
// Limits: characters whose width East Asian terminals may set to one or two
// ("ambiguous" in Unicode) count as one.
package screen
