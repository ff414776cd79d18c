# kind: a tracked file changed and put back
. ./lib.sh
echo 'echo 100' > prog.sh
printf 'sh prog.sh > out.txt\n%s score.py\nsleep 0.3\n' $python > run.sh
echo 'print("METRIC cost=" + open("out.txt").read().strip())' > score.py
program << 'P'
edit: prog.sh
metric: {name: cost, better: lower, noise: deterministic}
run: sh run.sh
P
start
cat > prog.sh << 'P'
cp -p score.py /tmp/s; echo 'print("METRIC cost=1")' > score.py
(sleep 0.2; cat /tmp/s > score.py; touch -r /tmp/s score.py) > /dev/null 2>&1 &
echo 100
P
propose 'change and restore'
end_with_answer
