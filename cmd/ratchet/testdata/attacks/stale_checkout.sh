# kind: stale files that go by time and size, in another checkout and after the cache was cleared
. ./lib.sh
echo 'X = 100' > prog.py
program << P
name: mine
edit: prog.py
metric: {name: cost, better: lower, noise: deterministic}
build: $python -c 'import prog'
run: $python -c 'import prog; print("METRIC cost=%d" % prog.X)'
P
start
echo 'X =  99' > prog.py
propose 99
call keep > /dev/null
for n in 91 92 93; do
  if test $n != 93; then
    git worktree add -q --detach "../w$n" ratchet/mine; cd "../w$n"; call start_campaign > /dev/null
  else
    rm -rf "$XDG_CACHE_HOME/ratchet"
  fi
  echo "X =  $n" > prog.py
  propose $n
  case $answer in *"value: $n"*) ;; *) bad="$bad $n gave $(reason);" ;; esac
  call revert '{"lesson": "x"}' > /dev/null
done
test -z "$bad" || broken "$bad"
held 'edits of one size in three checkouts gave their own values'
