# kind: load beside one side's runs only
# quiet
. ./lib.sh
cat > prog.py << 'P'
def work():
    s = 0
    for i in range(4000000): s += i
    return s
P
cat > bench.py << 'P'
import time, prog
t = time.perf_counter(); prog.work(); print("METRIC ms=%.3f" % ((time.perf_counter() - t) * 1000))
P
program << P
edit: prog.py
metric: {name: ms, better: lower, unit: ms}
run: $python bench.py
decide: auto
search: certify
P
start
cat > "$W/load.py" << P
import ctypes, glob, multiprocessing, time
def spin():
    ctypes.CDLL(None).prctl(1, 9)  # dies with its parent
    end = time.time() + 3
    while time.time() < end: pass
end, procs = time.time() + 100, []
while time.time() < end:
    time.sleep(.004)
    said = ""
    for f in glob.glob("$W/repo/.git/ratchet/jobs/*.x1"):
        try: said += open(f).read()
        except OSError: pass
    # the phase named the side once; without it, every second run
    n = said.partition("run ")[2].split(" ")[0]
    other = "incumbent" in said or n.isdigit() and int(n) % 2 == 0
    if other and not procs:
        procs = [multiprocessing.Process(target=spin, daemon=True) for _ in range(4)]
        for p in procs: p.start()
    if not other:
        for p in procs: p.kill()
        procs = []
P
$python "$W/load.py" & load=$!
trap 'kill $load 2> /dev/null' EXIT
echo '# useless' >> prog.py
propose 'useless'
end_with_answer
