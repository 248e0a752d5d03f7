//! Imports of genuine files, of every format, and of damaged ones.

use super::*;
use crate::models::Weights;
use crate::models::{Attention, Batch, load_model};
use crate::tracks::{Array, BinTable, Expression, ExpressionColumns, NpzReader, write_npz};
use candle_core::{DType, Device};
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
    let imported = import("attentive-chrome", &file, &marks(DEEPDIFF), folder.path(), &ImportOptions::default()).unwrap();
    assert_eq!(imported.notes, [""; 0]);
    let manifest = imported.manifest;
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
    assert_eq!(import("a,b,c,d,e").unwrap().manifest.input.marks, marks("a,b,c,d,e"));
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let import = |name: &str, path: &str| {
        let path = shared(path)?;
        Some(import(name, &path, &marks(DEEPDIFF), folder.path(), &ImportOptions::default()).unwrap_err().to_string())
    };
    let Some(other) = import("attentive-chrome", "golden/deepchrome/weights.pt") else { return };
    for line in [
        "the checkpoint does not fit attentive-chrome (64 parameters differ):",
        "  fdiff1_1.bias: expected [1], found nothing",
        "  and 50 more",
        "  conv.weight: expected nothing, found [50, 5, 10]",
    ] {
        assert!(other.lines().any(|l| l == line), "{other}");
    }
    let text = import("attentive-chrome", "real/deepdiff/Cell1.expr.csv").unwrap();
    let kinds =
        "no weights of a kind read here (TensorFlow, NumPy, PyTorch, Keras HDF5, safetensors); it begins with 45 4e 53 47";
    assert!(text.contains("Cell1.expr.csv: ") && text.contains(kinds), "{text}");
    let text = import("deepchrome", "golden/attentivechrome/weights.pt").unwrap();
    assert!(text.contains("conv.weight: expected [50, 5, 10], found nothing"), "{text}");
    assert!(import("deepcor", "golden/deepchrome/weights.pt").unwrap().contains("is none of deepcore"));
}

/// Weights of a network with other sizes than published.
fn weights_of(manifest: &Manifest, seed: u64) -> Tensors {
    let weights = Weights::fresh(seed, DType::F32, &Device::Cpu);
    (architecture(&manifest.architecture).unwrap().build)(&weights, manifest.clone()).unwrap();
    weights.saved().into_iter().map(|(name, v)| (name, v.as_detached_tensor())).collect()
}

/// A small LSTM of two marks.
fn lstm() -> Tensors {
    let mut manifest = architecture("lstm").unwrap().default_manifest();
    manifest.input.marks.truncate(2);
    manifest.sizes.insert("hidden".to_owned(), 3);
    weights_of(&manifest, 5)
}

/// The same weights in each format: name of the format, the file to import, the file to damage.
fn in_every_format(folder: &Path, tensors: &Tensors) -> Vec<(&'static str, PathBuf, PathBuf)> {
    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let path = |name: &str| folder.join(name);
    std::fs::write(path("w.pt"), torch::tests::state_dict(tensors)).unwrap();
    std::fs::write(path("w.h5"), hdf5::tests::flat(tensors)).unwrap();
    candle_core::safetensors::save(&tensors.clone().into_iter().collect::<std::collections::HashMap<_, _>>(), path("w.st"))
        .unwrap();
    let arrays: Vec<(&str, Array)> = tensors.iter().map(|(name, t)| (name.as_str(), Array::f32(t.dims(), flat(t)))).collect();
    write_npz(&path("w.npz"), &arrays.iter().map(|(name, array)| (*name, array)).collect::<Vec<_>>()).unwrap();
    std::fs::create_dir_all(path("tf")).unwrap();
    let variables: Vec<_> = tensors.iter().map(|(name, t)| (name.as_str(), t.dims().to_vec(), flat(t))).collect();
    tensorflow::tests::write(&path("tf"), "", &variables, 1);
    let one = |name: &'static str, file: &str| (name, path(file), path(file));
    vec![
        ("TensorFlow", path("tf"), path("tf/.index")),
        one("NumPy", "w.npz"),
        one("PyTorch", "w.pt"),
        one("Keras HDF5", "w.h5"),
        one("safetensors", "w.st"),
    ]
}

