/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The texts of evidence, from ids of the model. Private to user/model. */
#ifndef SG_EVIDENCE_TEXT_H
#define SG_EVIDENCE_TEXT_H

#include "model/model.h"

/* X(SYMBOL, name): in order of how much each tells; less telling ones give way. */
#define SG_EV_LIST(X)                \
	X(WHY, "why")                \
	X(INSIDE, "inside")          \
	X(BALLOON, "balloon")        \
	X(HANDOFF, "go-handoff")     \
	X(KICKS, "interrupts")       \
	X(SYSMON, "go-scheduler")    \
	X(SYSCALL, "syscall")        \
	X(FILE, "file")              \
	X(SOCKET, "socket")          \
	X(PIPE, "pipe")              \
	X(DEVICE, "device")          \
	X(TAKEN, "cpu taken by")     \
	X(WAKER, "waker")            \
	X(STACK, "stack")            \
	X(USTACK, "user stack")      \
	X(PROCESS, "process")        \
	X(PATH, "path")              \
	X(SERVICE, "device service") \
	X(MESSAGE, "message")        \
	X(FOR, "for")                \
	X(FUNCTION, "function")
enum sg_ev_kind {
#define SG_X(sym, name) SG_EV_##sym,
	SG_EV_LIST(SG_X)
#undef SG_X
		SG_EV_MAX,
};

/**
 * sg_evid_kinds() - set of facts (1 << kind) a segment of this cause can state
 *
 * A segment names the system call, file and stack of its innermost wait; those
 * are facts of that wait's own time only, not of what somebody did meanwhile.
 */
uint32_t sg_evid_kinds(const struct sg_seg *s);
/** sg_evid_has() - does a segment state fact @kind? @ret_id is its number there. */
bool sg_evid_has(const struct sg_model *m, const struct sg_seg *s, unsigned kind, uint64_t *ret_id);

/** sg_evid_text() - text of fact @kind of a segment into @buf; false when there is nothing to say */
bool sg_evid_text(const struct sg_model *m, const struct sg_seg *s, unsigned kind, char *buf, size_t cap);

/**
 * sg_function_text() - what a CPU sample was doing: "kernel.(*Task).doSyscall < kernel.(*runApp).execute"
 *
 * The program's function and its caller, without the wrappers of system calls: the
 * row says already which call it was. The kernel's functions when the program's are
 * not known. Go's import paths are cut to their last element.
 * Return: false when no frame has a name.
 */
bool sg_function_text(const struct sg_model *m, const struct sg_task_sample *s, char *buf, size_t cap);

/** sg_detail_text() - what a wait's file or socket is called, into @buf of at least 1 byte */
void sg_detail_text(const struct sg_detail *d, char *buf, size_t cap);

/** sg_chain_text() - "client [ipc.socket] server" into @buf, " (go-handoff)" after a chain with that flag, cut with "..." when too long */
void sg_chain_text(const struct sg_model *m, uint32_t chain, char *buf, size_t cap);

#endif
