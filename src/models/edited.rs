//! A network's input with edits: signals and bases are changed where they are read, before bins, transforms and orientation, so
//! that an edited window is what the network would read of an edited genome.
//!
//! Bases that are put in or taken out move those beyond them, on the side away from the gene: the base at the anchor of a stretch
//! (the TSS; the TTS of a second stretch) stays at its index, and the genome goes on where the window would run short. Where the
//! anchor itself is taken out, what lies upstream of the cut stays. Signals stay at their positions: they were measured on the
//! reference, and nothing says what they would be on another sequence.

use super::{InputSource, Manifest, ModelError, SampleSource, TfSpec};
use crate::genome::{Strand, Stretch, Window};
use crate::session::{Change, Edit, Readers, SampleId};

/// One sample's signals and the reference with edits, read for one network.
pub struct EditedSource<'a> {
    readers: &'a mut Readers,
    sample: SampleId,
    manifest: &'a Manifest,
    window: &'a Window,
    edits: &'a [Edit],
}

impl<'a> EditedSource<'a> {
    /// Reads `window` of `sample` with `edits` for the network of `manifest`.
    pub fn new(
        readers: &'a mut Readers,
        sample: SampleId,
        manifest: &'a Manifest,
        window: &'a Window,
        edits: &'a [Edit],
    ) -> Self {
        Self { readers, sample, manifest, window, edits }
    }

    fn source(&mut self) -> SampleSource<'_> {
        SampleSource::new(self.readers, self.sample, self.manifest)
    }
}

impl InputSource for EditedSource<'_> {
    fn mark(&mut self, mark: &str, stretch: &Stretch) -> Result<Vec<f32>, ModelError> {
        let mut values = self.source().mark(mark, stretch)?;
        for edit in self.edits.iter().filter(|edit| edit.mark() == Some(mark) && edit.region.chrom == stretch.chrom) {
            let other = match &edit.change {
                Change::Swap(_, sample) => {
                    let id = self.readers.session().samples.iter().position(|s| s.name == *sample);
                    let id = id.ok_or_else(|| ModelError::Input(format!("{edit}: no sample \"{sample}\"")))?;
                    Some(SampleSource::new(self.readers, SampleId(id), self.manifest).mark(mark, stretch)?)
                }
                _ => None,
            };
            edit_signal(edit, stretch.start, &mut values, other.as_deref());
        }
        Ok(values)
    }

    fn bases(&mut self, stretch: &Stretch) -> Result<Vec<u8>, ModelError> {
        let reach = reach(self.edits);
        let wide = Stretch { start: stretch.start - reach as i64, len: stretch.len + 2 * reach, ..stretch.clone() };
        let read = self.source().bases(&wide)?;
        let anchor = anchor(self.manifest, self.window, stretch);
        edited_bases(&read, wide.start, stretch, anchor, self.edits).map_err(ModelError::Input)
    }

    fn tf_expression(&mut self, tfs: &TfSpec) -> Result<Vec<f32>, ModelError> {
        self.source().tf_expression(tfs)
    }

    fn motif_scores(&mut self, tfs: &TfSpec, sequence: &[u8]) -> Result<Vec<f32>, ModelError> {
        self.source().motif_scores(tfs, sequence)
    }
}

/// Changes the values of a mark, one a base from `from` on; `other` are those of another sample where the edit swaps.
pub fn edit_signal(edit: &Edit, from: i64, values: &mut [f32], other: Option<&[f32]>) {
    let index = |position: u64| (position as i64 - from).clamp(0, values.len() as i64) as usize;
    let span = index(edit.region.start)..index(edit.region.end);
    match (&edit.change, other) {
        (Change::Paint(_, value), _) => values[span].fill(value.get()),
        (Change::Scale(_, factor), _) => values[span].iter_mut().for_each(|v| *v *= factor.get()),
        (Change::Swap(..), Some(other)) => values[span.clone()].copy_from_slice(&other[span]),
        (Change::Swap(..), None) | (Change::Bases { .. }, _) => {}
    }
}

