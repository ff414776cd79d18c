package stage

// The two entries into the kernel as seccomp names them, where call has their
// numbers, and calls that package syscall has no number of.
const (
	nativeArch, compatArch     = 0xc000003e, 0x40000003 // x86-64 and i386
	nativeNumber, compatNumber = 0, 1
	firstX32                   = 0x40000000 // calls of x32 come by the native entry, with this bit

	sysSeccomp, sysProcessVMReadv = 317, 310
)
