//! Attributions kept on disk from one run to the next: one file each, checked on reading, the oldest removed when they grow too
//! many. What cannot be read is computed again.

use crate::attribution::{Attribution, method};
use crate::tracks::{TrackError, write_whole};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Changes whenever a kernel or the form of a file does, so that no older result is taken for a new one.
const FORM: &str = concat!("3 cislens ", env!("CARGO_PKG_VERSION"));
const EXTENSION: &str = "attribution";
/// No attribution is larger; a longer file is not ours.
const MAX_BYTES: u64 = 256 << 20;
const DIGEST_BYTES: usize = 32;
/// More files make a folder slow.
const MOST_ENTRIES: usize = 50_000;

/// What an attribution depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoreKey {
    /// Everything `model.toml` says, with the hash of the weights.
    pub(super) model: String,
    pub(super) input_hash: String,
    pub(super) method: String,
    /// The method's options in words.
    pub(super) options: String,
}

#[derive(Serialize, Deserialize)]
struct Record<T> {
    form: String,
    key: StoreKey,
    attribution: T,
}

/// A folder of attributions.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    budget: u64,
    /// What it holds, about, once it was looked through: other programs add to it, too.
    held: Arc<Mutex<Option<StoreInfo>>>,
}

/// What a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreInfo {
    /// Attributions.
    pub entries: usize,
    /// Bytes of their files.
    pub bytes: u64,
}

