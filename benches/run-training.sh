#!/bin/sh
# A training step of 64 genes, ours and PyTorch's, one thread each, turn about on the same processor: medians, and theirs over ours.
# Run from the repository's root; PYTHON names an interpreter that has torch, RUNS the steps of each turn, TURNS how often.
set -eu
PYTHON=${PYTHON:-python3}
TURNS=${TURNS:-3}
export RUNS=${RUNS:-5}
# As the program does for candle, whose threads would otherwise wait for work by spinning; our pool is one thread by itself.
export RAYON_NUM_THREADS=1
cargo bench --bench training --no-run 2>/dev/null
ours=$(mktemp) theirs=$(mktemp)
trap 'rm -f "$ours" "$theirs"' EXIT
for turn in $(seq "$TURNS"); do
    cargo bench --quiet --bench training 2>/dev/null >>"$ours"
    "$PYTHON" benches/training_peer.py >>"$theirs"
done
lscpu | sed -n 's/^Model name: */processor: /p'
"$PYTHON" -c 'import torch; print("PyTorch", torch.__version__)'
awk -F '\t' -v OFS='\t' '
    # The median over turns of the medians of a turn; of an even number the lower.
    function middle(list, n, i, j, t) {
        for (i = 2; i <= n; i++) for (j = i; j > 1 && list[j] < list[j - 1]; j--) { t = list[j]; list[j] = list[j - 1]; list[j - 1] = t }
        return list[int((n + 1) / 2)]
    }
    FNR == NR { if (!($1 in seen)) { seen[$1]; order[++networks] = $1 } o[$1, ++no[$1]] = $3; next }
    { t[$1, ++nt[$1]] = $3 }
    END {
        print "network", "ours_ms", "pytorch_ms", "ratio"
        for (k = 1; k <= networks; k++) {
            name = order[k]; split("", a); split("", b)
            for (i = 1; i <= no[name]; i++) a[i] = o[name, i] + 0
            for (i = 1; i <= nt[name]; i++) b[i] = t[name, i] + 0
            x = middle(a, no[name]); y = middle(b, nt[name])
            printf "%s\t%.1f\t%.1f\t%.2f\n", name, x, y, y / x
        }
    }' "$ours" "$theirs"
