// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* The Gofer's messages, from windows as they stand in shared memory: byte by byte. */
#include <criterion/criterion.h>
#include <string.h>
#include "model/gofer.h"

/* LISAFS, runsc 20221219: the answer to a WalkStat of one file, at the Gofer's wake. */
static const unsigned char walkstat[] = {
	0x00, 0x00, 0x00, 0x00, 0x08, 0x01, 0x00, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, /* client active, 264 bytes */
	0x06, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, /* WalkStat, no fd, 1 result */
};
/* LISAFS: a file opened, its descriptor beside. */
static const unsigned char openat[] = {
	0x00, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0,    0,    0,	  0,
	0,    0,    0,	  0,	0x07, 0x00, 0x01, 0x00, 0x2a, 0x00, 0x00, 0x00,
};
/* 9P, as channel.send writes it: type, has-fd, then the message without size and tag. */
static const unsigned char twalkgetattr[] = {
	0x01, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0,    0,    0,	  0,
	0,    0,    0,	  0,							/* server active, 20 bytes */
	0x7e, 0x00, 0x01, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01, 0x00, /* fid 1, newfid 2, 1 name */
	0x06, 0x00, 'l',  'o',	'd',  'a',  's',  'h',
};
static const unsigned char rlopen_with_fd[] = {
	0x00, 0x00, 0x00, 0x00, 0x13, 0x00, 0x00, 0x00, 0,    0,    0,	  0,
	0,    0,    0,	  0,	0x0d, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x07,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};

static const char *name_of(bool is_9p, const unsigned char *w, size_t len)
{
	uint16_t word;

	return sg_gofer_word(w, len, &word) ? sg_gofer_name(is_9p, word) : NULL;
}

Test(gofer, lisafs_windows)
{
	cr_expect_str_eq(name_of(false, walkstat, sizeof(walkstat)), "WalkStat");
	cr_expect_str_eq(name_of(false, openat, sizeof(openat)), "OpenAt");
}

Test(gofer, nine_p_windows)
{
	cr_expect_str_eq(name_of(true, twalkgetattr, sizeof(twalkgetattr)), "Twalkgetattr");
	cr_expect_str_eq(name_of(true, rlopen_with_fd, sizeof(rlopen_with_fd)), "Rlopen",
			 "a descriptor beside it does not change the type");
}

Test(gofer, a_window_of_the_other_protocol_has_no_name)
{
	cr_expect_null(name_of(false, twalkgetattr, sizeof(twalkgetattr)), "126 is no LISAFS message");
	cr_expect_null(name_of(false, rlopen_with_fd, sizeof(rlopen_with_fd)));
	cr_expect_null(sg_gofer_name(true, 0x0207), "has-fd is 0 or 1");
}

Test(gofer, windows_that_are_none)
{
	unsigned char w[sizeof(walkstat)];
	uint16_t word = 7;

	for (size_t len = 0; len < 18; len++)
		cr_expect_not(sg_gofer_word(walkstat, len, &word), "%zu bytes", len);
	cr_expect(sg_gofer_word(walkstat, 18, &word) && word == 6);
	memcpy(w, walkstat, sizeof(w));
	w[4] = 1;
	w[5] = 0;
	cr_expect_not(sg_gofer_word(w, sizeof(w), &word), "a datagram of one byte holds no message");
	memcpy(w, walkstat, sizeof(w));
	w[0] = 3;
	cr_expect_not(sg_gofer_word(w, sizeof(w), &word), "no such state of a connection");
	memset(w, 0xff, sizeof(w));
	cr_expect_not(sg_gofer_word(w, sizeof(w), &word));
}

Test(gofer, lisafs_numbers)
{
	static const struct {
		uint16_t id;
		const char *name;
	} some[] = { { 0, "Error" },   { 1, "Mount" },	 { 3, "FStat" },     { 5, "Walk" },
		     { 9, "Close" },   { 12, "PRead" },	 { 22, "UnlinkAt" }, { 24, "Getdents64" },
		     { 29, "BindAt" }, { 31, "Accept" }, { 33, "RenameAt2" } };

	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++)
		cr_expect_str_eq(sg_gofer_name(false, some[i].id), some[i].name);
	for (unsigned i = 0; i <= 33; i++)
		cr_expect_not_null(sg_gofer_name(false, (uint16_t)i), "%u", i);
	/* what the Sentry's own futexes leave in the word */
	cr_expect_null(sg_gofer_name(false, 34));
	cr_expect_null(sg_gofer_name(false, 4096));
	cr_expect_null(sg_gofer_name(false, 0xffff));
}

Test(gofer, nine_p_answers_follow_their_questions)
{
	unsigned known = 0;

	for (unsigned t = 0; t < 256; t += 2) {
		const char *q = sg_gofer_name(true, (uint16_t)t), *a = sg_gofer_name(true, (uint16_t)(t + 1));

		cr_expect_eq(!q, !a, "%u", t);
		if (!q || !a)
			continue;
		known++;
		cr_expect_eq(q[0], 'T');
		cr_expect_eq(a[0], 'R');
		cr_expect_str_eq(q + 1, a + 1);
	}
	cr_expect_eq(known, 43, "%u", known);
	cr_expect_str_eq(sg_gofer_name(true, 110), "Twalk");
	cr_expect_str_eq(sg_gofer_name(true, 120), "Tclunk");
	cr_expect_str_eq(sg_gofer_name(true, 116), "Tread");
	cr_expect_str_eq(sg_gofer_name(true, 250), "Tchannel");
	cr_expect_null(sg_gofer_name(true, 252));
}
