// Package pagecache brings files into a known state before something is measured: read
// into memory, or dropped from it.
//
// Invariants:
//
//   - Nothing but regular files is opened, no link is followed, and nothing is changed.
//   - Which files a set has depends on what lies in the folders alone, so that two calls
//     with the same folders bring about the same.
//
// Limits: a set has the largest files up to MaxFiles and MaxBytes, and reading them in
// ends when its time is over; Left says what the bounds left out. Dropping is advice to
// the kernel (posix_fadvise): pages that are mapped, dirty or locked stay. Elsewhere than
// on Linux nothing is dropped.
package pagecache
