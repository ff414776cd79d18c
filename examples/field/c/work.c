#include <stdlib.h>
#include <string.h>
#define BUCKETS 64
struct node { struct node *next; char *word; long count; };
const int rounds = 1000;
static unsigned hash_word(const char *word, size_t length);
static void count_word(struct node **table, const char *word, size_t length);
static long empty_table(struct node **table);

/* Counts the words of the text; the result is a checksum. */
long do_unit(const char *text) {
	struct node *table[BUCKETS] = {0};
	for (const char *start = text; *start;) {
		size_t span = strcspn(start, " ");
		count_word(table, start, span);
		start += span;
		while (*start == ' ')
			start++;
	}
	return empty_table(table);
}

/* The bucket of a word. */
static unsigned hash_word(const char *word, size_t length) {
	unsigned mixed = 2166136261u;
	for (size_t at = 0; at < length; at++)
		mixed = (mixed ^ (unsigned char)word[at]) * 16777619u;
	return mixed % BUCKETS;
}

/* Adds one to the word's count. */
static void count_word(struct node **table, const char *word, size_t length) {
	struct node **place = &table[hash_word(word, length)];
	while (*place && (strncmp((*place)->word, word, length) || (*place)->word[length]))
		place = &(*place)->next;
	if (!*place) {
		struct node *fresh = calloc(1, sizeof *fresh);
		fresh->word = malloc(length + 1);
		memcpy(fresh->word, word, length);
		fresh->word[length] = 0;
		*place = fresh;
	}
	(*place)->count++;
}

/* Frees the table; the result is a checksum of its counts. */
static long empty_table(struct node **table) {
	long total = 0;
	for (int slot = 0; slot < BUCKETS; slot++)
		for (struct node *entry = table[slot]; entry;) {
			struct node *after = entry->next;
			total += entry->count * entry->count * (slot + 1);
			free(entry->word);
			free(entry);
			entry = after;
		}
	return total;
}
