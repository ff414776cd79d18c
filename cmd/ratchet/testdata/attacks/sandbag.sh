# kind: an incumbent that is slower in later experiments
# quiet
. ./lib.sh
echo 'def cost(): return 100' > prog.py
echo 'import random, prog; print("METRIC cost=%.3f" % (prog.cost() * (1 + random.gauss(0, .01))))' > bench.py
program << P
edit: prog.py
metric: {name: cost, better: lower}
run: $python bench.py
decide: auto
search: certify
P
start
cat > prog.py << 'P'
import os
def cost():
    told = " ".join([os.environ["TMPDIR"], os.environ["HOME"], os.getcwd(), open("/proc/self/mountinfo").read()])
    return 150 if "/x2" in told or "x3" in told else 96
P
propose 'four percent'
echo 'def cost(): return 96' > prog.py
propose 'useless'
end_with_answer
