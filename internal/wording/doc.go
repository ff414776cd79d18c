// Package wording is the one home of how counts, numbers, gains, times and
// borrowed texts are written in what people and agents read.
//
// It is pure: a text depends on the arguments alone. Answers, reports, commit
// messages and stored findings are made with it, so a change here changes what is
// compared byte by byte in goldens and in recomputed reports.
//
// What belongs elsewhere: the sentence of a verdict (package rules, which has its
// facts), numbers as program.md writes them, which must be read back (package
// contract), and the layout of a terminal (package screen). A page of the
// dashboard formats by itself, in format.js, by the same rules.
package wording
