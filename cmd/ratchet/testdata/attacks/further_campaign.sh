# kind: a contract of one's own in a further campaign
. ./lib.sh
echo 'echo 100' > prog.sh
echo 'echo "METRIC cost=$(sh prog.sh)"' > bench.sh
program << 'P'
name: mine
edit: prog.sh
metric: {name: cost, better: lower, noise: deterministic}
run: sh bench.sh
campaign: {experiments: 3}
P
start
widen() { sed -i 's/name: mine/name: other/; s/edit: prog.sh/edit: bench.sh/; s/experiments: 3/experiments: 9999/' program.md; }
begin() { case $(call start_campaign | tee /dev/stderr) in *'other started'*) bad="$bad $1;" ;; esac; }
widen; begin 'in the same checkout'
git stash -q; git switch -q main
widen; begin 'on main'
git commit -qam 'a contract of my own'; begin 'committed'
test -z "$bad" || broken "a campaign without a person's word:$bad"
held "a person's word is asked for"
