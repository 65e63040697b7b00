/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "env/domain_xml.h"

#define MIB ((uint64_t)1 << 20)

/* Bytes of the UTF-8 character at @p, 0 when it is none or XML may not hold it. */
static size_t char_len(const unsigned char *p)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = *p < 0x80 ? 1 : *p >> 5 == 6 ? 2 : *p >> 4 == 14 ? 3 : *p >> 3 == 30 ? 4 : 0;
	uint32_t c = n == 1 ? *p : n ? *p & (0x7fu >> n) : 0;

	for (size_t i = 1; i < n; i++) {
		if (p[i] >> 6 != 2)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (!n || c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || c == 0xfffe || c == 0xffff)
		return 0;
	return c < 32 ? 0 : n;
}

static bool fits(const char *s)
{
	for (size_t n; *s; s += n)
		if (!(n = char_len((const unsigned char *)s)))
			return false;
	return true;
}

static void put(FILE *f, const char *s)
{
	for (; *s; s++)
		switch (*s) {
		case '&':
			fputs("&amp;", f);
			break;
		case '<':
			fputs("&lt;", f);
			break;
		case '>':
			fputs("&gt;", f);
			break;
		case '\'':
			fputs("&apos;", f);
			break;
		case '"':
			fputs("&quot;", f);
			break;
		default:
			fputc(*s, f);
		}
}

/* "<before>TEXT<after>" with the text made harmless */
static void around(FILE *f, const char *before, const char *text, const char *after)
{
	fputs(before, f);
	put(f, text);
	fputs(after, f);
}

static void disk(FILE *f, const char *path, const char *dev, bool readonly)
{
	around(f,
	       "<disk type='file' device='disk'><driver name='qemu' type='raw' discard='unmap'/><source "
	       "file='",
	       path, "'/>");
	fprintf(f, "<target dev='%s' bus='virtio'/>%s</disk>\n", dev, readonly ? "<readonly/>" : "");
}

static void write_all(FILE *f, const struct sg_domain_xml *d)
{
	fprintf(f, "<domain type='%s'>\n", d->kvm ? "kvm" : "qemu");
	around(f, "<name>", d->name, "</name>\n");
	fprintf(f, "<memory unit='MiB'>%" PRIu64 "</memory><vcpu>%u</vcpu>\n", d->memory_bytes / MIB,
		d->vcpus);
	around(f, "<os><type arch='x86_64' machine='q35'>hvm</type><kernel>", d->kernel, "</kernel>");
	around(f, "<initrd>", d->initrd, "</initrd>");
	around(f, "<cmdline>", d->cmdline, "</cmdline></os>\n");
	fputs("<features><acpi/><apic/>", f);
	if (!d->kvm)
		fprintf(f, "<tcg><tb-cache unit='MiB'>%d</tb-cache></tcg>", SG_DOMAIN_TCG_MIB);
	fprintf(f, "</features>\n<cpu mode='%s'/>\n", d->kvm ? "host-passthrough" : "maximum");
	/* nothing of ours ever starts anew */
	fputs("<on_poweroff>destroy</on_poweroff><on_reboot>destroy</on_reboot><on_crash>destroy</"
	      "on_crash>\n",
	      f);
	around(f, "<devices><emulator>", d->emulator, "</emulator>\n");
	disk(f, d->root, "vda", true);
	if (d->disk)
		disk(f, d->disk, "vdb", false);
	fputs("<interface type='user'><model type='virtio'/><alias name='" SG_DOMAIN_NETDEV
	      "'/></interface>\n",
	      f);
	around(f, "<serial type='file'><source path='", d->console, "'/></serial>\n");
	around(f, "<channel type='unix'><source mode='bind' path='", d->channel,
	       "'/><target type='virtio' name='" SG_DOMAIN_CHANNEL "'/></channel>\n");
	fputs("<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>\n", f);
	fputs("<memballoon model='virtio'><stats period='1'/></memballoon>\n", f);
	fputs("<controller type='usb' model='none'/></devices>\n</domain>\n", f);
}

int sg_domain_xml(const struct sg_domain_xml *d, char **ret, struct sg_err *err)
{
	const char *const texts[] = { d->name, d->emulator, d->kernel,	d->initrd,
				      d->root, d->cmdline,  d->console, d->channel };
	size_t len;
	FILE *f;
	int bad;

	*ret = NULL;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (!fits(texts[i]))
			return sg_err_set(err, -EINVAL,
					  "a path or name of a virtual machine is no UTF-8 text");
	if (d->disk && !fits(d->disk))
		return sg_err_set(err, -EINVAL, "the path of a virtual machine's disk is no UTF-8 text");
	f = open_memstream(ret, &len);
	if (!f)
		return sg_err_set(err, -ENOMEM, "out of memory");
	write_all(f, d);
	bad = ferror(f);
	if (fclose(f) || bad) {
		free(*ret);
		*ret = NULL;
		return sg_err_set(err, -ENOMEM, "out of memory");
	}
	return 0;
}
