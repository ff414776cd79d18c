//go:build !unix

package server

// ownedByUs is git's own question where owners are no numbers.
func ownedByUs(string) bool { return true }
