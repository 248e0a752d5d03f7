//! Weights of Keras 2's HDF5 files under this program's names, read on a way of their own.

use candle_core::{Device, Tensor};
use hdf5_pure::File;
use std::collections::HashMap;
use std::path::Path;

/// A file's layers, in the group `root`.
struct Layers {
    file: File,
    root: &'static str,
    weights: HashMap<String, Tensor>,
}

impl Layers {
    fn open(path: &Path, root: &'static str) -> Self {
        Self { file: File::from_bytes(std::fs::read(path).unwrap()).unwrap(), root, weights: HashMap::new() }
    }

    fn tensor(&self, layer: &str, weight: &str) -> Option<Tensor> {
        let dataset = self.file.dataset(&format!("{}{layer}/{layer}/{weight}:0", self.root)).ok()?;
        let shape: Vec<usize> = dataset.shape().unwrap().iter().map(|&side| side as usize).collect();
        Some(Tensor::from_vec(dataset.read_f32().unwrap(), shape, &Device::Cpu).unwrap())
    }

    fn add(&mut self, name: String, tensor: &Tensor) {
        self.weights.insert(name, tensor.contiguous().unwrap());
    }

    /// A convolution `[height, width, channels, filters]` that runs along `along` (0 or 1), or a dense layer, with its bias.
    fn layer(&mut self, ours: &str, theirs: &str, along: usize) {
        let kernel = self.tensor(theirs, "kernel").unwrap_or_else(|| panic!("no {theirs}"));
        let kernel = match kernel.rank() {
            2 => kernel.t().unwrap(),
            // Positions, then all that one position holds.
            _ => kernel.permute((3, along, 1 - along, 2)).unwrap().contiguous().unwrap().flatten_from(2).unwrap(),
        };
        self.add(format!("{ours}.weight"), &kernel);
        if let Some(bias) = self.tensor(theirs, "bias") {
            self.add(format!("{ours}.bias"), &bias);
        }
    }

    fn norm(&mut self, ours: &str, theirs: &str) {
        let names = [("weight", "gamma"), ("bias", "beta"), ("running_mean", "moving_mean"), ("running_var", "moving_variance")];
        for (name, keras) in names {
            let tensor = self.tensor(theirs, keras).unwrap();
            self.add(format!("{ours}.{name}"), &tensor);
        }
    }
}

/// iSEGnet's full model.
pub fn isegnet(path: &Path) -> HashMap<String, Tensor> {
    let mut layers = Layers::open(path, "model_weights/");
    let number = |i: usize| if i == 0 { String::new() } else { format!("_{i}") };
    for (i, place) in ["marks", "sequence", "merged"].into_iter().enumerate() {
        for j in 0..2 {
            layers.layer(&format!("{place}.conv{}", j + 1), &format!("conv2d{}", number(2 * i + j)), 0);
            layers.norm(&format!("{place}.norm{}", j + 1), &format!("batch_normalization{}", number(2 * i + j)));
        }
    }
    for i in 0..3 {
        layers.layer(&format!("dense{}", i + 1), &format!("dense{}", number(i)), 0);
        layers.norm(&format!("dense{}_norm", i + 1), &format!("batch_normalization_{}", 6 + i));
    }
    layers.layer("output", "dense_3", 0);
    layers.weights
}

/// DeepCAGE's weights.
pub fn deepcage(path: &Path) -> HashMap<String, Tensor> {
    let mut layers = Layers::open(path, "");
    for s in 1..=3 {
        layers.layer(&format!("conv{s}"), &format!("conv{s}"), 1);
        layers.norm(&format!("norm{s}"), &format!("batch_normalization_{s}"));
        for b in 1..=5 {
            for i in 1..=2 {
                layers.layer(&format!("block{s}.{b}.conv{i}"), &format!("conv{s}_{b}_x{i}"), 1);
                layers.norm(&format!("block{s}.{b}.norm{i}"), &format!("conv{s}_{b}_x{i}_bn"));
            }
        }
    }
    layers.layer("dense", "dense_1", 0);
    layers.norm("dense_norm", "batch_normalization_4");
    layers.layer("output", "output", 0);
    layers.weights
}
