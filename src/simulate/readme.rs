//! README.md of the sample: what the files are, and the rule in words.

use super::chromatin::Assay;
use super::elements::{CORE, REACH};
use super::motif_table::Role;
use super::rule;
use super::tables::{LEAST_EFFECT, LEAST_PANEL_EFFECT};
use super::world::{ASSEMBLY, World};

/// The text of `README.md`.
pub(super) fn readme(world: &World) -> String {
    let bases: usize = world.chroms.iter().map(|c| c.bases.len()).sum();
    let (full, panel): (Vec<_>, Vec<_>) = world.samples.iter().partition(|s| s.is_full);
    let lineages = full.iter().map(|s| format!("{} {}", s.name, world.table.lineages[s.lineage]));
    let motifs = |role: Role| {
        let names: Vec<&str> = world.table.of_role(role).into_iter().map(|i| world.table.motifs[i].name.as_str()).collect();
        names.join(", ")
    };
    let assays = |assays: &[Assay]| assays.iter().map(|a| a.name()).collect::<Vec<_>>().join(", ");
    format!(
        "# Simulated data (seed {seed}): it checks the machinery, not biology\n\n\
         Written by `cislens simulate --seed {seed}`; the same seed gives the same bytes. Nothing here was measured. Assembly \
         `{ASSEMBLY}`: {megabases:.1} Mb in {n_chroms} chromosomes, {n_genes} genes, {n_full} samples in full ({lineages}) and \
         {n_panel} panel samples.\n\n\
         ## Files\n\
         | file | what |\n| --- | --- |\n\
         | `{ASSEMBLY}.fa.gz`, `.fai`, `.gzi` | sequence, bgzip; `N` in one gap a chromosome |\n\
         | `{ASSEMBLY}.chrom.sizes` | chromosome lengths |\n\
         | `genes.gtf.gz` | genes, transcripts, exons, CDS; `Ensembl_canonical` marks the transcript whose start counts |\n\
         | `promoters.epd` | EPD's BED: 60 bases about each start, the thick part from the start |\n\
         | `enhancers.gff` | GeneHancer's GFF: enhancers with their genes; those without a gene are decoy peaks |\n\
         | `signals/SAMPLE.MARK.bw` | full samples: {all}; panel samples: {five} |\n\
         | `signals/SAMPLE.DNase.narrowPeak` | runs of DNase at 2 or more, full samples |\n\
         | `tpm.tsv` | TPM, gene_id and one column a sample; the genome is small, so columns do not sum to a million |\n\
         | `tf_expression.tsv` | TPM of each factor: 100 x its activity |\n\
         | `truth.tsv` | what was planted, and what it does |\n\
         | `session.toml` | opens all of this |\n\n\
         Signals are reads per million, one decimal, in steps of 50 bases (full) or 100 bases within 5 kb of a gene's start \
         (panel). Equal neighbours are one record. Zero is written as 0; bases without a record were not measured: the gaps of \
         the assembly, and in panel samples what lies away from genes. 5mC is the share of five reads that are methylated, one \
         record a CpG (both bases). Counts are Poisson over the mean, with single background fragments of 200 bases; the \
         heights at one gene or element vary by 10 to 15 % from sample to sample beyond that.\n\n\
         ## Genome\n\
         Genes lie in clusters with deserts between; neighbours' 10-kb windows overlap, one in four holds a neighbour's start. \
         Genes of one cluster favour the same lineages. Housekeeping genes have CpG islands and sites of ubiquitous factors \
         ({ubiquitous}) in their promoters; the others have sites of one or two lineages' factors ({lineage_motifs}). Each gene \
         has 0 to 4 enhancers of three to five lineage sites within {REACH} bases; some enhancers also drive a neighbour, and some \
         genes have two that work only together (`enhancer_pair`). The core promoter ({core_from} to +{core_to} bases from the start, in the gene's \
         direction) holds 0 to 4 sites of an activator ({activators}) and of a repressor ({repressors}). Every planted site \
         matches its IUPAC consensus in `assets/motifs.tsv`.\n\n\
         Decoys: `decoy_closed`, sites of lineage factors, of the activator or the repressor where nothing binds; \
         `decoy_peak`, bound by ubiquitous factors, linked to no gene and marked like a poised enhancer: DNase and H3K4me1 as where one is \
         active, H3K27me3 in place of H3K27ac (three in ten also with H3K4me3); \
         `decoy_insulator`, CTCF with DNase. Neighbours' promoters and enhancers inactive in a sample are decoys too.\n\n\
         ## The rule\n\
         Its constants were chosen with quick pilot fits, so that the task is neither trivial nor hopeless, and fixed before any model was tuned. `A` is the activity (0 to 1) of a site's factor in the sample.\n\
         ```\n\
         promoter p   = 1 / (1 + exp(-{switch} ({site} sum A - {half})))            over its ubiquitous and lineage sites\n\
         enhancer e   = (1 - exp(-{opening} sum A))^2                       over its sites\n\
         E            = sum exp(-distance/{decay}) e  +  {pair} sqrt(exp(-(d1+d2)/{decay})) e1 e2   (the pair)\n\
         marked       = {silent} + {promoter_gain} p + {enhancer_gain} (1 - exp(-{saturation} E)) ({closed_share} + {open_share:.2} p) + {second} p'     p' the second start's\n\
         unmarked     = ({core} (activators - repressors) + {island} (island - {island_mean})) ({core_silent} + {core_active:.1} p)    sums of A; island strength 0 to 1\n\
         ln TPM       = marked + unmarked + {noise} N(0,1);   TPM = {floor} + exp(ln TPM)\n\
         ```\n\
         Marks follow `marked` only: H3K4me3, H3K27ac and DNase the promoter and (but for H3K4me3) enhancers, H3K4me1 \
         enhancers (weakly where inactive) and the flanks of promoters, H3K36me3 the gene's body in proportion to `marked`. Where a promoter is \
         inactive, H3K27me3 or H3K9me3 covers it, or nothing. Core sites and the strength of an island change no mark: a model \
         that reads no DNA cannot know them.\n\n\
         ## truth.tsv\n\
         Positions are 0-based, half-open. `effect` is what ln TPM of `gene_id` loses in `sample` when the row's site is broken \
         (`motif` given), or all sites of the element (`motif` is `.`), or the island; interactions and saturation make the \
         effects of sites no sum. Full samples have rows for effects of {LEAST_EFFECT} and more in size, panel samples rows of elements from \
         {LEAST_PANEL_EFFECT} on. What has less than that in every full sample, decoys among it, stands once with sample `*` and effect 0. \
         A site or element without a row for a sample counts as without effect there.\n",
        seed = world.seed,
        megabases = bases as f64 / 1e6,
        n_chroms = world.chroms.len(),
        n_genes = world.genes.len(),
        n_full = full.len(),
        n_panel = panel.len(),
        lineages = lineages.collect::<Vec<_>>().join(", "),
        all = assays(&Assay::ALL),
        five = assays(&Assay::PANEL),
        ubiquitous = motifs(Role::Ubiquitous),
        lineage_motifs = motifs(Role::Lineage),
        activators = motifs(Role::Activator),
        repressors = motifs(Role::Repressor),
        core_from = CORE.0,
        core_to = CORE.1,
        switch = rule::SWITCH,
        site = rule::SITE_DRIVE,
        half = rule::HALF_DRIVE,
        opening = rule::SITE_OPENING,
        decay = rule::ENHANCER_DECAY,
        pair = rule::PAIR_WEIGHT,
        silent = rule::SILENT,
        promoter_gain = rule::PROMOTER_GAIN,
        enhancer_gain = rule::ENHANCER_GAIN,
        saturation = rule::ENHANCER_SATURATION,
        closed_share = rule::ENHANCERS_WHEN_SILENT,
        open_share = 1.0 - rule::ENHANCERS_WHEN_SILENT,
        second = rule::SECOND_PROMOTER_GAIN,
        core = rule::CORE_GAIN,
        island = rule::ISLAND_GAIN,
        island_mean = rule::ISLAND_MEAN,
        core_silent = rule::CORE_WHEN_SILENT,
        core_active = 1.0 - rule::CORE_WHEN_SILENT,
        noise = rule::NOISE,
        floor = rule::TPM_FLOOR,
    )
}