/// Bases that have to be read beyond a stretch on both sides, so that it can be filled however much is taken out.
pub fn reach(edits: &[Edit]) -> u64 {
    edits.iter().map(|edit| (-edit.growth()).max(0) as u64).sum()
}

/// The genome position of the base of `stretch` that stays at its index whatever is put in or taken out.
pub fn anchor(manifest: &Manifest, window: &Window, stretch: &Stretch) -> i64 {
    let is_first = window.stretches().next() == Some(stretch);
    match manifest.window.tts.filter(|_| !is_first) {
        Some(tts) => stretch.position(tts.index),
        None => stretch.position(manifest.window.tss_index),
    }
}

/// The bases of `stretch` in genome order with edits; `read` are those of the reference from `from` on, [`reach`] bases more on both
/// sides.
///
/// # Errors
/// Where the reference has other bases than an edit says, or two edits change the same ones.
pub fn edited_bases(read: &[u8], from: i64, stretch: &Stretch, anchor: i64, edits: &[Edit]) -> Result<Vec<u8>, String> {
    let mut replacements: Vec<Replacement<'_>> = Vec::new();
    for edit in edits.iter().filter(|edit| edit.region.chrom == stretch.chrom) {
        let Change::Bases { reference, to } = &edit.change else { continue };
        let (start, end) = (edit.region.start as i64, edit.region.end as i64);
        let is_read = from <= start && end <= from + read.len() as i64;
        if let Some(reference) = reference.as_ref().filter(|_| is_read) {
            check_reference(edit, reference, &slice(read, from, start, end))?;
        }
        replacements.push(Replacement { start, end, to: to.as_bytes() });
    }
    replacements.sort_by_key(|r| (r.start, r.end));
    if replacements.windows(2).any(|pair| pair[1].start < pair[0].end) {
        return Err("two edits change the same bases".to_owned());
    }
    // What lies left of this boundary keeps its place against the stretch's start, what lies right of it against its end. Bases
    // put in beside the anchor go to the side upstream of it.
    let is_reverse = stretch.strand == Strand::Reverse;
    let boundary = if is_reverse { anchor + 1 } else { anchor };
    let holder = replacements.iter().find(|r| r.start < boundary && boundary < r.end);
    let boundary = holder.map_or(boundary, |r| if is_reverse { r.end } else { r.start });
    let is_left = |r: &&Replacement<'_>| {
        if r.start == r.end { r.end < boundary || (r.end == boundary && !is_reverse) } else { r.end <= boundary }
    };

    let needed = (boundary - stretch.start).max(0) as usize;
    let mut left: Vec<u8> = Vec::with_capacity(needed); // from the boundary outwards
    let mut at = boundary;
    for r in replacements.iter().filter(is_left).rev() {
        left.extend(slice(read, from, r.end, at).iter().rev());
        left.extend(r.to.iter().rev());
        at = r.start;
    }
    let short = needed.saturating_sub(left.len()) as i64;
    left.extend(slice(read, from, at - short, at).iter().rev());
    left.truncate(needed);

    let needed = (stretch.end() - boundary).max(0) as usize;
    let mut right: Vec<u8> = Vec::with_capacity(needed);
    let mut at = boundary;
    for r in replacements.iter().filter(|r| !is_left(r)) {
        right.extend(slice(read, from, at, r.start).iter());
        right.extend(r.to);
        at = r.end;
    }
    let short = needed.saturating_sub(right.len()) as i64;
    right.extend(slice(read, from, at, at + short));
    right.truncate(needed);
    left.reverse();
    left.append(&mut right);
    // An anchor outside the stretch leaves one side longer than it.
    let surplus = left.len().saturating_sub(stretch.len as usize);
    Ok(if boundary < stretch.start { left.split_off(surplus) } else { left.drain(..stretch.len as usize).collect() })
}

struct Replacement<'a> {
    start: i64,
    end: i64,
    to: &'a [u8],
}