#[test]
fn every_format_gives_the_same_model() {
    let folder = tempfile::tempdir().unwrap();
    let files = in_every_format(folder.path(), &lstm());
    assert!(files.iter().map(|(name, ..)| *name).eq(FORMATS.iter().map(|format| format.name)), "every format has a file");
    let mut weights = Vec::new();
    for (name, file, _) in files {
        let out = folder.path().join(format!("out {name}"));
        let imported = import("lstm", &file, &marks("a,b"), &out, &ImportOptions::default()).unwrap();
        assert_eq!(imported.manifest.input.marks, ["a", "b"]);
        assert_eq!(imported.manifest.sizes["hidden"], 3);
        assert_eq!(imported.manifest.window.length, 10_000);
        load_model(&out, &Device::Cpu).unwrap();
        weights.push(std::fs::read(out.join("model.safetensors")).unwrap());
    }
    assert!(weights.iter().all(|w| *w == weights[0]));
}

#[test]
fn damaged_files_of_every_format_are_errors_or_weights_and_nothing_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(12);
    for (name, file, damaged) in in_every_format(folder.path(), &lstm()) {
        let whole = std::fs::read(&damaged).unwrap();
        let out = folder.path().join("out");
        let read = |bytes: &[u8]| {
            std::fs::write(&damaged, bytes).unwrap();
            let imported = import("lstm", &file, &marks("a,b"), &out, &ImportOptions::default());
            assert_eq!(imported.is_ok(), out.exists(), "{name}");
            let _ = std::fs::remove_dir_all(&out);
            imported.map_err(|e| e.to_string())
        };
        for cut in (0..60).map(|i| whole.len() * i / 60) {
            let error = read(&whole[..cut]).err().unwrap_or_else(|| panic!("{name} cut to {cut} of {}", whole.len()));
            assert!(error.contains(": "), "{error}");
        }
        let mut refused = 0;
        for _ in 0..200 {
            let mut bytes = whole.clone();
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(0..bytes.len());
                bytes[at] ^= 1 << random.random_range(0..8);
            }
            refused += usize::from(read(&bytes).is_err());
        }
        println!("{name}: {refused} of 200 refused");
        assert!(refused >= 20, "{name}: {refused} of 200 refused");
        let noise: Vec<u8> = (0..3_000).map(|_| random.random()).collect();
        assert!(read(&noise).is_err());
        let mut begins_well = noise.clone();
        begins_well[..16].copy_from_slice(&whole[..16]);
        assert!(read(&begins_well).is_err(), "{name}");
        assert!(read(&[]).is_err());
    }
}

#[test]
fn every_network_of_its_own_sizes_comes_back_as_it_was() {
    for importer in IMPORTERS {
        let mut manifest = architecture(importer.architecture).unwrap().default_manifest();
        if manifest.input.bin_size > 1 {
            manifest.window = WindowSpec { length: 3_000, tss_index: 1_500, tts: None };
            manifest.input.marks.truncate(3);
        }
        for (i, (size, ..)) in importer.sizes.iter().enumerate() {
            manifest.sizes.insert((*size).to_owned(), 4 + i);
        }
        let tensors = weights_of(&manifest, 2);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("w.safetensors");
        candle_core::safetensors::save(&tensors.clone().into_iter().collect::<std::collections::HashMap<_, _>>(), &file).unwrap();
        let out = folder.path().join("out");
        let options = ImportOptions { bins: Some(30), ..ImportOptions::default() };
        let imported = import(importer.architecture, &file, &manifest.input.marks, &out, &options).unwrap();
        assert_eq!(imported.manifest.sizes, manifest.sizes, "{}", importer.architecture);
        assert_eq!(imported.manifest.input.marks, manifest.input.marks);
        let read = candle_core::safetensors::load(out.join("model.safetensors"), &Device::Cpu).unwrap();
        for (name, tensor) in &tensors {
            assert_eq!(floats(&read[name]), floats(tensor), "{} {name}", importer.architecture);
        }
    }
}

