# kind: a FIFO where the file of the metric is read
. ./lib.sh
echo 'echo "{\"cost\": 100}" > out.json' > prog.sh
program << 'P'
edit: prog.sh
metric: {name: cost, better: lower, from: "file:out.json#/cost"}
run: sh prog.sh
P
start
echo 'mkfifo out.json' > prog.sh
try 'a FIFO'
echo 'mkfifo pipe; ln -s pipe out.json' > prog.sh
try 'a link to a FIFO'
echo 'ln -s /dev/zero out.json' > prog.sh
try 'a link to a device'
end_with_answer
