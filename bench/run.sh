#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the release programs and measures dhow-runtime against the runc and crun of this host.
# Further arguments go to dhow-bench (see --help). Must run as root; prints Markdown.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
build=$top/build/release

[ -f "$build/build.ninja" ] || (cd "$top" && cmake --preset release >&2)
ninja -C "$build" dhow-bench dhow-runtime >&2
exec "$build/bin/dhow-bench" --dhow "$build/bin/dhow-runtime" "$@"
