#!/bin/sh
# Builds the Debian packages with what this release has, and checks them.
# usage: tests/packages/build.sh DIR   the packages go to DIR
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
dir=$1
mkdir -p "$dir/source"
(cd "$root" && tar cf - --exclude=.git --exclude=./build .) |
	(cd "$dir/source" && tar xf -)
cd "$dir/source"
dpkg-buildpackage -b -us -uc
cd ..
lintian --allow-root --fail-on error --tag-display-limit 0 ./*.changes
