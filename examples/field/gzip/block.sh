# Writes block.txt, 40 kB of text that compresses to a third or so.
awk 'BEGIN {
	x = 1
	for (line = 0; line < 800; line++) {
		text = ""
		for (word = 0; word < 8; word++) { x = (x * 16807) % 2147483647; text = text " w" x % 4093 }
		printf "%04d%s\n", line, text
	}
}' > block.txt
