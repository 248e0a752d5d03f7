//! Attention to a gene over samples, what is attended to together, and how its blocks correlate (DeepCORE, figures 5 and 6).

use super::model_rows::{further_from_zero, spread, without_result};
use super::{Geometry, Lane, Plot, Row, lanes};
use crate::genome::Region;
use crate::jobs::{GeneCores, Subject};
use crate::state::{RowId, State};

/// One of the three rows: samples by bins, links as arcs, blocks by blocks.
pub(super) fn fill(row: &mut Row, state: &State, geometry: Geometry) {
    if let Some(obstacle) = state.obstacle() {
        return without_result(row, obstacle);
    }
    let (found, row_state) = state.cores();
    let Some((subject, found)) = found else { return without_result(row, row_state) };
    match row.id {
        RowId::CoreLinks => lanes::fill_links(row, state, geometry, found),
        RowId::CoreBlocks => fill_blocks(row, state, geometry, found),
        _ => fill_samples(row, state, geometry, (subject, found)),
    }
    row.state = Some(row_state);
}

/// A lane a sample, with the COREs that it is a member of.
fn fill_samples(row: &mut Row, state: &State, geometry: Geometry, (subject, found): (&Subject, &GeneCores)) {
    let limit = found.attention.iter().flatten().fold(0.0_f32, |a, &b| a.max(b));
    let lanes = found.samples.iter().zip(&found.attention).enumerate().map(|(i, (sample, attention))| {
        let of = (1..).zip(&found.members).filter(|(_, members)| members.contains(&i)).map(|(core, _)| core.to_string());
        let of: Vec<String> = of.collect();
        Lane {
            label: state.session.samples[sample.0].name.clone(),
            note: if of.is_empty() { String::new() } else { format!("CORE {}", of.join(" ")) },
            values: spread(attention, &subject.window, &state.region, geometry.n_columns, f32::max),
        }
    });
    row.plot = Plot::Heat(lanes.collect(), limit);
    row.axis = Some((0.0, limit));
    row.detail = format!("attention in {} samples, as measured", found.samples.len());
}

/// A lane a block, named by its distance from the TSS: its correlation with the block at a column over samples.
fn fill_blocks(row: &mut Row, state: &State, geometry: Geometry, found: &GeneCores) {
    let tss = state.current_gene().map_or(0, |gene| gene.tss(state.session.genome.tss));
    let r = |a: usize, b: usize| {
        let of = |link: &&crate::regulation::cores::Link| (link.first, link.second) == (a.min(b), a.max(b));
        found.cores.links.iter().find(of).map_or(f32::NAN, |link| link.r as f32)
    };
    let is_compared = |block: &usize| found.cores.links.iter().any(|link| link.first == *block || link.second == *block);
    let blocks: Vec<usize> = (0..found.places.len()).filter(is_compared).collect();
    let lanes = blocks.iter().map(|&block| {
        let mut values = vec![f32::NAN; geometry.n_columns];
        for &other in &blocks {
            lay(&mut values, &found.places[other], &state.region, r(block, other));
        }
        let middle = found.places[block].centre() as f64 - tss as f64;
        Lane { label: format!("{:+.1} kb", middle / 1e3), note: String::new(), values }
    });
    row.plot = match blocks.is_empty() {
        true => Plot::Note("no two blocks that enough samples attend to lie far enough apart".to_owned()),
        false => Plot::Signed(lanes.collect(), 1.0),
    };
    row.axis = (!blocks.is_empty()).then_some((-1.0, 1.0));
    row.detail = format!("correlation of blocks of bins over samples, pairs compared: {}", found.cores.links.len());
}

