#!/bin/sh
# Trains the models of the sample data and the networks of the ablation; each prints its figures on chr3, which it never saw.
# Run from the repository's root, after `cargo build --release`.
set -eu
train() {
    architecture=$1 folder=$2
    shift 2
    target/release/cislens train "$architecture" --session sample-data/session.toml --sample S01 --test chr3 \
        --out "sample-data/models/$folder" "$@"
}
train deepcore deepcore
train attentive-chrome attentive-chrome
train isegnet isegnet --preset small --marks DNase,H3K4me1,H3K4me3,H3K9me3,H3K27me3,H3K36me3
train deepcore ablation/marks-only --without sequence --name marks-only
train deepcore ablation/sequence-only --without marks --name sequence-only
train deepcore ablation/shuffled-labels --shuffle-labels --name shuffled-labels
