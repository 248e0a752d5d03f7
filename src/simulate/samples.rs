//! Samples: cell types that differ in which factors are active.

use super::motif_table::{MotifTable, Role};
use super::random::Random;
use super::world::Sample;

/// TPM of a factor whose activity is 1.
pub(super) const FULL_ACTIVITY_TPM: f64 = 100.0;

/// `full` samples S01.. and `panel` samples P01.. . Each belongs to a lineage whose factors are active in it.
pub(super) fn make_samples(table: &MotifTable, full: usize, panel: usize, random: &mut Random) -> Vec<Sample> {
    let n_lineages = table.lineages.len();
    let first = random.whole(0, n_lineages as u64) as usize;
    let names = (1..=full).map(|i| (format!("S{i:02}"), true)).chain((1..=panel).map(|i| (format!("P{i:02}"), false)));
    names
        .enumerate()
        .map(|(i, (name, is_full))| {
            // Three is coprime to the eight lineages: all are met in turn.
            let lineage = (first + 3 * i) % n_lineages;
            let activity = table.motifs.iter().map(|motif| {
                let activity = match motif.role {
                    Role::Ubiquitous => random.between(0.88, 1.0),
                    Role::Activator | Role::Repressor => random.between(0.90, 1.0),
                    Role::Insulator => 1.0,
                    Role::Lineage if motif.lineages.contains(&lineage) => random.between(0.72, 1.0),
                    Role::Lineage if random.chance(0.07) => random.between(0.35, 0.75),
                    Role::Lineage => random.between(0.0, 0.10),
                };
                // As written in the table of the factors' expression.
                libm::round(activity * 1e4) / 1e4
            });
            Sample { name, lineage, is_full, activity: activity.collect() }
        })
        .collect()
}
