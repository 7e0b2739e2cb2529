#!/bin/sh
# Makes the secrets of compose.yaml beside it, once: node.env, objects.env and
# postgres.password, readable by their owner only.
set -eu
cd "$(dirname "$0")"
umask 077
for f in node.env objects.env postgres.password; do
	if [ -e "$f" ]; then
		echo "$f is there already; remove all three to begin anew" >&2
		exit 1
	fi
done
random() { head -c "$1" /dev/urandom | od -An -tx1 | tr -d ' \n'; }
postgres=$(random 24)
upstream_key=OBJECTS$(random 6 | tr a-f A-F)
upstream_secret=$(random 20)
root_key=DAYPASS$(random 6 | tr a-f A-F)
root_secret=$(random 20)
printf %s "$postgres" >postgres.password
cat >objects.env <<EOT
DAYPASS_ROOT_ACCESS_KEY=$upstream_key
DAYPASS_ROOT_SECRET_KEY=$upstream_secret
EOT
cat >node.env <<EOT
DAYPASS_STATE=postgres://daypass:$postgres@postgres/daypass
DAYPASS_STORE=s3://?endpoint=http://objects:9000
AWS_ACCESS_KEY_ID=$upstream_key
AWS_SECRET_ACCESS_KEY=$upstream_secret
DAYPASS_MASTER_KEY=$(random 32)
DAYPASS_ROOT_ACCESS_KEY=$root_key
DAYPASS_ROOT_SECRET_KEY=$root_secret
EOT
echo "AWS_ACCESS_KEY_ID=$root_key and its secret are in node.env"
