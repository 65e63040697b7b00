/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>
#include "env/domain.h"
#include "env/domain_xml.h"
#include "env/tool.h"

#define END_MS 10000

struct sg_domain {
	struct sg_libvirtd *daemon;
	virDomainPtr dom;
	char name[SG_DOMAIN_NAME_MAX];
	char console[128];
	pid_t pid;
	int pidfd, agent, sigfd;
	unsigned port, vcpus;
};

pid_t sg_domain_pid(const struct sg_domain *d)
{
	return d->pid;
}

int sg_domain_pidfd(const struct sg_domain *d)
{
	return d->pidfd;
}

int sg_domain_agent(const struct sg_domain *d)
{
	return d->agent;
}

unsigned sg_domain_port(const struct sg_domain *d)
{
	return d->port;
}

static int create(struct sg_domain *d, const struct sg_domain_opts *o, const char *channel,
		  struct sg_err *err)
{
	const struct sg_libvirt *v = sg_libvirtd_lib(d->daemon);
	char emulator[PATH_MAX], what[96], *xml;
	struct sg_domain_xml x = { .name = o->name,
				   .emulator = emulator,
				   .kvm = o->kvm,
				   .memory_bytes = o->memory_bytes,
				   .vcpus = o->vcpus,
				   .kernel = o->image->kernel,
				   .initrd = o->image->initrd,
				   .cmdline = SG_VMIMAGE_CMDLINE,
				   .root = o->image->root,
				   .disk = o->disk,
				   .console = d->console,
				   .channel = channel };
	int rc = sg_tool_find("qemu-system-x86_64", "qemu-system-x86", emulator, err);

	if (!rc)
		rc = sg_domain_xml(&x, &xml, err);
	if (rc)
		return rc;
	/* paused: the guest's memory shall be charged to the cgroup from its first page on */
	d->dom = v->virDomainCreateXML(sg_libvirtd_conn(d->daemon), xml,
				       VIR_DOMAIN_START_PAUSED | VIR_DOMAIN_START_AUTODESTROY);
	free(xml);
	snprintf(what, sizeof(what), "cannot start the virtual machine %s", o->name);
	return d->dom ? 0 : sg_libvirt_err(v, err, -EIO, what);
}

static int find_process(struct sg_domain *d, struct sg_err *err)
{
	char path[PATH_MAX];
	FILE *f = NULL;

	if (!sg_libvirtd_pid_file(d->daemon, d->name, path, sizeof(path)))
		f = fopen(path, "re");
	if (!f || fscanf(f, "%d", &d->pid) != 1)
		d->pid = 0;
	if (f)
		fclose(f);
	if (d->pid > 0)
		d->pidfd = (int)syscall(SYS_pidfd_open, d->pid, 0);
	if (d->pidfd < 0)
		return sg_err_set(err, -ESRCH, "cannot find the process of the virtual machine %s", d->name);
	return 0;
}

static int join_cgroup(const struct sg_domain *d, const char *cgroup, struct sg_err *err)
{
	char path[PATH_MAX], text[24];
	int fd, n = snprintf(text, sizeof(text), "%d", (int)d->pid), rc = 0;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, (size_t)n) != n)
		rc = sg_err_set(err, -errno, "cannot put the virtual machine %s into the cgroup %s: %s",
				d->name, cgroup, strerror(errno));
	if (fd >= 0)
		close(fd);
	return rc;
}

static int connect_agent(struct sg_domain *d, const char *channel, struct sg_err *err)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", channel);
	d->agent = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (d->agent < 0 || connect(d->agent, (struct sockaddr *)&a, sizeof(a)))
		return sg_err_set(err, -errno, "cannot reach the virtual machine %s: %s", d->name,
				  strerror(errno));
	return 0;
}

static int monitor(struct sg_domain *d, const char *command, char **ret, struct sg_err *err)
{
	const struct sg_libvirt *v = sg_libvirtd_lib(d->daemon);

	*ret = NULL;
	if (v->virDomainQemuMonitorCommand(d->dom, command, ret, VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP) < 0)
		return sg_libvirt_err(v, err, -EIO, "cannot forward a port into the virtual machine");
	return 0;
}

/* QEMU takes a free port itself and tells which: nobody can be faster. */
int sg_domain_forward(struct sg_domain *d, unsigned guest_port, unsigned *ret_port, struct sg_err *err)
{
	char command[96], *said, *line;
	unsigned to = 0;
	int rc;

	snprintf(command, sizeof(command), "hostfwd_add host" SG_DOMAIN_NETDEV " tcp:127.0.0.1:0-:%u",
		 guest_port);
	rc = monitor(d, command, &said, err);
	free(said);
	if (rc)
		return rc;
	rc = monitor(d, "info usernet", &said, err);
	if (rc)
		return rc;
	for (line = said; line && to != guest_port && (line = strstr(line, "HOST_FORWARD]")); line++)
		if (sscanf(line, "HOST_FORWARD] %*d %*s %u %*s %u", ret_port, &to) != 2)
			to = 0;
	if (to != guest_port)
		rc = sg_err_set(err, -EPROTO, "QEMU does not tell which port it forwards");
	free(said);
	return rc;
}

