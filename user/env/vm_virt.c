/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * What libvirt knows of virtual machines; connections are read-only. A daemon that takes a connection
 * and says nothing must not stop us: the questions are asked by a thread that can be left behind.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "env/libvirt.h"
#include "env/vm_priv.h"
#include "out/text.h"

#define WAIT_S 5

/* The event loop's part must be made known before anybody connects. */
const struct sg_libvirt *sg_vm_virt(struct sg_err *err)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static const struct sg_libvirt *ready;
	const struct sg_libvirt *v;

	if (sg_libvirt_load(&v, err))
		return NULL;
	pthread_mutex_lock(&lock);
	if (!ready && !v->virEventRegisterDefaultImpl() && !v->virInitialize())
		ready = v;
	pthread_mutex_unlock(&lock);
	if (!ready)
		sg_err_set(err, -EIO, "libvirt's library does not start");
	return ready;
}

const char *sg_vm_virt_state(int state)
{
	switch (state) {
	case VIR_DOMAIN_RUNNING:
	case VIR_DOMAIN_BLOCKED:
		return "running";
	case VIR_DOMAIN_PAUSED:
		return "paused";
	case VIR_DOMAIN_SHUTDOWN:
		return "in shutdown";
	case VIR_DOMAIN_SHUTOFF:
		return "shut off";
	case VIR_DOMAIN_CRASHED:
		return "crashed";
	case VIR_DOMAIN_PMSUSPENDED:
		return "suspended";
	default:
		return "";
	}
}

/* Does somebody listen there? To a session that has no daemon the library would start one. */
static bool listens(const char *dir, const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = -1, n = snprintf(a.sun_path, sizeof(a.sun_path), "%s/libvirt/%s", dir, name);
	bool ok;

	if (n > 0 && n < (int)sizeof(a.sun_path))
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ok = fd >= 0 && (!connect(fd, (struct sockaddr *)&a, sizeof(a)) || errno == EAGAIN);
	if (fd >= 0)
		close(fd);
	return ok;
}

/* Where nobody listens nobody is asked: no error of a machine without libvirt. */
size_t sg_vm_virt_uris(const struct sg_vm_opts *o, char ret[SG_VM_URIS][SG_VM_URI])
{
	const char *told = o && o->connect ? o->connect : getenv("LIBVIRT_DEFAULT_URI");
	static const char *const own[] = { "virtqemud-sock", "libvirt-sock" };
	const char *dir = getenv("XDG_RUNTIME_DIR");
	size_t n = 0;

	if (told && (*told || (o && o->connect))) {
		snprintf(ret[0], SG_VM_URI, "%s", told);
		return *told ? 1 : 0;
	}
	if (listens("/run", "libvirt-sock-ro") || listens("/run", "virtqemud-sock-ro"))
		snprintf(ret[n++], SG_VM_URI, "qemu:///system");
	/* By its socket: root has no session to the library, which takes it for the system. */
	for (size_t i = 0; dir && *dir && i < 2; i++) {
		if (!listens(dir, own[i]))
			continue;
		snprintf(ret[n++], SG_VM_URI, "qemu+unix:///session?socket=%.200s/libvirt/%s", dir, own[i]);
		break;
	}
	return n;
}

/* ---- one connection -------------------------------------------------------------------------- */

/* What a domain is, in the words of a list; its process nobody tells. */
struct domain {
	char name[256], uuid[VIR_UUID_STRING_BUFLEN];
	int state;
	uint64_t max_bytes, now_bytes;
	uint32_t nvcpu;
};

struct answer {
	pthread_mutex_t lock;
	pthread_cond_t said;
	bool done, left; /* the asker has ended; nobody waits for it any more */
	bool stopped;
	const struct sg_libvirt *lv;
	char uri[256];
	struct domain *d;
	size_t n;
	char why[300]; /* empty: it answered */
};

static void describe(const struct sg_libvirt *lv, virDomainPtr p, struct domain *d)
{
	const char *name = lv->virDomainGetName(p);
	virDomainInfo info;

	snprintf(d->name, sizeof(d->name), "%s", name ? name : "");
	if (lv->virDomainGetUUIDString(p, d->uuid))
		d->uuid[0] = 0;
	if (!lv->virDomainGetInfo(p, &info)) {
		d->state = info.state;
		d->max_bytes = (uint64_t)info.maxMem * 1024;
		d->now_bytes = (uint64_t)info.memory * 1024;
		d->nvcpu = info.nrVirtCpu;
	}
}

