#!/usr/bin/env bash
# keep.sh DIR  waits until its standard input ends, which it does at the latest
# with the process that holds the other end, however that came to die. Then it
# stops what was started in DIR.
set -euo pipefail
(($# == 1)) || { sed -n '2,4p' "$0" >&2 && exit 2; }
trap '' HUP INT TERM
cat >/dev/null
exec "$(dirname "$0")/stop.sh" "$1"
