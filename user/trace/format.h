/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The frame of a recording: file header, block headers, index, trailer. All
 * numbers little endian, as in memory. docs/recording.md has the same tables;
 * tests/unit/test_rec_doc.c compares them.
 */
#ifndef SG_FORMAT_H
#define SG_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "trace/event.h"

#define SG_REC_MAGIC	"SGREC\r\n\x1a" /* 8 bytes; a text-mode copy breaks it */
#define SG_REC_MAJOR	1		/* an older reader must refuse */
#define SG_REC_MINOR	0		/* an older reader may go on */
#define SG_REC_ENDIAN	0x01020304u
#define SG_REC_HEAD_MAX 4096

/* X(type, size, name, meaning) */
#define SG_FILE_HEAD_LIST(X)                                                             \
	X(char, magic, [8], "\"SGREC\\r\\n\\x1a\"")                                      \
	X(uint16_t, major, , "format version: an older reader refuses a greater one")    \
	X(uint16_t, minor, , "an older reader goes on, and skips what it does not know") \
	X(uint32_t, endian, , "0x01020304")                                              \
	X(uint32_t, size, , "bytes of this header: the first block follows")             \
	X(uint32_t, abi, , "SG_ABI_VERSION of the recorder")                             \
	X(uint32_t, rsv, [9], "0")                                                       \
	X(uint32_t, crc, , "CRC-32 of the bytes before it")

#define SG_BLOCK_HEAD_LIST(X)                                                             \
	X(uint32_t, magic, , "0x4b424753 (\"SGBK\"): where reading goes on after damage") \
	X(uint16_t, type, , "block type")                                                 \
	X(uint16_t, flags, , "bit 0: holds streams of class DEF or IDENT")                \
	X(uint32_t, raw, , "bytes of the payload after inflating, at most 4 MiB")         \
	X(uint32_t, stored, , "bytes of the payload in the file: a zlib stream")          \
	X(uint32_t, crc, , "CRC-32 of the stored payload")                                \
	X(uint32_t, count, , "events (EVENTS), entries (INDEX), else 0")                  \
	X(uint64_t, first, , "least ts in it (EVENTS), else 0")                           \
	X(uint64_t, last, , "greatest ts in it (EVENTS), else 0")                         \
	X(uint64_t, low, , "no later block has an event before this time; 0 = not known") \
	X(uint32_t, seq, , "number of the block, from 0: a gap is damage")                \
	X(uint32_t, head_crc, , "CRC-32 of the bytes of this header before it")

#define SG_INDEX_LIST(X)                                              \
	X(uint64_t, off, , "where the block's header is in the file") \
	X(uint64_t, first, , "as in its header")                      \
	X(uint64_t, last, , "as in its header")                       \
	X(uint32_t, stored, , "as in its header")                     \
	X(uint32_t, count, , "as in its header")                      \
	X(uint16_t, type, , "as in its header")                       \
	X(uint16_t, flags, , "as in its header")                      \
	X(uint32_t, rsv, , "0")

#define SG_TRAILER_LIST(X)                                                       \
	X(uint64_t, off, , "where the first INDEX block is")                     \
	X(uint32_t, blocks, , "entries in all INDEX blocks: blocks before them") \
	X(uint32_t, crc, , "CRC-32 of the bytes of this trailer before it")      \
	X(char, magic, [8], "\"SGEND\\r\\n\\x1a\": the last bytes of the file")

#define SG_X(type, name, dim, text) type name dim;
struct sg_file_head {
	SG_FILE_HEAD_LIST(SG_X)
};
struct sg_block_head {
	SG_BLOCK_HEAD_LIST(SG_X)
};
struct sg_index_entry {
	SG_INDEX_LIST(SG_X)
};
struct sg_trailer {
	SG_TRAILER_LIST(SG_X)
};
#undef SG_X
_Static_assert(sizeof(struct sg_file_head) == 64, "file header");
_Static_assert(sizeof(struct sg_block_head) == 56, "block header");
_Static_assert(sizeof(struct sg_index_entry) == 40, "index entry");
_Static_assert(sizeof(struct sg_trailer) == 24, "trailer");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "structures are written as they are in memory");

#define SG_BLOCK_MAGIC	 0x4b424753u
#define SG_TRAILER_MAGIC "SGEND\r\n\x1a"
#define SG_BLOCK_DICT	 1u /* flags */

/* X(number, NAME, meaning) */
#define SG_BLOCK_LIST(X)                                                   \
	X(1, META, "one JSON object: machine, command line, probe plan")   \
	X(2, EVENTS, "streams of records")                                 \
	X(3, END, "one JSON object: what the recorder knows when it ends") \
	X(4, INDEX, "one entry for every block before the first INDEX block")
enum sg_block_type {
#define SG_X(id, sym, text) SG_BLOCK_##sym = id,
	SG_BLOCK_LIST(SG_X)
#undef SG_X
};

/*
 * Classes of streams, in the order in which records of one CPU and time come.
 * Definitions have no time: they come when their block is opened.
 */
#define SG_CLASS_LIST(X)                                                   \
	X(0, DEF, "frame, stackdef, name: what others refer to")           \
	X(1, IDENT, "thread, role, cgname, container, machine, clockmap")  \
	X(2, KERNEL, "the other records of the kernel side, and stackref") \
	X(3, USER, "lost, clock, window, swapout: stamped by user space, on no CPU")
/* clang-format off */
enum sg_class {
#define SG_X(id, sym, text) SG_CLASS_##sym = id,
	SG_CLASS_LIST(SG_X)
#undef SG_X
	SG_CLASS_MAX,
};
/* clang-format on */

#define SG_BLOCK_RAW_TARGET  (256u << 10) /* a writer ends a block beyond this */
#define SG_BLOCK_RAW_MAX     (4u << 20)	  /* a reader refuses more */
#define SG_BLOCK_STORED_MAX  (SG_BLOCK_RAW_MAX + (64u << 10))
#define SG_BLOCK_STREAMS_MAX 8192u  /* streams of one block */
#define SG_BLOCK_LANES_MAX   64u    /* streams of one class and CPU a writer makes before it ends the block */
#define SG_INDEX_MAX	     65536u /* entries of one INDEX block */

/* In the directory of a block: cpu << this | class. */
#define SG_CLASS_BITS 3

/** sg_class_of() - class of a record kind */
static inline enum sg_class sg_class_of(unsigned kind)
{
	switch (kind) {
	case SG_REC_FRAME:
	case SG_REC_STACKDEF:
	case SG_REC_NAME:
		return SG_CLASS_DEF;
	case SG_REC_THREAD:
	case SG_REC_ROLE:
	case SG_REC_CGNAME:
	case SG_REC_CONTAINER:
	case SG_REC_MACHINE:
	case SG_REC_CLOCKMAP:
		return SG_CLASS_IDENT;
	case SG_REC_SWAPOUT:
	case SG_REC_LOST:
	case SG_REC_CLOCK:
	case SG_REC_WINDOW:
		return SG_CLASS_USER;
	default:
		return SG_CLASS_KERNEL;
	}
}

/** sg_block_head_ok() - is this a whole block header with lengths that may be */
bool sg_block_head_ok(const struct sg_block_head *h);
uint32_t sg_crc32(const void *p, size_t len);

#endif
