// Package mcpclient is a small client of the Model Context Protocol, over a
// process's standard streams and over HTTP. It is written against the
// specification and shares no code with the server, whose second reader it is:
// the demo plays an agent with it, and doctor asks what a client's entry answers.
//
// Limits: one call at a time; notifications are skipped; of the server's own
// requests none is supported.
package mcpclient
