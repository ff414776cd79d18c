// Package layers works on folders as overlayfs keeps them, without mounting
// anything: it looks names up in a stack of layers, copies what a stack shows,
// copies single layers and lists what an upper folder changes.
//
// A layer is a folder in which a character device 0:0 (a whiteout) says that
// the name is gone, and the attribute "opaque" on a folder that nothing of the
// layers below shows in it. A stack is a list of layers, topmost first.
//
// Limits: Linux only. Sockets are never copied; hard links become separate
// files; extended attributes other than the marks of overlays are not copied.
package layers

// Change is one difference between a stack and an upper folder on top of it.
type Change struct {
	Path string // slash-separated, relative to the upper folder
	Kind string // Written, Restored, Deleted or Dir
}

// Kinds of changes.
const (
	Written = "written" // a file, link or other non-folder is new, or has other content, mode or type
	// it has the content and mode that it had, but was changed and put back meanwhile, or opened for writing
	Restored = "restored"
	Deleted  = "deleted" // it is gone; a deleted folder is listed with everything that was in it
	Dir      = "dir"     // a folder is new or has another mode
)