/// The bases from `start` to `end`, `N` beyond what was read.
fn slice(read: &[u8], from: i64, start: i64, end: i64) -> Vec<u8> {
    let base = |p: i64| usize::try_from(p - from).ok().and_then(|i| read.get(i)).copied().unwrap_or(b'N');
    (start..end.max(start)).map(base).collect()
}

/// That the reference has the bases an edit says are there, where it says any: `bases` reads them.
///
/// # Errors
/// Where it has others.
pub fn check_edit(edit: &Edit, bases: impl FnOnce() -> Option<Vec<u8>>) -> Result<(), String> {
    let Change::Bases { reference: Some(reference), .. } = &edit.change else { return Ok(()) };
    bases().map_or(Ok(()), |there| check_reference(edit, reference, &there))
}

/// The bases that an edit says are there must be those that were read. What lies beyond them is beyond the window, and changes nothing.
fn check_reference(edit: &Edit, reference: &str, there: &[u8]) -> Result<(), String> {
    const SHOWN: usize = 40;
    if there.iter().zip(reference.bytes()).all(|(&there, said)| there == said || said == b'N') {
        return Ok(());
    }
    let there: String = String::from_utf8_lossy(there).chars().take(SHOWN).collect();
    Err(format!("{edit}: the reference has {there} there"))
}

