/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What tells the system calls of gVisor's guests, and what each costs: docs/gvisor.md has how that was measured. */
#ifndef SG_GVSOURCE_H
#define SG_GVSOURCE_H

/* The prices that are said in more than one place. */
#define SG_GVPRICE_TRACE   "3.5 us (ptrace) to 7.5 us (systrap) each"
#define SG_GVPRICE_UPROBES "some 3.5 us each"

/* X(name, option of record and run or "", what it sees, price) */
#define SG_GVSOURCE_LIST(X)                                                                                \
	X("default", "",                                                                                   \
	  "ptrace: every call, at its stop; systrap: calls that trap, at their signal; messages of the "   \
	  "Gofer, at its futex wakes",                                                                     \
	  "loading express slows by 7 % on ptrace and by less than 5 % on systrap, the whole system "      \
	  "recorded; 'sandglass bench modload' measures it here")                                          \
	X("trace", "--gvisor-trace", "every call, with process names and paths, by gVisor's trace points", \
	  "on top: " SG_GVPRICE_TRACE "; bench modload --sources trace")                                   \
	X("uprobes", "--gvisor-uprobes",                                                                   \
	  "every call and message to the Gofer, by probes in Sentries that are 5 s old or more",           \
	  "on top: " SG_GVPRICE_UPROBES "; bench modload --sources uprobes")

#endif
