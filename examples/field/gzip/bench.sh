# Compresses the edited file's blocks; the time is measured from outside.
set -eu
. ./pack.sh
bytes=$(pack "$(cat block.txt)")
echo "compressed to $((bytes)) bytes"
echo "units: $(count_blocks)"
echo "checksum: $((bytes))"
