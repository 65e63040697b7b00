#!/usr/bin/python3 -IS
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
"""machines.py REPORT MACHINE SOURCE: the bound of a guest's clock, in nanoseconds, as `sandglass report --json` tells it.

A blank and a sentence follow when it is not by SOURCE, was set, is contradicted, or was of no use. What was told goes to
standard error, too."""
import json
import sys

report, name, source = json.load(open(sys.argv[1])), sys.argv[2], sys.argv[3]
of = {m["name"]: m for m in report.get("machines", [])}
if "host" not in of or "clock" not in of.get(name, {}):
    sys.exit(print("0 the machines are %s" % sorted(of)))
clock, why = of[name]["clock"], []
print("-- %s from %s: %s" % (name, of[name]["from"], clock), file=sys.stderr)
if clock["source"] != source:
    why.append("its clock is by %s" % clock["source"])
if clock["stepped"]:
    why.append("its clock was set")
if clock["violations"] or report["model"].get("clock_violations", 0):
    why.append("%d times against its vCPU" % clock["violations"])
if not of[name]["from"]:
    why.append("where it came from is not told")
if not clock["fused_ns"]:
    why.append("nothing of its tasks was looked at from the host")
if not clock["error_ns"]:
    why.append("there is no bound")
print(clock["error_ns"], "; ".join(why))
