/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "model/gofer.h"

#include <string.h>

/*
 * LISAFS: enum MID of gVisor's pkg/lisafs/message.go, whose numbers never changed
 * since the order was fixed (bf67e6b0185d, 2022; 32 and 33 came after 2024).
 */
/* clang-format off */
static const char *const lisafs[] = {
	[0] = "Error", [1] = "Mount", [2] = "Channel", [3] = "FStat", [4] = "SetStat", [5] = "Walk",
	[6] = "WalkStat", [7] = "OpenAt", [8] = "OpenCreateAt", [9] = "Close", [10] = "FSync",
	[11] = "PWrite", [12] = "PRead", [13] = "MkdirAt", [14] = "MknodAt", [15] = "SymlinkAt",
	[16] = "LinkAt", [17] = "FStatFS", [18] = "FAllocate", [19] = "ReadLinkAt", [20] = "Flush",
	[21] = "Connect", [22] = "UnlinkAt", [23] = "RenameAt", [24] = "Getdents64",
	[25] = "FGetXattr", [26] = "FSetXattr", [27] = "FListXattr", [28] = "FRemoveXattr",
	[29] = "BindAt", [30] = "Listen", [31] = "Accept", [32] = "ConnectWithCreds",
	[33] = "RenameAt2",
};

/*
 * 9P2000.L and gVisor's extensions (from 124 on): pkg/p9/p9.go, b93c568217ae for
 * 2021 and e2bb9c7260 of a copy that kept the last form (28, 29, 34-39 and 140-145 came late).
 * A T is even, its R the next number.
 */
static const char *const p9[] = {
	[6] = "Tlerror", [7] = "Rlerror", [8] = "Tstatfs", [9] = "Rstatfs", [12] = "Tlopen",
	[13] = "Rlopen", [14] = "Tlcreate", [15] = "Rlcreate", [16] = "Tsymlink", [17] = "Rsymlink",
	[18] = "Tmknod", [19] = "Rmknod", [20] = "Trename", [21] = "Rrename", [22] = "Treadlink",
	[23] = "Rreadlink", [24] = "Tgetattr", [25] = "Rgetattr", [26] = "Tsetattr",
	[27] = "Rsetattr", [28] = "Tlistxattr", [29] = "Rlistxattr", [30] = "Txattrwalk", [31] = "Rxattrwalk", [32] = "Txattrcreate",
	[33] = "Rxattrcreate", [34] = "Tgetxattr", [35] = "Rgetxattr", [36] = "Tsetxattr",
	[37] = "Rsetxattr", [38] = "Tremovexattr", [39] = "Rremovexattr", [40] = "Treaddir",
	[41] = "Rreaddir", [50] = "Tfsync", [51] = "Rfsync", [70] = "Tlink", [71] = "Rlink",
	[72] = "Tmkdir", [73] = "Rmkdir", [74] = "Trenameat", [75] = "Rrenameat", [76] = "Tunlinkat",
	[77] = "Runlinkat", [100] = "Tversion", [101] = "Rversion", [102] = "Tauth",
	[103] = "Rauth", [104] = "Tattach", [105] = "Rattach", [108] = "Tflush", [109] = "Rflush",
	[110] = "Twalk", [111] = "Rwalk", [116] = "Tread", [117] = "Rread", [118] = "Twrite",
	[119] = "Rwrite", [120] = "Tclunk", [121] = "Rclunk", [122] = "Tremove", [123] = "Rremove",
	[124] = "Tflushf", [125] = "Rflushf", [126] = "Twalkgetattr", [127] = "Rwalkgetattr",
	[128] = "Tucreate", [129] = "Rucreate", [130] = "Tumkdir", [131] = "Rumkdir",
	[132] = "Tumknod", [133] = "Rumknod", [134] = "Tusymlink", [135] = "Rusymlink",
	[136] = "Tlconnect", [137] = "Rlconnect", [138] = "Tallocate", [139] = "Rallocate",
	[140] = "Tsetattrclunk", [141] = "Rsetattrclunk", [142] = "Tmultigetattr",
	[143] = "Rmultigetattr", [144] = "Tbind", [145] = "Rbind", [250] = "Tchannel",
	[251] = "Rchannel",
};
/* clang-format on */

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* pkg/flipcall: who has control, then the datagram's length, then 8 bytes reserved. */
#define HEADER_BYTES 16
#define LENGTH_AT    4
#define STATE_MAX    2 /* client active, server active, shutdown */
#define HAS_FD	     1 /* second byte of a 9P datagram: 0 or 1 */

const char *sg_gofer_name(bool is_9p, uint16_t word)
{
	unsigned type = word & 0xff, has_fd = word >> 8;

	if (!is_9p)
		return word < COUNT(lisafs) ? lisafs[word] : NULL;
	return has_fd <= HAS_FD && type < COUNT(p9) ? p9[type] : NULL;
}

bool sg_gofer_word(const void *window, size_t len, uint16_t *ret)
{
	const unsigned char *p = window;
	uint32_t state, bytes;

	if (len < HEADER_BYTES + sizeof(*ret))
		return false;
	memcpy(&state, p, sizeof(state));
	memcpy(&bytes, p + LENGTH_AT, sizeof(bytes));
	if (state > STATE_MAX || bytes < sizeof(*ret))
		return false;
	memcpy(ret, p + HEADER_BYTES, sizeof(*ret));
	return true;
}