/// A tensor in Keras' layout: dense `[inputs, outputs]`; a convolution `[height, width, channels, filters]` along one of the first
/// two axes, with `across` rows in the other.
fn as_keras(tensor: &Tensor, along: usize, across: usize) -> Tensor {
    if tensor.rank() == 2 {
        return tensor.t().unwrap().contiguous().unwrap();
    }
    let (filters, kernel, channels) = tensor.dims3().unwrap();
    let tensor = tensor.reshape((filters, kernel, across, channels / across)).unwrap();
    let axes = if along == 0 { (1, 2, 3, 0) } else { (2, 1, 3, 0) };
    tensor.permute(axes).unwrap().contiguous().unwrap()
}

/// Layer names of Keras for ours; `shift` as if other models had been built before in the session.
fn keras_weights(tensors: &Tensors, layers: &[(String, String, usize, usize)], norms: &[(String, String)]) -> Tensors {
    let mut keras = Tensors::new();
    for (ours, theirs, along, across) in layers {
        keras.insert(format!("{theirs}/kernel"), as_keras(&tensors[&format!("{ours}.weight")], *along, *across));
        if let Some(bias) = tensors.get(&format!("{ours}.bias")) {
            keras.insert(format!("{theirs}/bias"), bias.clone());
        }
    }
    for (ours, theirs) in norms {
        for (name, of) in
            [("weight", "gamma"), ("bias", "beta"), ("running_mean", "moving_mean"), ("running_var", "moving_variance")]
        {
            keras.insert(format!("{theirs}/{of}"), tensors[&format!("{ours}.{name}")].clone());
        }
    }
    keras
}

#[test]
fn keras_layers_are_told_by_their_order_whatever_their_numbers() {
    let number = |kind: &str, i: usize| if i == 0 { kind.to_owned() } else { format!("{kind}_{i}") };
    // 8 and more: conv2d_10 comes after conv2d_9, though not in the alphabet.
    for (shift, groups) in [(0, &["model_weights"][..]), (8, &[])] {
        let mut manifest = architecture("isegnet").unwrap().default_manifest();
        manifest.sizes.extend([("filters", 4), ("dense1", 6), ("dense2", 5)].map(|(name, n)| (name.to_owned(), n)));
        let tensors = weights_of(&manifest, 4);
        let places = ["marks.conv1", "marks.conv2", "sequence.conv1", "sequence.conv2", "merged.conv1", "merged.conv2"];
        let mut layers: Vec<(String, String, usize, usize)> = Vec::new();
        for (i, ours) in places.iter().enumerate() {
            // Tracks, bases and views stand in the second axis.
            let across = [7, 1, 4, 1, 2, 1][i];
            layers.push(((*ours).to_owned(), number("conv2d", i + shift), 0, across));
        }
        for (i, ours) in ["dense1", "dense2", "dense3", "output"].iter().enumerate() {
            layers.push(((*ours).to_owned(), number("dense", i + shift), 0, 1));
        }
        let norms: Vec<(String, String)> = places
            .iter()
            .map(|ours| ours.replace("conv", "norm"))
            .chain((1..=3).map(|i| format!("dense{i}_norm")))
            .enumerate()
            .map(|(i, ours)| (ours, number("batch_normalization", i + shift)))
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let (file, out) = (folder.path().join("model.h5"), folder.path().join("out"));
        let keras = keras_weights(&tensors, &layers, &norms);
        std::fs::write(&file, hdf5::tests::keras(&keras, groups)).unwrap();
        let imported = import("isegnet", &file, &[], &out, &ImportOptions::default()).unwrap();
        assert_eq!(imported.manifest.sizes, manifest.sizes);
        let read = candle_core::safetensors::load(out.join("model.safetensors"), &Device::Cpu).unwrap();
        for (name, tensor) in &tensors {
            assert_eq!(floats(&read[name]), floats(tensor), "{name} shifted by {shift}");
        }
        let less: Tensors = keras.into_iter().filter(|(name, _)| !name.starts_with(&layers[5].1)).collect();
        std::fs::write(&file, hdf5::tests::keras(&less, groups)).unwrap();
        let error = import("isegnet", &file, &[], &out, &ImportOptions::default()).unwrap_err().to_string();
        assert!(error.contains("6 layers named conv2d, conv2d_1, ... are expected, 5 found"), "{error}");
    }
}