/// Puts a value at the columns of a place.
fn lay(values: &mut [f32], place: &Region, view: &Region, value: f32) {
    if place.chrom != view.chrom || !value.is_finite() {
        return;
    }
    let n = values.len();
    for (i, column) in values.iter_mut().enumerate() {
        let (from, to) = super::bases_of_column(view, n, i);
        if from < place.end && place.start < to {
            *column = if column.is_nan() { value } else { further_from_zero(*column, value) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::{JobId, Reply};
    use crate::models::test_manifest;
    use crate::regulation::cores::{Block, Cores, Link, Samples};
    use crate::scene::Scene;
    use crate::session::SampleId;
    use crate::state::{RowState, toy};
    use std::sync::Arc;

    /// The rows of a gene, ten columns over its window of ten bins of 1 kb, of which the third and the eighth go together.
    fn rows(gene: &str) -> (State, Vec<Row>) {
        let mut state = toy::state(Some(Ok(test_manifest(10_000, 1, &["H3K4me3"], None))));
        state.n_columns = 10;
        state.go_to(gene).unwrap();
        state.toggle_cores().unwrap();
        let subject = state.cores_wanted().unwrap();
        let window = subject.window.clone();
        state.set_region(Region::new(window.chrom().clone(), window.start() as u64, window.end() as u64));
        let mut attention = vec![vec![0.0; 10]; 2];
        attention[0][2..=2].fill(0.4);
        attention[0][7..=7].fill(0.6);
        attention[1][4..=4].fill(1.0);
        let block = |bin: usize| Block { bins: bin..bin + 1, reach: 1_000 * bin as u64..1_000 * (bin as u64 + 1) };
        let link = Link { first: 0, second: 1, r: 0.9, across: None, p: 0.001, q: 0.01 };
        let cores = Cores {
            blocks: vec![block(2), block(7), block(4)],
            links: vec![link, Link { first: 1, second: 2, r: -0.5, q: 0.9, ..link }],
            cores: vec![vec![0, 1]],
            ..Cores::default()
        };
        let read = Samples { attention, ..Samples::default() };
        let samples = vec![SampleId(0), SampleId(1)];
        let found = GeneCores::new(samples, read, cores, &window, &state.session.genome.chroms);
        let job = JobId::default();
        state.apply(Reply::Cores { subject, found: Ok(Arc::new(found)) }, job, job);
        let scene = Scene::build(&state, Geometry { n_columns: 10, char_columns: 1.0, max_lanes: 4 });
        let is_of_cores = |row: &Row| matches!(row.id, RowId::CoreSamples | RowId::CoreLinks | RowId::CoreBlocks);
        (state, scene.rows.into_iter().filter(is_of_cores).collect())
    }

    #[test]
    fn samples_links_and_correlations_stand_where_the_model_read_them() {
        for (gene, first, second, middle) in [("ALPHA", 2, 7, 4), ("BETA", 7, 2, 5)] {
            let (_, rows) = rows(gene);
            assert!(rows.iter().all(|row| row.state == Some(RowState::Fresh)), "{gene}");
            let Plot::Intervals(links, _) = &rows[0].plot else { panic!("{gene}: no links") };
            assert_eq!((links[0].len(), links[0][0].name.as_str()), (1, "CORE 1 r 0.90"), "{gene}");
            let parts = &links[0][0].parts;
            assert!(parts.len() == 2 && parts[0].1 <= parts[1].0 && parts[1].0 - parts[0].0 == 5_000, "{gene}: {parts:?}");
            let Plot::Heat(samples, limit) = &rows[1].plot else { panic!("{gene}: no samples") };
            assert_eq!((samples[0].label.as_str(), samples[0].note.as_str(), *limit), ("S01", "CORE 1", 1.0));
            assert_eq!((samples[1].label.as_str(), samples[1].note.as_str()), ("S02", ""), "it attends to another block");
            assert_eq!(
                (samples[0].values[first], samples[0].values[second], samples[1].values[middle]),
                (0.4, 0.6, 1.0),
                "{gene}"
            );
            let Plot::Signed(blocks, 1.0) = &rows[2].plot else { panic!("{gene}: no correlations") };
            assert_eq!(
                blocks.iter().map(|b| b.label.as_str()).collect::<Vec<_>>(),
                match gene {
                    "ALPHA" => ["-2.5 kb", "+2.5 kb", "-0.5 kb"],
                    _ => ["+2.5 kb", "-2.5 kb", "+0.5 kb"],
                }
            );
            assert_eq!((blocks[0].values[second], blocks[1].values[first], blocks[2].values[second]), (0.9, 0.9, -0.5), "{gene}");
            assert!(
                blocks[0].values[first].is_nan() && blocks[0].values[middle].is_nan(),
                "not with itself, nor what was not compared"
            );
        }
    }

    #[test]
    fn links_are_stepped_through() {
        let (mut state, _) = rows("ALPHA");
        state.focus = "COREs".to_owned();
        state.set_region(Region::new("chr1", 10_000, 12_000));
        let (region, _, name) = state.interval_beside(1).unwrap().unwrap();
        assert_eq!((region.start, region.end, name.as_str()), (17_000, 23_000, "CORE 1 r 0.90"));
        assert_eq!(state.interval_beside(-1), Some(None));
    }
}
