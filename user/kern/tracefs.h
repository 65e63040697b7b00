/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* tracefs, wherever it is mounted, or nowhere. */
#ifndef SG_TRACEFS_H
#define SG_TRACEFS_H

#include <stdbool.h>

/**
 * sg_tracefs_open() - directory descriptor of tracefs
 * @ret_where: how it was found: its mount point, or "private mount"; may be NULL
 *
 * When it is mounted nowhere, a private instance is opened that no path leads
 * to and that vanishes with the descriptor, so the machine is not changed.
 * Return: a descriptor to close, or negative errno.
 */
int sg_tracefs_open(const char **ret_where);

/**
 * sg_pseudofs_open() - root directory of a kernel file system ("tracefs", "securityfs") as a detached mount
 *
 * Nothing is mounted anywhere; it is gone with the descriptor. Return: descriptor, or negative errno.
 */
int sg_pseudofs_open(const char *type);

/** sg_tracefs_has() - does tracepoint @cat/@name exist? @dir: from sg_tracefs_open() */
bool sg_tracefs_has(int dir, const char *cat, const char *name);

/**
 * sg_tracefs_events() - all trace events, lines of "category:name"
 * @dir: from sg_tracefs_open()
 *
 * Return: text for free(), or NULL when it can't be read.
 */
char *sg_tracefs_events(int dir);

/** sg_tracefs_category() - is there an event @name in @events? Its category, *@len bytes at *@ret, is a part of @events. */
bool sg_tracefs_category(const char *events, const char *name, const char **ret, size_t *len);

/** sg_tracefs_id() - perf_event_attr.config of tracepoint @cat/@name, or negative errno */
int sg_tracefs_id(int dir, const char *cat, const char *name);

#endif
