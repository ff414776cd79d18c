package ledger

import "fmt"

// networks are the file systems, by the number that statfs(2) gives, whose locks
// may not hold between machines, or at all. Source: linux/magic.h and the file
// systems' own headers.
var networks = map[uint32]string{
	0x6969:     "NFS",
	0x517B:     "SMB",
	0xFE534D42: "SMB",
	0xFF534D42: "CIFS",
	0x01021997: "9p (a folder of the host's, as under WSL)",
	0x65735546: "FUSE (which may be a network: sshfs, s3fs)",
	0x5346414F: "AFS",
	0x6B414653: "AFS",
	0x00C36400: "Ceph",
	0x73757245: "Coda",
	0x01161970: "GFS2",
	0x7461636F: "OCFS2",
	0x0BD00BD0: "Lustre",
	0x47504653: "GPFS",
	0x19830326: "BeeGFS",
	0xAAD7AAEA: "PanFS",
	0x786F4256: "VirtualBox's shared folders",
	0xBACBACBC: "VMware's shared folders",
}

// NetworkFileSystem names the file system with statfs's number magic if it is
// one that a ledger should not be on; "" for all others.
func NetworkFileSystem(magic uint32) string { return networks[magic] }

// Warning says what is wrong with where the ledger lies, and what to do; "" if
// nothing is known to be.
func (l *Ledger) Warning() string {
	name := NetworkFileSystem(magicOf(l.dir))
	if name == "" {
		return ""
	}

	return fmt.Sprintf("the ledger %s is on %s: locks may not hold there, so use it from one machine only, or put it on a local disk (--ledger or RATCHET_LEDGER)", l.path, name)
}
