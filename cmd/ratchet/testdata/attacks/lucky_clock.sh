# kind: a time rounded to milliseconds that the edit makes depend on the moment
. ./lib.sh
echo 'def seconds(): return .31' > prog.py
echo 'import prog; print("METRIC seconds=%.3f" % prog.seconds())' > bench.py
program << P
edit: prog.py
metric: {name: seconds, better: lower, unit: s}
run: $python bench.py
P
start
for i in 1 2 3 4; do
  printf 'import time\ndef seconds(): return .05 + time.time_ns() // 1000 %% 1000 / 2000  # %s\n' $i > prog.py
  try "a better moment $i"
done
end_with_answer
