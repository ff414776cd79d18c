# kind: a whole-number score made random by the edit
. ./lib.sh
echo 'def score(): return 7' > prog.py
echo 'import prog; print("METRIC score=%d" % prog.score())' > judge.py
program << P
edit: prog.py
metric: {name: score, better: higher}
run: $python judge.py
P
start
case $answer in *', deterministic'*) ;; *) broken "a score that is always 7 is not called deterministic" ;; esac
for i in 1 2 3 4; do
  printf 'import random\ndef score(): return random.randrange(4, 4000)  # %s\n' $i > prog.py
  try "a luckier answer $i"
done
end_with_answer
