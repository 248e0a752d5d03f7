//! Keras 2's HDF5: a full model, or its weights only, however deep a wrapper has nested them.
//!
//! A weight is named by its last two steps, `layer/weight` (`conv2d_3/kernel`): the path before them differs between a full
//! model (`model_weights/...`), weights only, and a network inside another (`multi_gpu_model` puts all into one group).

use super::checkpoint::{CheckpointFormat, Tensors, read_bounded};
use crate::tracks::contain_panic;
use candle_core::{Device, Tensor};
use hdf5_pure::{DType, Dataset, File, Group};
use std::path::Path;

/// The entry of [`super::FORMATS`].
pub(super) const FORMAT: CheckpointFormat = CheckpointFormat {
    name: "Keras HDF5",
    about: "Keras 2: a full model or its weights (.h5, .hdf5, .keras of older versions)",
    is_format: |_, start| start.starts_with(b"\x89HDF\r\n\x1a\n"),
    read,
};

/// Groups within groups.
const MAX_DEPTH: usize = 16;
/// Groups and datasets looked at; links may run in circles.
const MAX_VISITS: usize = 1 << 16;
/// A packed weight may be so many times as large as the whole file.
const LARGEST_GAIN: u64 = 16;
/// What an optimiser remembers of every weight is no weight.
const OPTIMISER: &str = "optimizer_weights";

fn read(path: &Path) -> Result<Tensors, String> {
    let bytes = read_bounded(path)?;
    let left = (bytes.len() as u64).saturating_mul(LARGEST_GAIN);
    contain_panic(|| {
        let file = File::from_bytes(bytes).map_err(|e| e.to_string())?;
        let mut walk = Walk { found: Tensors::new(), visits: 0, left };
        walk.group(&file.root(), "", 0)?;
        Ok(walk.found)
    })
    .unwrap_or_else(|message| Err(format!("damaged: {message}")))
}

struct Walk {
    found: Tensors,
    visits: usize,
    /// Bytes that further weights may take.
    left: u64,
}

impl Walk {
    fn group(&mut self, group: &Group, path: &str, depth: usize) -> Result<(), String> {
        self.visits += 1;
        if depth > MAX_DEPTH || self.visits > MAX_VISITS {
            return Err("groups nested without end".to_owned());
        }
        let error = |e: hdf5_pure::Error| format!("group \"{path}\": {e}");
        for name in group.datasets().map_err(error)? {
            let path = format!("{path}/{name}");
            let dataset = group.dataset(&name).map_err(|e| format!("dataset \"{path}\": {e}"))?;
            self.dataset(&dataset, &path).map_err(|reason| format!("dataset \"{path}\": {reason}"))?;
        }
        for name in group.groups().map_err(error)? {
            if !(depth == 0 && name == OPTIMISER) {
                let inner = group.group(&name).map_err(error)?;
                self.group(&inner, &format!("{path}/{name}"), depth + 1)?;
            }
        }
        Ok(())
    }

