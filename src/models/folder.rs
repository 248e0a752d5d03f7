//! A model on disk: a folder with `model.toml` and `model.safetensors`.

use super::{EXTERNAL, External, Manifest, Model, ModelError, TfMotifs, Weights, architecture};
use crate::motifs::{MOTIF_FORMATS, Motif, read_motifs};
use crate::tracks::{TrackError, write_whole};
use candle_core::{DType, Device, Tensor};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

const MANIFEST: &str = "model.toml";
const WEIGHTS: &str = "model.safetensors";
/// Motifs of the transcription factors a network reads, where it reads any.
const MOTIFS: &str = "motifs.homer";
/// The files of a model's folder.
pub const FILES: [&str; 2] = [MANIFEST, WEIGHTS];
const MAX_MANIFEST_BYTES: u64 = 1 << 20;
const MAX_WEIGHTS_BYTES: u64 = 2 << 30;
/// Names and shapes; they grow when they are parsed.
const MAX_HEADER_BYTES: u64 = 1 << 22;

/// Writes a model's folder, each file whole or not at all, and gives the manifest with the hash of the weights. Weights of half
/// precision are stored as such, all others as f32; the same weights give the same bytes. What would not load is not written.
///
/// # Errors
/// Where the manifest or a weight would be refused by [`load_model`], or a file cannot be written.
pub fn save_model(folder: &Path, manifest: &Manifest, weights: &BTreeMap<String, Tensor>) -> Result<Manifest, ModelError> {
    let tensors = weights.iter().map(|(name, tensor)| (name.clone(), tensor.clone())).collect();
    build(manifest.clone(), tensors, DType::F32, &Device::Cpu)?;
    let error = |reason: String| ModelError::File { path: folder.to_owned(), reason };
    let mut views = BTreeMap::new();
    for (name, tensor) in weights {
        let dtype = if tensor.dtype() == DType::F16 { DType::F16 } else { DType::F32 };
        views.insert(name, tensor.to_dtype(dtype)?.to_device(&Device::Cpu)?.contiguous()?);
    }
    let bytes = safetensors::serialize(views, None).map_err(|e| error(e.to_string()))?;
    let manifest = Manifest { hash: hash(&bytes), ..manifest.clone() };
    let text = toml::to_string(&manifest).map_err(|e| ModelError::Manifest(e.to_string()))?;
    std::fs::create_dir_all(folder).map_err(|e| error(e.to_string()))?;
    if let Some(motifs) = &manifest.input.tfs.motifs {
        // A factor's motifs are found by its name.
        let named = |motif: &Motif| Motif { name: motif.tf.clone().unwrap_or_else(|| motif.name.clone()), ..motif.clone() };
        let motifs: Vec<Motif> = motifs.motifs().iter().map(named).collect();
        let format = MOTIF_FORMATS.iter().find(|f| f.name == "homer").ok_or_else(|| error("no HOMER format".to_owned()))?;
        write(&folder.join(MOTIFS), (format.format)(&motifs, &manifest.source).as_bytes())?;
    }
    // Weights first: were the program stopped between the two, their hash would not be the manifest's and nothing would be loaded.
    write(&folder.join(WEIGHTS), &bytes)?;
    write(&folder.join(MANIFEST), text.as_bytes())?;
    Ok(manifest)
}

/// Reads `model.toml` of a model's folder, without its weights.
pub fn read_manifest(folder: &Path) -> Result<Manifest, ModelError> {
    let path = folder.join(MANIFEST);
    let error = |reason: String| ModelError::File { path: path.clone(), reason };
    let text = String::from_utf8(read(&path, MAX_MANIFEST_BYTES)?).map_err(|_| error("not text (UTF-8)".to_owned()))?;
    let mut manifest: Manifest = toml::from_str(&text).map_err(|e| error(e.to_string().trim_end().to_owned()))?;
    let (tfs, path) = (&mut manifest.input.tfs, folder.join(MOTIFS));
    if !tfs.is_empty() && path.exists() {
        let wrong = |reason: String| ModelError::File { path: path.clone(), reason };
        let mut motifs = read_motifs(&path).map_err(|e| wrong(e.to_string()))?;
        motifs.iter_mut().for_each(|motif| motif.tf = None);
        tfs.motifs = Some(Arc::new(TfMotifs::new(&motifs, &tfs.names).map_err(|e| wrong(e.to_string()))?));
    }
    Ok(manifest)
}

