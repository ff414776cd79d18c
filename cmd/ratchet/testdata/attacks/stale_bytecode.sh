# kind: stale files that go by time and size
. ./lib.sh
echo 'X = 100' > prog.py
program << P
edit: prog.py
metric: {name: cost, better: lower, noise: deterministic}
build: $python -c 'import prog'
run: $python -c 'import prog; print("METRIC cost=%d" % prog.X)'
decide: auto
P
start
for n in 99 98 97 96 95 94; do
  echo "X =  $n" > prog.py
  propose "$n"
  case $answer in *"value: $n"*) ;; *) bad="$bad $n gave $(reason);" ;; esac
done
test -z "$bad" || broken "$bad"
held 'six edits of one size, one after the other, gave their own values'
