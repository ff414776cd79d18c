package ledger_test

import (
	"strings"
	"testing"

	"ratchet/ledger"
)

func TestNetworkFileSystem(t *testing.T) {
	for magic, want := range map[uint32]string{
		0x6969: "NFS", 0x517B: "SMB", 0xFE534D42: "SMB", 0xFF534D42: "CIFS", 0x01021997: "9p", 0x65735546: "FUSE",
		0x00C36400: "Ceph", 0x0BD00BD0: "Lustre", 0x47504653: "GPFS", 0x19830326: "BeeGFS", 0x786F4256: "VirtualBox",
		0xEF53: "", 0x58465342: "", 0x9123683E: "", 0x01021994: "", 0x794C7630: "", 0x2FC12FC1: "", 0xF2F52010: "",
		0: "",
	} {
		if got := ledger.NetworkFileSystem(magic); !strings.HasPrefix(got, want) || got != "" && want == "" {
			t.Errorf("%#x is %q, want %q", magic, got, want)
		}
	}
}