/// Whether a model may start a command of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commands {
    /// The user said so.
    Allowed,
    /// What a file says is not enough.
    Refused,
}

/// As [`load_model`], and where commands are allowed a folder whose network is one.
///
/// # Errors
/// As [`load_model`].
pub fn open_model(folder: &Path, device: &Device, commands: Commands) -> Result<Box<dyn Model>, ModelError> {
    let manifest = read_manifest(folder)?;
    if manifest.architecture != EXTERNAL {
        return load_model(folder, device);
    }
    let path = folder.join(MANIFEST);
    let error = |reason: String| ModelError::File { path: path.clone(), reason };
    if commands == Commands::Refused {
        let command = manifest.external.map(|spec| spec.command.join(" ")).unwrap_or_default();
        return Err(error(format!("needs --allow-command: its network is a command ({command})")));
    }
    // What made a result is this file and those of the folder that the command names.
    let mut bytes = read(&path, MAX_MANIFEST_BYTES)?;
    for name in manifest.external.iter().flat_map(|spec| &spec.command) {
        if folder.join(name).is_file() {
            bytes.extend(read(&folder.join(name), MAX_WEIGHTS_BYTES)?);
        }
    }
    let hash = hash(&bytes);
    let model = External::new(Manifest { hash, ..manifest }, folder);
    Ok(Box::new(model.map_err(|e| error(e.to_string()))?))
}

/// As [`load_model`], with motifs of the transcription factors it reads from elsewhere than its folder.
///
/// # Errors
/// As [`load_model`], and where a factor has no motif among `motifs`.
pub fn load_model_with_motifs(folder: &Path, motifs: &[Motif], device: &Device) -> Result<Box<dyn Model>, ModelError> {
    let mut manifest = read_manifest(folder)?;
    let tfs = &mut manifest.input.tfs;
    tfs.motifs = Some(Arc::new(TfMotifs::new(motifs, &tfs.names)?));
    let (manifest, tensors) = read_weights(folder, manifest)?;
    build(manifest, tensors, DType::F32, device)
}

/// Opens a model's folder on `device`, in f32.
///
/// # Errors
/// Where a file is missing, damaged, or not the one the manifest's hash was taken of, or the weights do not fit the manifest.
pub fn load_model(folder: &Path, device: &Device) -> Result<Box<dyn Model>, ModelError> {
    load_model_as(folder, DType::F32, device)
}

/// As [`load_model`], with numbers of another type.
///
/// # Errors
/// As [`load_model`].
pub fn load_model_as(folder: &Path, dtype: DType, device: &Device) -> Result<Box<dyn Model>, ModelError> {
    let manifest = read_manifest(folder)?;
    if manifest.architecture == EXTERNAL {
        return open_model(folder, device, Commands::Refused);
    }
    let (manifest, tensors) = read_weights(folder, manifest)?;
    build(manifest, tensors, dtype, device)
}

