/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef TRUTH_UNDO_H
#define TRUTH_UNDO_H

#include <stddef.h>

/** undo_note() - append "@verb @path @value" to the journal of @dir, before doing it. Return: negative errno. */
int undo_note(const char *dir, const char *verb, const char *path, const char *value);
/** undo_all() - undo the journal of @dir, last first, and empty it. */
void undo_all(const char *dir);
/** undo_stale() - undo and remove what dead runs left under @base. */
void undo_stale(const char *base, const char *prefix);
int text_write(const char *path, const char *text);
int text_read(const char *path, char *buf, size_t cap);

#endif
