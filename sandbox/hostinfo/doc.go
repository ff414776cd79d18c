// Package hostinfo says what machine this is, as far as that decides whether
// the numbers of two runs can be compared (Environment), and how busy others
// keep it (LoadMeter, LoadAverage).
//
// Limits: it reads /proc and /sys, so outside of Linux it knows next to
// nothing. Each type says what it does not see.
package hostinfo
