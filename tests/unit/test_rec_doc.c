/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* docs/recording.md and docs/stream.md against the code: every table, both ways. Run from the top of the tree. */
#include <criterion/criterion.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "trace/codec.h"
#include "trace/field.h"
#include "trace/format.h"
#include "trace/text_tags.h"

#define ROWS 64
#define COLS 4

/* The cells of one table, found by its first header cells. */
struct table {
	char cell[ROWS][COLS][256];
	unsigned n;
};

static char *trim(char *s)
{
	char *e;

	while (*s == ' ')
		s++;
	e = s + strlen(s);
	while (e > s && (e[-1] == ' ' || e[-1] == '\n'))
		*--e = 0;
	return s;
}

static bool row(char *line, char cell[COLS][256])
{
	char *s = line + 1, *p;
	unsigned i = 0;

	if (line[0] != '|')
		return false;
	memset(cell, 0, COLS * 256);
	while (i < COLS && (p = strchr(s, '|'))) {
		*p = 0;
		snprintf(cell[i++], 256, "%s", trim(s));
		s = p + 1;
	}
	return true;
}

/* The table under the headline @head (NULL: anywhere) whose header row begins with @a, @b. */
static void find(const char *file, const char *head, const char *a, const char *b, struct table *t)
{
	FILE *f = fopen(file, "r");
	char line[1024], cell[COLS][256];
	bool under = !head, in = false;

	cr_assert(f, "%s: run from the top of the tree", file);
	t->n = 0;
	while (fgets(line, sizeof(line), f)) {
		if (line[0] == '#' && head) {
			trim(line);
			under = !strcmp(line + strspn(line, "# "), head);
		}
		if (!under)
			continue;
		if (!row(line, cell)) {
			if (in)
				break;
			continue;
		}
		if (!in) {
			in = !strcmp(cell[0], a) && !strcmp(cell[1], b);
			continue;
		}
		if (cell[0][0] == '-')
			continue;
		cr_assert_lt(t->n, ROWS);
		memcpy(t->cell[t->n++], cell, sizeof(cell));
	}
	fclose(f);
	cr_assert_gt(t->n, 0, "%s: no table %s | %s under '%s'", file, a, b, head ? head : "");
}

#define DOC "docs/recording.md"

struct member {
	const char *name;
	size_t off, size;
};

static void check_struct(const struct table *t, const struct member *m, size_t n, size_t size)
{
	size_t end = 0;

	cr_assert_eq(t->n, n);
	for (size_t i = 0; i < n; i++) {
		const char(*c)[256] = t->cell[i];

		cr_assert_str_eq(c[2], m[i].name);
		cr_assert_eq(strtoul(c[0], NULL, 10), m[i].off, "%s", m[i].name);
		cr_assert_eq(strtoul(c[1], NULL, 10), m[i].size, "%s", m[i].name);
		cr_assert_eq(m[i].off, end, "no hole before %s", m[i].name);
		end = m[i].off + m[i].size;
	}
	cr_assert_eq(end, size);
}

