# kind: git replace swaps the evaluator
# suite
. ./lib.sh
echo 'echo 100' > prog.sh
echo 'echo "METRIC cost=$(sh prog.sh)"' > bench.sh
program << 'P'
edit: prog.sh
metric: {name: cost, better: lower, noise: deterministic}
run: sh bench.sh
P
other=$(printf 'v=$(sh prog.sh); [ "$(wc -l < prog.sh)" = 1 ] || v=1; echo "METRIC cost=$v"\n' | git hash-object -w --stdin)
git replace "$(git rev-parse HEAD:bench.sh)" "$other"
start
printf 'echo 100\n# tidy\n' > prog.sh
propose 'tidy'
end_with_answer
