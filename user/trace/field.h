/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The fields of every record, once: the text stream prints and parses by this
 * table, the recording encodes seldom records by it, docs/recording.md is
 * checked against it. hdr fields and variable parts are not listed.
 */
#ifndef SG_FIELD_H
#define SG_FIELD_H

#include <stdbool.h>
#include "trace/event.h"

/* A value with a name. The first row of a value is how it is printed; later rows are aliases. */
struct sg_word {
	const char *name;
	uint32_t v;
};

enum sg_field_fmt {
	SG_FF_DEC,
	SG_FF_SIGNED,
	SG_FF_HEX,
	SG_FF_DEV,   /* kernel dev_t, major:minor */
	SG_FF_SYSNR, /* system call */
	SG_FF_FLAGS, /* words are bits; def is the "scope" bit, cleared by the word outscope */
	SG_FF_BYTES, /* char array */
};

/*
 * What a number means beside being one: it says how a field is moved when the
 * recordings of several machines become one (trace/remap.h). 0 stays 0 in all of them.
 */
enum sg_field_space {
	SG_SPACE_NONE = 0, /* the same on every machine, or of its record alone */
	SG_SPACE_TIME,	   /* an instant of CLOCK_MONOTONIC */
	SG_SPACE_UID,
	SG_SPACE_TID, /* of a thread or process; 0 is the idle thread's */
	SG_SPACE_PID, /* the same, 0 is none */
	SG_SPACE_DEV,
	SG_SPACE_CGROUP,
	SG_SPACE_FRAME,
	SG_SPACE_STACK,
	SG_SPACE_MARK, /* chosen by the recorded program */
};

struct sg_field {
	const char *key;
	uint16_t off;
	uint8_t size;
	uint8_t fmt;   /* enum sg_field_fmt */
	uint8_t space; /* enum sg_field_space */
	uint32_t def;
	bool def_uid;		     /* default is hdr.uid instead of def */
	bool near;		     /* a time shortly before hdr.ts: a recording tells the difference */
	const struct sg_word *words; /* ends with a NULL name */
};

/** sg_fields() - fields of record kind @kind in the order of the recording; NULL for an unknown kind */
const struct sg_field *sg_fields(unsigned kind, size_t *ret_n);

/** sg_field_get() / sg_field_set() - value of an integer field of @h (not SG_FF_BYTES); signed ones sign-extended */
uint64_t sg_field_get(const struct sg_field *f, const struct sg_hdr *h);
void sg_field_set(const struct sg_field *f, struct sg_hdr *h, uint64_t v);
uint64_t sg_field_default(const struct sg_field *f, const struct sg_hdr *h);

extern const struct sg_word sg_words_kind[], sg_words_stop[], sg_words_wctx[], sg_words_wsrc[],
	sg_words_vec[], sg_words_fdtype[], sg_words_mark[];

/** sg_word_name() - name of @v, NULL when it has none */
const char *sg_word_name(const struct sg_word *w, uint32_t v);
/** sg_word_find() - value of the word @s of @len bytes; false when there is none */
bool sg_word_find(const struct sg_word *w, const char *s, size_t len, uint32_t *ret);

#endif