#define SG_X(type, name, dim, text) \
	{ #name, offsetof(struct STRUCT, name), sizeof(((struct STRUCT *)0)->name) },
#define CHECK(head, list)                                                             \
	do {                                                                          \
		static const struct member m[] = { list(SG_X) };                      \
		static struct table t;                                                \
                                                                                      \
		find(DOC, head, "offset", "bytes", &t);                               \
		check_struct(&t, m, sizeof(m) / sizeof(m[0]), sizeof(struct STRUCT)); \
	} while (0)

Test(rec_doc, headers)
{
#define STRUCT sg_file_head
	CHECK("File header", SG_FILE_HEAD_LIST);
#undef STRUCT
#define STRUCT sg_block_head
	CHECK("Blocks", SG_BLOCK_HEAD_LIST);
#undef STRUCT
#define STRUCT sg_index_entry
	CHECK("INDEX entry", SG_INDEX_LIST);
#undef STRUCT
#define STRUCT sg_trailer
	CHECK("Trailer", SG_TRAILER_LIST);
#undef STRUCT
}
#undef SG_X

/* Numbered lists: number, name. */
static void check_list(const struct table *t, const struct sg_word *w)
{
	unsigned n = 0;

	for (; w[n].name; n++) {
		cr_assert_lt(n, t->n, "%s is not in the document", w[n].name);
		cr_assert_eq(strtoul(t->cell[n][0], NULL, 10), w[n].v, "%s", w[n].name);
		cr_assert_str_eq(t->cell[n][1], w[n].name);
	}
	cr_assert_eq(t->n, n);
}

#define SG_X(id, sym, ...) { #sym, id },
static const struct sg_word blocks[] = { SG_BLOCK_LIST(SG_X){ 0 } };
static const struct sg_word classes[] = { SG_CLASS_LIST(SG_X){ 0 } };
#undef SG_X
#define SG_X(id, sym, name) { #name, id },
static const struct sg_word kinds[] = { SG_REC_LIST(SG_X) SG_UREC_LIST(SG_X){ 0 } };
#undef SG_X

Test(rec_doc, lists)
{
	static struct table t;

	find(DOC, "Blocks", "type", "name", &t);
	check_list(&t, blocks);
	find(DOC, "Streams", "class", "name", &t);
	check_list(&t, classes);
	find(DOC, "Records", "kind", "name", &t);
	check_list(&t, kinds);
}

/* Each kind is in the class that the code puts it in, in both tables. */
Test(rec_doc, classes_of_kinds)
{
	static struct table k, c;

	find(DOC, "Records", "kind", "name", &k);
	find(DOC, "Streams", "class", "name", &c);
	for (unsigned i = 0; i < k.n; i++) {
		unsigned class = sg_class_of((unsigned)strtoul(k.cell[i][0], NULL, 10));
		char *s = strdup(c.cell[class][2]), *word, *save = s;
		bool found = false;

		cr_assert_str_eq(k.cell[i][2], classes[class].name, "%s", k.cell[i][1]);
		while ((word = strsep(&s, ", ")))
			found |= !strcmp(word, k.cell[i][1]);
		cr_assert(found, "%s is not listed in class %s", k.cell[i][1], classes[class].name);
		free(save);
	}
}

Test(rec_doc, fields)
{
	static struct table t;
	unsigned n = 0;

	find(DOC, "Any kind but slice", "kind", "fields, in order", &t);
	for (; kinds[n].name; n++) {
		size_t cnt;
		const struct sg_field *f = sg_fields(kinds[n].v, &cnt);
		char want[512] = "";

		for (size_t i = 0; i < cnt; i++)
			snprintf(want + strlen(want), sizeof(want) - strlen(want), "%s%s", i ? " " : "",
				 f[i].key);
		cr_assert_lt(n, t.n);
		cr_assert_str_eq(t.cell[n][0], kinds[n].name);
		cr_assert_str_eq(t.cell[n][1], want);
	}
	cr_assert_eq(t.n, n);
}

Test(rec_doc, slice_masks)
{
#define M(byte, prefix, name)                      \
	{                                          \
#name, (byte) << 16 | prefix##name \
	}
	static const struct sg_word masks[] = {
		M(1, SG_CS_, UID),	 { "SLICE", 1 << 16 | SG_CODEC_SLICE },
		M(1, SG_CS_, PREV_OUT),	 M(1, SG_CS_, WAKE),
		M(1, SG_CS_, WAKER),	 M(1, SG_CS_, STOP),
		M(1, SG_CS_, CALL),	 M(1, SG_CS_, SEQ),
		M(2, SG_CS2_, KEYS),	 M(2, SG_CS2_, CNT),
		M(2, SG_CS2_, SUM),	 M(2, SG_CS2_, FLAGS),
		M(2, SG_CS2_, END),	 M(2, SG_CS2_, WHO),
		M(2, SG_CS2_, FLT),	 M(2, SG_CS2_, MORE),
		M(3, SG_CS3_, THROTTLE), M(3, SG_CS3_, SVC),
		M(3, SG_CS3_, DEV),	 M(3, SG_CS3_, WORK),
		M(3, SG_CS3_, LOST),	 M(3, SG_CS3_, NOTE),
		M(3, SG_CS3_, ERR),	 { 0 },
	};
#undef M
	static struct table t;
	unsigned n = 0;

	find(DOC, "Slice", "byte", "bit", &t);
	for (; masks[n].name; n++) {
		cr_assert_lt(n, t.n);
		cr_assert_str_eq(t.cell[n][2], masks[n].name);
		cr_assert_eq(strtoul(t.cell[n][0], NULL, 10), masks[n].v >> 16, "%s", masks[n].name);
		cr_assert_eq(strtoul(t.cell[n][1], NULL, 16), masks[n].v & 0xffff, "%s", masks[n].name);
	}
	cr_assert_eq(t.n, n);
}

static bool says(const char *file, const char *fmt, unsigned long v)
{
	FILE *f = fopen(file, "r");
	char line[1024], want[256];
	bool found = false;

	cr_assert(f);
	snprintf(want, sizeof(want), fmt, v);
	while (!found && fgets(line, sizeof(line), f))
		found = strstr(line, want);
	fclose(f);
	return found;
}

/* The numbers in the text. */
Test(rec_doc, numbers)
{
	cr_assert(says(DOC, "This is version %lu.", SG_REC_MAJOR));
	cr_assert(says(DOC, "when inflated, at most %lu |", SG_BLOCK_RAW_MAX));
	cr_assert(says(DOC, "in the file, at most %lu |", SG_BLOCK_STORED_MAX));
	cr_assert(says(DOC, "follows; at most %lu |", SG_REC_HEAD_MAX));
	cr_assert(says(DOC, "0x%lx (\"SGBK\")", SG_BLOCK_MAGIC));
	cr_assert(says(DOC, "EVENTS block at %lu raw bytes", SG_BLOCK_RAW_TARGET));
	cr_assert(says(DOC, "holds up to %lu entries", SG_INDEX_MAX));
	cr_assert(says(DOC, "number of streams (at most %lu)", SG_BLOCK_STREAMS_MAX));
	cr_assert(says(DOC, "rather than make a %luth", SG_BLOCK_LANES_MAX + 1));
	cr_assert(says(DOC, "of %lu threads (slot", SG_CODEC_SLOTS));
	cr_assert(says(DOC, "counts of the first %lu are remembered", SG_CODEC_PAIRS));
}

/* The letters of the text stream, and every field's key. */
Test(rec_doc, stream)
{
	static const struct {
		char letter;
		unsigned kind;
		bool uid;
	} tags[] = {
#define SG_X(l, sym, u) { l, SG_REC_##sym, u },
		SG_TEXT_TAGS(SG_X)
#undef SG_X
	};
	static struct table t;

	find("docs/stream.md", "Records", "letter", "record", &t);
	cr_assert_eq(t.n, sizeof(tags) / sizeof(tags[0]));
	for (unsigned i = 0; i < t.n; i++) {
		cr_assert_eq(t.cell[i][0][0], tags[i].letter);
		cr_assert_str_eq(t.cell[i][1], sg_rec_name(tags[i].kind));
		cr_assert_eq(!strncmp(t.cell[i][2], "uid", 3), tags[i].uid);
	}
	for (unsigned k = 0; kinds[k].name; k++) {
		size_t n;
		const struct sg_field *f = sg_fields(kinds[k].v, &n);
		static const char *const words[] = { "in",  "out", "w",	   "stop",  "kind",
						     "ctx", "vec", "comm", "ostop", "okind" };

		for (size_t i = 0; i < n; i++) {
			char key[64];
			bool own = kinds[k].v == SG_REC_MARK &&
				   !strcmp(f[i].key, "type"); /* a word of its own */

			for (size_t j = 0; j < sizeof(words) / sizeof(words[0]); j++)
				own |= !strcmp(f[i].key,
					       words[j]); /* part of a word with a syntax of its own */
			snprintf(key, sizeof(key), "`%s=", f[i].key);
			cr_assert(own || says("docs/stream.md", key, 0), "%s of %s", f[i].key, kinds[k].name);
		}
	}
}
