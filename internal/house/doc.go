// Package house holds the tests that keep the house's order: which floor may
// import which, and in which room each library lives.
package house
