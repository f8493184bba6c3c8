#!/bin/sh
# Install the certificate of a Secrets Manager secret on a host, and reload nginx or HAProxy.
# docs/how-to/serve-nginx-haproxy.md explains it.
#
# Needs the AWS CLI, python3, and flock and timeout (util-linux and coreutils). Amazon Linux 2023 has all of them;
# on Debian and Ubuntu install the package awscli.
set -eu
umask 077

usage() {
  cat >&2 <<'TEXT'
usage: install-certificate.sh --secret NAME_OR_ARN --service UNIT [options]
  --directory DIRECTORY  where to install (default: /etc/evercert/ and the last part of the secret's name)
  --check COMMAND        check of the new files (default for nginx and haproxy: of their configuration)
  --reload COMMAND       reload (default: systemctl reload, if the unit is active)
TEXT
  exit 2
}

fail() {
  echo "install-certificate: $*" >&2
  exit 1
}

secret='' service='' directory='' check='' reload=''
while [ $# -gt 0 ]; do
  [ $# -ge 2 ] || usage
  case $1 in
    --secret) secret=$2 ;;
    --service) service=$2 ;;
    --directory) directory=$2 ;;
    --check) check=$2 ;;
    --reload) reload=$2 ;;
    *) usage ;;
  esac
  shift 2
done
[ -n "$secret" ] || usage
case $service in
  nginx) : "${check:=nginx -t -q}" ;;
  haproxy) : "${check:=haproxy -c -q -f /etc/haproxy/haproxy.cfg}" ;;
  *) if [ -z "$service" ] || [ -z "$check" ]; then usage; fi ;;
esac
: "${reload:=systemctl is-active --quiet $service; case \$? in
  0) systemctl reload $service ;;
  3 | 4) echo \"install-certificate: $service is not active: not reloaded\" >&2 ;;
  *) echo \"install-certificate: systemd does not answer: pass the command that reloads with --reload\" >&2; exit 1 ;;
esac}"
: "${directory:=/etc/evercert/${secret##*/}}"
case $directory in /*) ;; *) fail "invalid directory $directory: must be absolute" ;; esac
for program in aws python3 flock timeout; do
  command -v "$program" >/dev/null || fail "$program is missing: install it"
done

# No module of the caller's directory may shadow one of Python.
cd /
mkdir -p "$directory/versions"
exec 9>"$directory/lock"
flock -w 120 9 || fail "another run holds $directory/lock for two minutes: end it"

# One run at a time: everything that an interrupted run left is old.
rm -rf "$directory"/versions/.new.* "$directory/.current.new"
new=$(mktemp -d "$directory/versions/.new.XXXXXX")
trap 'rm -rf "$new"' EXIT
trap 'exit 1' HUP INT TERM

timeout 120 aws secretsmanager get-secret-value --secret-id "$secret" --version-stage AWSCURRENT --output json \
  --query '{version: VersionId, value: SecretString}' --cli-connect-timeout 10 --cli-read-timeout 20 >"$new/answer" ||
  fail "cannot read the secret $secret; the installed certificate is unchanged"

# Write the files, flush them to disk, and check that certificate and key match; print the version.
version=$(python3 - "$new" <<'PYTHON'
import json, os, re, ssl, sys

folder = sys.argv[1]


def refuse(why):
    sys.exit(f"install-certificate: invalid secret: {why}")


def write(name, text):
    with open(os.path.join(folder, name), "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


try:
    answer = json.load(open(os.path.join(folder, "answer"), encoding="utf-8"))
    version, value = answer["version"], json.loads(answer["value"])
    chain, key = value["fullchain"], value["private_key"]
    if not re.fullmatch(r"[A-Za-z0-9-]{32,64}", version):
        refuse("its version id has an unknown form")
    if not chain.endswith("\n") or not key.endswith("\n"):
        refuse("fullchain and private_key must end with a line break")
    write("private-key.pem", key)
    write("fullchain.pem", chain)
    write("combined.pem", chain + key)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
        os.path.join(folder, "fullchain.pem"), os.path.join(folder, "private-key.pem")
    )
except KeyError as missing:
    refuse(f"it has no {missing}")
except ssl.SSLError as error:
    refuse(f"certificate and private key do not load together ({error.reason})")
except (ValueError, TypeError, AttributeError) as error:
    refuse(f"it is not the JSON value of a certificate ({type(error).__name__})")
os.unlink(os.path.join(folder, "answer"))
print(version)
PYTHON
) || fail "the installed certificate is unchanged"

# `current` is one symbolic link, so certificate and key always change together.
point_current_to() {
  ln -s "versions/$1" "$directory/.current.new"
  mv -T "$directory/.current.new" "$directory/current"
}

previous=$(basename "$(readlink "$directory/current" || true)")
if [ "$previous" = "$version" ] && [ -e "$directory/current/combined.pem" ]; then
  # `loaded` is missing if an earlier run ended between the switch and the reload.
  [ -e "$directory/current/loaded" ] && exit 0
  previous=$(cat "$directory/current/replaces" 2>/dev/null || true)
else
  rm -rf "$directory/versions/$version"
  printf '%s\n' "$previous" >"$new/replaces"
  mv -T "$new" "$directory/versions/$version"
  sync -f "$directory/versions"
  point_current_to "$version"
fi

if ! sh -c "$check" 9>&-; then
  if [ -n "$previous" ] && [ "$previous" != "$version" ] && [ -e "$directory/versions/$previous" ]; then
    point_current_to "$previous"
    fail "the check failed ($check); the previous certificate is in place again"
  fi
  fail "the check failed ($check); fix the configuration, and run this again"
fi
sh -c "$reload" 9>&- || fail "the reload failed ($reload); the new certificate is installed, and the next run reloads again"
: >"$directory/current/loaded"
sync -f "$directory/versions"
echo "installed version $version in $directory/current"

for old in "$directory"/versions/*; do
  case ${old##*/} in "$version" | "$previous") ;; *) rm -rf "$old" ;; esac
done
