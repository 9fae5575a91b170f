#!/bin/sh
# usage: unshare --mount with-modules.sh DIR COMMAND...: runs the command with
# DIR in place of Dovecot's modules
modules=$1
shift
mount --bind "$modules" /usr/lib/dovecot/modules && exec "$@"
