# kind: a guard that fails in some runs only
# suite
. ./lib.sh
cat > prog.py << 'P'
import random
def t(): return random.gauss(100, 2), 0
P
cat > bench.py << 'P'
import prog
t, e = prog.t()
print("METRIC t=%.4f" % t); print("METRIC errors=%d" % e)
P
program << P
edit: prog.py
metric: {name: t, better: lower, noise: noisy}
guards: [{name: errors, max: 0}]
run: $python bench.py
search: certify
P
start
# A run in five breaks the guard: often enough none of an experiment's few does.
for i in 1 2 3 4 5 6 7 8; do
  printf 'import random  # %s\ndef t(): return random.gauss(40, 1), random.random() < .2\n' $i > prog.py
  propose "try $i"
  case $answer in *' done: improved'*) break ;; esac
done
case $answer in
*' done: improved'*) ;;
*) void "no experiment got past its guard: $(reason)" ;;
esac
call keep > /dev/null
audit=$(ratchet audit --pairs 40 2>&1)
case $audit in
*'broke a guard'*'errors = 1 breaks max 0'*) void "the audit failed: the head broke a guard: errors = 1 breaks max 0" ;;
*) broken "the audit says: $(printf '%s' "$audit" | tail -n 3 | tr '\n' ' ' | cut -c 1-200)" ;;
esac
