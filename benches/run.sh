#!/usr/bin/env bash
# Our times beside those of PyTorch, captum and tangermeme in one run, as a table: processor seconds on one core, the ratio, wall
# seconds, how many times faster two cores are (wall; of use on an idle machine only), peak memory and the arithmetic floor.
# usage: benches/run.sh [PYTHON] > table.md     (PYTHON has torch, captum and tangermeme; rows alternate, so both see the same load)
set -euo pipefail
cd "$(dirname "$0")/.."
python=${1:-python3}
export RAYON_NUM_THREADS=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
profile=${PROFILE:-bench}
binary=$(cargo bench --profile "$profile" --bench attribution --no-run --message-format=json 2>/dev/null |
    sed -n 's/.*"executable":"\([^"]*attribution[^"]*\)".*/\1/p' | tail -1)

# Floors: GFLOP of the exact algorithm at 30 GFLOP/s, where one was counted.
declare -A floor=([deepcore-mutagenesis]=1.0 [deepcore-occlusion]=0.05 [deepcore-bin-pairs]=7.6 [isegnet-mutagenesis]=0.55
    [isegnet-track-points]=1.3 [deepcage-mutagenesis]=4.0 [attentive-chrome-occlusion]=0.02 [deepcore-ig-50]=0.09 [deepcore-ig-200]=0.24)

echo "| work on one gene | ours, s | peer, s | times faster | ours, wall s | two cores | peak MB | floor, s | the peer |"
echo "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
while read -r name; do
    read -r _ wall ours peak < <("$binary" "=$name") || continue
    read -r _ two _ < <(THREADS=2 "$binary" "=$name") || true
    read -r _ _ peer note < <("$python" benches/peers.py 1 "$name") || true
    awk -v name="$name" -v ours="$ours" -v peer="${peer:-}" -v wall="$wall" -v two="${two:-}" -v peak="$peak" -v floor="${floor[$name]:-}" -v note="${note:-}" \
        'BEGIN { ratio = peer == "" ? "" : sprintf("%.1f", peer / ours); if (peer != "") peer = sprintf("%.4g", peer)
                 two = two == "" ? "" : sprintf("%.2f", wall / two)
                 printf "| %s | %.4g | %s | %s | %.4g | %s | %s | %s | %s |\n", name, ours, peer, ratio, wall, two, peak, floor, note }'
    unset peer note two
done < <("$binary" --list)