/// A network of the same sizes whose weights are those of `folder` in another order, each tensor's among themselves: what a method
/// says of it, it says of the input and the make-up alone (Adebayo 2018).
///
/// # Errors
/// As [`load_model`]; a program's weights are its own.
pub fn load_shuffled(folder: &Path, seed: u64, device: &Device) -> Result<Box<dyn Model>, ModelError> {
    let manifest = read_manifest(folder)?;
    if manifest.architecture == EXTERNAL {
        return Err(ModelError::Manifest("a program's weights cannot be shuffled".to_owned()));
    }
    let (manifest, tensors) = read_weights(folder, manifest)?;
    let mut shuffled = HashMap::new();
    let ordered: BTreeMap<String, Tensor> = tensors.into_iter().collect();
    for (i, (name, tensor)) in ordered.into_iter().enumerate() {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(i as u64);
        let mut values: Vec<f32> = tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        values.shuffle(&mut random);
        shuffled.insert(name, Tensor::from_vec(values, tensor.shape(), &Device::Cpu)?);
    }
    build(Manifest { hash: String::new(), ..manifest }, shuffled, DType::F32, device)
}

/// The network without one of its first filters over DNA: its weights are 0, its bias stays.
///
/// # Errors
/// As [`load_model`]; where there is no such filter.
pub fn load_without_filter(folder: &Path, filter: usize, device: &Device) -> Result<Box<dyn Model>, ModelError> {
    let (manifest, mut tensors) = read_weights(folder, read_manifest(folder)?)?;
    let missing = || ModelError::Manifest(format!("{} has no filter {} over DNA", folder.display(), filter + 1));
    let name = super::filters::NAMES.iter().find(|name| tensors.contains_key(**name)).ok_or_else(missing)?;
    let weight = &tensors[*name];
    let (filters, kernel, bases) = weight.dims3()?;
    if filter >= filters {
        return Err(missing());
    }
    let mut keeps = vec![1.0_f32; filters];
    keeps[filter] = 0.0;
    let mask = Tensor::from_vec(keeps, (filters, 1, 1), weight.device())?.to_dtype(weight.dtype())?;
    let without = weight.broadcast_mul(&mask)?;
    debug_assert_eq!(without.dims(), [filters, kernel, bases]);
    tensors.insert((*name).to_owned(), without);
    build(Manifest { hash: String::new(), ..manifest }, tensors, DType::F32, device)
}

/// The weights of a folder by name, and its manifest with their hash.
fn read_weights(folder: &Path, manifest: Manifest) -> Result<(Manifest, HashMap<String, Tensor>), ModelError> {
    let path = folder.join(WEIGHTS);
    let bytes = read(&path, MAX_WEIGHTS_BYTES)?;
    let error = |reason: String| ModelError::File { path: path.clone(), reason };
    let found = hash(&bytes);
    if !manifest.hash.is_empty() && manifest.hash != found {
        return Err(error(format!("hash {found}, but {MANIFEST} was written for weights with hash {}", manifest.hash)));
    }
    let header = bytes.first_chunk().map_or(0, |length| u64::from_le_bytes(*length));
    if header > MAX_HEADER_BYTES {
        return Err(error(format!("not readable as safetensors: a header of {header} bytes")));
    }
    let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu);
    let tensors = tensors.map_err(|e| error(format!("not readable as safetensors: {e}")))?;
    Ok((Manifest { hash: found, ..manifest }, tensors))
}

