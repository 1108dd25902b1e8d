#!/bin/sh
# Fetches the console's front-end parts anew, in the versions named here, with their licences: a person who changes a
# version runs it; whoever runs Shadowtwin needs neither npm nor a network. Needs npm and sha256sum.
set -eu
target=$(cd "$(dirname "$0")/../services/gateway/console/vendor" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fetch() { # name version
    npm pack --silent "$1@$2" >/dev/null
    mkdir "$1"
    tar -xzf "$1-$2.tgz" -C "$1" --strip-components=1
}

# A module of ours by its own path: there is no bundler that would resolve bare names, and no map beside it.
take() { # file name
    sed -e 's/from"preact"/from".\/preact.js"/g' -e '/^\/\/# sourceMappingURL=/d' "$1" >"$target/$2"
}

fetch preact 11.2.0
fetch htm 3.1.1
fetch dompurify 3.4.18
fetch marked 18.2.1

take preact/dist/preact.mjs preact.js
take preact/hooks/dist/hooks.mjs preact-hooks.js
take htm/dist/htm.module.js htm.js
take dompurify/dist/purify.es.mjs dompurify.js
take marked/lib/marked.esm.js marked.js
for name in preact htm dompurify marked; do
    cp "$name/LICENSE" "$target/$name.LICENSE.txt"
done

cd "$target"
sha256sum ./*.js ./*.txt >SHA256SUMS