int sg_domain_make(struct sg_domain **ret, struct sg_libvirtd *daemon, const struct sg_domain_opts *o,
		   struct sg_err *err)
{
	struct sg_domain *d = calloc(1, sizeof(*d));
	const struct sg_libvirt *v = sg_libvirtd_lib(daemon);
	char channel[108];
	int rc;

	*ret = NULL;
	if (!d)
		return sg_err_set(err, -ENOMEM, "out of memory");
	*d = (struct sg_domain){
		.daemon = daemon, .pidfd = -1, .agent = -1, .sigfd = o->sigfd, .vcpus = o->vcpus
	};
	if (snprintf(d->name, sizeof(d->name), "%s", o->name) >= (int)sizeof(d->name) || !*o->name ||
	    strspn(o->name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") !=
		    strlen(o->name)) {
		free(d);
		return sg_err_set(err, -EINVAL, "no name for a virtual machine");
	}
	snprintf(d->console, sizeof(d->console), "%s/%s.console", sg_libvirtd_top(daemon), d->name);
	snprintf(channel, sizeof(channel), "%.60s/%s.agent", sg_libvirtd_top(daemon), d->name);
	rc = create(d, o, channel, err);
	if (!rc)
		rc = find_process(d, err);
	if (!rc && o->cgroup)
		rc = join_cgroup(d, o->cgroup, err);
	if (!rc)
		rc = connect_agent(d, channel, err);
	if (!rc && o->guest_port)
		rc = sg_domain_forward(d, o->guest_port, &d->port, err);
	if (!rc && v->virDomainResume(d->dom))
		rc = sg_libvirt_err(v, err, -EIO, "the virtual machine does not run");
	if (rc)
		sg_domain_free(d);
	else
		*ret = d;
	return rc;
}

/* The console's last line, for a sentence. The guest wrote it. */
static void last_words(const struct sg_domain *d, char *buf, size_t cap)
{
	char line[512];
	FILE *f = fopen(d->console, "re");

	snprintf(buf, cap, "nothing");
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\r\n")] = 0;
		if (line[0])
			snprintf(buf, cap, "%.150s", line);
	}
	if (f)
		fclose(f);
	for (char *p = buf; *p; p++)
		if ((unsigned char)*p < 32 || (unsigned char)*p > 126)
			*p = ' ';
}

int sg_domain_wait(struct sg_domain *d, int timeout_ms, struct sg_err *err)
{
	struct sg_err why;
	char words[200];
	int rc = sg_vmagent_ready(d->agent, d->sigfd, timeout_ms, &why);

	if (!rc)
		return 0;
	last_words(d, words, sizeof(words));
	if (rc == -ETIMEDOUT)
		return sg_err_set(err, rc, "%s is not up after %d s; its console said last: %s", d->name,
				  timeout_ms / 1000, words);
	if (rc == -EPIPE)
		return sg_err_set(err, rc, "%s ended while it booted; its console said last: %s", d->name,
				  words);
	return sg_err_set(err, rc, "%s", why.msg);
}

int sg_domain_run(struct sg_domain *d, const char *command, int timeout_ms, struct sg_vmagent_result *ret,
		  struct sg_err *err)
{
	return sg_vmagent_run(d->agent, command, timeout_ms, d->sigfd, ret, err);
}

int sg_domain_pin(struct sg_domain *d, int vcpu, const cpu_set_t *cpus, struct sg_err *err)
{
	const struct sg_libvirt *v = sg_libvirtd_lib(d->daemon);
	unsigned char map[CPU_SETSIZE / 8] = { 0 };
	int rc, len = 0;

	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, cpus)) {
			map[i / 8] |= (unsigned char)(1 << i % 8);
			len = i / 8 + 1;
		}
	if (!len || vcpu < SG_DOMAIN_EMULATOR || vcpu >= (int)d->vcpus)
		return sg_err_set(err, -EINVAL, "no CPU to pin to, or no such vCPU: %d", vcpu);
	if (vcpu == SG_DOMAIN_EMULATOR)
		rc = v->virDomainPinEmulator(d->dom, map, len, VIR_DOMAIN_AFFECT_LIVE);
	else
		rc = v->virDomainPinVcpu(d->dom, (unsigned)vcpu, map, len);
	return rc ? sg_libvirt_err(v, err, -EIO, "cannot pin the virtual machine") : 0;
}

void sg_domain_free(struct sg_domain *d)
{
	struct pollfd p;

	if (!d)
		return;
	if (d->dom) {
		const struct sg_libvirt *v = sg_libvirtd_lib(d->daemon);

		v->virDomainDestroy(d->dom);
		v->virDomainFree(d->dom);
	}
	p = (struct pollfd){ .fd = d->pidfd, .events = POLLIN };
	if (d->pidfd >= 0) {
		poll(&p, 1, END_MS);
		close(d->pidfd);
	}
	if (d->agent >= 0)
		close(d->agent);
	free(d);
}
