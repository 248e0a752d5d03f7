//! Genes and intervals packed in lanes, so that neither they nor their labels overlap.

use super::{Geometry, Plot, Row, column_of, model_rows};
use crate::genome::{GeneId, Region, Strand};
use crate::jobs::GeneCores;
use crate::regulation::cores::LEVEL;
use crate::session::{Edit, TrackId};
use crate::state::{GeneDisplay, State};
use crate::theme::Rgb;
use crate::tracks::{Feature, Features};

/// Where a label stands: columns from the left edge of the plot, `None` where there is no room.
pub type LabelPlace = Option<f64>;

/// One gene, drawn by the transcript its TSS comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneShape {
    /// Which gene.
    pub gene: GeneId,
    /// First base of the transcript.
    pub start: u64,
    /// One past its last base.
    pub end: u64,
    /// Exons.
    pub exons: Vec<(u64, u64)>,
    /// Coding part.
    pub cds: Option<(u64, u64)>,
    /// Direction.
    pub strand: Strand,
    /// Symbol.
    pub name: String,
    /// Where the symbol stands.
    pub label: LabelPlace,
    /// Whether this is the gene being explained.
    pub is_current: bool,
}

/// One interval.
#[derive(Clone, Debug, PartialEq)]
pub struct IntervalShape {
    /// First base.
    pub start: u64,
    /// One past the last base.
    pub end: u64,
    /// Name, or the genes it is linked to.
    pub name: String,
    /// Where the name stands.
    pub label: LabelPlace,
    /// Direction, if any.
    pub strand: Option<Strand>,
    /// Whether it is linked to the gene being explained.
    pub is_current: bool,
    /// The file's own colour for it.
    pub colour: Option<Rgb>,
    /// What of it is drawn full, with a line between: the two ends of an arc, the blocks of a BED12. Empty where it is whole.
    pub parts: Vec<(u64, u64)>,
}

/// What has been placed in each lane so far: taken spans in columns.
struct Packing {
    lanes: Vec<Vec<(f64, f64)>>,
    geometry: Geometry,
}

impl Packing {
    fn new(geometry: Geometry) -> Self {
        Self { lanes: Vec::new(), geometry }
    }

    /// Finds a lane for a body and its label; the label goes to the right of the body, else to its left, else is left out.
    fn place(&mut self, from: f64, to: f64, name: &str) -> Option<(usize, LabelPlace)> {
        let width = self.geometry.n_columns as f64;
        // A terminal paints whole cells.
        let (from, to) = (from.floor().max(0.0), to.ceil().min(width).max(from.floor() + 1.0));
        let text = (name.chars().count() as f64) * self.geometry.char_columns;
        let gap = self.geometry.char_columns;
        let right = (!name.is_empty() && to + gap + text <= width).then_some((from, to + gap + text, Some(to + gap)));
        let left = (!name.is_empty() && from - gap - text >= 0.0).then_some((from - gap - text, to, Some(from - gap - text)));
        // A body that leaves no room beside it, as a gene wider than the view, carries its name inside, and shows on both sides of it.
        let inside = (!name.is_empty() && to - from >= text + 6.0 * gap).then_some((from, to, Some(from + 3.0 * gap)));
        let bare = Some((from, to, None));
        for (from, to, label) in [right, left, inside, bare].into_iter().flatten() {
            let is_free = |lane: &Vec<(f64, f64)>| lane.iter().all(|&(a, b)| to + gap <= a || b + gap <= from);
            let free = self.lanes.iter().position(is_free);
            let lane = match free {
                Some(lane) => lane,
                None if self.lanes.len() < self.geometry.max_lanes => {
                    self.lanes.push(Vec::new());
                    self.lanes.len() - 1
                }
                None => continue,
            };
            self.lanes[lane].push((from, to));
            return Some((lane, label));
        }
        None
    }

    /// A lane for a body alone.
    fn place_bare(&mut self, from: f64, to: f64) -> Option<usize> {
        const GAP: f64 = 1.0;
        let (from, to) = self.cut(from, to);
        let is_free = |lane: &Vec<(f64, f64)>| lane.iter().all(|&(a, b)| to + GAP <= a || b + GAP <= from);
        let lane = self.lanes.iter().position(is_free).or_else(|| {
            self.lanes.push(Vec::new());
            (self.lanes.len() <= self.geometry.max_lanes).then(|| self.lanes.len() - 1)
        });
        self.lanes.truncate(self.geometry.max_lanes);
        self.lanes[lane?].push((from, to));
        lane
    }

