#!/usr/bin/env bash
# postgres-up.sh DIR PRIMARY_PORT STANDBY_PORT  starts a PostgreSQL primary and
# a standby that streams from it synchronously, on loopback. A commit is
# acknowledged when both have it on disk. DIR must not exist; stop.sh DIR ends
# both. PGPASSWORD is the password of user postgres; the database is "daypass".
#
# The standby takes over with: pg_ctl -D DIR/standby promote
set -euo pipefail
(($# == 3)) && [[ $1 == /*/* && ! -e $1 && -n ${PGPASSWORD:-} ]] || { sed -n '2,5p' "$0" >&2 && exit 2; }
dir=$1 primary=$2 standby=$3
bin=$(dirname "$(ls -d /usr/lib/postgresql/*/bin/initdb | sort -V | tail -1)")

# The server refuses to run as root.
as=()
mkdir -p "$dir"
if ((EUID == 0)); then
	as=(runuser -u postgres --)
	chown postgres: "$dir"
fi
cd "$dir"

pg() { "${as[@]}" env LC_ALL=C PGPASSWORD="$PGPASSWORD" "$bin/$@"; }
start() { pg pg_ctl -D "$dir/$1" -l "$dir/$1.log" -w -t 60 start >/dev/null </dev/null || { cat "$dir/$1.log" >&2 && exit 1; }; }
configure() { "${as[@]}" tee -a "$dir/$1/postgresql.auto.conf" >/dev/null; }
query() { psql -qXAt -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$primary" -U postgres -d postgres -c "$1"; }

"${as[@]}" bash -c 'umask 077 && printenv PGPASSWORD >"$1"' - "$dir/password"
pg initdb -D "$dir/primary" -U postgres -E UTF8 --locale=C --auth=scram-sha-256 \
	--pwfile="$dir/password" --no-sync >"$dir/initdb.log" 2>&1 || { cat "$dir/initdb.log" >&2 && exit 1; }
configure primary <<EOF2
listen_addresses = '127.0.0.1'
port = $primary
unix_socket_directories = ''
max_connections = 200
shared_buffers = '128MB'
max_wal_size = '2GB'
wal_sender_timeout = '5s'
wal_receiver_timeout = '5s'
EOF2
start primary
query 'create database daypass'
pg pg_basebackup -D "$dir/standby" -R -X stream -c fast -C -S standby --no-sync \
	-d "host=127.0.0.1 port=$primary user=postgres application_name=standby"
configure standby <<<"port = $standby"
start standby

# From here on nothing is acknowledged that only the primary has. The standby
# keeps its own setting, so that it can go on alone once it took over.
configure primary <<<"synchronous_standby_names = 'standby'"
query 'select pg_reload_conf()' >/dev/null
for ((tries = 0; ; tries++)); do
	[[ $(query "select sync_state from pg_stat_replication where application_name = 'standby'") == sync ]] && break
	if ((tries == 600)); then
		echo "the standby does not stream synchronously" >&2
		tail -20 "$dir/primary.log" "$dir/standby.log" >&2
		exit 1
	fi
	sleep 0.1
done