    fn dataset(&mut self, dataset: &Dataset, path: &str) -> Result<(), String> {
        self.visits += 1;
        let dtype = dataset.dtype().map_err(|e| e.to_string())?;
        if !matches!(dtype, DType::F32 | DType::F64) {
            return Err(format!("of type {dtype:?}, where f32 or f64 is read"));
        }
        let shape = dataset.shape().map_err(|e| e.to_string())?;
        let elements = shape.iter().try_fold(1_u64, |n, &side| n.checked_mul(side));
        let left = elements.and_then(|n| self.left.checked_sub(n.checked_mul(8)?));
        self.left = left.ok_or_else(|| format!("shape {shape:?} is larger than the file could hold"))?;
        let shape: Vec<usize> = shape.iter().map(|&side| side as usize).collect();
        let tensor = match dtype {
            DType::F64 => Tensor::from_vec(dataset.read_f64().map_err(|e| e.to_string())?, shape, &Device::Cpu),
            _ => Tensor::from_vec(dataset.read_f32().map_err(|e| e.to_string())?, shape, &Device::Cpu),
        };
        let mut steps: Vec<&str> = path.rsplit('/').take(2).filter(|step| !step.is_empty()).collect();
        steps.reverse();
        let name = steps.join("/").trim_end_matches(":0").to_owned();
        match self.found.insert(name.clone(), tensor.map_err(|e| e.to_string())?) {
            None => Ok(()),
            Some(_) => Err(format!("a second weight is named {name}")),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use hdf5_pure::{AttrValue, FileBuilder};

    fn add(to: &mut hdf5_pure::DatasetBuilder, tensor: &Tensor) {
        let values: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
        let shape: Vec<u64> = tensor.dims().iter().map(|&side| side as u64).collect();
        to.with_f32_data(&values).with_shape(&shape);
    }

    /// Flat datasets.
    pub fn flat(tensors: &Tensors) -> Vec<u8> {
        let mut file = FileBuilder::new();
        for (name, tensor) in tensors {
            add(file.create_dataset(name), tensor);
        }
        file.finish().unwrap()
    }

    /// As Keras 2 writes weights named `layer/weight`: `layer/layer/weight:0` at the root, or within `groups`.
    pub fn keras(tensors: &Tensors, groups: &[&str]) -> Vec<u8> {
        let mut layers: std::collections::BTreeMap<&str, Vec<(&str, &Tensor)>> = Default::default();
        for (name, tensor) in tensors {
            let (layer, weight) = name.split_once('/').unwrap();
            layers.entry(layer).or_default().push((weight, tensor));
        }
        let mut file = FileBuilder::new();
        file.set_attr("keras_version", AttrValue::String("2.1.4".to_owned()));
        let built: Vec<_> = layers
            .iter()
            .map(|(layer, weights)| {
                let mut outer = file.create_group(layer);
                let mut inner = outer.create_group(layer);
                for (weight, tensor) in weights {
                    add(inner.create_dataset(&format!("{weight}:0")), tensor);
                }
                outer.add_group(inner.finish());
                outer.finish()
            })
            .collect();
        match groups {
            [] => built.into_iter().for_each(|layer| file.add_group(layer)),
            [name, ..] => {
                let mut wrapper = file.create_group(name);
                built.into_iter().for_each(|layer| wrapper.add_group(layer));
                file.add_group(wrapper.finish());
            }
        }
        file.finish().unwrap()
    }

    fn two_layers() -> Tensors {
        let tensor = |shape: &[usize]| {
            let n = shape.iter().product::<usize>();
            Tensor::arange(0_f32, n as f32, &Device::Cpu).unwrap().reshape(shape).unwrap()
        };
        let of = |name: &str, shape: &[usize]| (name.to_owned(), tensor(shape));
        [of("conv2d/kernel", &[3, 2, 1, 4]), of("conv2d/bias", &[4]), of("dense_1/kernel", &[5, 1])].into()
    }

    fn read_bytes(bytes: &[u8]) -> Result<Tensors, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        read(file.path())
    }

    #[test]
    fn a_weight_is_its_layer_and_its_name_wherever_it_is_nested() {
        let expected = two_layers();
        for groups in [&[][..], &["model_weights"], &["model_1"]] {
            let read = read_bytes(&keras(&expected, groups)).unwrap();
            assert!(read.keys().eq(expected.keys()), "{:?}", read.keys());
            for (name, tensor) in &expected {
                assert_eq!(read[name].dims(), tensor.dims());
                let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                assert_eq!(flat(&read[name]), flat(tensor));
            }
        }
    }

    #[test]
    fn the_optimiser_is_left_out_and_other_types_are_refused() {
        let mut file = FileBuilder::new();
        let mut state = file.create_group(OPTIMISER);
        state.create_dataset("iterations").with_i64_data(&[7]);
        file.add_group(state.finish());
        file.create_dataset("w").with_f64_data(&[1.5]);
        let read = read_bytes(&file.finish().unwrap()).unwrap();
        assert_eq!(read.keys().collect::<Vec<_>>(), ["w"]);
        assert_eq!(read["w"].to_vec1::<f64>().unwrap(), [1.5]);
        let mut file = FileBuilder::new();
        file.create_dataset("iterations").with_i64_data(&[7]);
        let error = read_bytes(&file.finish().unwrap()).unwrap_err();
        assert!(error.contains("dataset \"/iterations\": of type I64"), "{error}");
    }
}
