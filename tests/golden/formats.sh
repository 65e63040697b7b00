#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# The golden outputs (made and compared by tests/unit/test_out_golden.c) against
# the published schemas of their formats.
. tests/lib.sh
python=/usr/bin/python3
[ -x $python ] || python=python3

if ! $python -c 'import jsonschema' 2>/dev/null; then
	not_ok golden/jsonschema 'python3-jsonschema is not installed'
	exit
fi

hold() { # KIND FILE
	verdict "golden/${2##*/}" "$($python tests/golden/check_formats.py "$1" "$2" 2>&1)"
}

for f in tests/golden/formats/*; do
	case $f in
	*.report.json) hold report "$f" ;;
	*.speedscope.json) hold speedscope "$f" ;;
	*.segments.json) hold segments "$f" ;;
	*.csv) hold csv "$f" ;;
	*.folded) hold folded "$f" ;;
	*.pftrace)
		text=$(protoc --decode=perfetto.protos.Trace --proto_path=user/out user/out/perfetto.proto <"$f" 2>&1)
		verdict "golden/${f##*/}" "$(printf '%s\n' "$text" | $python tests/golden/check_formats.py perfetto "$f" 2>&1)" ;;
	esac
done

# The checks can say no.
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
refuses() { # KIND FILE SED-SCRIPT
	sed "$3" "$2" >"$tmp/${2##*/}"
	if cmp -s "$2" "$tmp/${2##*/}"; then
		not_ok "golden/refuses-$1" 'the edit changed nothing'
	elif [ -n "$($python tests/golden/check_formats.py "$1" "$tmp/${2##*/}" 2>&1)" ]; then
		ok "golden/refuses-$1"
	else
		not_ok "golden/refuses-$1" "a wrong file passed"
	fi
}
base=tests/golden/formats/server
refuses report $base.report.json '0,/"latency_ns":1500/s//"latency_ns":1501/'
refuses speedscope $base.speedscope.json '0,/"type":"O"/s//"type":"C"/'
refuses segments $base.segments.json '0,/"at_ns":60/s//"at_ns":61/'
refuses csv $base.csv 's/,750,1,0/,751,1,0/'
refuses folded $base.path.folded '1s/;/; /'
