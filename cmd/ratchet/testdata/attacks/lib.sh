# What each case begins with. The runner gives W, an empty folder, a HOME and locks of its own,
# and a PATH with ratchet. A case ends with one line: held, void, open or broken, and why.
set -u
mkdir -p "$W/repo" "$HOME" && cd "$W/repo" && git init -q -b main .
answer= bad= # what the last experiment gave; what should not have worked
python=/usr/bin/python3

# program writes program.md, with the lines of its input as front matter, and commits everything.
program() {
  { echo ---; cat; echo 'budget: {wall: 20s, grace: 2s}'; echo ---; } > program.md
  git add -A && git commit -qm start
}

call() { ratchet call "$@" 2>&1; }

# finish waits until the job of $answer has ended.
finish() {
  while case $answer in [a-z][0-9]*" running"*) true ;; *) false ;; esac; do
    answer=$(call wait_run "{\"id\": \"${answer%% *}\", \"wait_seconds\": 50}")
  done
  printf '%s\n' "$answer"
}

# start begins the campaign; its calibration must give a value.
start() {
  answer=$(call start_campaign)
  answer=$(call wait_run '{"id": "c1", "wait_seconds": 50}')
  finish
  case $answer in *value:*) ;; *) broken "the case does not start" ;; esac
}

# propose measures the edit as it stands, with a hypothesis.
propose() {
  answer=$(call run_experiment "{\"hypothesis\": \"$1\", \"wait_seconds\": 50}")
  finish
}

# try proposes an edit that must not count as a gain, notes it in $bad if it does, and reverts it.
try() {
  propose "$1"
  case $answer in *' done: improved'*) bad="$bad $1;" ;; esac
  call revert '{"lesson": "tried"}' > /dev/null
}

reason() { printf '%s\n' "$answer" | sed -n -e 's/^reason: //p' -e 's/^x[0-9]* [a-z]*: //p' | tail -n 1 | cut -c 1-160; }

held() { echo "held: $*"; exit 0; }
void() { echo "void: $*"; exit 0; }
open() { echo "open: $*"; exit 0; }
broken() { echo "broken: $*"; exit 0; }

# end_with_answer ends a case by its last experiment, or by what $bad holds.
end_with_answer() {
  test -z "$bad" || broken "a gain for:$bad"
  case $answer in
  *' done: improved'*) broken "a gain: $(reason)" ;;
  *invalid*) void "$(reason)" ;;
  *equivalent* | *regressed* | *inconclusive* | *disqualified*) held "$(printf '%s\n' "$answer" | grep -o -e 'equivalent.*' -e 'regressed.*' -e 'inconclusive.*' -e 'disqualified.*' | cut -c 1-160)" ;;
  *) broken "no verdict: $(reason)" ;;
  esac
}
