#!/usr/bin/python3
"""ceph-mon.py CONF sends the commands of standard input to a Ceph monitor.

A line is a command as JSON, or "osds N", which waits until N OSDs are up and
in, for at most 60 s. What "osd stat" knows is printed at the end.
"""
import json
import sys
import time

import rados

LIMIT = 120  # seconds for everything that waits: a busy machine is slow to start an OSD


def command(cluster, text):
    code, out, error = cluster.mon_command(text, b"", timeout=LIMIT)
    if code:
        sys.exit(f"{text}: {code} {error}")
    return out


def wait_for_osds(cluster, want):
    end = time.monotonic() + LIMIT
    while True:
        stat = json.loads(command(cluster, '{"prefix": "osd stat", "format": "json"}'))
        if stat["num_up_osds"] == want:
            return
        if time.monotonic() > end:
            sys.exit(f"{stat['num_up_osds']} OSDs are up after {LIMIT} s, not {want}")
        time.sleep(0.05)


def main():
    cluster = rados.Rados(conffile=sys.argv[1], name="client.admin")
    cluster.connect(timeout=LIMIT)
    for line in sys.stdin:
        if line.startswith("osds "):
            wait_for_osds(cluster, int(line.split()[1]))
        else:
            command(cluster, line)
    cluster.shutdown()


main()
