// Package house holds the rules of the house, as tests: which floor may import
// which, where each library lives, how large a package and a type may get, how
// code is laid out, and that wording and atomic replaces have one home each. The
// rules are functions over sources, so that each is shown to fail on a planted
// offence. The figures are alarms, not aims.
package house
