# kind: memory between runs: what is in the page cache, asked for and emptied
# suite
. ./lib.sh
echo 100 > n.txt
cat > bench.py << 'P'
import ctypes, errno, mmap, os, platform
libc = ctypes.CDLL(None, use_errno=True)
worked = []
def call(what, number, *arguments):
    if libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in arguments]) != -1: worked.append(what)
fd = os.open("/usr/bin/python3", os.O_RDONLY)
try: os.preadv(fd, [bytearray(1)], 0, os.RWF_NOWAIT); worked.append("preadv2")
except OSError: pass
try: os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED); worked.append("posix_fadvise")
except OSError: pass
m = mmap.mmap(fd, 0, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE)
b = ctypes.create_string_buffer(1 << 16)
if platform.machine() == "x86_64":
    start = int(next(l for l in open("/proc/self/maps") if "python3" in l).split("-")[0], 16)
    call("mincore", 27, start, 4096, ctypes.addressof(b))
    call("cachestat", 451, fd, ctypes.addressof(ctypes.create_string_buffer(16)), ctypes.addressof(b), 0)
    call("madvise", 28, start, 4096, 21)
    call("process_madvise", 440, -1, 0, 0, 21, 0)
os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_WILLNEED)
print("METRIC cost=%d" % (1 if worked else 100))
print("worked:", worked)
P
program << P
edit: n.txt
metric: {name: cost, better: lower, noise: deterministic}
run: $python bench.py
P
start
case $answer in *'value: 100'*) held "every call is refused" ;; *) broken "$(call read_log '{"view": "output", "query": "c1"}' | grep worked)" ;; esac
