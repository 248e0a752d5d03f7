#!/bin/sh
# Trains the models of the sample data and the networks of the ablation; each prints its figures on chr3, which it never saw.
# Run from the repository's root, after `cargo build --release`. Half an hour or so on one core.
set -eu
train() {
    samples=$1 architecture=$2 folder=$3
    shift 3
    target/release/cislens train "$architecture" --session sample-data/session.toml --sample "$samples" --test chr3 \
        --out "sample-data/models/$folder" "$@"
}
train S01 deepcore deepcore
train S01 attentive-chrome attentive-chrome
train S01 isegnet isegnet --preset small --marks DNase,H3K4me1,H3K4me3,H3K9me3,H3K27me3,H3K36me3
train S01,S02,S03 deepcage deepcage --preset small --half
train S01 deepcore ablation/marks-only --without sequence --name marks-only
train S01 deepcore ablation/sequence-only --without marks --name sequence-only
train S01 deepcore ablation/shuffled-labels --shuffle-labels --name shuffled-labels
for network in deepchrome lstm lstm-attn lstm-alpha cnn-attn cnn-alpha-beta mlp linear; do
    train S01 "$network" "comparators/$network" --half
done