/// Why an edit changes nothing of what a network reads in a window; `None` where it may.
pub fn edit_obstacle(edit: &Edit, manifest: &Manifest, window: &Window, edits: &[Edit]) -> Option<String> {
    let name = &manifest.name;
    match edit.mark() {
        None if manifest.input.sequence.is_none() => return Some(format!("{name} reads no DNA")),
        Some(mark) if !manifest.input.marks.iter().any(|m| m == mark) => {
            return Some(format!("{name} does not read {mark}"));
        }
        _ => {}
    }
    // What is taken out lets the genome beyond the window in, with what is edited there.
    let reach = if edit.mark().is_none() { reach(edits) as i64 } else { 0 };
    let (start, end) = (edit.region.start as i64, edit.region.end.max(edit.region.start + 1) as i64);
    let is_read =
        edit.region.chrom == *window.chrom() && window.stretches().any(|s| start < s.end() + reach && s.start - reach < end);
    (!is_read).then(|| format!("it lies outside the window {name} reads"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::{Region, reverse_complement};
    use crate::session::Amount;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const CHROM: i64 = 400;

    fn chromosome() -> Vec<u8> {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        (0..CHROM).map(|_| b"ACGT"[random.random_range(0..4)]).collect()
    }

    fn edit(start: u64, end: u64, to: &str) -> Edit {
        Edit::bases(Region::new("c", start, end), None, to.as_bytes())
    }

    /// The window of 100 bases with the anchor at index 40, of `bases` with `edits`, in genome order.
    fn window(bases: &[u8], anchor: u64, strand: Strand, edits: &[Edit]) -> Result<Vec<u8>, String> {
        let stretch = Stretch::around("c", anchor, strand, 40, 100);
        let reach = reach(edits) as i64;
        let (from, to) = (stretch.start - reach, stretch.end() + reach);
        let read: Vec<u8> =
            (from..to).map(|p| usize::try_from(p).ok().and_then(|i| bases.get(i)).copied().unwrap_or(b'N')).collect();
        edited_bases(&read, from, &stretch, anchor as i64, edits)
    }

    /// The chromosome with edits, and where a base of the reference that stays is in it.
    fn edited_chromosome(bases: &[u8], edits: &[Edit], follow: u64) -> (Vec<u8>, i64) {
        let mut edits = edits.to_vec();
        edits.sort_by_key(|e| (e.region.start, e.region.end));
        let mut edited = bases.to_vec();
        let mut at = follow as i64;
        for edit in edits.iter().rev() {
            let Change::Bases { to, .. } = &edit.change else { continue };
            edited.splice(edit.region.start as usize..edit.region.end as usize, to.bytes());
            at += if edit.region.end <= follow { edit.growth() } else { 0 };
        }
        (edited, at)
    }

    #[test]
    fn a_window_is_read_as_of_an_edited_genome_with_the_anchor_at_its_index() {
        let bases = chromosome();
        let cases: [&[Edit]; 7] = [
            &[edit(205, 206, "T")],
            &[edit(180, 190, ""), edit(230, 231, "ACGTACGT")],
            &[edit(170, 170, "GGGGG")],
            &[edit(220, 220, "GGGGG"), edit(221, 225, "")],
            &[edit(150, 195, ""), edit(205, 260, "A")],
            &[edit(0, 150, ""), edit(199, 200, "TTT")],
            &[edit(201, 400, "")],
        ];
        for edits in cases {
            for strand in [Strand::Forward, Strand::Reverse] {
                let found = window(&bases, 200, strand, edits).unwrap();
                // Independently: edit the whole chromosome, and read the window around where the anchor has gone.
                let (edited, at) = edited_chromosome(&bases, edits, 200);
                let expected = window(&edited, at as u64, strand, &[]).unwrap();
                assert_eq!(found.len(), 100);
                assert_eq!(String::from_utf8(found).unwrap(), String::from_utf8(expected).unwrap(), "{edits:?} {strand}");
            }
        }
    }

    #[test]
    fn beside_the_anchor_what_is_put_in_goes_upstream_on_both_strands() {
        let bases = chromosome();
        let twin = reverse_complement(&bases);
        // An anchor at 200 forward is at 199 of the twin; before base 200 of the one is before base 200 of the other.
        for (start, end, to) in [(200, 200, "GATTACA"), (195, 206, ""), (150, 230, ""), (190, 201, "GA")] {
            let here = window(&bases, 200, Strand::Forward, &[edit(start, end, to)]).unwrap();
            let (start, end) = (CHROM as u64 - end, CHROM as u64 - start);
            let to = String::from_utf8(reverse_complement(to.as_bytes())).unwrap();
            let there = window(&twin, 199, Strand::Reverse, &[edit(start, end, &to)]).unwrap();
            assert_eq!(here, reverse_complement(&there), "{start}-{end} {to}");
        }
        let inserted = window(&bases, 200, Strand::Forward, &[edit(200, 200, "GATTACA")]).unwrap();
        assert_eq!(&inserted[33..40], b"GATTACA");
        assert_eq!(inserted[40..], bases[200..260], "the anchor stays, and all downstream of it");
        let cut = window(&bases, 200, Strand::Forward, &[edit(195, 206, "")]).unwrap();
        assert_eq!(cut[..35], bases[160..195], "the anchor is gone: what lies upstream stays");
        assert_eq!(cut[35..], bases[206..271]);
    }

    #[test]
    fn another_base_than_the_edit_says_is_refused() {
        let bases = vec![b'A'; 400];
        let says = |reference: &[u8]| Edit::bases(Region::new("c", 205, 207), Some(reference), b"T");
        assert!(window(&bases, 200, Strand::Forward, &[says(b"AA")]).is_ok());
        let error = window(&bases, 200, Strand::Forward, &[says(b"AC")]).unwrap_err();
        assert_eq!(error, "c:206 AC>T: the reference has AA there");
        assert!(window(&bases, 200, Strand::Forward, &[edit(190, 199, ""), edit(195, 196, "T")]).is_err());
    }

    #[test]
    fn signals_change_over_the_bases_of_the_edit_alone() {
        let region = Region::new("c", 3, 6);
        let change = |change: Change, other: Option<&[f32]>| {
            let mut values = vec![1.0, 2.0, f32::NAN, 4.0];
            edit_signal(&Edit { region: region.clone(), change }, 2, &mut values, other);
            values.iter().map(f32::to_string).collect::<Vec<_>>().join(" ")
        };
        let amount = |x: f32| Amount::new(x).unwrap();
        assert_eq!(change(Change::Paint("m".into(), amount(0.0)), None), "1 0 0 0");
        assert_eq!(change(Change::Scale("m".into(), amount(2.0)), None), "1 4 NaN 8");
        assert_eq!(change(Change::Swap("m".into(), "s".into()), Some(&[9.0, 8.0, 7.0, 6.0])), "1 8 7 6");
    }
}
