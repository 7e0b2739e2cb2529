#!/usr/bin/env bash
# ceph-up.sh DIR MON_PORT RGW_PORT...  starts a small Ceph cluster on loopback:
# one monitor, OSDs on BlueStore, and a gateway on each RGW_PORT. It answers
# when every gateway does. DIR must not exist; stop.sh DIR ends all of it.
#
# From the environment:
#   OSDS, SIZE, MIN_SIZE    3, 3, 2: OSDs, copies, and copies without which
#                           an OSD neither reads nor writes
#   ACCESS_KEY, SECRET_KEY  of the S3 user
#   CEPH_POOL_PGS           2 placement groups in each pool
#
# Made for Ceph 16 (Debian 12's); heartbeats and proposals are quick, so that a
# test need not wait for what takes half a minute in production.
set -euo pipefail
((BASH_VERSINFO[0] >= 4)) && (($# >= 3)) && [[ $1 == /*/* && ! -e $1 ]] || { sed -n '2,4p' "$0" >&2 && exit 2; }
dir=$1 mon_port=$2
shift 2
rgw_ports=("$@")
osds=${OSDS:-3} size=${SIZE:-3} min_size=${MIN_SIZE:-2} pgs=${CEPH_POOL_PGS:-2}
conf=$dir/ceph.conf
# Debian's Python is the one with python3-rados.
python=/usr/bin/python3

mkdir -p "$dir"/{run,log,mon,osd}

configuration() {
	cat <<-EOF2
		[global]
		fsid = $(cat /proc/sys/kernel/random/uuid)
		mon host = [v2:127.0.0.1:$mon_port/0]
		mon initial members = a
		auth cluster required = cephx
		auth service required = cephx
		auth client required = cephx
		auth allow insecure global id reclaim = false
		keyring = $dir/keyring
		public addr = 127.0.0.1
		cluster addr = 127.0.0.1
		ms bind ipv6 = false
		ms bind msgr1 = false
		run dir = $dir/run
		pid file = $dir/run/\$name.pid
		admin socket = $dir/run/\$name.asok
		log file = $dir/log/\$name.log
		log to stderr = false
		mon cluster log file = $dir/log/cluster.log
		crash dir = $dir/crash
		mon data = $dir/mon/\$id
		osd data = $dir/osd/\$id

		osd pool default size = $size
		osd pool default min size = $min_size
		osd pool default pg num = $pgs
		osd pool default pgp num = $pgs
		osd pool default pg autoscale mode = off
		rgw rados pool pg num min = $pgs
		osd crush chooseleaf type = 0
		mon allow pool size one = true
		mon max pg per osd = 1000
		mon data avail warn = 1
		mon data avail crit = 0

		paxos propose interval = 0.05
		paxos min wait = 0.02
		osd heartbeat interval = 1
		osd heartbeat grace = 4
		mon osd min down reporters = 1
		mon osd reporter subtree level = osd
		mon osd down out interval = 600

		osd objectstore = bluestore
		osd memory target = 939524096
		osd max pg log entries = 200
		osd min pg log entries = 100
		bluestore block size = 8589934592
		bluestore block wal size = 0
		bluestore block db size = 0
		bluestore cache autotune = false
		bluestore cache size = 67108864
		bluefs buffered io = true

		[client]
		rgw dns name = localhost
		rgw run sync thread = false
		rgw enable apis = s3, admin
		rgw thread pool size = 64
	EOF2
}

# keyring prints the keys of all daemons. The monitor takes them in when it is
# made, which saves a round trip for each.
keyring() {
	"$python" - "$osds" "${#rgw_ports[@]}" <<-'EOF2'
		import base64, os, struct, sys, time

		def entry(name, **caps):
		    key = os.urandom(16)
		    text = base64.b64encode(struct.pack("<hiih", 1, int(time.time()), 0, len(key)) + key).decode()
		    print(f"[{name}]\n\tkey = {text}")
		    for who, what in caps.items():
		        print(f'\tcaps {who} = "{what}"')

		osds, gateways = int(sys.argv[1]), int(sys.argv[2])
		entry("mon.", mon="allow *")
		entry("client.admin", mon="allow *", osd="allow *", mgr="allow *", mds="allow *")
		for i in range(osds):
		    entry(f"osd.{i}", mon="allow profile osd", mgr="allow profile osd", osd="allow *")
		for i in range(gateways):
		    entry(f"client.rgw{i}", mon="allow rw", osd="allow rwx", mgr="allow rw")
	EOF2
}

# mon sends commands to the monitor: DIR, then one JSON object a line. A line
# "osds N" waits until N OSDs are up.
mon() {
	"$python" "$(dirname "$0")/ceph-mon.py" "$conf"
}

configuration >"$conf"
(umask 077 && keyring >"$dir/keyring")

monmaptool --create --fsid "$(awk '/^fsid/ {print $3}' "$conf")" --addv a "[v2:127.0.0.1:$mon_port/0]" \
	--set-min-mon-release 16 "$dir/monmap" >/dev/null
ceph-mon -c "$conf" -i a --mkfs --monmap "$dir/monmap" --keyring "$dir/keyring"
ceph-mon -c "$conf" -i a

# The OSDs' disks are made while the monitor learns of them.
making=()
for ((i = 0; i < osds; i++)); do
	mkdir -p "$dir/osd/$i"
	cat /proc/sys/kernel/random/uuid >"$dir/osd/$i.uuid"
	ceph-osd -c "$conf" -i "$i" --mkfs --monmap "$dir/monmap" --osd-uuid "$(cat "$dir/osd/$i.uuid")" >"$dir/log/mkfs$i.log" 2>&1 &
	making+=($!)
done
{
	echo '{"prefix": "osd set", "key": "noscrub"}'
	echo '{"prefix": "osd set", "key": "nodeep-scrub"}'
	for ((i = 0; i < osds; i++)); do
		echo "{\"prefix\": \"osd new\", \"uuid\": \"$(cat "$dir/osd/$i.uuid")\", \"id\": $i}"
	done
} | mon
for p in "${making[@]}"; do
	wait "$p" || { cat "$dir"/log/mkfs*.log >&2 && exit 1; }
done
for ((i = 0; i < osds; i++)); do
	ceph-osd -c "$conf" -i "$i" >/dev/null 2>&1 </dev/null
done

# A gateway would make the pools one after the other.
{
	echo "osds $osds"
	for pool in .rgw.root default.rgw.log default.rgw.control default.rgw.meta \
		default.rgw.buckets.index default.rgw.buckets.data default.rgw.buckets.non-ec; do
		echo "{\"prefix\": \"osd pool create\", \"pool\": \"$pool\", \"pg_num\": $pgs}"
		echo "{\"prefix\": \"osd pool application enable\", \"pool\": \"$pool\", \"app\": \"rgw\"}"
	done
} | mon

radosgw-admin -c "$conf" user create --uid=daypass --display-name=daypass --access-key="$ACCESS_KEY" \
	--secret-key="$SECRET_KEY" --max-buckets=0 >"$dir/log/user.json" 2>"$dir/log/user.err" || { cat "$dir/log/user.err" >&2 && exit 1; }

for i in "${!rgw_ports[@]}"; do
	mkdir -p "$dir/rgw$i"
	radosgw -c "$conf" -n "client.rgw$i" --rgw-data="$dir/rgw$i" \
		--rgw-frontends="beast endpoint=127.0.0.1:${rgw_ports[i]} tcp_nodelay=1" >/dev/null 2>&1 </dev/null &
done
for i in "${!rgw_ports[@]}"; do
	for ((tries = 0; ; tries++)); do
		curl -s -o /dev/null --max-time 5 "http://127.0.0.1:${rgw_ports[i]}/" && break
		if ((tries == 600)); then
			echo "the gateway on port ${rgw_ports[i]} does not answer" >&2
			tail -20 "$dir/log/client.rgw$i.log" >&2
			exit 1
		fi
		sleep 0.1
	done
done
