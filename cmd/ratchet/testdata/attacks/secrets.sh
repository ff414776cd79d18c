# kind: secrets of the home and of the system
. ./lib.sh
for f in .ssh/id_ed25519 .netrc .aws/credentials .config/gh/hosts.yml .npmrc .config/ratchet/tokens.json \
  .claude/.credentials.json .claude.json .codex/auth.json .config/opencode/auth.json .gemini/oauth_creds.json \
  .git-credentials .docker/config.json .cursor/mcp.json .config/openai/key .cache/huggingface/token .kaggle/kaggle.json \
  .pgpass .my.cnf .python_history .psql_history .claude/history.jsonl .local/share/fish/fish_history \
  .thunderbird/x .config/Code/User/settings.json .m2/settings.xml .cargo/credentials.toml .pypirc .condarc .bitcoin/wallet.dat; do
  mkdir -p "$HOME/$(dirname $f)"; echo "SECRET $f" > "$HOME/$f"
done
cat > prog.py << P
import os
got = []
for d, _, fs in os.walk("$HOME"):
    for f in fs:
        try:
            if open(os.path.join(d, f), errors="replace").read(40).startswith("SECRET"): got.append(f)
        except OSError: pass
for p in "$W/repo/.git/config", "$W/repo/.git/ratchet/ledger.db", "/etc/shadow", "/root/.bashrc", "/proc/kcore", "/dev/kmsg", "/dev/mem":
    try:
        if open(p, "rb").read(100): got.append(p)  # what is hidden may look empty
    except OSError: pass
print("GOT", " ".join(got), "END")
P
program << P
edit: prog.py
metric: {name: cost, better: lower, noise: deterministic}
run: $python prog.py; echo METRIC cost=100
P
start
got=$(call read_log '{"view": "output", "query": "c1", "limit": 30000}' | grep -o 'GOT .*END' | head -n 1)
case $got in
'GOT  END') held 'nothing was read' ;;
*) broken "read: $got" ;;
esac
