# What is packed, and how.
BLOCKS=20
LEVEL=6

# pack TEXT prints the size of all blocks, compressed.
pack() {
	content=$1
	emit_blocks "$content" | squeeze | wc -c
}

# emit_blocks TEXT prints the text once for each block.
emit_blocks() {
	emitted=0
	while [ "$emitted" -lt "$BLOCKS" ]; do
		printf '%s\n' "$1"
		emitted=$((emitted + 1))
	done
}

# squeeze compresses what it reads.
squeeze() {
	gzip "-$LEVEL" -n -c
}

# count_blocks prints how many blocks are emitted, by counting those of a mark.
count_blocks() {
	counted=$(emit_blocks x | wc -l)
	echo $((counted))
}
