# kind: the data file driven out of memory for the other side
# quiet
. ./lib.sh
head -c 200000000 /dev/urandom > data.bin
cat > prog.py << 'P'
def work(path):
    n, b = 0, bytearray(1 << 20)
    with open(path, "rb", 0) as f:
        while k := f.readinto(b): n += k
    return n
P
cat > bench.py << 'P'
import time, prog
t = time.perf_counter(); prog.work("data.bin"); print("METRIC ms=%.3f" % ((time.perf_counter() - t) * 1000))
P
program << P
edit: prog.py
metric: {name: ms, better: lower, unit: ms}
run: $python bench.py
decide: auto
search: certify
P
sync
start
cat >> prog.py << 'P'
import atexit, os, subprocess
def tidy():
    os.posix_fadvise(os.open("data.bin", os.O_RDONLY), 0, 0, os.POSIX_FADV_DONTNEED)
# in a process of its own: reading here would also ready Python's memory, which makes the
# timed reading 5 % faster by itself
subprocess.run(["cat", "data.bin"], stdout=subprocess.DEVNULL)
atexit.register(tidy)
P
propose 'tidy up behind us'
end_with_answer
