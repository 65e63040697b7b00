/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The published server: Node.js and express. */
#include "load/server.h"

static const char source[] =
	"'use strict';\n"
	"// Usage: node server.js PORT FILE WRITES\n"
	"const express = require('express');\n"
	"const fs = require('fs');\n"
	"const [port, file, writes] = [Number(process.argv[2]), process.argv[3], Number(process.argv[4])];\n"
	"const line = 'sandglass line\\n';\n"
	"const app = express();\n"
	"app.get('/', (req, res) => {\n"
	"  const begin = process.hrtime.bigint();\n"
	"  const faults = process.resourceUsage().majorPageFault;\n"
	"  const out = fs.createWriteStream(file, { mode: 0o600 });\n"
	"  out.on('error', (e) => res.status(500).json({ error: e.message }));\n"
	"  for (let i = 0; i < writes; i++)\n"
	"    out.write(line);\n"
	"  out.end(() => res.json({\n"
	"    ns: Number(process.hrtime.bigint() - begin),\n"
	"    majflt: process.resourceUsage().majorPageFault - faults,\n"
	"  }));\n"
	"});\n"
	"const server = app.listen(port, '127.0.0.1');\n"
	"server.keepAliveTimeout = 0; // a fast server waits long for the next round\n"
	"server.on('listening', () => console.log('port ' + server.address().port));\n"
	"server.on('error', (e) => {\n"
	"  console.error(e.message);\n"
	"  process.exit(1);\n"
	"});\n";

const char *sg_server_node_source(void)
{
	return source;
}