static void list_domains(struct answer *a)
{
	unsigned flags = a->stopped ? 0 : VIR_CONNECT_LIST_DOMAINS_ACTIVE;
	virConnectPtr c = a->lv->virConnectOpenReadOnly(a->uri);
	virDomainPtr *p = NULL;
	int n = c ? a->lv->virConnectListAllDomains(c, &p, flags) : -1;

	if (n < 0) {
		snprintf(a->why, sizeof(a->why), "%s", a->lv->virGetLastErrorMessage());
		n = 0;
	}
	a->d = n ? calloc((size_t)n, sizeof(*a->d)) : NULL;
	for (int i = 0; i < n; i++) {
		if (a->d && a->n < SG_VM_MAX)
			describe(a->lv, p[i], &a->d[a->n++]);
		a->lv->virDomainFree(p[i]);
	}
	free(p);
	if (c)
		a->lv->virConnectClose(c);
}

static void answer_free(struct answer *a)
{
	pthread_mutex_destroy(&a->lock);
	pthread_cond_destroy(&a->said);
	free(a->d);
	free(a);
}

static void *asker_main(void *arg)
{
	struct answer *a = arg;
	bool left;

	list_domains(a);
	pthread_mutex_lock(&a->lock);
	a->done = true;
	left = a->left;
	pthread_cond_signal(&a->said);
	pthread_mutex_unlock(&a->lock);
	if (left)
		answer_free(a);
	return NULL;
}

/* The answer, or NULL with @err. */
static struct answer *ask(const struct sg_libvirt *lv, const char *uri, bool stopped, struct sg_err *err)
{
	struct answer *a = calloc(1, sizeof(*a));
	struct timespec until;
	pthread_t t;
	bool done;

	if (!a || pthread_mutex_init(&a->lock, NULL) || pthread_cond_init(&a->said, NULL)) {
		free(a);
		sg_err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	a->stopped = stopped;
	a->lv = lv;
	snprintf(a->uri, sizeof(a->uri), "%s", uri);
	if (pthread_create(&t, NULL, asker_main, a)) {
		answer_free(a);
		sg_err_set(err, -EAGAIN, "no thread to ask libvirt with");
		return NULL;
	}
	pthread_detach(t);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	pthread_mutex_lock(&a->lock);
	while (!a->done && !pthread_cond_timedwait(&a->said, &a->lock, &until))
		;
	done = a->done;
	a->left = !done;
	pthread_mutex_unlock(&a->lock);
	if (done)
		return a;
	sg_err_set(err, -ETIMEDOUT, "libvirt (%s) does not answer", uri);
	return NULL; /* the thread frees it when it comes back */
}

/* ---- joined with what runs here ------------------------------------------------------------------- */

static int join(struct sg_vm_list *l, const struct domain *d)
{
	bool runs = d->state != VIR_DOMAIN_SHUTOFF && d->state != VIR_DOMAIN_CRASHED;
	struct sg_vm_info *v = runs ? sg_vm_domain(l, d->name, d->uuid) : NULL;
	bool here = v != NULL;

	if (!here)
		v = sg_vm_add(l);
	if (!v)
		return -ENOMEM;
	snprintf(v->name, sizeof(v->name), "%s", d->name);
	snprintf(v->uuid, sizeof(v->uuid), "%s", d->uuid);
	snprintf(v->source, sizeof(v->source), "libvirt");
	snprintf(v->state, sizeof(v->state), "%s", sg_vm_virt_state(d->state));
	v->memory_bytes = d->max_bytes;
	v->actual_bytes = runs ? d->now_bytes : 0;
	if (d->nvcpu)
		v->nvcpu = d->nvcpu;
	return 0;
}

int sg_vm_virt_list(struct sg_vm_list *l, const struct sg_vm_opts *o, bool stopped, struct sg_err *err)
{
	char uri[SG_VM_URIS][SG_VM_URI];
	size_t n = sg_vm_virt_uris(o, uri);
	const struct sg_libvirt *lv;
	char clean[256];
	int r = 0;

	lv = n ? sg_vm_virt(err) : NULL;
	if (n && !lv)
		return err ? err->code : -EIO;
	for (size_t i = 0; i < n; i++) {
		struct answer *a = ask(lv, uri[i], stopped, err);

		if (!a) {
			r = err ? err->code : -EIO;
			continue;
		}
		for (size_t k = 0; k < a->n; k++)
			if (join(l, &a->d[k]))
				r = sg_err_set(err, -ENOMEM,
					       "out of memory, or more than %d virtual machines", SG_VM_MAX);
		if (a->why[0])
			r = sg_err_set(err, -EIO, "libvirt (%s) refuses: %s", uri[i],
				       sg_text_clean(clean, sizeof(clean), a->why));
		answer_free(a);
	}
	return r;
}
