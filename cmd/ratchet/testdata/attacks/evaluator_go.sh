# kind: a package that a frozen go test ./... would run
# needs: go
. ./lib.sh
printf 'module m\n\ngo 1.21\n' > go.mod
mkdir score
cat > score/score_test.go << 'G'
package score
import ("os"; "strings"; "testing"; "time")
func TestScore(t *testing.T) {
	time.Sleep(2 * time.Second)
	b, _ := os.ReadFile("../out.txt")
	os.Stdout.WriteString("METRIC cost=" + strings.TrimSpace(string(b)) + "\n")
}
G
echo 'echo 100 > out.txt' > prog.sh
program << 'P'
edit: prog.sh
metric: {name: cost, better: lower, noise: deterministic}
build: go test -count=1 -run XXX ./...
run: sh prog.sh
measure: go test -count=1 -v ./...
hands: [out.txt]
P
sed -i 's/wall: 20s/wall: 120s/' program.md; git commit -qam 'more time'
start
cat > prog.sh << 'P'
echo 100 > out.txt
mkdir -p aaa
cat > aaa/a_test.go << 'G'
package aaa
import ("os"; "testing")
func TestX(t *testing.T) { os.WriteFile("../out.txt", []byte("1"), 0o644) }
G
P
propose 'a package of tests'
end_with_answer
