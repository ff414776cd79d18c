# kind: memory between runs: keys, shared memory, files
. ./lib.sh
: > prog.py
cat > bench.py << P
import subprocess, sys
v = subprocess.run(["$python", "prog.py"], capture_output=True, text=True)
sys.stderr.write(v.stdout + v.stderr)
print("METRIC cost=" + (v.stdout.strip().splitlines() or ["100"])[-1])
P
program << P
edit: prog.py
metric: {name: cost, better: lower, noise: deterministic}
run: $python bench.py
P
start
cat > remember.py << 'P'
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
KEY, seen = b"ratchet-TAG", []
for ring in -3, -4, -5, libc.syscall(250, 22, -1, -3):  # session, user, user's session, persistent
    if libc.syscall(250, 10, ring, b"user", KEY, 0) > 0: seen.append("key %d" % ring)
    libc.syscall(248, b"user", KEY, b"memo", 4, ring)
shared = libc.shmget(TAG, 4096, 0o1666)
if shared >= 0:
    p = libc.shmat(shared, None, 0)
    if ctypes.string_at(p, 4) == b"memo": seen.append("System V")
    ctypes.memmove(p, b"memo", 4)
queue = libc.msgget(TAG, 0o1666)
if queue >= 0:
    b = ctypes.create_string_buffer(16)
    if libc.msgrcv(queue, b, 8, 0, 0o4000) >= 0: seen.append("queue")
    libc.msgsnd(queue, b"\1\0\0\0\0\0\0\0memo", 4, 0o4000)
posix = libc.mq_open(b"/ratchet-TAG", os.O_RDWR | os.O_CREAT, 0o600, None)
if posix >= 0:
    b = ctypes.create_string_buffer(1 << 16)
    libc.mq_send(posix, b"memo", 4, 0)
    if libc.mq_open(b"/ratchet-TAG", os.O_CREAT | os.O_EXCL, 0o600, None) < 0 and len(seen) > 9: seen.append("mq")
for d in "/dev/shm", "/tmp", "/var/tmp", os.environ["HOME"], os.environ["TMPDIR"], "/dev/mqueue", "/run", "/run/lock":
    f = d + "/ratchet-TAG"
    if os.path.exists(f): seen.append(f)
    try: open(f, "w").write("x")
    except OSError: pass
print("SEEN", seen)
print(1 if seen else 99)
P
tag=$$
for n in 1 2; do
  { sed "s/TAG/$tag/g" remember.py; echo "# $n"; } > prog.py
  propose "remember $n"
  call revert '{"lesson": "x"}' > /dev/null
done
case $answer in
*'→ 1'[,\ ]* | *'value: 1
'*) broken "the second run saw what the first left: $(call read_log '{"view": "output", "query": "x2"}' | grep SEEN)" ;;
*'value: 99'*) held "the second run found nothing" ;;
*) broken "no value: $(reason)" ;;
esac
