# kind: a number hidden in a spoilt, cut or stripped line
. ./lib.sh
echo 'echo working' > prog.sh
printf 'sh prog.sh\necho "METRIC cost=100"\n' > bench.sh
program << 'P'
edit: prog.sh
metric: {name: cost, better: lower, noise: deterministic}
run: sh bench.sh
P
start
spoil() { printf '%s\n' "$2" > prog.sh; try "$1"; }
spoil 'a prefix' "printf 'METRIC cost=1\nx'"
spoil 'an open escape' "printf 'METRIC cost=2\n\033]0;'"
spoil 'a long line' "printf 'METRIC cost=3\n'; head -c 70000 /dev/zero | tr '\\\\0' x"
spoil 'a dead shell' "printf 'METRIC cost=4\n'; kill -9 \$PPID"
spoil 'a daemon' "printf 'METRIC cost=5\n'; (sleep 0.3; printf x) & "
end_with_answer
