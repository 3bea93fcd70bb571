#!/usr/bin/env bash
# The composed workflow, or the definitions that are named, as the npm package asl-validator sees them.
# The version is pinned: what it finds is part of what this repository promises.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$#" -eq 0 ]; then
    set -- workflows/image.asl.json
fi
for definition in "$@"; do
    npx --yes asl-validator@4.0.0 --json-path "$definition"
done