#[test]
fn deepcage_is_read_from_a_model_of_several_devices() {
    let mut manifest = architecture("deepcage").unwrap().default_manifest();
    let sizes = [("filters", 6), ("layers", 2), ("growth", 3), ("dense", 5)];
    manifest.sizes.extend(sizes.map(|(name, n)| (name.to_owned(), n)));
    manifest.input.tfs.names = ["GATA1", "MYC", "SPI1"].map(str::to_owned).to_vec();
    let tensors = weights_of(&manifest, 4);
    let (mut layers, mut norms) = (Vec::new(), Vec::new());
    for stage in 1..=3 {
        let across = if stage == 1 { 4 } else { 1 };
        layers.push((format!("conv{stage}"), format!("conv{stage}"), 1, across));
        norms.push((format!("norm{stage}"), format!("batch_normalization_{}", stage + 6)));
        for (layer, part) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
            let of = format!("conv{stage}_{layer}_x{part}");
            layers.push((format!("block{stage}.{layer}.conv{part}"), of.clone(), 1, 1));
            norms.push((format!("block{stage}.{layer}.norm{part}"), format!("{of}_bn")));
        }
    }
    layers.push(("dense".to_owned(), "dense_3".to_owned(), 0, 1));
    norms.push(("dense_norm".to_owned(), "batch_normalization_10".to_owned()));
    layers.push(("output".to_owned(), "output".to_owned(), 0, 1));
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("weights.h5"), folder.path().join("out"));
    std::fs::write(&file, hdf5::tests::keras(&keras_weights(&tensors, &layers, &norms), &["model_1"])).unwrap();
    let named =
        ImportOptions { tfs: manifest.input.tfs.names.clone(), preset: Some("code-binary".to_owned()), ..Default::default() };
    let imported = import("deepcage", &file, &[], &out, &named).unwrap();
    assert_eq!(imported.notes, [""; 0]);
    assert_eq!(imported.manifest.input.tfs.names, ["GATA1", "MYC", "SPI1"]);
    assert_eq!(imported.manifest.output.kind, crate::models::OutputKind::Binary);
    assert_eq!(imported.manifest.sizes, manifest.sizes);
    let read = candle_core::safetensors::load(out.join("model.safetensors"), &Device::Cpu).unwrap();
    for (name, tensor) in &tensors {
        assert_eq!(floats(&read[name]), floats(tensor), "{name}");
    }
    let unnamed = import("deepcage", &file, &[], &out, &ImportOptions::default()).unwrap();
    assert!(unnamed.notes[0].contains("3 transcription factors are called TF1 to TF3"), "{:?}", unnamed.notes);
    let error = |options: ImportOptions| import("deepcage", &file, &[], &out, &options).unwrap_err().to_string();
    let two = ImportOptions { tfs: vec!["A".to_owned(), "B".to_owned()], ..Default::default() };
    assert!(error(two).contains("reads 3 transcription factors, --tfs names 2"));
    assert!(
        error(ImportOptions { preset: Some("big".to_owned()), ..Default::default() }).contains("no preset \"big\"; deepcage has")
    );
}

#[test]
fn wrappers_of_every_name_are_taken_off() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.pt");
    for wrapper in ["module.", "model.", "_orig_mod.module."] {
        let wrapped: Tensors = lstm().into_iter().map(|(name, t)| (format!("{wrapper}{name}"), t)).collect();
        std::fs::write(&file, torch::tests::state_dict(&wrapped)).unwrap();
        import("lstm", &file, &marks("a,b"), &folder.path().join("out"), &ImportOptions::default()).unwrap();
    }
}