/// Builds a network that asks for every one of `tensors` and no other.
fn build(
    manifest: Manifest,
    tensors: HashMap<String, Tensor>,
    dtype: DType,
    device: &Device,
) -> Result<Box<dyn Model>, ModelError> {
    manifest.check()?;
    let architecture = architecture(&manifest.architecture)?;
    let shapes: HashMap<_, _> = tensors.iter().map(|(name, tensor)| (name.clone(), tensor.dims().to_vec())).collect();
    let weights = Weights::stored(tensors, dtype, device);
    let model = (architecture.build)(&weights, manifest)?;
    match weights.unused().into_iter().next() {
        None => Ok(model),
        Some(name) => {
            let found = format!("{:?}", shapes[&name]);
            Err(ModelError::Weight { name, expected: "no such weight".to_owned(), found })
        }
    }
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ModelError> {
    let error = |reason: String| ModelError::File { path: path.to_owned(), reason };
    let metadata = std::fs::metadata(path).map_err(|e| error(e.to_string()))?;
    if !metadata.is_file() || metadata.len() > limit {
        return Err(error(format!("not a regular file of at most {limit} bytes")));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| error(e.to_string()))?;
    file.take(limit).read_to_end(&mut bytes).map_err(|e| error(e.to_string()))?;
    Ok(bytes)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    let written = write_whole(path, |out| out.write_all(bytes).map_err(|e| TrackError::io(path, e)));
    written.map_err(|e| match e {
        TrackError::Io { path, reason } => ModelError::File { path, reason: reason.to_string() },
        other => ModelError::File { path: path.to_owned(), reason: other.to_string() },
    })
}

/// First 16 hex digits of SHA-256.
pub(super) fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{Batch, MODELS};

    /// A saved AttentiveChrome of two marks and little else.
    fn saved(seed: u64) -> (tempfile::TempDir, Manifest, BTreeMap<String, Tensor>) {
        let folder = tempfile::tempdir().unwrap();
        let mut manifest = MODELS[1].default_manifest();
        manifest.input.marks.truncate(2);
        manifest.sizes = [("hidden", 3), ("mark_hidden", 2)].map(|(name, size)| (name.to_owned(), size)).into();
        let weights = Weights::fresh(seed, DType::F32, &Device::Cpu);
        (MODELS[1].build)(&weights, manifest.clone()).unwrap();
        let tensors = weights.variables().into_iter().map(|(name, v)| (name, v.as_detached_tensor())).collect();
        save_model(folder.path(), &manifest, &tensors).unwrap();
        (folder, manifest, tensors)
    }

    fn error(folder: &Path) -> String {
        load_model(folder, &Device::Cpu).err().unwrap().to_string()
    }

    #[test]
    fn a_saved_model_is_the_same_when_loaded() {
        let (folder, manifest, tensors) = saved(1);
        let x = Tensor::arange(0f32, 20.0, &Device::Cpu).unwrap().reshape((1, 10, 2)).unwrap();
        let batch = Batch { marks: Some(x), ..Batch::default() };
        let before = (MODELS[1].build)(
            &Weights::stored(tensors.clone().into_iter().collect(), DType::F32, &Device::Cpu),
            manifest.clone(),
        );
        let score =
            |model: &dyn Model| model.forward(&batch).unwrap().score.to_dtype(DType::F64).unwrap().to_vec1::<f64>().unwrap();
        let model = load_model(folder.path(), &Device::Cpu).unwrap();
        assert_eq!(score(&*model), score(&*before.unwrap()));
        let double = load_model_as(folder.path(), DType::F64, &Device::Cpu).unwrap();
        assert!((score(&*double)[0] - score(&*model)[0]).abs() < 1e-6);
        assert_eq!(model.manifest(), &Manifest { hash: model.manifest().hash.clone(), ..manifest.clone() });
        // The same model again gives the same bytes, and leaves nothing else behind.
        let bytes = || [MANIFEST, WEIGHTS].map(|name| std::fs::read(folder.path().join(name)).unwrap());
        let first = bytes();
        assert_eq!(&save_model(folder.path(), &manifest, &tensors).unwrap(), model.manifest());
        assert_eq!(bytes(), first);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn weights_of_another_model_are_refused() {
        let ((a, ..), (b, ..)) = (saved(1), saved(2));
        std::fs::copy(b.path().join(WEIGHTS), a.path().join(WEIGHTS)).unwrap();
        assert!(error(a.path()).contains("was written for weights with hash"));
    }

    #[test]
    fn what_would_not_load_is_not_saved() {
        let (folder, manifest, tensors) = saved(1);
        let before = std::fs::read(folder.path().join(WEIGHTS)).unwrap();
        let message = |change: &dyn Fn(&mut Manifest, &mut BTreeMap<String, Tensor>)| {
            let (mut manifest, mut tensors) = (manifest.clone(), tensors.clone());
            change(&mut manifest, &mut tensors);
            save_model(folder.path(), &manifest, &tensors).unwrap_err().to_string()
        };
        let name = "fdiff1_1.weight";
        assert_eq!(message(&|_, t| t.retain(|n, _| n != name)), "weight fdiff1_1.weight: expected [1, 4], found nothing");
        let of = |v: f32| Tensor::full(v, (1, 4), &Device::Cpu).unwrap();
        assert!(message(&|_, t| *t.get_mut(name).unwrap() = of(f32::NAN)).contains("not a finite number"));
        assert!(message(&|_, t| *t.get_mut(name).unwrap() = of(0.0).t().unwrap()).ends_with("expected [1, 4], found [4, 1]"));
        assert!(message(&|_, t| drop(t.insert("more".to_owned(), of(0.0)))).contains("weight more: expected no such weight"));
        assert!(message(&|m, _| m.architecture = "deepcoer".to_owned()).contains("\"deepcoer\" is none of"));
        assert!(message(&|m, _| m.input.scale = vec![1.0]).contains("scale"));
        assert_eq!(std::fs::read(folder.path().join(WEIGHTS)).unwrap(), before);
        let absent = folder.path().join("absent");
        assert!(save_model(&absent, &manifest, &BTreeMap::new()).is_err() && !absent.exists());
    }

    #[test]
    fn damaged_files_are_named_with_the_reason() {
        let (folder, ..) = saved(1);
        let [manifest, weights] = [MANIFEST, WEIGHTS].map(|name| folder.path().join(name));
        let whole = std::fs::read(&weights).unwrap();
        let text = std::fs::read_to_string(&manifest).unwrap();
        assert!(error(&folder.path().join("nowhere")).contains("model.toml: No such file"));
        let with_weights = |bytes: &[u8]| {
            std::fs::write(&weights, bytes).unwrap();
            std::fs::write(&manifest, text.lines().filter(|l| !l.starts_with("hash")).collect::<Vec<_>>().join("\n")).unwrap();
            error(folder.path())
        };
        assert!(with_weights(b"").contains("model.safetensors: not readable as safetensors: "));
        assert!(with_weights(&whole[..whole.len() - 1]).contains("model.safetensors: "));
        assert!(with_weights(&u64::MAX.to_le_bytes()).contains("a header of 18446744073709551615 bytes"));
        let header = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes(), &[0; 16]].concat();
        let entry =
            |shape: &str, to: &str| header(&format!(r#"{{"a":{{"dtype":"F32","shape":[{shape}],"data_offsets":[0,{to}]}}}}"#));
        for (shape, to) in [("4", "17"), ("4611686018427387904,4", "16"), ("4", "8"), ("-1", "16"), ("4", "18446744073709551615")]
        {
            assert!(with_weights(&entry(shape, to)).contains("model.safetensors: "), "{shape} {to}");
        }
        assert!(with_weights(&entry("4", "16")).contains("found nothing"));
        assert!(with_weights(&header(&"[".repeat(100_000))).contains("model.safetensors: "));
        std::fs::write(&weights, &whole).unwrap();
        let with_manifest = |from: &str, to: &str| {
            assert!(text.contains(from), "{from} in {text}");
            std::fs::write(&manifest, text.replace(from, to)).unwrap();
            error(folder.path())
        };
        assert!(with_manifest("orientation = \"genome\"", "orientation = \"up\"").contains("orientation"));
        assert!(with_manifest("length = 10000", "length = 99999999999999").contains("window.length"));
        assert!(with_manifest("length = 10000", "length = 10001").contains("bin_size"));
        assert!(with_manifest("bin_size = 100", "bin_size = 0").contains("bin_size"));
        assert!(with_manifest("hidden = 3", "hidden = 4").contains("expected [8, 1], found [6, 1]"));
        std::fs::write(&manifest, [0xff]).unwrap();
        assert!(error(folder.path()).contains("not text"));
    }
}
