package stage

// The call that makes a socket, and the architecture as seccomp names it.
const (
	sysSocket = 41
	auditArch = 0xc000003e
)
