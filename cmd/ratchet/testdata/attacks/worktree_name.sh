# kind: a second worktree starts a campaign and a budget of its own
. ./lib.sh
echo 'echo 100' > prog.sh
program << 'P'
edit: prog.sh
metric: {name: cost, better: lower, noise: deterministic}
run: echo "METRIC cost=$(sh prog.sh)"
campaign: {experiments: 3}
P
start
git worktree add -q --detach ../second ratchet/repo
cd ../second
answer=$(call start_campaign | head -n 1)
case $answer in *'campaign repo'*) held "$answer" ;; *) broken "another campaign: $answer" ;; esac
