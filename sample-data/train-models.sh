#!/bin/sh
# Trains the models of the sample data, the comparators and the networks of the ablation; each prints its figures on chr3, which it
# never saw. Run from the repository's root, after `cargo build --release`; names of folders after it train those alone. CISLENS names
# another program than the release build.
set -eu
wanted=" $* "
train() {
    architecture=$1 folder=$2 samples=$3
    shift 3
    case $wanted in "  " | *" $folder "*) ;; *) return 0 ;; esac
    "${CISLENS:-target/release/cislens}" train "$architecture" --session sample-data/session.toml --sample "$samples" --test chr3 \
        --out "sample-data/models/$folder" "$@"
}
train deepcore deepcore S01
train attentive-chrome attentive-chrome S01
train isegnet isegnet S01 --preset small --marks DNase,H3K4me1,H3K4me3,H3K9me3,H3K27me3,H3K36me3
train deepcage deepcage S01,S02,S03,S04 --preset small --half
train deepcore ablation/marks-only S01 --without sequence --name marks-only
train deepcore ablation/sequence-only S01 --without marks --name sequence-only
train deepcore ablation/shuffled-labels S01 --shuffle-labels --name shuffled-labels
for network in lstm lstm-attn lstm-alpha cnn-attn cnn-alpha-beta deepchrome linear mlp; do
    train $network comparators/$network S01 --half
done
