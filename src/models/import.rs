//! Published checkpoints made into models of this program.

use super::folder::{hash, save_model};
use super::{
    BinStatistic, InputSpec, Manifest, ModelError, Orientation, OutputKind, OutputSpec, Transform, Weights, WindowSpec,
    architecture, read_state_dict,
};
use crate::tracks::{PUBLISHED_BIN_SIZE, PUBLISHED_MARK_ORDERS, SignalUnit};
use candle_core::{DType, Device, Tensor};
use std::collections::BTreeMap;
use std::path::Path;

/// What a checkpoint does not say of itself.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// Name of the model; the file's stem where absent.
    pub name: Option<String>,
    /// Samples it was trained on.
    pub samples: Vec<String>,
    /// Assembly it was trained on.
    pub assembly: Option<String>,
    /// AttentiveChrome: bins around the TSS. No weight depends on it.
    pub bins: usize,
    /// Bases per bin.
    pub bin_size: u64,
}

impl Default for ImportOptions {
    /// 200 bins of 100 bases, as the published K562 weights were trained on.
    fn default() -> Self {
        Self { name: None, samples: Vec::new(), assembly: None, bins: 200, bin_size: PUBLISHED_BIN_SIZE }
    }
}

/// Reads the checkpoint at `file` and writes a model's folder; gives its manifest. Nothing is written unless the network can be
/// built from what was read.
///
/// `marks`: the mark of each input channel, in the order the network was trained on. A checkpoint does not name them, and the
/// published orders differ.
///
/// # Errors
/// An architecture without importer; marks absent, repeated, or not as many as the network reads; parameters missing, left
/// over, of another shape or not finite; a file that is damaged or holds no weights.
pub fn import(name: &str, file: &Path, marks: &[String], folder: &Path, options: &ImportOptions) -> Result<Manifest, ModelError> {
    let tensors = match architecture(name)?.name {
        "attentive-chrome" => strip_parallel(read_state_dict(file)?),
        other => return Err(ModelError::Input(format!("no importer for {other}; there is one for attentive-chrome"))),
    };
    let mut manifest = attentive_chrome(&tensors, marks, options)?;
    manifest.name = options.name.clone().unwrap_or_else(|| stem(file));
    let bytes = std::fs::read(file).map_err(|e| ModelError::File { path: file.to_owned(), reason: e.to_string() })?;
    let file_name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    manifest.source = format!("imported from {file_name} (SHA-256 {}...)", hash(&bytes));
    let weights = Weights::stored(tensors.clone().into_iter().collect(), DType::F32, &Device::Cpu);
    (architecture(name)?.build)(&weights, manifest.clone())?;
    if let Some(left) = weights.unused().first() {
        return Err(ModelError::Input(format!("parameter \"{left}\" is none of {name} with {} marks", marks.len())));
    }
    save_model(folder, &manifest, &tensors)
}

/// Networks trained on several devices at once have `module.` before every name.
fn strip_parallel(tensors: BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    if !tensors.keys().all(|name| name.starts_with("module.")) {
        return tensors;
    }
    tensors.into_iter().map(|(name, tensor)| (name["module.".len()..].to_owned(), tensor)).collect()
}

