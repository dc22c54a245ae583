#!/usr/bin/env bash
# Runs the whole test suite again and again on a machine that is kept busy: what fails once in a
# thousand runs there fails one day for somebody.
#
#   tests/soak.sh [RUNS]        (10 unless told otherwise)
#
# Prints a line for each run and, at the end, every test that failed with what it printed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

runs=${1:-10}
loops=4
logs=$(mktemp -d)
pids=()
end() {
    kill "${pids[@]}" 2>/dev/null || true
    rm -rf "$logs"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

cargo test --no-run
for _ in $(seq "$loops"); do
    (while :; do :; done) &
    pids+=($!)
done

failed=0
for run in $(seq "$runs"); do
    begun=$SECONDS
    result=passed
    cargo test -- --test-threads="${TEST_THREADS:-$((2 * $(nproc)))}" >"$logs/$run" 2>&1 || {
        result=FAILED
        failed=$((failed + 1))
    }
    echo "run $run of $runs: $result after $((SECONDS - begun)) s"
done
for run in $(seq "$runs"); do
    sed -n "s/^/run $run: /; /^run $run: failures:\$/,\$p" "$logs/$run"
done
echo "$((runs - failed)) of $runs runs passed"
[[ $failed -eq 0 ]]
