//go:build !unix

package worker

// openNonblocking is nothing where no file waits when it is opened.
const openNonblocking = 0
