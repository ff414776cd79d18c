# An honest gain: what a case calls broken must be called so here.
. ./lib.sh
echo 'echo METRIC size=10012' > work.sh
program <<'P'
edit: work.sh
metric: {name: size, better: lower, noise: deterministic}
run: sh work.sh
P
start
echo 'echo METRIC size=9012' > work.sh
try "an honest gain"
echo 'echo METRIC size=20012' > work.sh
propose "a loss"
end_with_answer