#[test]
fn a_published_order_is_assumed_aloud_where_there_is_one_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("w.pt"), folder.path().join("out"));
    std::fs::write(&file, torch::tests::state_dict(&lstm())).unwrap();
    let error = import("lstm", &file, &[], &out, &ImportOptions::default()).unwrap_err().to_string();
    assert!(error.contains("reads 2 marks, none is named: say them with --marks"), "{error}");
    let five = weights_of(&architecture("cnn-attn").unwrap().default_manifest(), 1);
    candle_core::safetensors::save(&five.into_iter().collect::<std::collections::HashMap<_, _>>(), &file).unwrap();
    let imported = import("cnn-attn", &file, &[], &out, &ImportOptions::default()).unwrap();
    assert!(imported.notes[0].contains("published order, H3K27me3,H3K36me3,H3K4me1,H3K4me3,H3K9me3"), "{:?}", imported.notes);
}

#[test]
fn deepcore_is_turned_as_its_authors_laid_it_out() {
    let (kernel, filters, hidden, attention, decoder, dense) = (4, 3, 2, 5, 6, 7);
    let mut variables: Vec<(String, Vec<usize>, Vec<f32>)> = Vec::new();
    let mut add = |name: String, shape: &[usize]| {
        let n = shape.iter().product::<usize>();
        let first = variables.len() * 1_000;
        variables.push((name, shape.to_vec(), (0..n).map(|i| (first + i) as f32).collect()));
    };
    for (view, channels) in [("seq", 4), ("epi", 5)] {
        add(format!("conv-layer-0/{view}-conv-0_wt"), &[kernel, channels, 1, filters]);
        add(format!("conv-layer-0/{view}-conv-0_bias"), &[filters]);
        for direction in ["fw", "bw"] {
            let cell = format!("{view}_enclstm/{direction}/multi_rnn_cell/cell_0/basic_lstm_cell");
            add(format!("{cell}/kernel"), &[filters + hidden, 4 * hidden]);
            add(format!("{cell}/bias"), &[4 * hidden]);
        }
    }
    for (suffix, states) in [("", 2 * hidden), ("_1", 2 * hidden), ("_2", 4 * hidden)] {
        add(format!("Attention/attn_values_wt{suffix}"), &[states, attention]);
        add(format!("Attention/attn_values_bias{suffix}"), &[attention]);
        add(format!("Attention/attn_v_wt{suffix}"), &[attention, 1]);
        add(format!("Attention/attn_v_bias{suffix}"), &[1]);
    }
    for (name, shape) in [
        ("Decoder/dec_out_wt", &[4 * hidden, decoder][..]),
        ("Decoder/dec_out_bias", &[decoder]),
        ("fc-layer-0/fc-0_wt", &[decoder, dense]),
        ("fc-layer-0/fc-0_bias", &[dense]),
        ("output/out_wt", &[dense, 1]),
        ("output/out_b", &[1]),
        ("optimize/beta1_power", &[]),
        ("optimize/output/out_b/Adam", &[1]),
    ] {
        add(name.to_owned(), shape);
    }
    let folder = tempfile::tempdir().unwrap();
    let borrowed: Vec<_> = variables.iter().map(|(name, shape, values)| (name.as_str(), shape.clone(), values.clone())).collect();
    tensorflow::tests::write(folder.path(), "", &borrowed, 1);
    let out = folder.path().join("out");
    let imported = import("deepcore", folder.path(), &[], &out, &ImportOptions::default()).unwrap();
    assert!(imported.notes[0].contains("skipped Attention/attn_v_bias, Attention/attn_v_bias_1, "), "{:?}", imported.notes);
    assert!(imported.notes[1].contains("2 variables of the optimiser"), "{:?}", imported.notes);
    let expected = [("filters", 3), ("kernel", 4), ("pool", 50), ("hidden", 2), ("attention", 5), ("decoder", 6), ("dense", 7)];
    assert_eq!(imported.manifest.sizes, expected.map(|(name, n)| (name.to_owned(), n)).into());
    let read = candle_core::safetensors::load(out.join("model.safetensors"), &Device::Cpu).unwrap();
    let theirs = |name: &str, index: &[usize]| {
        let (_, shape, values) = variables.iter().find(|(n, ..)| n == name).unwrap();
        values[index.iter().zip(shape).fold(0, |at, (i, side)| at * side + i)]
    };
    let ours = |name: &str, index: &[usize]| {
        let (tensor, mut at) = (&read[name], 0);
        for (i, side) in index.iter().zip(tensor.dims()) {
            at = at * side + i;
        }
        floats(tensor)[at] as f32
    };
    for (view, their_view, channels) in [("sequence", "seq", 4), ("marks", "epi", 5)] {
        for (f, k, c) in (0..filters).flat_map(|f| (0..kernel).flat_map(move |k| (0..channels).map(move |c| (f, k, c)))) {
            let found = ours(&format!("{view}.conv.weight"), &[f, k, c]);
            assert_eq!(found, theirs(&format!("conv-layer-0/{their_view}-conv-0_wt"), &[k, c, 0, f]));
        }
        for (end, direction) in [("", "fw"), ("_reverse", "bw")] {
            let cell = format!("{their_view}_enclstm/{direction}/multi_rnn_cell/cell_0/basic_lstm_cell");
            // PyTorch's gates are input, forget, candidate, output; theirs input, candidate, forget, output.
            for (gate, their_gate) in [(0, 0), (1, 2), (2, 1), (3, 3)] {
                for unit in 0..hidden {
                    let (row, column) = (gate * hidden + unit, their_gate * hidden + unit);
                    let forget = if gate == 1 { 1.0 } else { 0.0 };
                    let bias = theirs(&format!("{cell}/bias"), &[column]) + forget;
                    assert_eq!(ours(&format!("{view}.lstm.bias{end}"), &[row]), bias);
                    for input in 0..filters {
                        let found = ours(&format!("{view}.lstm.weight_ih{end}"), &[row, input]);
                        assert_eq!(found, theirs(&format!("{cell}/kernel"), &[input, column]));
                    }
                    for state in 0..hidden {
                        let found = ours(&format!("{view}.lstm.weight_hh{end}"), &[row, state]);
                        assert_eq!(found, theirs(&format!("{cell}/kernel"), &[filters + state, column]));
                    }
                }
            }
        }
    }
    assert_eq!(ours("attention.hidden.weight", &[3, 5]), theirs("Attention/attn_values_wt_2", &[5, 3]));
    assert_eq!(ours("attention.score.weight", &[0, 4]), theirs("Attention/attn_v_wt_2", &[4, 0]));
    assert_eq!(ours("decoder.weight", &[5, 7]), theirs("Decoder/dec_out_wt", &[7, 5]));
    assert_eq!(ours("dense.weight", &[6, 5]), theirs("fc-layer-0/fc-0_wt", &[5, 6]));
    assert_eq!(ours("output.bias", &[0]), theirs("output/out_b", &[0]));

    let less: Vec<_> = borrowed.iter().filter(|(name, ..)| *name != "Decoder/dec_out_wt").cloned().collect();
    tensorflow::tests::write(folder.path(), "", &less, 1);
    let error = import("deepcore", folder.path(), &[], &out, &ImportOptions::default()).unwrap_err().to_string();
    assert!(error.contains("decoder.weight: expected [32, 8], found nothing"), "{error}");
}

#[test]
fn the_same_file_gives_the_same_folder_and_damage_to_it_is_seen() {
    let Some(file) = shared("golden/attentivechrome/weights.pt") else { return };
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [&one, &two] {
        let options = ImportOptions { bins: Some(100), ..ImportOptions::default() };
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
