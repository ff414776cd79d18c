package stage

// The call that makes a socket, and the architecture as seccomp names it.
const (
	sysSocket = 198
	auditArch = 0xc00000b7
)
