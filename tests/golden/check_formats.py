#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
"""check_formats.py KIND FILE: hold one exported file against its format. Prints what is wrong, nothing when it is right.

KIND: report, speedscope, segments (JSON), csv, folded, perfetto (text of protoc --decode on standard input).
"""
import csv
import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def schema(name, doc):
    import jsonschema
    with open(os.path.join(HERE, "schema", name + ".json"), encoding="utf-8") as f:
        jsonschema.validate(doc, json.load(f))


def load(path):
    def twice(pairs):
        assert len({k for k, _ in pairs}) == len(pairs), "a member stands twice"
        return dict(pairs)
    with open(path, "rb") as f:
        return json.loads(f.read().decode("utf-8"), object_pairs_hook=twice)


def report(path):
    doc = load(path)
    schema("report", doc)
    for t in doc["tasks"]:
        for rows in ("blame", "by_wait"):
            assert sum(r["ns"] for r in t[rows]) == t["latency_ns"], (t["name"], rows)
    for g in doc["groups"]:
        assert sum(r["ns"] for r in g["blame"]) == g["total_ns"], g["name"]
        if "why_slow" in g:
            assert sum(r["ns"] for r in g["why_slow"]["rows"]) == g["why_slow"]["diff_ns"]

    for b in doc.get("guest_syscalls", {}).get("sandboxes", []):
        for r in b["calls"] + [b]:
            assert sum(r[p + "_ns"] for p in ("trap", "sentry", "gofer", "host", "other")) == r["total_ns"], r


def speedscope(path):
    doc = load(path)
    schema("speedscope", doc)
    frames = len(doc["shared"]["frames"])
    assert doc["activeProfileIndex"] < len(doc["profiles"])
    for p in doc["profiles"]:
        stack, last = [], p["startValue"]
        for e in p["events"]:
            assert 0 <= e["frame"] < frames
            assert last <= e["at"] <= p["endValue"], "times fall"
            last = e["at"]
            if e["type"] == "O":
                stack.append(e["frame"])
            else:
                assert stack.pop() == e["frame"], "frames do not nest"
        assert not stack, "a frame stays open"


def segments(path):
    for t in load(path)["tasks"]:
        at = 0
        for s in t["segments"]:
            assert s["at_ns"] == at and s["ns"] > 0, "segments do not tile"
            at += s["ns"]
        assert at == t["latency_ns"]


def csv_rows(path):
    left = {}
    with open(path, newline="", encoding="utf-8") as f:
        rows = csv.reader(f, strict=True)
        head = next(rows)
        assert head == "task,id,begin_ns,latency_ns,component,cause,ns,count,uncertain_ns".split(",")
        for r in rows:
            assert len(r) == len(head), r
            assert not r[0] or r[0][0] not in "=+-@", "a formula"
            key = tuple(r[:4])
            left[key] = left.get(key, int(r[3])) - int(r[6])
    assert not any(left.values()), "rows do not sum to the latency"


def folded(path):
    with open(path, "rb") as f:
        lines = f.read().decode("utf-8").split("\n")
    assert lines.pop() == "", "no newline at the end"
    stacks = []
    for line in lines:
        # What flamegraph.pl's and inferno's readers take: frames, one blank, a count.
        m = re.fullmatch(r"([^\s;]+(?:;[^\s;]+)*) ([0-9]+)", line)
        assert m, line
        stacks.append(m.group(1))
    assert len(set(stacks)) == len(stacks), "a stack stands twice"


def perfetto(_path):
    text = sys.stdin.read()
    assert text.count("packet {") > 5
    # protoc prints fields it does not know by number.
    assert not re.search(r"^\s*[0-9]+[:{ ]", text, re.M), "a field that is not in the schema"
    assert text.count("TYPE_SLICE_BEGIN") == text.count("TYPE_SLICE_END") > 0
    assert text.count("flow_ids") > 0


KINDS = {"report": report, "speedscope": speedscope, "segments": segments, "csv": csv_rows, "folded": folded,
         "perfetto": perfetto}

if __name__ == "__main__":
    try:
        KINDS[sys.argv[1]](sys.argv[2])
    except Exception as e:  # the sentence is the result
        print(f"{sys.argv[2]}: {type(e).__name__}: {str(e)[:300]}")
