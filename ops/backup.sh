#!/usr/bin/env bash
# Copies a run's directory so that the copy verifies, also while the run goes on; or puts such a copy back.
#
# usage: backup.sh save RUN_DIR BACKUP.tar.gz
#        backup.sh restore BACKUP.tar.gz NEW_RUN_DIR
# environment: CONCLAVE   the binary, for `audit verify`; default conclave
#
# While a process holds the run its store (context, context.redb) is left out: what such a backup restores
# can be verified and exported, and what is no run of an open market also replayed; it cannot be gone on
# with, and its report is written when a run ends. Stop the run for a whole backup.
set -euo pipefail
# A run is its owner's alone, and so is its copy.
umask 077
work=
conclave=${CONCLAVE:-conclave}
fail() { echo "backup: $1" >&2; exit 1; }
needs() { command -v "$1" >/dev/null || fail "$1 is not there: $2"; }

save() { # RUN_DIR FILE
    local run=$1 file=$2
    needs flock "it belongs to util-linux, and says whether a process holds the run"
    [ -f "$run/head.json" ] || fail "$run is no run: it has no head.json"
    [ ! -e "$file" ] || fail "$file is there already"
    work=$(mktemp -d "$(dirname "$file")/.backup.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    local parts=()
    if ! hold "$run"; then
        echo "backup: the run is at work; its store is left out" >&2
        parts=(--exclude=context --exclude=context.redb)
    fi
    mkdir "$work/run"
    # What the head names is whole in segments that are copied behind it.
    cp -p "$run/head.json" "$work/run/"
    # With `+` a file that could not be copied ends the script; with `\;` nobody would hear of it.
    find "$run" -maxdepth 1 -name '*.jsonl' -exec cp -p -t "$work/run" {} +
    # The token is a secret of the process, the lock, the heartbeat and the station are its own.
    tar -C "$run" "${parts[@]}" --exclude=head.json --exclude='*.jsonl' --exclude=token --exclude=lock \
        --exclude=pid --exclude=station.json --exclude='heartbeat.json*' -cf - . | tar -C "$work/run" -xf -
    # By the shell: tar takes what stands before a colon in a name for a machine.
    tar -C "$work/run" -czf - . >"$work/whole"
    # A file of this name is whole or not there.
    sync "$work/whole"
    mv -T "$work/whole" "$file"
    echo "saved $run to $file"
}

restore() { # FILE NEW_DIR
    local file=$1 run=$2
    needs "$conclave" "put it into PATH, or name it in CONCLAVE: what is put back is verified first"
    [ -f "$file" ] || fail "$file is not there"
    [ ! -e "$run" ] || fail "$run is there already: a backup is put into a new directory"
    while [ "$run" != "${run%/}" ]; do run=${run%/}; done
    # Beside its place, and removed again unless it verifies.
    work=$(mktemp -d "$run.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    mkdir "$work/run"
    tar -C "$work/run" -xzf - <"$file"
    "$conclave" audit verify "$work/run" || fail "$file does not verify: nothing was put into $run"
    mv -T "$work/run" "$run"
    echo "restored $file to $run"
}

# Takes the run's lock until the script ends, so that nobody begins with it meanwhile; fails where a
# process has it. The file `pid` says nothing: a process that was killed leaves it, and its number comes again.
hold() {
    [ -f "$1/lock" ] || return 0
    exec 9<"$1/lock"
    flock --nonblock 9
}

case "${1:-}:$#" in
save:3) save "$2" "$3" ;;
restore:3) restore "$2" "$3" ;;
*) sed -n '4,5p' "$0" | cut -c3- >&2; exit 2 ;;
esac
