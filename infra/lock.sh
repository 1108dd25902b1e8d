#!/bin/sh
# Makes requirements.lock (every extra, hashed, for all platforms, no registry address), infra/installer.lock,
# infra/bench/peers.lock and infra/bench/chunkers.lock anew.
# Needs `uv` on the PATH or the one that ./shadowtwin brought. Pass --upgrade to take newer versions.
set -eu
cd "$(dirname "$0")/.."
uv=$(command -v uv || echo .shadowtwin/tools/bin/uv)
set -- --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-header --quiet "$@"
"$uv" pip compile pyproject.toml --all-extras -o requirements.lock "$@"
echo 'uv>=0.5,<1' | "$uv" pip compile - --no-annotate -o infra/installer.lock "$@"
"$uv" pip compile infra/bench/peers.in --no-annotate -o infra/bench/peers.lock "$@"
"$uv" pip compile infra/bench/chunkers.in --no-annotate -o infra/bench/chunkers.lock "$@"
