#!/usr/bin/env bash
# Copies a run's directory so that the copy verifies, also while the run goes on; or puts such a copy back.
#
# usage: backup.sh save RUN_DIR BACKUP.tar.gz
#        backup.sh restore BACKUP.tar.gz NEW_RUN_DIR
# environment: CONCLAVE   the binary, for `audit verify`; default conclave
#
# While a process holds the run its store (context, context.redb) is left out: what such a backup restores
# can be verified, exported, reported and replayed, and not gone on with. Stop the run for a whole backup.
set -euo pipefail
work=
conclave=${CONCLAVE:-conclave}
fail() { echo "backup: $1" >&2; exit 1; }

save() { # RUN_DIR FILE
    local run=$1 file=$2
    [ -f "$run/head.json" ] || fail "$run is no run: it has no head.json"
    [ ! -e "$file" ] || fail "$file is there already"
    work=$(mktemp -d "$(dirname "$file")/.backup.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    local parts=()
    if held "$run"; then
        echo "backup: the run is at work; its store is left out" >&2
        parts=(--exclude=context --exclude=context.redb)
    fi
    mkdir "$work/run"
    # What the head names is whole in segments that are copied behind it.
    cp -p "$run/head.json" "$work/run/"
    find "$run" -maxdepth 1 -name '*.jsonl' -exec cp -p {} "$work/run/" \;
    # The token is a secret of the process, the lock and the station are its own.
    tar -C "$run" "${parts[@]}" --exclude=head.json --exclude='*.jsonl' --exclude=token --exclude=lock \
        --exclude=pid --exclude=station.json -cf - . | tar -C "$work/run" -xf -
    tar -C "$work/run" -czf "$work/whole" .
    # A file of this name is whole or not there.
    sync "$work/whole" && mv "$work/whole" "$file"
    echo "saved $run to $file"
}

restore() { # FILE NEW_DIR
    local file=$1 run=$2
    [ -f "$file" ] || fail "$file is not there"
    [ ! -e "$run" ] || fail "$run is there already: a backup is put into a new directory"
    mkdir -m 0700 "$run.part"
    tar -C "$run.part" -xzf "$file"
    mv "$run.part" "$run"
    "$conclave" audit verify "$run"
}

# Whether a process holds the run: its own lock says so.
held() {
    local pid
    pid=$(cat "$1/pid" 2>/dev/null) && [ -n "$pid" ] && kill -0 "${pid%%[!0-9]*}" 2>/dev/null
}

case "${1:-}:$#" in
save:3) save "$2" "$3" ;;
restore:3) restore "$2" "$3" ;;
*) sed -n '4,5p' "$0" | cut -c3- >&2; exit 2 ;;
esac
