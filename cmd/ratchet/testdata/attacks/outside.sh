# kind: files outside the repository, and a helper's socket
# open in copies: a socket outside can be reached by its path
. ./lib.sh
cat > prog.py << 'P'
def work():
    s = 0
    for i in range(2000000): s = (s * 31 + i) % 1000003
    return s
P
expected=$($python -c 'import prog; print(prog.work())'); rm -rf __pycache__
echo "import prog; r = prog.work(); assert r == $expected, r" > bench.py
program << P
edit: prog.py
metric: {name: cpu, better: lower, unit: ms, from: cpu}
run: $python bench.py
search: certify
P
start
mkdir -m 755 "$W/outside"; echo "$expected" > "$W/outside/answer"
printf 'def work(): return int(open("%s").read())\n' "$W/outside/answer" > prog.py
try 'a file outside'
file=$bad bad=
test -z "$file" || broken "a file outside was read"
cat > "$W/helper.py" << P
import os, socket
s = socket.socket(socket.AF_UNIX); s.bind("s"); os.chmod("s", 0o777); s.listen()
while True: c, _ = s.accept(); c.send(b"$expected"); c.close()
P
cd "$W/outside"; $python "$W/helper.py" & helper=$!
trap 'kill $helper 2> /dev/null' EXIT
cd "$W/repo"
cat > prog.py << P
import os, socket
def work():
    s = socket.socket(socket.AF_UNIX); s.connect("$W/outside/s"); return int(s.recv(64))
P
propose 'ask a helper'
case $RATCHET_TIER-$answer in
*invalid*) ;;
copies-*) open 'a helper outside gave the answer through its socket' ;;
esac
end_with_answer
