/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "env/gvtrace_msg.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "gvtrace.pb-c.h"

/*
 * protobuf-c makes many small pieces per message. They all come out of one block,
 * which is emptied for the next message: no malloc, and a bound on hostile input.
 */
#define ARENA_BYTES (1u << 20)
#define ARENA_ALIGN 16u

struct sg_gvdec {
	size_t used;
	ProtobufCAllocator alloc;
	_Alignas(ARENA_ALIGN) uint8_t room[ARENA_BYTES];
};

static void *arena_take(void *ctx, size_t n)
{
	struct sg_gvdec *d = ctx;
	void *p = d->room + d->used;

	if (n > ARENA_BYTES - d->used)
		return NULL;
	n = (n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	d->used = n > ARENA_BYTES - d->used ? ARENA_BYTES : d->used + n;
	return p;
}

static void arena_give(void *ctx, void *p)
{
	(void)ctx;
	(void)p;
}

struct sg_gvdec *sg_gvdec_new(void)
{
	struct sg_gvdec *d = malloc(sizeof(*d));

	if (d) {
		d->used = 0;
		d->alloc = (ProtobufCAllocator){ arena_take, arena_give, d };
	}
	return d;
}

void sg_gvdec_free(struct sg_gvdec *d)
{
	free(d);
}

/* Where a message type keeps its path. Types as numbered by gVisor (points/common.proto). */
enum shape { NONE = 0, EVENT, GONE, RAW, PLAIN, FILE_5, PATH_56, DUP_6, CHROOT_4 };

static const uint8_t shapes[] = {
	[1] = EVENT,		       /* container start */
	[2] = EVENT,		       /* clone */
	[3] = EVENT,		       /* exec */
	[4] = EVENT,		       /* exit, parent told */
	[5] = GONE,		       /* task exit */
	[6] = RAW,		       /* any call by number */
	[7] = PATH_56,		       /* open */
	[8] = FILE_5,		       /* close */
	[9] = FILE_5,		       /* read */
	[10] = FILE_5,		       /* connect */
	[11] = PATH_56,		       /* execve */
	[12] = PLAIN,		       /* socket */
	[13] = PATH_56,		       /* chdir */
	[14] = PLAIN,		       /* setid */
	[15] = PLAIN,		       /* setresid */
	[16] = PLAIN,		       /* prlimit64 */
	[17] = PLAIN,		       /* pipe */
	[18] = FILE_5,		       /* fcntl */
	[19] = DUP_6,		       /* dup */
	[20] = FILE_5,		       /* signalfd */
	[21] = CHROOT_4, [22] = PLAIN, /* eventfd */
	[23] = PLAIN,		       /* clone */
	[24] = FILE_5,		       /* bind */
	[25] = FILE_5,		       /* accept */
	[26] = PLAIN,		       /* timerfd_create */
	[27] = FILE_5,		       /* timerfd_settime */
	[28] = FILE_5,		       /* timerfd_gettime */
	[29] = PLAIN,		       /* fork */
	[30] = PLAIN,		       /* inotify_init */
	[31] = PATH_56,		       /* inotify_add_watch */
	[32] = FILE_5,		       /* inotify_rm_watch */
	[33] = PLAIN,		       /* socketpair */
	[34] = FILE_5,		       /* write */
};

struct head {
	uint16_t len;
	uint16_t type;
	uint32_t dropped;
};

/* gVisor writes what it could not find out as "[err: ...]": that is no path. */
static const char *text_of(const char *s)
{
	return s && strncmp(s, "[err: ", 6) ? s : "";
}

static int32_t returned(const Sg__Gvtrace__Exit *x)
{
	if (x->errorno)
		return x->errorno > 0 && x->errorno <= INT32_MAX ? (int32_t)-x->errorno : -1;
	return x->result >= INT32_MIN && x->result <= INT32_MAX ? (int32_t)x->result : 0;
}

static int fill(struct sg_gvmsg *m, const Sg__Gvtrace__Context *c, const Sg__Gvtrace__Exit *x, uint64_t nr)
{
	if (nr > UINT16_MAX - 1)
		return -EBADMSG;
	if (c) {
		m->time_ns = c->time_ns;
		m->tid = c->thread_id > 0 ? (uint32_t)c->thread_id : 0;
		m->name = text_of(c->process_name);
	}
	m->nr = (uint16_t)nr;
	m->ret = x ? returned(x) : 0;
	m->kind = x ? SG_GVMSG_EXIT : SG_GVMSG_ENTER;
	return 0;
}

/* Length of the part of a cut message that is made of whole fields. */
static size_t whole_fields(const uint8_t *p, size_t len)
{
	size_t at = 0, good = 0;

	while (at < len) {
		uint64_t v[2] = { 0, 0 };
		unsigned n = 1;

		for (unsigned i = 0; i < n; i++) {
			unsigned shift = 0;

			while (at < len && p[at] & 0x80 && shift < 63) {
				v[i] |= (uint64_t)(p[at++] & 0x7f) << shift;
				shift += 7;
			}
			if (at >= len)
				return good;
			v[i] |= (uint64_t)(p[at++] & 0x7f) << shift;
			if (!i)
				n = (v[0] & 7) == 0 || (v[0] & 7) == 2 ? 2 : 1;
		}
		if ((v[0] & 7) == 1)
			v[1] = 8;
		else if ((v[0] & 7) == 5)
			v[1] = 4;
		else if ((v[0] & 7) != 2)
			v[1] = 0;
		if (v[1] > len - at)
			return good;
		at += v[1];
		good = at;
	}
	return good;
}

static int body_decode(struct sg_gvdec *d, enum shape s, const uint8_t *p, size_t n, struct sg_gvmsg *m)
{
#define UNPACK(T, t) Sg__Gvtrace__##T *c = sg__gvtrace__##t##__unpack(&d->alloc, n, p)
	if (s == RAW) {
		UNPACK(RawCall, raw_call);
		return c ? fill(m, c->context, c->exit, c->sysno) : -EBADMSG;
	}
	if (s == PLAIN) {
		UNPACK(PlainCall, plain_call);
		return c ? fill(m, c->context, c->exit, c->sysno) : -EBADMSG;
	}
	if (s == FILE_5) {
		UNPACK(FileCall, file_call);
		m->path = c ? text_of(c->fd_path) : "";
		return c ? fill(m, c->context, c->exit, c->sysno) : -EBADMSG;
	}
	if (s == PATH_56) {
		UNPACK(PathCall, path_call);
		m->path = c ? text_of(c->pathname) : "";
		if (c && !*m->path)
			m->path = text_of(c->fd_path);
		return c ? fill(m, c->context, c->exit, c->sysno) : -EBADMSG;
	}
	if (s == DUP_6) {
		UNPACK(DupCall, dup_call);
		m->path = c ? text_of(c->fd_path) : "";
		return c ? fill(m, c->context, c->exit, c->sysno) : -EBADMSG;
	}
	if (s == CHROOT_4) {
		UNPACK(ChrootCall, chroot_call);
		m->path = c ? text_of(c->pathname) : "";
		return c ? fill(m, c->context, c->exit, c->sysno) : -EBADMSG;
	}
	UNPACK(Event, event);
#undef UNPACK
	if (!c)
		return -EBADMSG;
	fill(m, c->context, NULL, 0);
	m->kind = s == GONE ? SG_GVMSG_TASK_EXIT : SG_GVMSG_OTHER;
	return 0;
}

int sg_gvmsg_decode(struct sg_gvdec *d, const void *msg, size_t len, bool cut, struct sg_gvmsg *ret)
{
	const uint8_t *p = msg;
	struct head h;

	*ret = (struct sg_gvmsg){ .name = "", .path = "" };
	if (len < sizeof(h))
		return -EBADMSG;
	memcpy(&h, p, sizeof(h));
	if (h.len < sizeof(h) || h.len > len)
		return -EBADMSG;
	ret->dropped = h.dropped;
	if (h.type >= sizeof(shapes) || shapes[h.type] == NONE)
		return -ENOMSG;
	p += h.len;
	len -= h.len;
	if (cut)
		len = whole_fields(p, len);
	d->used = 0;
	return body_decode(d, shapes[h.type], p, len, ret);
}

uint32_t sg_gvmsg_hello(struct sg_gvdec *d, const void *msg, size_t len)
{
	const Sg__Gvtrace__Handshake *h;

	d->used = 0;
	h = sg__gvtrace__handshake__unpack(&d->alloc, len, msg);
	return h ? h->version : 0;
}

size_t sg_gvmsg_answer(uint8_t *ret)
{
	Sg__Gvtrace__Handshake h = SG__GVTRACE__HANDSHAKE__INIT;

	h.has_version = 1;
	h.version = SG_GVMSG_VERSION;
	return sg__gvtrace__handshake__pack(&h, ret);
}
