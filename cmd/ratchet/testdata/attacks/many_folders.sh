# kind: a tree that takes long to list and to remove
. ./lib.sh
echo pass > prog.py
program << P
edit: prog.py
metric: {name: wall, better: lower, from: wall, unit: s}
run: $python prog.py
P
start
cat > prog.py << 'P'
import os, time
end, i = time.time() + 2, 0
os.mkdir("n"); os.chdir("n")
while time.time() < end:
    os.mkdir("%d" % i); i += 1
P
propose 'folders'
end_with_answer