impl Store {
    /// The store in `folder`, made where it is not there, of at most about `budget` bytes.
    ///
    /// # Errors
    /// Where the folder cannot be made.
    pub fn open(folder: &Path, budget: u64) -> std::io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned(), budget, held: Arc::default() })
    }

    /// The stored attribution and when it was computed; `None` where there is none or its file is damaged.
    pub(super) fn get(&self, key: &StoreKey) -> Option<(Attribution, SystemTime)> {
        let path = self.path_of(key);
        let metadata = fs::metadata(&path).ok().filter(|m| m.is_file() && m.len() <= MAX_BYTES)?;
        let modified = metadata.modified().ok()?;
        let bytes = fs::read(&path).ok()?;
        let (digest, content) = bytes.split_at_checked(DIGEST_BYTES)?;
        if Sha256::digest(content).as_slice() != digest {
            return None;
        }
        let Record { form, key: found, attribution }: Record<Attribution> = postcard::from_bytes(content).ok()?;
        let method = method(&key.method)?.name();
        (form == FORM && found == *key).then_some((Attribution { method, ..attribution }, modified))
    }

    /// Keeps a whole attribution, and removes the oldest ones where the store has outgrown its budget.
    pub(super) fn put(&self, key: &StoreKey, attribution: &Attribution) -> Result<(), TrackError> {
        let path = self.path_of(key);
        let record = Record { form: FORM.to_owned(), key: key.clone(), attribution };
        let content = postcard::to_allocvec(&record).map_err(|e| TrackError::io(&path, std::io::Error::other(e)))?;
        write_whole(&path, |out| {
            let written = out.write_all(&Sha256::digest(&content)).and_then(|()| out.write_all(&content));
            written.map_err(|e| TrackError::io(&path, e))
        })?;
        let bytes = (DIGEST_BYTES + content.len()) as u64;
        self.keep_to_budget(&path, bytes);
        Ok(())
    }

    /// How much is stored.
    pub fn info(&self) -> StoreInfo {
        self.files()
            .iter()
            .fold(StoreInfo::default(), |info, file| StoreInfo { entries: info.entries + 1, bytes: info.bytes + file.bytes })
    }

    /// Removes everything stored.
    ///
    /// # Errors
    /// Where a file cannot be removed.
    pub fn clear(&self) -> std::io::Result<StoreInfo> {
        let info = self.info();
        for file in self.files() {
            match fs::remove_file(&file.path) {
                // Another program removed it first.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(info)
    }

    fn path_of(&self, key: &StoreKey) -> PathBuf {
        let text = format!("{FORM}\n{}\n{}\n{}\n{}", key.model, key.input_hash, key.method, key.options);
        let name: String = Sha256::digest(text.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(name).with_extension(EXTENSION)
    }

    fn files(&self) -> Vec<StoredFile> {
        let Ok(folder) = fs::read_dir(&self.folder) else { return Vec::new() };
        let file = |entry: fs::DirEntry| {
            let (path, metadata) = (entry.path(), entry.metadata().ok()?);
            let is_ours = path.extension().is_some_and(|e| e == EXTENSION) && metadata.is_file();
            is_ours.then(|| Some(StoredFile { path, bytes: metadata.len(), modified: metadata.modified().ok()? }))?
        };
        folder.flatten().filter_map(file).collect()
    }

    /// Looks through the folder at the first new file and where there are too many, not at every one. Files of one moment are in no
    /// order: the one just written is never among those removed.
    fn keep_to_budget(&self, newest: &Path, bytes: u64) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let now = held.map_or_else(|| self.info(), |held| StoreInfo { entries: held.entries + 1, bytes: held.bytes + bytes });
        *held = Some(now);
        if now.bytes <= self.budget && now.entries <= MOST_ENTRIES {
            return;
        }
        let mut files = self.files();
        let mut left = StoreInfo { entries: files.len(), bytes: files.iter().map(|file| file.bytes).sum() };
        files.sort_by_key(|file| file.modified);
        for file in files.into_iter().filter(|file| file.path != newest) {
            // Some room below the budget, so that not every new result looks through the folder.
            if left.bytes <= self.budget / 10 * 9 && left.entries <= MOST_ENTRIES / 10 * 9 {
                break;
            }
            // Another run may have removed it already.
            let _ = fs::remove_file(&file.path);
            left = StoreInfo { entries: left.entries - 1, bytes: left.bytes - file.bytes };
        }
        *held = Some(left);
    }
}

struct StoredFile {
    path: PathBuf,
    bytes: u64,
    modified: SystemTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(input: &str) -> StoreKey {
        StoreKey { model: "m".into(), input_hash: input.into(), method: "occlusion".into(), options: "o".into() }
    }

    fn attribution() -> Attribution {
        let mut result = Attribution { method: "occlusion", settings: "zero".to_owned(), score: 1.5, ..Attribution::default() };
        result.marks = Some((0..1_000).map(|i| if i == 7 { f32::NAN } else { i as f32 * 0.1 }).collect());
        result.sequence = Some(vec![[0.0, -1.5, f32::NAN, 2.5]; 10]);
        (result.delta, result.gap, result.done, result.total) = (Some(-1e-9), None, 5, 5);
        result
    }

    #[test]
    fn what_was_stored_comes_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("new"), 1 << 20).unwrap();
        assert!(store.get(&key("a")).is_none());
        store.put(&key("a"), &attribution()).unwrap();
        let (found, _) = store.get(&key("a")).unwrap();
        // NaN is not equal to itself; its digits are.
        assert_eq!(format!("{found:?}"), format!("{:?}", attribution()));
        assert!(store.get(&key("b")).is_none());
        assert_eq!(store.info().entries, 1);
        assert_eq!(store.clear().unwrap().entries, 1);
        assert_eq!(store.info(), StoreInfo::default());
    }

    #[test]
    fn a_damaged_file_is_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), 1 << 20).unwrap();
        store.put(&key("a"), &attribution()).unwrap();
        let path = store.path_of(&key("a"));
        let whole = fs::read(&path).unwrap();
        for cut in [0, 10, DIGEST_BYTES, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..cut]).unwrap();
            assert!(store.get(&key("a")).is_none(), "cut at {cut}");
        }
        let mut turned = whole.clone();
        turned[DIGEST_BYTES + 100] ^= 1;
        fs::write(&path, &turned).unwrap();
        assert!(store.get(&key("a")).is_none());
        // Another key's file under this one's name.
        store.put(&key("b"), &attribution()).unwrap();
        fs::copy(store.path_of(&key("b")), &path).unwrap();
        assert!(store.get(&key("a")).is_none());
        fs::write(&path, &whole).unwrap();
        assert!(store.get(&key("a")).is_some());
    }

    #[test]
    fn it_stays_within_its_budget() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), 20_000).unwrap();
        fs::write(folder.path().join("somebody-elses.txt"), [0; 50_000]).unwrap();
        for i in 0..20 {
            store.put(&key(&i.to_string()), &attribution()).unwrap();
            assert!(store.info().bytes <= 20_000);
        }
        assert!(store.info().entries >= 3);
        assert!(store.get(&key("19")).is_some(), "the newest is kept");
        assert!(folder.path().join("somebody-elses.txt").exists());
    }
}
