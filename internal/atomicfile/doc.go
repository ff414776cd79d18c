// Package atomicfile replaces files as a whole: a reader, and whatever runs
// after a crash, finds the old content or the new one and never a part.
//
// The content is written to a temporary file in the same folder, made durable,
// and renamed over the target; then the folder is made durable, because without
// that a crash of the machine may undo the rename.
//
// What is not promised: the target's owner and extended attributes are not
// carried over (a caller that needs them sets them on the File before Commit),
// and two writers of one file are not kept apart (the last rename wins, unless
// both name the same temporary file). A process that is killed between Create
// and Commit leaves its temporary file behind; the names begin with TempPrefix.
//
// The ledger keeps writers of its own where its proofs of crash safety name each
// step (fault points file.sync and file.rename); it takes SyncDir from here.
package atomicfile
