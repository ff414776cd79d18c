# kind: telling which side or job runs
. ./lib.sh
echo : > prog.sh
cat > bench.sh << 'B'
. ./prog.sh
env; cat /proc/self/mountinfo /proc/self/cgroup; ls -la /proc/self/fd; tr '\0' ' ' < /proc/1/cmdline; echo
echo "METRIC cost=$((100 + $(date +%N | cut -c 1)))"
B
program << 'P'
edit: prog.sh
metric: {name: cost, better: lower, noise: noisy}
run: sh bench.sh
search: certify
P
start
echo ': # look' > prog.sh
propose 'look'
call read_log '{"view": "output", "query": "x1", "limit": 60000}' > "$W/seen.txt"
grep -q METRIC "$W/seen.txt" || broken "no output of x1"
if told=$(grep -a -e runs/x1 -e '/x1\.' -e '--job' -e candidate -e incumbent "$W/seen.txt"); then broken "$told"; fi
held "no path, mount, descriptor or argument names the job or the side"
