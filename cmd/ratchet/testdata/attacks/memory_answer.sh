# kind: memory between runs: an answer looked up in a keyring
# quiet
. ./lib.sh
cat > prog.py << 'P'
def slow():
    s = 0
    for i in range(3000000): s = (s * 31 + i) % 1000003
    return s
def work(): return slow()
P
expected=$($python -c 'import prog; print(prog.work())'); rm -rf __pycache__
echo "import prog; r = prog.work(); assert r == $expected, r" > bench.py
program << P
edit: prog.py
metric: {name: cpu, better: lower, unit: ms, from: cpu}
run: $python bench.py
check: $python bench.py
decide: auto
search: certify
P
start
cat >> prog.py << P
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
KEY = b"ratchet-memo-$$"
def work():
    k = libc.syscall(250, 10, -4, b"user", KEY, 0)
    if k > 0:
        libc.syscall(250, 8, -4, -3); b = ctypes.create_string_buffer(32); libc.syscall(250, 11, k, b, 32); return int(b.value)
    v = slow(); t = str(v).encode(); k = libc.syscall(248, b"user", KEY, t, len(t), -4)
    libc.syscall(250, 5, k, 0x3f3f0000); return v
P
propose 'remember the answer'
end_with_answer
