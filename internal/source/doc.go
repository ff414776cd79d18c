// Package source reads and writes the user's git repository for the laboratory.
//
// Reads of commits, trees and blobs go through go-git's object storage and fall
// back to git where that fails (partial clones, packs replaced by a concurrent
// gc, pack indexes too big to hold in memory). Everything else is one short git
// process per call with a fixed argument list, because filters, line endings,
// file modes, sparse checkouts and locks are only right when git does them.
//
// Three types share the work, each embedded in the next: gitCommand starts git in
// one checkout; Objects reads and makes commits, trees and blobs, and changes no ref
// and no file of the user's; Repo adds HEAD, refs, the index and the work tree.
//
// What holds for every call:
//   - The user's index, HEAD, branches, stash, untracked and ignored files stay
//     byte-identical, except in AttachHead, Switch, RefreshIndex, Restore and the
//     refs named to UpdateRefs, which do what their names say.
//   - Hooks never run; neither does a file system monitor, an external diff or a
//     pager, and nothing is fetched. Clean and smudge filters do run: they are what
//     makes content right. For a run they count only where a .gitattributes of the commit
//     names them.
//   - An object is what its hash names: replace refs and grafts are not followed, and the
//     hash of what is read is checked.
//   - The environment is scrubbed of GIT_*, except identity, configuration
//     (GIT_CONFIG_*), GIT_ATTR_NOSYSTEM and GIT_LFS_*.
//   - Hashes are full 40-digit hex strings; paths are slash-separated and relative
//     to the repository's root, and taken literally, never as patterns.
//   - A cancelled context ends git with SIGTERM, so that it removes its locks.
//   - Errors are *research.Error: CodeRepository where git refuses, CodeStorage
//     where the disk does, CodeCancelled when ctx ended, and those named below.
//
// Limits: git 2.31 or newer, SHA-1 repositories with a work tree. A repository
// path with a line break in it is refused. Commits are not signed, whatever
// commit.gpgSign says. Submodules are never entered. Files marked
// assume-unchanged or skip-worktree are no change to Changes, as to git.
// A cherry-pick or revert of one commit in a reftable repository isn't noticed by RequireNoOperation.
package source
