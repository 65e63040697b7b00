/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Tell sandglass where a task of your program begins and ends. Copy this one
 * file into a C or C++ program; it needs nothing else, neither to build nor to
 * run:
 *
 *	SG_TASK_BEGIN(request->id, "GET /report");
 *	...
 *	SG_TASK_END(request->id, 0);
 *
 * id:     any integer; a task is (process, id), so ids of two processes never mix.
 *         One id may be used again once its task has ended.
 * name:   NUL-terminated text, the first 47 bytes count. Tasks of one name are one
 *         group of the report: put the kind of work here, not its number.
 * status: an integer, 0 for success.
 *
 * A task may end in another thread than it began in: the thread that ends it is
 * the one whose history is explained. Each mark is one nop (its arguments in two
 * registers, and one byte of the name read) until a recording is running: a USDT
 * probe, sandglass:task_begin or sandglass:task_end, that other tools can use too.
 *
 * SG_MARKS_OFF, when defined before the inclusion, removes them at compile time.
 */
#ifndef SANDGLASS_MARK_H
#define SANDGLASS_MARK_H

#if defined(SG_MARKS_OFF)
#define SG_MARK_PROBE(probe, a, b) ((void)(a), (void)(b))

#elif defined(__linux__) && defined(__x86_64__) && defined(__LP64__)
/*
 * The note of a USDT probe, as <sys/sdt.h> lays it out (version 3): address of
 * the nop, link-time address of the base (so that prelink can be undone), no
 * semaphore, then provider, name and the place of each argument. Arguments are
 * kept to registers and constants: every tracer can read those.
 *
 * "?" puts the note into the group of the section around it, so that the copy of
 * an inline function which the linker drops takes its note with it.
 */
#define SG_MARK_PROBE(probe, a, b)                                                                    \
	__asm__ __volatile__("990:	nop\n"                                                             \
			     "	.pushsection .note.stapsdt,\"?\",\"note\"\n"                           \
			     "	.balign 4\n"                                                           \
			     "	.4byte 992f-991f, 994f-993f, 3\n"                                      \
			     "991:	.asciz \"stapsdt\"\n"                                              \
			     "992:	.balign 4\n"                                                       \
			     "993:	.8byte 990b\n"                                                     \
			     "	.8byte _.stapsdt.base\n"                                               \
			     "	.8byte 0\n"                                                            \
			     "	.asciz \"sandglass\"\n"                                                \
			     "	.asciz \"" probe "\"\n"                                               \
			     "	.asciz \"8@%0 8@%1\"\n"                                                \
			     "994:	.balign 4\n"                                                       \
			     "	.popsection\n"                                                         \
			     "	.ifndef _.stapsdt.base\n"                                              \
			     "	.pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n" \
			     "	.weak _.stapsdt.base\n"                                                \
			     "	.hidden _.stapsdt.base\n"                                              \
			     "_.stapsdt.base: .space 1\n"                                             \
			     "	.size _.stapsdt.base, 1\n"                                             \
			     "	.popsection\n"                                                         \
			     "	.endif\n"                                                              \
			     :                                                                        \
			     : "nr"(a), "nr"(b)                                                       \
			     : "memory")

#elif defined(__has_include)
#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#define SG_MARK_PROBE_begin(a, b) DTRACE_PROBE2(sandglass, task_begin, a, b)
#define SG_MARK_PROBE_end(a, b)	  DTRACE_PROBE2(sandglass, task_end, a, b)
#define SG_MARK_SDT		  1
#endif
#endif

/*
 * A tracer cannot bring in a page: a literal that nothing has read since the
 * program started would be a task without a name. So its first byte is read here.
 */
static __inline__ __attribute__((unused)) const char *sg_mark_name(const char *name)
{
	if (name)
		(void)*(const volatile char *)name;
	return name;
}

#if defined(SG_MARK_SDT)
#define SG_TASK_BEGIN(id, name) SG_MARK_PROBE_begin((unsigned long long)(id), sg_mark_name(name))
#define SG_TASK_END(id, status) SG_MARK_PROBE_end((unsigned long long)(id), (unsigned long long)(status))
#elif defined(SG_MARK_PROBE)
#define SG_TASK_BEGIN(id, name) SG_MARK_PROBE("task_begin", (unsigned long long)(id), sg_mark_name(name))
#define SG_TASK_END(id, status) \
	SG_MARK_PROBE("task_end", (unsigned long long)(id), (unsigned long long)(status))
#else
#error "sandglass/mark.h: no probes for this architecture without <sys/sdt.h>; define SG_MARKS_OFF to build without"
#endif

#endif
