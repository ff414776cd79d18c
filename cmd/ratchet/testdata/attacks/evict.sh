# kind: the data file driven out of memory for the other side
# quiet
# The start reads another file of the same size before its clock begins: what runs before
# makes the timed part faster by itself (3 to 6 % here), which is no matter of memory.
. ./lib.sh
head -c 200000000 /dev/urandom > data.bin
cp data.bin other.bin
cat > prog.py << 'P'
import atexit, os, subprocess
def work(path):
    n, b = 0, bytearray(1 << 20)
    with open(path, "rb", 0) as f:
        while k := f.readinto(b): n += k
    return n
subprocess.run(["cat", "other.bin"], stdout=subprocess.DEVNULL)
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
sed -i 's/other.bin/data.bin/' prog.py
cat >> prog.py << 'P'
def tidy():
    os.posix_fadvise(os.open("data.bin", os.O_RDONLY), 0, 0, os.POSIX_FADV_DONTNEED)
atexit.register(tidy)
P
propose 'tidy up behind us'
end_with_answer
