/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The published load: require() in Node.js, timed by its own clock. */
#include "load/modclient.h"

static const char source[] =
	"'use strict';\n"
	"// Usage: node load.js; then lines \"load MODULE\" on standard input, each answered by one line\n"
	"const fs = require('fs');\n"
	"const buf = Buffer.alloc(256);\n"
	"let text = '';\n"
	"function say(s) {\n"
	"  fs.writeSync(1, s + '\\n');\n"
	"}\n"
	"// a pipe that the kernel or a sandbox gave us non-blocking says EAGAIN instead of waiting\n"
	"function more() {\n"
	"  for (;;) {\n"
	"    try {\n"
	"      return fs.readSync(0, buf, 0, buf.length, null);\n"
	"    } catch (e) {\n"
	"      if (e.code !== 'EAGAIN')\n"
	"        throw e;\n"
	"      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);\n"
	"    }\n"
	"  }\n"
	"}\n"
	"function load(name) {\n"
	"  const begin = process.hrtime.bigint();\n"
	"  try {\n"
	"    require(name);\n"
	"  } catch (e) {\n"
	"    return 'fail ' + String(e.message).split('\\n')[0].slice(0, 160);\n"
	"  }\n"
	"  const ns = process.hrtime.bigint() - begin;\n"
	"  return 'done ' + name + ' ' + ns / 1000000n + '.' + String(ns % 1000000n).padStart(6, '0');\n"
	"}\n"
	"say('ready');\n"
	"for (let n = more(); n > 0; n = more()) {\n"
	"  text += buf.toString('latin1', 0, n);\n"
	"  for (let at = text.indexOf('\\n'); at >= 0; at = text.indexOf('\\n')) {\n"
	"    const line = text.slice(0, at);\n"
	"    text = text.slice(at + 1);\n"
	"    say(line.startsWith('load ') ? load(line.slice(5)) : 'fail what is that?');\n"
	"  }\n"
	"}\n";

const char *sg_loader_source(void)
{
	return source;
}
