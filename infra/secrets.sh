#!/bin/sh
# Makes .shadowtwin/secrets for infra/compose.yaml: a random credential for each worker, and for the gateway their hashes.
# Keeps what is there: delete a file to renew it, then restart the gateway and that worker.
set -eu
cd "$(dirname "$0")/.."
mkdir -p .shadowtwin/secrets
cd .shadowtwin/secrets
chmod 700 .
separator='{'
for service in extractor transformer ingestor; do
    file=$service.token
    [ -s "$file" ] || od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$file"
    if command -v sha256sum >/dev/null 2>&1; then
        hash=$(sha256sum <"$file")
    else
        hash=$(shasum -a 256 <"$file")
    fi
    printf '%s"%s": "%s"' "$separator" "$service" "${hash%% *}"
    separator=', '
done >credentials.json
printf '}\n' >>credentials.json
# One API key with every scope: clients show client.token, the gateway has its hash (`./shadowtwin keys make` makes more).
if [ ! -s client.token ]; then
    id=$(od -An -N4 -tx1 /dev/urandom | tr -d ' \n')
    printf 'stw_%s_%s' "$id" "$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')" >client.token
    if command -v sha256sum >/dev/null 2>&1; then
        hash=$(sha256sum <client.token)
    else
        hash=$(shasum -a 256 <client.token)
    fi
    printf '{"keys": [{"id": "%s", "hash": "%s", "scopes": ["read", "write", "operate"], "libraries": ["*"]}]}\n' \
        "$id" "${hash%% *}" >api-keys.json
fi
# The passwords of the broker's users: one file for the server, and one for each user.
for user in operator gateway extractor transformer ingestor; do
    file=nats-$user.token
    [ -s "$file" ] || od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$file"
    printf '%s_PASSWORD: "%s"\n' "$(printf %s "$user" | tr '[:lower:]' '[:upper:]')" "$(cat "$file")"
done >nats-passwords.conf
# What the foreign worker wants to be shown (docs/external-workers.md): put it in; empty means nothing.
[ -e external.token ] || : >external.token
# What Prometheus shows the services, and the password of Grafana's user admin.
for file in metrics.token grafana.token; do
    [ -s "$file" ] || od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$file"
done
# The secret of SHADOWTWIN_S3_ACCESS_KEY_ID: of compose's own object store, or of another one: put it in.
[ -s s3.token ] || od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >s3.token
# Compose mounts them with this mode, and the containers run as another user: the closed folder keeps others out.
chmod 644 ./*.token credentials.json api-keys.json nats-passwords.conf
