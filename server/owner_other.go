//go:build !unix

package server

// mine is git's own question where owners are no numbers.
func mine(string) bool { return true }
