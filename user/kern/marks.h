/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Finding the binaries that carry task marks, as programs start; each file is looked at once. */
#ifndef SG_MARKS_H
#define SG_MARKS_H

#include "kern/live.h"

struct sg_marks;

int sg_marks_new(struct sg_marks **ret, struct sg_live *live);
void sg_marks_free(struct sg_marks *m);
/** sg_marks_program() - @name as execvp() would find it, before it runs: no mark is missed */
void sg_marks_program(struct sg_marks *m, const char *name);
/** sg_marks_exec() - what process @pid runs now, with its libraries; waits for its mm, and for its files' disk */
void sg_marks_exec(struct sg_marks *m, uint32_t pid);
/**
 * sg_marks_exec_later() - the same by a thread of its own, from the one that must not wait
 * From the first call to sg_marks_end() nothing else of here may be called.
 */
void sg_marks_exec_later(struct sg_marks *m, uint32_t pid);
/** sg_marks_end() - end that thread: no probe is put anywhere any more */
void sg_marks_end(struct sg_marks *m);
/** sg_marks_all() - what every process runs now */
void sg_marks_all(struct sg_marks *m);

#endif
