# kind: a module that a frozen evaluator would load first
# needs: node
. ./lib.sh
echo '{"scale": 1}' > config.json
echo 'exports.f = x => x' > score.util.js
cat > score.js << 'J'
const c = require('./config'), u = require('./score.util'), fs = require('fs');
console.log("METRIC cost=" + u.f(Number(fs.readFileSync('out.txt', 'utf8')) * c.scale));
J
echo 'echo 100 > out.txt' > prog.sh
program << P
edit: prog.sh
metric: {name: cost, better: lower, noise: deterministic}
run: sh prog.sh
measure: $(command -v node) score.js
hands: [out.txt]
P
start
plant() { echo "echo 100 > out.txt; echo '$2' > $1" > prog.sh; try "$1"; }
plant config.js 'module.exports={scale:0.5}'
plant config 'module.exports={scale:0.5}'
plant score.util 'exports.f = x => 1'
end_with_answer
