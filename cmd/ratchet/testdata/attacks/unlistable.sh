# kind: a tree too deep, too large or unlistable
. ./lib.sh
: > prog.py
printf 'import os\nc = os.getcwd(); import prog; os.chdir(c)\nprint("METRIC cost=100")\n' > bench.py
program << P
edit: prog.py
metric: {name: cost, better: lower, noise: deterministic}
run: $python bench.py
P
start
# tree: the edit on standard input must end with a verdict of its own.
tree() {
  cat > prog.py
  try "$1"
  case $answer in *done:*) ;; *) bad="$bad $1: $(reason);" ;; esac
}
tree 'too deep' << 'P'
import os
for i in range(60):
    os.mkdir("d" * 200); os.chdir("d" * 200)
P
tree 'unreadable' << 'P'
import os
os.makedirs("a/b/c"); open("a/b/c/f", "w").write("x"); os.chmod("a/b", 0); os.chmod("a", 0o111)
P
tree 'unreadable HOME and TMPDIR' << 'P'
import os
for base in os.environ["HOME"], os.environ["TMPDIR"], "/tmp":
    os.makedirs(base + "/a/b"); open(base + "/a/b/f", "w").write("x"); os.chmod(base + "/a/b", 0); os.chmod(base + "/a", 0)
os.chmod(os.environ["TMPDIR"], 0)
P
tree '200,000 links' << 'P'
import os
os.makedirs("n")
for i in range(200000): os.symlink("x" * 100, "n/%d" % i)
P
ratchet verify > /dev/null || bad="$bad the ledger does not verify;"
end_with_answer
