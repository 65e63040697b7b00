/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "env/tar.h"

#define BLOCK	   512
#define NAME_BYTES 100
#define SIZE_TOP   077777777777ull

/* The head of an entry. Numbers are octal text. */
struct head {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], chksum[8], type, linkname[100],
		magic[6], version[2], uname[32], gname[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct head) == BLOCK, "a head is one block");

/* The name of an entry: without the first slash, cut in two at a slash when it is long. */
static int set_name(struct head *h, const char *path)
{
	size_t len = strlen(++path), cut;

	if (len <= NAME_BYTES) {
		memcpy(h->name, path, len);
		return 0;
	}
	for (cut = len - NAME_BYTES - 1; cut < len; cut++)
		if (path[cut] == '/' && len - cut - 1 <= NAME_BYTES)
			break;
	if (cut > sizeof(h->prefix) || cut + 1 >= len)
		return -ENAMETOOLONG;
	memcpy(h->prefix, path, cut);
	memcpy(h->name, path + cut + 1, len - cut - 1);
	return 0;
}

static int put_head(struct sg_tar *t, const char *path, char type, unsigned mode, uint64_t size,
		    const char *link)
{
	struct head h = { .magic = "ustar", .version = { '0', '0' }, .type = type };
	const unsigned char *p = (const unsigned char *)&h;
	unsigned sum = 0;
	int rc = set_name(&h, path);

	if (rc || (link && strlen(link) > sizeof(h.linkname)))
		return -ENAMETOOLONG;
	if (size > SIZE_TOP)
		return -EFBIG;
	snprintf(h.mode, sizeof(h.mode), "%07o", mode & 07777);
	memcpy(h.uid, "0000000", 8);
	memcpy(h.gid, "0000000", 8);
	snprintf(h.size, sizeof(h.size), "%011llo", (unsigned long long)size);
	memcpy(h.mtime, "00000000000", 12); /* the same files make the same image */
	memset(h.chksum, ' ', sizeof(h.chksum));
	if (link)
		memcpy(h.linkname, link, strlen(link));
	for (size_t i = 0; i < sizeof(h); i++)
		sum += p[i];
	snprintf(h.chksum, sizeof(h.chksum), "%06o", sum);
	return fwrite(&h, sizeof(h), 1, t->out) == 1 ? 0 : -EIO;
}

static int check_path(const char *path)
{
	size_t len = strlen(path);

	if (path[0] != '/' || !path[1] || path[len - 1] == '/' || strstr(path, "//") ||
	    strstr(path, "/../") || (len >= 3 && !strcmp(path + len - 3, "/..")))
		return -EINVAL;
	return len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Note @path as being in it, folders above first. 1 = was there. */
static int enter(struct sg_tar *t, const char *path)
{
	char up[PATH_MAX], *slash;
	int rc = check_path(path);
	int64_t id;

	if (rc)
		return rc;
	if (sg_strtab_find(&t->have, path) >= 0)
		return 1;
	strcpy(up, path);
	slash = strrchr(up, '/');
	if (slash != up) {
		*slash = 0;
		rc = sg_tar_dir(t, up, 0755);
		if (rc < 0)
			return rc;
	}
	id = sg_strtab_id(&t->have, path);
	return id < 0 ? (int)id : 0;
}

int sg_tar_dir(struct sg_tar *t, const char *path, unsigned mode)
{
	char name[PATH_MAX + 1];
	int rc = enter(t, path);

	if (rc)
		return rc;
	snprintf(name, sizeof(name), "%s/", path);
	return put_head(t, name, '5', mode, 0, NULL);
}

int sg_tar_link(struct sg_tar *t, const char *path, const char *to)
{
	int rc = enter(t, path);

	return rc ? rc : put_head(t, path, '2', 0777, 0, to);
}

static int put_padding(struct sg_tar *t, uint64_t size)
{
	static const char zero[BLOCK];
	size_t n = (BLOCK - size % BLOCK) % BLOCK;

	return fwrite(zero, 1, n, t->out) == n ? 0 : -EIO;
}

int sg_tar_text(struct sg_tar *t, const char *path, const char *text)
{
	size_t len = strlen(text);
	int rc = enter(t, path);

	if (!rc)
		rc = put_head(t, path, '0', 0644, len, NULL);
	if (!rc)
		rc = fwrite(text, 1, len, t->out) == len ? put_padding(t, len) : -EIO;
	return rc;
}

/* Exactly @size bytes, as its head says, whatever happens to the file meanwhile. */
static int copy(FILE *in, FILE *out, uint64_t size)
{
	char *buf = malloc(1 << 20);
	int rc = buf ? 0 : -ENOMEM;

	while (size && !rc) {
		size_t want = size < (1 << 20) ? (size_t)size : 1 << 20, n = fread(buf, 1, want, in);

		if (n != want || fwrite(buf, 1, n, out) != n)
			rc = -EIO;
		size -= n;
	}
	free(buf);
	return rc;
}

int sg_tar_file(struct sg_tar *t, const char *path, const char *host)
{
	FILE *in = fopen(host, "re");
	struct stat st;
	int rc;

	if (!in || fstat(fileno(in), &st))
		rc = -errno;
	else if (!S_ISREG(st.st_mode))
		rc = -EISDIR;
	else if (!(rc = enter(t, path))) {
		rc = put_head(t, path, '0', st.st_mode & 0755, (uint64_t)st.st_size, NULL);
		if (!rc)
			rc = copy(in, t->out, (uint64_t)st.st_size);
		if (!rc)
			rc = put_padding(t, (uint64_t)st.st_size);
	}
	if (in)
		fclose(in);
	return rc;
}

int sg_tar_end(struct sg_tar *t)
{
	static const char zero[2 * BLOCK];

	sg_strtab_free(&t->have);
	return fwrite(zero, sizeof(zero), 1, t->out) == 1 && !fflush(t->out) ? 0 : -EIO;
}
