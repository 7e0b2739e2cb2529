#!/usr/bin/env bash
# stop.sh DIR  ends every process that was started with a file below DIR: each
# one whose command line names it, and nothing else. DIR belongs to one test.
# First it asks; what still runs after 2 s is killed.
set -euo pipefail
(($# == 1)) && [[ $1 == /*/* ]] || { sed -n '2,4p' "$0" >&2 && exit 2; }
dir=${1%/}

# The name comes on standard input, so that grep does not find itself.
running() {
	local file
	{ grep -laF -f - /proc/[0-9]*/cmdline 2>/dev/null <<<"$dir/" || true; } | while IFS=/ read -r _ _ pid file; do
		((pid == $$)) || echo "$pid"
	done
}

send() { running | while read -r pid; do kill -s "$1" "$pid" 2>/dev/null || true; done; }

# INT is PostgreSQL's fast shutdown; what does not know it gets TERM.
send INT
for ((i = 0; i < 20; i++)); do
	[[ -z $(running) ]] && exit 0
	((i == 5)) && send TERM
	sleep 0.1
done
send KILL
