// A library that answers as a driver with two GPUs would, the second of them
// cut into two instances. MODE says what is wrong with it. Whoever calls it after
// a start that failed is aborted. With OLD it lacks what young drivers have.
#include <stdlib.h>
#include <string.h>

typedef unsigned long long u64;
typedef struct { u64 total, free, used; } memory;
typedef struct { unsigned gpu, memory; } rates;
typedef struct { unsigned pid; u64 used; unsigned gi, ci; } process;
typedef struct { unsigned pid; u64 used; } process_v1;
enum { OK, UNINITIALIZED, INVALID, NOT_SUPPORTED, NO_PERMISSION, NOT_FOUND = 6, TOO_SMALL = 7, NOT_LOADED = 9, LOST = 15 };
enum { GPU0 = 1, GPU1, PART1 = 16, PART2 };

static int started, asked;
static int mode(const char *m) { const char *e = getenv("MODE"); return e && !strcmp(e, m); }
static long id(void *d) { if (started != 1) abort(); return (long)d; }
static int part(void *d) { return id(d) >= PART1; }

int nvmlInit_v2(void) {
	if (mode("no module")) { started = -1; return NOT_LOADED; }
	if (mode("version mismatch")) { started = -1; return 18; }
	started = 1;
	return OK;
}
int nvmlShutdown(void) { id(0); started = 0; return OK; }
const char *nvmlErrorString(int code) { abort(); }
int nvmlSystemGetDriverVersion(char *s, unsigned n) { id(0); strncpy(s, "570.1", n); return OK; }
#ifndef ANCIENT
int nvmlDeviceGetCount_v2(unsigned *n) { id(0); *n = mode("no gpus") ? 0 : 2; return OK; }
#endif
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **d) {
	id(0);
	if (mode("one dead") && i == 0) return LOST;
	*d = (void *)(long)(GPU0 + i);
	return OK;
}
int nvmlDeviceGetUUID(void *d, char *s, unsigned n) {
	strncpy(s, id(d) == GPU0 ? "GPU-0" : id(d) == GPU1 ? "GPU-1" : id(d) == PART1 ? "MIG-1" : "MIG-2", n);
	return OK;
}
int nvmlDeviceGetName(void *d, char *s, unsigned n) { strncpy(s, part(d) ? "NVIDIA Z1 MIG 1g.10gb" : "NVIDIA Z1", n); return OK; }
int nvmlDeviceGetMinorNumber(void *d, unsigned *n) { if (part(d)) return INVALID; *n = id(d) + 3; return OK; }
int nvmlDeviceGetMemoryInfo(void *d, memory *m) {
	id(d);
	if (mode("dies") && ++asked > 6) return LOST;
	if (mode("shared memory")) return NOT_SUPPORTED;
	m->total = part(d) ? 10ull << 30 : 80ull << 30;
	m->used = 1ull << 30;
	return OK;
}
int nvmlDeviceGetComputeRunningProcesses(void *d, unsigned *n, process_v1 *p) {
	id(d);
	if (mode("nonsense")) { *n = 0; return TOO_SMALL; }
	if (mode("secretive")) return NO_PERMISSION;
	if (*n < 1) { *n = 1; return TOO_SMALL; }
	p[0].pid = 11, p[0].used = 5;
	*n = 1;
	return OK;
}
#ifndef OLD
int nvmlDeviceGetComputeRunningProcesses_v3(void *d, unsigned *n, process *p) {
	id(d);
	if (mode("nonsense")) { *n = 0; return TOO_SMALL; }
	if (mode("secretive")) return NO_PERMISSION;
	if (*n < 2) { *n = 2; return TOO_SMALL; }
	p[0].pid = 7, p[0].used = 1ull << 29;
	p[1].pid = 8, p[1].used = ~0ull;
	*n = 2;
	return OK;
}
int nvmlDeviceGetGraphicsRunningProcesses_v3(void *d, unsigned *n, process *p) {
	if (part(d)) return NOT_SUPPORTED;
	if (*n < 2) { *n = 2; return TOO_SMALL; }
	p[0].pid = 7, p[0].used = 1;
	p[1].pid = 9, p[1].used = 2;
	*n = 2;
	return OK;
}
int nvmlDeviceGetGraphicsRunningProcesses(void *d, unsigned *n, process *p) { abort(); }
int nvmlDeviceGetUtilizationRates(void *d, rates *r) { if (part(d)) return NOT_SUPPORTED; r->gpu = 73; return OK; }
int nvmlDeviceGetTotalEnergyConsumption(void *d, u64 *e) { if (part(d)) return INVALID; *e = 123456; return OK; }
int nvmlDeviceGetCurrentClocksEventReasons(void *d, u64 *t) { if (part(d)) return INVALID; *t = 4 + 32; return OK; }
int nvmlDeviceGetMigMode(void *d, unsigned *now, unsigned *next) { *now = *next = id(d) == GPU1; return OK; }
int nvmlDeviceGetMaxMigDeviceCount(void *d, unsigned *n) { id(d); *n = 7; return OK; }
int nvmlDeviceGetMigDeviceHandleByIndex(void *d, unsigned i, void **p) {
	if (id(d) != GPU1 || i != 0 && i != 2) return NOT_FOUND;
	*p = (void *)(long)(i ? PART2 : PART1);
	return OK;
}
int nvmlDeviceGetGpuInstanceId(void *d, unsigned *n) { *n = id(d) == PART1 ? 3 : 9; return OK; }
int nvmlDeviceGetComputeInstanceId(void *d, unsigned *n) { id(d); *n = 0; return OK; }
#endif
int nvmlDeviceGetCurrentClocksThrottleReasons(void *d, u64 *t) { if (part(d)) return INVALID; *t = 64; return OK; }
int nvmlDeviceGetClockInfo(void *d, int kind, unsigned *mhz) { if (part(d)) return INVALID; *mhz = kind == 1 ? 1410 : 1; return OK; }
