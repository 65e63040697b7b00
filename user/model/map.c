/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* An open-addressing hash from 64-bit keys to 64-bit values; values are non-zero. */
#include <errno.h>
#include <stdlib.h>
#include "model/priv.h"

static uint64_t mix(uint64_t k)
{
	k ^= k >> 32;
	k *= 0x9e3779b97f4a7c15ull;
	return k ^ (k >> 29);
}

static uint32_t probe(const struct sg_map *map, uint64_t key)
{
	uint32_t i = mix(key) & (map->cap - 1);

	while (map->val[i] && map->key[i] != key)
		i = (i + 1) & (map->cap - 1);
	return i;
}

static int grow(struct sg_map *map)
{
	struct sg_map to = { .cap = map->cap ? map->cap * 2 : 64, .n = map->n };

	to.key = malloc(to.cap * sizeof(*to.key));
	to.val = calloc(to.cap, sizeof(*to.val));
	if (!to.key || !to.val || to.cap < map->cap) {
		sg_map_free(&to);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < map->cap; i++)
		if (map->val[i]) {
			uint32_t j = probe(&to, map->key[i]);

			to.key[j] = map->key[i];
			to.val[j] = map->val[i];
		}
	sg_map_free(map);
	*map = to;
	return 0;
}

int sg_map_put(struct sg_map *map, uint64_t key, uint64_t val)
{
	uint32_t i;

	if (map->n + map->n / 2 >= map->cap && grow(map))
		return -ENOMEM;
	i = probe(map, key);
	map->n += !map->val[i];
	map->key[i] = key;
	map->val[i] = val;
	return 0;
}

bool sg_map_get(const struct sg_map *map, uint64_t key, uint64_t *ret)
{
	uint32_t i;

	if (!map->cap)
		return false;
	i = probe(map, key);
	if (!map->val[i])
		return false;
	*ret = map->val[i];
	return true;
}

void sg_map_del(struct sg_map *map, uint64_t key)
{
	uint32_t i, j;

	if (!map->cap)
		return;
	i = probe(map, key);
	if (!map->val[i])
		return;
	/* close the gap: move back whatever probed across it */
	for (j = (i + 1) & (map->cap - 1); map->val[j]; j = (j + 1) & (map->cap - 1)) {
		uint32_t home = mix(map->key[j]) & (map->cap - 1);

		if (((j - home) & (map->cap - 1)) < ((j - i) & (map->cap - 1)))
			continue;
		map->key[i] = map->key[j];
		map->val[i] = map->val[j];
		i = j;
	}
	map->val[i] = 0;
	map->n--;
}

void sg_map_free(struct sg_map *map)
{
	free(map->key);
	free(map->val);
	*map = (struct sg_map){ 0 };
}
