/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What the parser and the printer of the text stream share: the letters of the records. */
#ifndef SG_TEXT_TAGS_H
#define SG_TEXT_TAGS_H

#include "trace/event.h"

/* X(letter, KIND, the second word is the thread's uid) */
#define SG_TEXT_TAGS(X)      \
	X('T', THREAD, 1)    \
	X('S', SLICE, 1)     \
	X('N', SNAP, 1)      \
	X('M', MARK, 1)      \
	X('K', STACK, 1)     \
	X('D', DETAIL, 1)    \
	X('X', EXIT, 1)      \
	X('O', SWAPOUT, 1)   \
	X('H', STACKREF, 1)  \
	X('L', LOST, 0)      \
	X('C', CLOCK, 0)     \
	X('R', ROLE, 0)      \
	X('F', FRAME, 0)     \
	X('G', STACKDEF, 0)  \
	X('A', NAME, 0)      \
	X('W', WINDOW, 0)    \
	X('Q', GUEST, 1)     \
	X('I', CGNAME, 0)    \
	X('J', INJECT, 1)    \
	X('E', FETCH, 1)     \
	X('B', CONTAINER, 0) \
	X('V', VM, 0)        \
	X('U', BALLOON, 0)   \
	X('Y', MACHINE, 0)   \
	X('P', CLOCKMAP, 0)

/* Names of causes in breakdowns: "cpu." may be left out. */
#define SG_TEXT_CPU "cpu."
/* Source of a waking that follows from the context, so that tests need not say it twice. */
static inline unsigned sg_text_src_of(unsigned wctx, unsigned vec)
{
	if (wctx == SG_WCTX_TIMER)
		return SG_WSRC_TIMER;
	if (wctx != SG_WCTX_SOFT)
		return SG_WSRC_NONE;
	switch (vec) {
	case 1: /* TIMER */
	case 8: /* HRTIMER */
		return SG_WSRC_TIMER;
	case 2: /* NET_TX */
	case 3: /* NET_RX */
		return SG_WSRC_NET;
	case 4: /* BLOCK */
		return SG_WSRC_BLOCK;
	default:
		return SG_WSRC_NONE;
	}
}

#endif
