# kind: an exact number made random by the edit, to be lucky once
# suite
. ./lib.sh
echo 'def solve(): return 100.0' > prog.py
echo 'import prog; print("METRIC cost=%r" % prog.solve())' > bench.py
program << P
edit: prog.py
metric: {name: cost, better: lower}
run: $python bench.py
decide: auto
P
start
for i in 1 2 3 4 5 6; do
  printf 'import random\ndef solve(): return 100.0 + random.gauss(0, 5)  # %s\n' $i > prog.py
  try "luckier $i"
done
kept=$(git log --all --format=%s | grep -c '^luckier' || true)
test "$kept" = 0 || broken "$kept useless edits were kept"
end_with_answer
