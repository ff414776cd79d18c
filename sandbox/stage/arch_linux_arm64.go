package stage

// The two entries into the kernel as seccomp names them, where call has their
// numbers, and calls that package syscall has no number of.
const (
	nativeArch, compatArch     = 0xc00000b7, 0x40000028 // AArch64 and AArch32
	nativeNumber, compatNumber = 2, 3
	firstX32                   = 0 // there is no such thing

	sysSeccomp, sysProcessVMReadv = 277, 270
)
