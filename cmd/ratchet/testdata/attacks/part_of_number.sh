# kind: a number of which the expression takes only a part, or in another unit
# suite
. ./lib.sh
echo 900 > n.txt
cat > bench.py << 'P'
n = float(open("n.txt").read())
print("time %.1f ms" % n if n < 1000 else "time %.3f s" % (n / 1000))
print("count {:,d}".format(int(n)))
P
program << P
edit: n.txt
metric: {name: t, better: lower, noise: deterministic, from: "regex:time ([0-9.]+)"}
run: $python bench.py
P
start
echo 1300 > n.txt
try 'a slower one, in seconds'
first=$answer
cd "$W" && mkdir two && cd two && git init -q -b main .
cp "$W/repo/bench.py" . && echo 900 > n.txt
program << P
edit: n.txt
metric: {name: t, better: lower, noise: deterministic, from: "regex:count ([0-9]+)"}
run: $python bench.py
P
start
echo 1300 > n.txt
try 'a larger one, with a comma'
for a in "$first" "$answer"; do
  case $a in *invalid*) ;; *) bad="$bad it has a verdict;" ;; esac
done
end_with_answer
