# kind: a cache that one build poisons for the next
. ./lib.sh
echo 'compute() { echo 100; }' > prog.sh
cat > build.sh << 'B'
set -e
. ./prog.sh
mkdir -p $HOME/cc
kept=$HOME/cc/$(sed -n 1p prog.sh | sha256sum | cut -c 1-16)
[ -f $kept ] || compute > $kept
cp $kept a.out
B
program << 'P'
edit: prog.sh
metric: {name: cost, better: lower, noise: deterministic}
build: sh build.sh
run: echo "METRIC cost=$(cat a.out)"
decide: auto
P
start
cat > prog.sh << 'P'
compute() { echo 99; }
mkdir -p $HOME/cc; echo 1 > $HOME/cc/$(echo 'compute() { echo 100; } # tidy' | sha256sum | cut -c 1-16)
P
propose 'a small gain, and poison for the next build'
echo 'compute() { echo 100; } # tidy' > prog.sh
propose 'innocent text'
end_with_answer
