//! The session's networks as one worker holds them: loaded when first asked for, read again where their files were replaced.

use super::{LoadModel, contained};
use crate::models::Model;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// A network, and what its files looked like when it was read.
struct Loaded {
    model: Result<Arc<dyn Model>, String>,
    stamp: Stamp,
}

/// Length and time of a model's files; another one means they were replaced.
type Stamp = Vec<Option<(u64, SystemTime)>>;

/// The networks.
pub(super) struct Shelf<'a> {
    pub(super) folders: &'a [PathBuf],
    pub(super) load: &'a LoadModel,
    loaded: HashMap<usize, Loaded>,
}

impl<'a> Shelf<'a> {
    pub(super) fn new(folders: &'a [PathBuf], load: &'a LoadModel) -> Self {
        Self { folders, load, loaded: HashMap::new() }
    }

    /// The network of an index, and whether its files were replaced since it was last asked for.
    pub(super) fn model(&mut self, index: usize) -> (Result<Arc<dyn Model>, String>, bool) {
        let Some(folder) = self.folders.get(index) else { return (Err(format!("no model {index}")), false) };
        let stamp = stamp_of(folder);
        let before = self.loaded.get(&index);
        if let Some(loaded) = before.filter(|loaded| loaded.stamp == stamp) {
            return (loaded.model.clone(), false);
        }
        let is_replaced = before.is_some();
        let load = self.load;
        let model = contained(|| load(folder)).and_then(|r| r).map(Arc::from);
        self.loaded.insert(index, Loaded { model: model.clone(), stamp });
        (model, is_replaced)
    }
}

fn stamp_of(folder: &Path) -> Stamp {
    let of = |path: PathBuf| std::fs::metadata(path).ok().and_then(|m| Some((m.len(), m.modified().ok()?)));
    crate::models::FILES.iter().map(|name| of(folder.join(name))).collect()
}
