// Package render builds answers: a list of fields becomes a text and a JSON
// object, each complete in itself and at most Limit bytes long. What an answer
// has no room for is cut from its lists and long texts first.
//
// Everything that agents and programs wrote is cleaned of control characters here
// (Clean, Line); what a program printed is marked as data.
package render
