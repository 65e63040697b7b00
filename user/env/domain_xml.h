/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* A libvirt domain as XML. */
#ifndef SG_DOMAIN_XML_H
#define SG_DOMAIN_XML_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

#define SG_DOMAIN_CHANNEL "sandglass.agent" /* name of the virtio-serial port, in the guest */
#define SG_DOMAIN_NETDEV  "ua-net"	    /* alias of the network card; QEMU's netdev is "host" and this */
/* What TCG may keep of translated code; its default, a GiB, would be the largest part of a small machine. */
#define SG_DOMAIN_TCG_MIB 64

struct sg_domain_xml {
	const char *name, *emulator;
	bool kvm; /* else TCG */
	uint64_t memory_bytes;
	unsigned vcpus;
	const char *kernel, *initrd, *cmdline;
	const char *root; /* raw image, read only: /dev/vda */
	const char *disk; /* raw image, /dev/vdb; NULL: none */
	const char *console, *channel;
};

/**
 * sg_domain_xml() - the XML of a domain; free() it
 *
 * Texts may hold any bytes; those that XML cannot hold (controls, bad UTF-8) are refused: -EINVAL. Also -ENOMEM.
 */
int sg_domain_xml(const struct sg_domain_xml *d, char **ret, struct sg_err *err);

#endif
