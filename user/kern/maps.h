/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The executable mappings of a process, from the text of /proc/PID/maps. */
#ifndef SG_MAPS_H
#define SG_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sg_map_kind {
	SG_MAP_FILE, /* a file's code */
	SG_MAP_VDSO,
	SG_MAP_JIT,   /* no file behind it: code made at run time */
	SG_MAP_GUEST, /* memory of a gVisor sandbox: code of its guest, mapped into a stub */
};

struct sg_map {
	uint64_t start, end, offset;
	uint64_t dev, ino; /* dev: major << 32 | minor */
	const char *path;  /* inside the process's mount namespace; valid as long as the maps */
	uint8_t kind;	   /* enum sg_map_kind */
	bool deleted;
};

struct sg_maps {
	size_t n;
	struct sg_map *map; /* by address */
	char *paths;
	bool stub; /* a stub of gVisor, which runs a guest's code: see sg_maps_parse() */
};

/**
 * sg_maps_parse() - changes @text; lines it does not understand are left out. Keeps only code.
 *
 * A stub of gVisor is told by what it maps, since its executable and name are the Sentry's: guest memory
 * (the memfd that the Sentry calls runsc-memory), or no file and no vdso at all (an idle one, which has
 * only the stub's own page). Return: 0 or -ENOMEM.
 */
int sg_maps_parse(struct sg_maps *ret, char *text);

/** sg_maps_find() - the mapping that contains @addr, or NULL */
const struct sg_map *sg_maps_find(const struct sg_maps *m, uint64_t addr);
void sg_maps_free(struct sg_maps *m);

#endif