    /// Room for the label of a body that has its lane already.
    fn label(&mut self, lane: usize, from: f64, to: f64, name: &str) -> LabelPlace {
        let (from, to) = self.cut(from, to);
        let gap = self.geometry.char_columns;
        let text = name.chars().count() as f64 * gap;
        let lane = &mut self.lanes[lane];
        let is_free = |a: f64, b: f64| {
            let is_inside = a >= 0.0 && b <= self.geometry.n_columns as f64;
            is_inside && lane.iter().all(|&(x, y)| (x, y) == (from, to) || b + gap <= x || y + gap <= a)
        };
        let place = [to + gap, from - gap - text].into_iter().find(|&a| text > 0.0 && is_free(a, a + text))?;
        lane.push((place, place + text));
        Some(place)
    }

    /// The part of a body in view, at least a column wide.
    fn cut(&self, from: f64, to: f64) -> (f64, f64) {
        let width = self.geometry.n_columns as f64;
        (from.max(0.0), to.min(width).max(from.max(0.0) + 1.0))
    }
}

/// A body to be placed, in columns, with its name; a current one is served first.
struct Body<'a> {
    from: f64,
    to: f64,
    name: &'a str,
    is_current: bool,
}

/// Lanes and labels of bodies, in their order; `None` for those there is no room for. Where labels would push bodies out,
/// only current ones keep theirs; the bodies of all come next, and other labels stand where there is room left.
fn pack(bodies: &[Body<'_>], geometry: Geometry) -> Vec<Option<(usize, LabelPlace)>> {
    let mut order: Vec<usize> = (0..bodies.len()).collect();
    order.sort_by_key(|&i| !bodies[i].is_current);
    let mut placed = vec![None; bodies.len()];
    let mut packing = Packing::new(geometry);
    for &i in &order {
        placed[i] = packing.place(bodies[i].from, bodies[i].to, bodies[i].name);
    }
    if placed.iter().all(Option::is_some) {
        return placed;
    }
    packing = Packing::new(geometry);
    for &i in &order {
        let body = &bodies[i];
        let labelled = body.is_current.then(|| packing.place(body.from, body.to, body.name)).flatten();
        placed[i] = labelled.or_else(|| packing.place_bare(body.from, body.to).map(|lane| (lane, None)));
    }
    for &i in &order {
        if let Some((lane, label @ None)) = &mut placed[i] {
            *label = packing.label(*lane, bodies[i].from, bodies[i].to, bodies[i].name);
        }
    }
    placed
}

/// Lanes that a row of every transcript may stack.
const MOST_TRANSCRIPTS: usize = 12;

/// Genes in view by the transcript of their TSS, or every transcript; the current gene placed first so that it always has a lane and
/// its label.
pub(super) fn genes(row: &mut Row, state: &State, geometry: Geometry) {
    let display = row.view.genes;
    let extra = usize::try_from(row.extra_lines.max(0)).unwrap_or(0);
    let max_lanes = match display {
        GeneDisplay::Collapsed => geometry.max_lanes + extra,
        GeneDisplay::Packed => MOST_TRANSCRIPTS.max(geometry.max_lanes) + extra,
        GeneDisplay::Squished => 2 * (MOST_TRANSCRIPTS.max(geometry.max_lanes) + extra),
    };
    let geometry = Geometry { max_lanes, ..geometry };
    let mut shapes: Vec<GeneShape> = Vec::new();
    for (id, gene) in state.session.genome.genes.overlapping(&state.region) {
        let shape = |transcript: &crate::genome::Transcript, name: &str| GeneShape {
            gene: id,
            start: transcript.start,
            end: transcript.end,
            exons: transcript.exons.clone(),
            cds: transcript.cds,
            strand: gene.strand,
            name: name.to_owned(),
            label: None,
            is_current: Some(id) == state.gene,
        };
        match display {
            GeneDisplay::Collapsed => shapes.push(shape(gene.transcript(state.session.genome.tss), &gene.name)),
            GeneDisplay::Packed => shapes.extend(gene.transcripts.iter().map(|t| match gene.transcripts.len() {
                1 => shape(t, &gene.name),
                _ => shape(t, &format!("{} {}", gene.name, t.id)),
            })),
            GeneDisplay::Squished => shapes.extend(gene.transcripts.iter().map(|t| shape(t, ""))),
        }
    }
    let x = |position: u64| column_of(&state.region, geometry.n_columns, position as f64);
    let body = |s: &GeneShape| (x(s.start), x(s.end), s.name.clone(), s.is_current);
    let bodies: Vec<_> = shapes.iter().map(body).collect();
    let bodies: Vec<Body<'_>> =
        bodies.iter().map(|(from, to, name, is_current)| Body { from: *from, to: *to, name, is_current: *is_current }).collect();
    let places = pack(&bodies, geometry);
    let mut lanes: Vec<Vec<GeneShape>> = Vec::new();
    let mut left_out = 0;
    for (shape, place) in shapes.into_iter().zip(places) {
        let Some((lane, label)) = place else {
            left_out += 1;
            continue;
        };
        lanes.resize_with(lanes.len().max(lane + 1), Vec::new);
        lanes[lane].push(GeneShape { label, ..shape });
    }
    if left_out > 0 {
        row.detail = format!("{left_out} not drawn");
    }
    row.plot = Plot::Genes(lanes);
}

/// Intervals of a track in view.
pub(super) fn fill(row: &mut Row, state: &State, geometry: Geometry, track: TrackId) {
    let features = match state.features.get(&track) {
        None => return,
        Some(Err(reason)) => return row.plot = Plot::Message(reason.clone()),
        Some(Ok(features)) => features,
    };
    let info = &state.session.tracks[track.0];
    let role = match info.format.as_str() {
        "epd" => "promoter",
        "genehancer" => "enhancer",
        "gtf" | "gff3" => "gene",
        _ => "peak",
    };
    fill_features(row, state, geometry, features, role);
}

/// Seqlets of the mutagenesis in view.
pub(super) fn fill_seqlets(row: &mut Row, state: &State, geometry: Geometry) {
    if let Some(obstacle) = state.obstacle() {
        return model_rows::without_result(row, obstacle);
    }
    let (drawn, state_of_row) = state.explained.drawn_seqlets();
    let Some(seqlets) = drawn else { return model_rows::without_result(row, state_of_row) };
    fill_features(row, state, geometry, seqlets, "peak");
    let motifs = state.session.genome.motifs.as_deref().and_then(std::path::Path::file_name);
    let motifs = motifs.map_or_else(|| "bundled motifs".into(), |name| name.to_string_lossy());
    row.detail = format!("{} · of ISM · named by {motifs}, q < 0.05", row.detail);
    row.state = Some(state_of_row);
}

/// What a model attends to together over samples, as arcs.
pub(super) fn fill_links(row: &mut Row, state: &State, geometry: Geometry, found: &GeneCores) {
    fill_features(row, state, geometry, &found.links, "peak");
    let cores = &found.cores;
    let said =
        format!("{} COREs, {} of {} pairs linked (q < {LEVEL})", cores.cores.len(), cores.called().count(), cores.links.len());
    if found.links.is_empty() {
        row.plot = Plot::Note(said);
    } else {
        row.detail = format!("{} · {said}", row.detail);
    }
}

fn fill_features(row: &mut Row, state: &State, geometry: Geometry, features: &Features, role: &str) {
    let current = state.current_gene().map(|g| g.name.as_str());
    let is_current = |feature: &Feature| feature.genes.iter().any(|(gene, _)| Some(gene.as_str()) == current);
    let shape = |feature: &Feature| IntervalShape {
        start: feature.start,
        end: feature.end,
        name: name_in(feature, &state.region.chrom),
        label: None,
        strand: feature.strand,
        is_current: is_current(feature),
        colour: feature.colour.map(|[r, g, b]| Rgb(r, g, b)),
        parts: match feature.link.as_ref().filter(|link| link.there.chrom == state.region.chrom) {
            Some(link) => vec![link.here, (link.there.start, link.there.end)],
            None => feature.blocks.clone(),
        },
    };
    fill_intervals(row, &state.region, geometry, features.overlapping(&state.region).map(shape), role);
}

/// Where a sequence pattern stands, named by its strand.
pub(super) fn fill_pattern(row: &mut Row, state: &State, geometry: Geometry, index: usize) {
    if state.region.len() > crate::state::MOST_SEARCHED {
        return row.plot = Plot::Note("zoom in to less than 2 Mb to search the sequence".to_owned());
    }
    let Some(pattern) = state.patterns.get(index) else { return };
    let Some((_, found)) = state.occurrences.get(&pattern.to_string()) else { return };
    match found {
        Err(reason) => row.plot = Plot::Message(reason.clone()),
        Ok(found) => {
            let shape = |&(start, strand): &(u64, Strand)| IntervalShape {
                start,
                end: start + pattern.len() as u64,
                name: strand.to_string(),
                label: None,
                strand: Some(strand),
                is_current: false,
                colour: None,
                parts: Vec::new(),
            };
            let in_view = found.iter().map(shape).filter(|s| s.start < state.region.end && state.region.start < s.end);
            fill_intervals(row, &state.region, geometry, in_view, "peak");
        }
    }
}

/// Regions of interest with their notes.
pub(super) fn fill_regions(row: &mut Row, state: &State, geometry: Geometry) {
    let shapes = state.regions.iter().filter(|r| r.region.overlaps(&state.region)).map(|r| IntervalShape {
        start: r.region.start,
        end: r.region.end,
        name: r.note.clone(),
        label: None,
        strand: None,
        is_current: false,
        colour: None,
        parts: Vec::new(),
    });
    fill_intervals(row, &state.region, geometry, shapes, "accent");
}

fn fill_intervals(row: &mut Row, region: &Region, geometry: Geometry, shapes: impl Iterator<Item = IntervalShape>, role: &str) {
    let x = |position: u64| column_of(region, geometry.n_columns, position as f64);
    // Past one interval a column nothing more can be told apart.
    let in_view: Vec<_> = shapes.take(geometry.n_columns * geometry.max_lanes + 1).collect();
    let body = |s: &IntervalShape| (x(s.start), x(s.end), s.name.clone(), s.is_current);
    let bodies: Vec<_> = in_view.iter().map(body).collect();
    let bodies: Vec<Body<'_>> =
        bodies.iter().map(|(from, to, name, is_current)| Body { from: *from, to: *to, name, is_current: *is_current }).collect();
    let mut lanes: Vec<Vec<IntervalShape>> = Vec::new();
    let mut left_out = 0_usize;
    let n_in_view = in_view.len();
    let places = pack(&bodies, geometry);
    for (shape, place) in in_view.into_iter().zip(places) {
        let Some((lane, label)) = place else {
            left_out += 1;
            continue;
        };
        lanes.resize_with(lanes.len().max(lane + 1), Vec::new);
        lanes[lane].push(IntervalShape { label, ..shape });
    }
    row.detail = match (n_in_view, left_out) {
        (0, _) => "none here".to_owned(),
        (n, 0) => format!("{n} here"),
        (n, left_out) => format!("{n} here, {left_out} not drawn"),
    };
    row.plot = Plot::Intervals(lanes, role.to_owned());
}

/// What is edited, in lanes; what changes the answer shown is bold.
pub(super) fn fill_edits(row: &mut Row, state: &State, geometry: Geometry) {
    let in_view: Vec<&Edit> = state.edits.iter().filter(|edit| at_least_a_base(&edit.region).overlaps(&state.region)).collect();
    let x = |position: u64| column_of(&state.region, geometry.n_columns, position as f64);
    let labels: Vec<String> = in_view.iter().map(|edit| edit.label()).collect();
    let is_read = |edit: &Edit| state.subject().is_some_and(|subject| subject.edits.contains(edit));
    let body = |(edit, name): (&&Edit, &'_ String)| {
        let region = at_least_a_base(&edit.region);
        (x(region.start), x(region.end), name.clone(), is_read(edit))
    };
    let spans: Vec<(f64, f64, String, bool)> = in_view.iter().zip(&labels).map(body).collect();
    let bodies: Vec<Body<'_>> =
        spans.iter().map(|(from, to, name, is_current)| Body { from: *from, to: *to, name, is_current: *is_current }).collect();
    let mut lanes: Vec<Vec<IntervalShape>> = Vec::new();
    for ((edit, shape), place) in in_view.iter().zip(&spans).zip(pack(&bodies, geometry)) {
        let Some((lane, label)) = place else { continue };
        let region = at_least_a_base(&edit.region);
        lanes.resize_with(lanes.len().max(lane + 1), Vec::new);
        let (name, is_current) = (shape.2.clone(), shape.3);
        let (start, end) = (region.start, region.end);
        lanes[lane].push(IntervalShape { start, end, name, label, strand: None, is_current, colour: None, parts: Vec::new() });
    }
    row.detail = match (state.edits.len(), in_view.len()) {
        (n, 0) => format!("{n}, none in view"),
        (n, here) if n == here => format!("{n} here"),
        (n, here) => format!("{here} of {n} in view"),
    };
    row.plot = Plot::Intervals(lanes, "busy".to_owned());
}

/// What is put in between two bases is drawn at the one after it.
fn at_least_a_base(region: &Region) -> Region {
    Region::new(region.chrom.clone(), region.start, region.end.max(region.start + 1))
}

/// A feature's name; of an arc that leaves the chromosome with where it goes.
fn name_in(feature: &Feature, chrom: &str) -> String {
    match feature.link.as_ref().filter(|link| link.there.chrom.as_ref() != chrom) {
        Some(link) => format!("{} \u{2192} {}", feature.name, link.there).trim_start().to_owned(),
        None => feature.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault 8 of a peer and a wish of many users: the name of a gene that is wider than the view.
    #[test]
    fn a_gene_wider_than_the_view_keeps_its_name_on_the_screen() {
        let mut packing = Packing::new(Geometry { n_columns: 80, char_columns: 1.0, max_lanes: 2 });
        assert_eq!(packing.place(-500.0, 900.0, "DMD"), Some((0, Some(3.0))), "both ends of the body are seen");
        assert_eq!(packing.place(-500.0, 2.0, "LONG-NAME"), Some((1, Some(3.0))), "room at its right");
        assert_eq!(packing.place(4.0, 8.0, ""), None, "no lane left");
    }

    #[test]
    fn nothing_overlaps_in_a_lane_not_even_labels() {
        let geometry = Geometry { n_columns: 80, char_columns: 1.0, max_lanes: 4 };
        let mut packing = Packing::new(geometry);
        let bodies =
            [(0.0, 10.0, "JAK2"), (5.0, 9.0, "INSL6"), (12.0, 14.0, "RP11-39"), (13.0, 40.0, "MTRP1"), (70.0, 90.0, "EDGE")];
        let mut spans: Vec<Vec<(f64, f64)>> = vec![Vec::new(); 4];
        for (from, to, name) in bodies {
            let (lane, label) = packing.place(from, to, name).unwrap();
            let body = (from, to.min(80.0));
            let text = label.map(|l| (l, l + name.len() as f64));
            for span in [Some(body), text].into_iter().flatten() {
                assert!(span.0 >= 0.0 && span.1 <= 80.0, "{name} leaves the plot: {span:?}");
                assert!(spans[lane].iter().all(|s| span.1 <= s.0 || s.1 <= span.0), "{name} overlaps in lane {lane}");
            }
            spans[lane].push(body);
            spans[lane].extend(text);
        }
    }

    #[test]
    fn where_it_is_crowded_bodies_come_before_labels() {
        let geometry = Geometry { n_columns: 80, char_columns: 1.0, max_lanes: 3 };
        let bodies: Vec<Body<'_>> = (0..20)
            .map(|i| f64::from(i) * 4.0)
            .map(|from| Body { from, to: from + 1.5, name: "GH08J127735", is_current: from == 40.0 })
            .collect();
        let placed = pack(&bodies, geometry);
        assert!(placed.iter().all(Option::is_some), "no body is left out for a label: {placed:?}");
        assert!(placed[10].is_some_and(|(_, label)| label.is_some()), "the current one keeps its label: {placed:?}");
        let mut spans: Vec<(usize, f64, f64)> = Vec::new();
        for (body, (lane, label)) in bodies.iter().zip(placed.into_iter().flatten()) {
            for (from, to) in [Some((body.from, body.to)), label.map(|l| (l, l + 11.0))].into_iter().flatten() {
                assert!(spans.iter().all(|&(l, a, b)| l != lane || to <= a || b <= from), "{from} to {to} in lane {lane}");
                spans.push((lane, from, to));
            }
        }
        // Deeper than there are lanes: what cannot be seen is counted by who asks.
        let deep: Vec<Body<'_>> = (0..5).map(|_| Body { from: 0.0, to: 80.0, name: "x", is_current: false }).collect();
        assert_eq!(pack(&deep, geometry).iter().flatten().count(), 3);
    }
}