fn stem(file: &Path) -> String {
    file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The manifest of an AttentiveChrome state dict (version 2 of the authors' code): sizes from the shapes, the rest as published.
/// Counts by bin, of genes on the minus strand unreversed.
fn attentive_chrome(
    tensors: &BTreeMap<String, Tensor>,
    marks: &[String],
    options: &ImportOptions,
) -> Result<Manifest, ModelError> {
    let channels = (0..).take_while(|i| tensors.contains_key(&format!("rnn_hms.{i}.rnn.weight_hh_l0"))).count();
    if channels == 0 {
        let named: Vec<&str> = tensors.keys().take(3).map(String::as_str).collect();
        let named = named.join(", ");
        return Err(ModelError::Input(format!("not AttentiveChrome: no rnn_hms.0.rnn.weight_hh_l0; it has {named}, ...")));
    }
    if marks.len() != channels {
        let given = if marks.is_empty() { "none is".to_owned() } else { format!("{} are", marks.len()) };
        return Err(ModelError::Input(format!(
            "the network reads {channels} marks, {given} named: say them with --marks A,B,... in the order it was trained on \
             ({PUBLISHED_MARK_ORDERS})"
        )));
    }
    if let Some(mark) = (1..marks.len()).find(|&i| marks[..i].contains(&marks[i])).map(|i| &marks[i]) {
        return Err(ModelError::Input(format!("--marks names {mark} twice")));
    }
    let length = (options.bins as u64).checked_mul(options.bin_size).filter(|length| (2..=1 << 31).contains(length));
    let length = length.ok_or_else(|| ModelError::Input(format!("{} bins of {} bases", options.bins, options.bin_size)))?;
    let hidden = |name: &str| match tensors.get(name).map(Tensor::dims) {
        Some(&[_, hidden]) => Ok(hidden),
        found => Err(ModelError::Weight {
            name: name.to_owned(),
            expected: "[4 * hidden, hidden]".to_owned(),
            found: found.map_or_else(|| "nothing".to_owned(), |shape| format!("{shape:?}")),
        }),
    };
    let sizes = [
        ("hidden".to_owned(), hidden("rnn_hms.0.rnn.weight_hh_l0")?),
        ("mark_hidden".to_owned(), hidden("hm_level_rnn_1.rnn.weight_hh_l0")?),
    ];
    Ok(Manifest {
        architecture: "attentive-chrome".to_owned(),
        name: String::new(),
        source: String::new(),
        assembly: options.assembly.clone(),
        samples: options.samples.clone(),
        orientation: Orientation::Genome,
        window: WindowSpec { length, tss_index: length / 2, tts: None },
        input: InputSpec {
            sequence: None,
            marks: marks.to_vec(),
            signal: SignalUnit::Count,
            bin_size: options.bin_size,
            bin_statistic: BinStatistic::Mean,
            transform: Transform::None,
            scale: Vec::new(),
            missing: 0.0,
            truncate: false,
            tfs: Default::default(),
        },
        output: OutputSpec { kind: OutputKind::Binary, unit: "high".to_owned(), pseudocount: 0.0, threshold: None, signal: None },
        sizes: sizes.into(),
        metrics: BTreeMap::new(),
        hash: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{Attention, Batch, load_model};
    use crate::tracks::{BinTable, Expression, ExpressionColumns, NpzReader};
    use rand::{Rng, SeedableRng};
    use std::path::PathBuf;

    const DEEPDIFF: &str = "H3K4me1,H3K4me3,H3K9me3,H3K27me3,H3K36me3";

    fn marks(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    fn shared(path: &str) -> Option<PathBuf> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(path);
        if !path.exists() {
            println!("skipped: {} is not here", path.display());
            return None;
        }
        Some(path)
    }

    /// `[n, bins, k]` of every gene.
    fn batch(table: &BinTable) -> Batch {
        let (n, bins, k) = (table.bin_genes().len(), table.n_bins(), table.marks().len());
        let mut x = Vec::with_capacity(n * bins * k);
        for gene in 0..n {
            for bin in 0..bins {
                x.extend((0..k).map(|mark| table.counts(gene, mark)[bin]));
            }
        }
        Batch { marks: Some(Tensor::from_vec(x, (n, bins, k), &Device::Cpu).unwrap()), ..Batch::default() }
    }

    fn floats(tensor: &Tensor) -> Vec<f64> {
        tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    /// The share of pairs of a high and a low gene that the score puts in order; ties count half.
    fn auroc(scores: &[f64], is_high: &[bool]) -> f64 {
        let of = |wanted: bool| scores.iter().zip(is_high).filter(move |(_, h)| **h == wanted).map(|(s, _)| *s);
        let order = |(high, low): (f64, f64)| if high > low { 1.0 } else { f64::from(u8::from(high == low)) / 2.0 };
        let pairs: Vec<f64> = of(true).flat_map(|high| of(false).map(move |low| (high, low))).map(order).collect();
        pairs.iter().sum::<f64>() / pairs.len() as f64
    }

    #[test]
    fn the_published_weights_give_the_published_numbers_on_measured_genes() {
        let Some(file) = shared("real/attentivechrome/model.pt") else { return };
        let Some(golden) = shared("golden/attentivechrome/published_on_k562.npz") else { return };
        let Some(expression) = shared("real/deepdiff/Cell1.expr.csv") else { return };
        let folder = tempfile::tempdir().unwrap();
        let manifest = import("attentive-chrome", &file, &marks(DEEPDIFF), folder.path(), &ImportOptions::default()).unwrap();
        let model = load_model(folder.path(), &Device::Cpu).unwrap();
        assert_eq!(model.manifest(), &manifest);
        assert_eq!(manifest.window, WindowSpec { length: 20_000, tss_index: 10_000, tts: None });
        assert_eq!(manifest.sizes, [("hidden".to_owned(), 32), ("mark_hidden".to_owned(), 16)].into());
        let expression = Expression::read(&expression, &ExpressionColumns::default()).unwrap().value;
        let mut golden = NpzReader::open(&golden).unwrap();
        for (part, expected_auroc) in [("train", 0.8596), ("valid", 0.9038), ("test", 0.9388)] {
            let Some(path) = shared(&format!("real/deepdiff/Cell1.{part}.csv")) else { return };
            let table = BinTable::read(&path, &manifest.input.marks, manifest.input.bin_size).unwrap();
            let output = model.forward(&batch(&table)).unwrap();
            let Some(Attention::Hierarchical { alpha, beta }) = output.attention else { panic!("two attentions") };
            let mut close = |name: &str, found: &[f64]| {
                let expected = golden.read(&format!("{part}_{name}")).unwrap().to_f64().unwrap();
                for (i, expected) in expected.iter().enumerate() {
                    assert!((found[i] - expected).abs() <= 1e-5, "{part} {name} {i}: {} and {expected}", found[i]);
                }
                expected.len()
            };
            let logits = floats(&output.score);
            assert_eq!(close("logit", &logits), 200);
            assert_eq!(close("beta", &floats(&beta)), 1000);
            if part == "test" {
                assert_eq!(close("alpha", &floats(&alpha)), 20 * 5 * 200);
            }
            let genes = golden.read(&format!("{part}_gene")).unwrap();
            let names: Vec<String> = table.bin_genes().iter().map(|gene| format!("{}_{}", gene.id, gene.name)).collect();
            assert_eq!(genes.as_text().unwrap(), names);
            let annotation = table.genes();
            let is_high: Vec<bool> =
                annotation.iter().map(|(_, gene)| expression.value(gene).unwrap() > expression.median()).collect();
            let auroc = auroc(&logits, &is_high);
            assert!((auroc - expected_auroc).abs() < 5e-5, "{part}: AUROC {auroc}");
        }
    }

    #[test]
    fn another_order_of_marks_is_another_model() {
        let Some(file) = shared("real/attentivechrome/model.pt") else { return };
        let folder = tempfile::tempdir().unwrap();
        let import = |text: &str| {
            let marks = if text.is_empty() { Vec::new() } else { marks(text) };
            import("attentive-chrome", &file, &marks, folder.path(), &ImportOptions::default())
        };
        let none = import("").unwrap_err().to_string();
        assert!(none.contains("reads 5 marks, none is named: say them with --marks") && none.contains(DEEPDIFF), "{none}");
        assert!(import("a,b,c,d").unwrap_err().to_string().contains("reads 5 marks, 4 are named"));
        assert!(import("a,b,c,d,a").unwrap_err().to_string().contains("names a twice"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is written of a refused import");
        assert_eq!(import("a,b,c,d,e").unwrap().input.marks, marks("a,b,c,d,e"));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let import = |name: &str, path: &str| {
            let path = shared(path)?;
            Some(import(name, &path, &marks(DEEPDIFF), folder.path(), &ImportOptions::default()).unwrap_err().to_string())
        };
        let Some(other) = import("attentive-chrome", "golden/deepchrome/weights.pt") else { return };
        assert!(other.contains("not AttentiveChrome: no rnn_hms.0.rnn.weight_hh_l0; it has conv"), "{other}");
        let text = import("attentive-chrome", "real/deepdiff/Cell1.expr.csv").unwrap();
        assert!(text.contains("Cell1.expr.csv: not readable as PyTorch weights: neither a zip archive nor a pickle"), "{text}");
        assert!(import("deepcore", "golden/deepchrome/weights.pt").unwrap().contains("no importer for deepcore"));
        assert!(import("deepcor", "golden/deepchrome/weights.pt").unwrap().contains("is none of deepcore"));
    }

    #[test]
    fn the_same_file_gives_the_same_folder_and_damage_to_it_is_seen() {
        let Some(file) = shared("golden/attentivechrome/weights.pt") else { return };
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for folder in [&one, &two] {
            let options = ImportOptions { bins: 100, ..ImportOptions::default() };
            import("attentive-chrome", &file, &marks(DEEPDIFF), folder.path(), &options).unwrap();
        }
        for name in ["model.toml", "model.safetensors"] {
            let bytes = |folder: &tempfile::TempDir| std::fs::read(folder.path().join(name)).unwrap();
            assert_eq!(bytes(&one), bytes(&two), "{name}");
        }
        let path = one.path().join("model.safetensors");
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let error = |folder: &Path| load_model(folder, &Device::Cpu).err().unwrap().to_string();
        assert!(error(one.path()).contains("model.toml was written for weights with hash"));
        let toml = std::fs::read_to_string(two.path().join("model.toml")).unwrap();
        let unhashed: String = toml.lines().filter(|l| !l.starts_with("hash")).map(|l| format!("{l}\n")).collect();
        std::fs::write(two.path().join("model.toml"), unhashed).unwrap();
        let whole = std::fs::read(two.path().join("model.safetensors")).unwrap();
        for cut in (0..50).map(|i| whole.len() * i / 50) {
            std::fs::write(two.path().join("model.safetensors"), &whole[..cut]).unwrap();
            assert!(error(two.path()).contains("model.safetensors: not readable as safetensors"), "cut to {cut}");
        }
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(9);
        let mut refused = 0;
        for _ in 0..200 {
            let mut bytes = whole.clone();
            let header = 8 + u64::from_le_bytes(*whole.first_chunk().unwrap()) as usize;
            bytes[rng.random_range(0..header)] ^= 1 << rng.random_range(0..8);
            std::fs::write(two.path().join("model.safetensors"), &bytes).unwrap();
            refused += usize::from(load_model(two.path(), &Device::Cpu).is_err());
        }
        assert!(refused > 100, "{refused} of 200");
        std::fs::write(two.path().join("model.toml"), "architecture = 3").unwrap();
        assert!(error(two.path()).contains("model.toml"));
        assert!(error(Path::new("absent")).contains("model.toml"));
    }
}
