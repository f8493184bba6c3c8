#!/bin/sh
# Write the certificate of the variable CERTIFICATE to files, remove the variable, and start the command.
# docs/how-to/serve-ecs.md explains it. Needs jq.
set -eu
umask 077
: "${CERTIFICATE:?is missing: add it to the secrets of the task definition}"
directory=${CERTIFICATE_DIRECTORY:-/run/certificate}
mkdir -p "$directory"
printf '%s' "$CERTIFICATE" | jq -er .fullchain >"$directory/fullchain.pem"
printf '%s' "$CERTIFICATE" | jq -er .private_key >"$directory/private-key.pem"
unset CERTIFICATE
exec "$@"
