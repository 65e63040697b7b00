/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Messages of gVisor's Gofer, by what stands in the flipcall window behind its
 * 16-byte header (pkg/flipcall/flipcall_unsafe.go, 121b2be431ff: u32 whose turn it
 * is, u32 length of the datagram, 8 reserved). LISAFS: u16 message id, u8 number
 * of descriptors (channelHeader of pkg/lisafs/message.go, bf67e6b0185d). 9P (before
 * 2022-12): u8 message type of 9P2000.L and its gVisor extensions, u8 "a file
 * descriptor follows", 0 or 1 (channel.send of pkg/p9/transport_flipcall.go,
 * b3d9236a53bf and 2c7b8a2dc230 alike). Pure.
 */
#ifndef SG_GOFER_H
#define SG_GOFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** sg_gofer_name() - name of a message ("WalkStat", "Twalk") from the window's first word; NULL: not one of this protocol */
const char *sg_gofer_name(bool is_9p, uint16_t word);
/** sg_gofer_word() - the word of a raw window (as recorded: from the futex address on); false: too short or no message */
bool sg_gofer_word(const void *window, size_t len, uint16_t *ret);

#endif
