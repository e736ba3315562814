#!/bin/bash
# Builds the operator's image with buildah, in the mount namespace that devcluster.node makes for it.
#   build-image.sh CHECKOUT BASE_ARCHIVE BASE REFERENCE TARGET SCRATCH [--volume=...]...
# The volumes are there while the build runs (this machine's package index and certificates) and are no part of the image.
set -euo pipefail
checkout=$1 archive=$2 base=$3 reference=$4 target=$5 scratch=$6
shift 6
# buildah remembers blobs there, whatever its root is.
mkdir -p /var/lib/containers
mount -t tmpfs tmpfs /var/lib/containers
storage=(--root "$scratch/storage" --runroot "$scratch/run" --storage-driver overlay)
buildah "${storage[@]}" pull --quiet "docker-archive:$archive"
buildah "${storage[@]}" bud --isolation chroot --network host --pull-never --timestamp 0 "$@" \
  --build-arg "BASE=$base" --tag "$reference" --file "$checkout/deploy/Dockerfile" "$checkout"
buildah "${storage[@]}" push --quiet "$reference" "docker-archive:$target:docker.io/library/$reference"
