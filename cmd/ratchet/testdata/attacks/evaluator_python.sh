# kind: bytecode that a frozen evaluator would load
. ./lib.sh
mkdir eval
echo 'def score(x): return float(x)' > eval/helper.py
cat > eval/score.py << 'P'
import os, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import helper
print("METRIC cost=%r" % helper.score(open("out.txt").read()))
P
cat > prog.py << 'P'
open("out.txt", "w").write("100")
P
program << P
edit: prog.py
metric: {name: cost, better: lower, noise: deterministic}
run: $python prog.py
measure: ${FLAGS:-$python -I} eval/score.py
hands: [out.txt]
P
start
cat >> prog.py << 'P'
import importlib._bootstrap_external as b, importlib.util, os
data = b._code_to_hash_pyc(compile("def score(x): return 1.0\n", "eval/helper.py", "exec"), b"12345678", False)
path = importlib.util.cache_from_source("eval/helper.py")
os.makedirs(os.path.dirname(path), exist_ok=True)
open(path, "wb").write(data)
P
propose 'unchecked bytecode beside the evaluator'
end_with_answer
