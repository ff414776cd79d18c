# kind: lost refs, amended keeps, git gc
. ./lib.sh
echo 'echo 100' > prog.sh
program << 'P'
name: mine
edit: prog.sh
metric: {name: cost, better: lower, noise: deterministic}
run: echo "METRIC cost=$(sh prog.sh)"
P
start
collect() { git reflog expire --expire=now --all; git gc -q --prune=now; }
echo 'echo 90' > prog.sh
propose 'one'
collect
call keep
git cat-file -e refs/ratchet/mine/x/1 || bad="$bad the candidate's commit is gone;"
echo 'echo 80' > prog.sh
propose 'two'
git stash -q; git commit -q --allow-empty --amend -m 'amended'; git stash pop -q
told() { answer=$("$@" 2>&1); printf '%s\n' "$answer"; case $answer in *'exit status'* | *fatal:* | *panic*) bad="$bad $*: a raw error;" ;; esac; }
told call keep
git switch -q --detach; git branch -D -q ratchet/mine
told call keep
told call read_log
git for-each-ref --format='%(refname)' refs/ratchet | while read -r ref; do git update-ref -d "$ref"; done
collect
told call read_log
told call start_campaign
told ratchet status
ratchet verify || bad="$bad the ledger does not verify;"
test -z "$bad" || broken "$bad"
held 'refs come back, or the refusal names them'
