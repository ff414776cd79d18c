// Package copies stands in for overlays where a machine can't mount any: it
// copies what every view of a run shows, says where each path of the run lies
// in the copies, and moves what the run changed to the upper folders, as an
// overlay would have left it.
//
// What is taken for touched is every entry that is new or whose inode, mode or
// ctime is another: nothing but time itself sets a ctime.
//
// Limits: Linux only. A folder that the run removed and made again is not
// marked opaque: what is gone from it has whiteouts. Carried folders are copies
// too, and what the run changed in them is forgotten.
package copies
