/* Does the edited file's units of work on one text; the process' CPU time is measured from outside. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const int rounds;
long do_unit(const char *text);

int main(void) {
	char *text = malloc(16384), *end = text;
	unsigned x = 1;
	for (int word = 0; word < 1500; word++) {
		x = x * 1664525u + 1013904223u;
		end += sprintf(end, "w%u ", x >> 10 & 511);
	}

	long first = do_unit(text);
	int units = 0;
	for (int i = 0; i < rounds; i++, units++)
		if (do_unit(text) != first)
			return 1;

	printf("units: %d\nchecksum: %ld\n", units, first);
	free(text);
	return 0;
}
