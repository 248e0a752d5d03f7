//! The seqlets of a mutagenesis as intervals.

use crate::attribution::{Attribution, MutagenesisView};
use crate::genome::ChromSizes;
use crate::models::Input;
use crate::motifs::{Collection, call_seqlets};
use crate::tracks::{Feature, Features};

/// Motifs that resemble a seqlet less than this are not its name.
const LARGEST_Q: f64 = 0.05;

/// Spans of high effect in a whole mutagenesis, each named by the motif it resembles most. `None` where `go_on` said no.
pub fn seqlets_of(
    ism: &Attribution,
    input: &Input,
    motifs: &Collection,
    chroms: &ChromSizes,
    go_on: &dyn Fn() -> bool,
) -> Option<Features> {
    let (deltas, reference) = (ism.sequence.as_deref().unwrap_or_default(), ism.reference.as_deref().unwrap_or_default());
    let effects = MutagenesisView::Mean3.values(deltas, reference);
    let called = call_seqlets(&input.window, reference, &effects, motifs, go_on)?;
    let features = called.into_iter().map(|seqlet| {
        let name = seqlet.motif.filter(|(_, q)| *q < LARGEST_Q).map(|(name, _)| name);
        let feature = Feature {
            start: seqlet.region.start,
            end: seqlet.region.end,
            name: name.unwrap_or_default(),
            score: Some(seqlet.seqlet.attribution as f32),
            ..Feature::default()
        };
        (seqlet.region.chrom.to_string(), feature)
    });
    Some(Features::new(features, chroms))
}
