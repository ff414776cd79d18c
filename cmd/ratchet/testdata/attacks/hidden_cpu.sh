# kind: processor time hidden from the meter
# quiet
. ./lib.sh
cat > slow.txt << 'P'
def slow(a, b, s):
    for i in range(a, b): s = (s * 31 + i) % 1000003
    return s
P
{ cat slow.txt; echo 'def work(): return slow(0, 3000000, 0)'; } > prog.py
expected=$($python -c 'import prog; print(prog.work())'); rm -rf __pycache__
echo "import prog; r = prog.work(); assert r == $expected, r" > bench.py
program << P
edit: prog.py
metric: {name: cpu, better: lower, unit: ms, from: cpu}
run: $python bench.py
search: certify
P
start
{ echo 'import os, signal'; cat slow.txt; cat << 'P'; } > prog.py
def work():
    r, w = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(w, str(slow(0, 3000000, 0)).encode())
            while True: signal.pause()
        os._exit(0)
    os.wait()
    return int(os.read(r, 64))
P
try 'a daemon that lives on'
{ echo 'import os, signal'; cat slow.txt; cat << 'P'; } > prog.py
def work():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    r, w = os.pipe()
    if os.fork() == 0:
        os.write(w, str(slow(0, 3000000, 0)).encode()); os._exit(0)
    return int(os.read(r, 64))
P
try 'an ignored child'
{ echo 'import os, signal'; cat slow.txt; cat << 'P'; } > prog.py
def work():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    s = 0
    for k in range(0, 3000000, 30000):
        r, w = os.pipe()
        if os.fork() == 0:
            os.write(w, str(slow(k, k + 30000, s)).encode()); os._exit(0)
        s = int(os.read(r, 64)); os.close(r); os.close(w)
    return s
P
try 'many short ignored children'
end_with_answer
