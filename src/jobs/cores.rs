//! The elements of a gene that a network attends to together over samples.

use super::Subject;
use crate::genome::{ChromSizes, Region, Window};
use crate::models::{Model, samples_that_feed};
use crate::regulation::attention::region_of;
use crate::regulation::cores::{Cores, DEFAULT_SEED, PROCEDURES, Samples};
use crate::regulation::over_samples::attention_over_samples;
use crate::session::{Readers, SampleId};
use crate::tracks::{Feature, Features, Link};
use std::sync::Arc;

/// A gene's attention over samples, and what is attended to together.
#[derive(Clone, Debug)]
pub struct GeneCores {
    /// The samples that can feed the model.
    pub samples: Vec<SampleId>,
    /// `[samples][bins]`.
    pub attention: Vec<Vec<f32>>,
    /// Blocks of bins, how they correlate, and the sets of them that are linked.
    pub cores: Cores,
    /// Samples that attend to two blocks and more of each CORE, by their place among `samples`.
    pub members: Vec<Vec<usize>>,
    /// The genome under each block.
    pub places: Vec<Region>,
    /// Links as pairs of places.
    pub links: Arc<Features>,
}

/// Finds the COREs of a subject's gene as `cislens cores` does by default, whatever its sample and edits; `None` where that is no
/// longer wanted.
///
/// # Errors
/// Where the samples cannot be read or are too few, or the network has not one attention over bins.
pub fn gene_cores(
    model: &dyn Model,
    subject: &Subject,
    readers: &mut Readers,
    is_current: &dyn Fn() -> bool,
) -> Result<Option<GeneCores>, String> {
    let session = readers.session().clone();
    let samples = samples_that_feed(&session, model.manifest());
    let read = attention_over_samples(model, &samples, &subject.window, readers, &|_| (), is_current)?;
    let Some(read) = read else { return Ok(None) };
    let cores = (PROCEDURES[0].find)(&read, &[], DEFAULT_SEED).map_err(|e| e.to_string())?;
    Ok(Some(GeneCores::new(samples, read, cores, &subject.window, &session.genome.chroms)))
}

impl GeneCores {
    /// What was found in the attention to a window, with its places in the genome.
    pub fn new(samples: Vec<SampleId>, read: Samples, cores: Cores, window: &Window, genome: &ChromSizes) -> Self {
        let members = (0..cores.cores.len()).map(|core| cores.members(core, &read)).collect();
        let places: Vec<Region> = cores.blocks.iter().map(|block| region_of(window, &block.reach)).collect();
        let core_of = |block: usize| cores.cores.iter().position(|core| core.contains(&block)).map_or(0, |core| core + 1);
        let links = cores.called().map(|link| {
            let (a, b) = (&places[link.first], &places[link.second]);
            let (left, right) = if a.start <= b.start { (a, b) } else { (b, a) };
            let feature = Feature {
                start: left.start,
                end: right.end.max(left.end),
                name: format!("CORE {} r {:.2}", core_of(link.first), link.r),
                score: Some(link.r as f32),
                link: Some(Box::new(Link { here: (left.start, left.end), there: right.clone() })),
                ..Feature::default()
            };
            (window.chrom().to_string(), feature)
        });
        let links = Arc::new(Features::new(links, genome));
        Self { samples, attention: read.attention, members, places, links, cores }
    }
}
