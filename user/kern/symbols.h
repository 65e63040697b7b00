/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Symbols: kernel addresses by kallsyms, user addresses by /proc/PID/maps and the files' tables (elfutils). */
#ifndef SG_SYMBOLS_H
#define SG_SYMBOLS_H

#include <stdint.h>

struct sg_symbols;

/** sg_symbols_new() - empty cache; kallsyms is read at the first kernel address. 0 or -ENOMEM. */
int sg_symbols_new(struct sg_symbols **ret);
void sg_symbols_free(struct sg_symbols *s);

/** sg_symbols_note_process() - read and keep the maps of @tgid now, while it lives. Cheap when known. */
void sg_symbols_note_process(struct sg_symbols *s, uint32_t tgid);
/** sg_symbols_forget() - @tgid executed another program: its maps are stale. */
void sg_symbols_forget(struct sg_symbols *s, uint32_t tgid);

/**
 * sg_symbols_kernel()/_user() - name of the function that contains @addr
 * @ret_sym: never NULL: a symbol, or "[unknown]"; valid until free
 * @ret_mod: "[kernel]", a module, or the file's base name; "[unknown]"; in a stub of gVisor "guest" (its guest's
 *           memory), "guest:NAME" (a file that its guest runs), "stub" (its own page)
 *
 * Bounded: at most 256 processes' maps and 128 files' tables are kept.
 * Return: 0 found, -ENOENT not (outputs are still set: "[unknown]" or "0xaddr" style).
 */
int sg_symbols_kernel(struct sg_symbols *s, uint64_t addr, const char **ret_sym, const char **ret_mod);
int sg_symbols_user(struct sg_symbols *s, uint32_t tgid, uint64_t addr, const char **ret_sym,
		    const char **ret_mod);

#endif
