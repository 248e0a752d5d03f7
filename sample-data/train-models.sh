#!/bin/sh
# Trains the models of the sample data and the networks of the ablation; each prints its figures on chr3, which it never saw.
# Run from the repository's root, after `cargo build --release`. An hour or so on one core.
set -eu
train() {
    samples=$1 architecture=$2 folder=$3
    shift 3
    target/release/cislens train "$architecture" --session sample-data/session.toml --sample "$samples" --test chr3 \
        --out "sample-data/models/$folder" "$@"
}
# No network sees S04 before it is judged there.
three=S01,S02,S03
train $three deepcore deepcore
train $three attentive-chrome attentive-chrome --patience 20
train S01 isegnet isegnet --preset small --marks DNase,H3K4me1,H3K4me3,H3K9me3,H3K27me3,H3K36me3
train $three deepcage deepcage --preset small --half
train $three deepcore ablation/marks-only --without sequence --name marks-only
train $three deepcore ablation/sequence-only --without marks --name sequence-only
train $three deepcore ablation/shuffled-labels --shuffle-labels --name shuffled-labels
for network in deepchrome lstm lstm-attn lstm-alpha cnn-attn cnn-alpha-beta mlp linear; do
    train $three "$network" "comparators/$network" --half
done
