//! PyTorch's files of weights: the zip form (1.6 and later) and the older one, read as data; nothing in them is run.
//!
//! A state dict, or a checkpoint that holds one (`state_dict`, `model_state_dict`). A whole pickled module is refused: which
//! network it was, its class says, and that is code. Layouts: torch/serialization.py (`_save`, `_legacy_save`). Every size a
//! file declares is checked against the file before anything is allocated.

use super::checkpoint::{CheckpointFormat, Tensors, read_bounded};
use super::npz::has_entry;
use super::pickle::{Object, Pickle, Value, ValueId};
use candle_core::{DType, Device, Tensor};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{Cursor, Read};
use std::path::Path;

/// The entry of [`super::FORMATS`].
pub(super) const FORMAT: CheckpointFormat = CheckpointFormat {
    name: "PyTorch",
    about: "a state dict or a checkpoint that holds one, of torch.save (.pt, .pth), also as before version 1.6",
    // A zip archive, or pickles: PROTO 2 to 5.
    is_format: |path, start| match start {
        [b'P', b'K', 3, 4, ..] => !has_entry(path, ".npy"),
        [0x80, 2..=5, ..] => true,
        _ => false,
    },
    read,
};

/// Modules within modules.
const MAX_DEPTH: usize = 64;
/// Values looked at in search of tensors; shared dictionaries could otherwise ask for any number.
const MAX_VISITS: usize = 1 << 20;
/// Characters of a parameter's name.
const MAX_NAME: usize = 1024;
/// The first pickle of the older form.
const LEGACY_MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;

fn read(path: &Path) -> Result<Tensors, String> {
    let bytes = read_bounded(path)?;
    if bytes.starts_with(b"PK\x03\x04") { read_zip(&bytes) } else { read_legacy(&bytes) }
}

/// A tensor as the pickle describes it: a view of a storage.
struct View<'a> {
    key: &'a str,
    offset: usize,
    shape: Vec<usize>,
    stride: Vec<usize>,
}

/// A storage as the pickle describes it.
#[derive(Clone, Copy)]
struct Storage {
    element: Element,
    /// Elements.
    len: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Element {
    Same(DType),
    /// candle has no int8.
    I8,
}

impl Element {
    fn of_class(module: &str, name: &str) -> Option<Self> {
        Some(match name.strip_suffix("Storage").filter(|_| matches!(module, "torch" | "torch.storage"))? {
            "Float" => Self::Same(DType::F32),
            "Double" => Self::Same(DType::F64),
            "Half" => Self::Same(DType::F16),
            "BFloat16" => Self::Same(DType::BF16),
            "Byte" | "Bool" => Self::Same(DType::U8),
            "Char" => Self::I8,
            "Short" => Self::Same(DType::I16),
            "Int" => Self::Same(DType::I32),
            "Long" => Self::Same(DType::I64),
            _ => return None,
        })
    }

    fn bytes(self) -> usize {
        match self {
            Self::Same(dtype) => dtype.size_in_bytes(),
            Self::I8 => 1,
        }
    }
}

fn read_zip(bytes: &[u8]) -> Result<Tensors, String> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| e.to_string())?;
    let names: Vec<String> = archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
    let is_pickle = |name: &&String| *name == "data.pkl" || name.ends_with("/data.pkl");
    let pickle_name = names.iter().find(is_pickle).ok_or("a zip archive without data.pkl")?;
    let folder = pickle_name.strip_suffix("data.pkl").unwrap_or_default();
    let mut entry = |name: &str| -> Result<Vec<u8>, String> {
        let file = archive.by_name(name).map_err(|e| format!("{name}: {e}"))?;
        // PyTorch stores entries as they are; a packed one could unpack to any size.
        if file.compression() != zip::CompressionMethod::Stored || file.size() > bytes.len() as u64 {
            return Err(format!("{name}: not stored as PyTorch stores it"));
        }
        let mut content = Vec::new();
        file.take(bytes.len() as u64).read_to_end(&mut content).map_err(|e| format!("{name}: {e}"))?;
        Ok(content)
    };
    if names.contains(&format!("{folder}byteorder")) && entry(&format!("{folder}byteorder"))? != b"little" {
        return Err("written on a big-endian machine".to_owned());
    }
    let content = entry(pickle_name)?;
    let pickle = Pickle::read(&content)?;
    let storages = storages(&pickle)?;
    let views = find_tensors(&pickle)?;
    let mut contents = HashMap::new();
    for key in views.values().map(|view| view.key).collect::<BTreeSet<_>>() {
        contents.insert(key.to_owned(), entry(&format!("{folder}data/{key}"))?);
    }
    tensors(&views, &storages, bytes.len(), |key| contents.get(key).map(Vec::as_slice))
}

/// Five pickles (magic number, protocol, machine, object, keys of storages), then for each key its number of elements and
/// those elements.
fn read_legacy(bytes: &[u8]) -> Result<Tensors, String> {
    let mut at = 0;
    let mut next = || -> Result<Pickle<'_>, String> {
        let pickle = Pickle::read(&bytes[at..]).map_err(|reason| format!("from byte {at}: {reason}"))?;
        at += pickle.len;
        Ok(pickle)
    };
    let magic = next().map_err(|_| "neither a zip archive nor a pickle")?;
    if !matches!(magic.get(magic.root()), Value::Int(LEGACY_MAGIC)) {
        return Err("a pickle without PyTorch's magic number".to_owned());
    }
    let (protocol, machine, pickle, keys) = (next()?, next()?, next()?, next()?);
    if protocol.size(protocol.root()) != Some(1001) {
        return Err("not version 1001 of the older form".to_owned());
    }
    if let Some(value) = machine.entry(machine.root(), "little_endian")
        && !matches!(machine.get(value), Value::Bool(true))
    {
        return Err("written on a big-endian machine".to_owned());
    }
    let storages = storages(&pickle)?;
    let views = find_tensors(&pickle)?;
    let mut contents = HashMap::new();
    for &key in keys.items(keys.root()).ok_or("no list of storages")? {
        let key = keys.text(key).ok_or("a storage whose key is no text")?;
        let storage = storages.get(key).ok_or_else(|| format!("storage \"{key}\" is of no known type"))?;
        let end = at.saturating_add(8);
        let count = bytes.get(at..end).ok_or_else(|| format!("the file ends before storage \"{key}\""))?;
        let count = count.iter().rev().fold(0_u64, |n, &byte| n << 8 | u64::from(byte));
        if count != storage.len as u64 {
            return Err(format!("storage \"{key}\" is said to hold {} elements and then {count}", storage.len));
        }
        let end_of_data = storage.len.checked_mul(storage.element.bytes()).and_then(|len| end.checked_add(len));
        let content = end_of_data.and_then(|to| bytes.get(end..to));
        let content = content.ok_or_else(|| format!("the file ends within storage \"{key}\""))?;
        at = end + content.len();
        contents.insert(key, content);
    }
    tensors(&views, &storages, bytes.len(), |key| contents.get(key).copied())
}

/// The storages a pickle refers to: `("storage", class, key, location, elements, ...)`.
fn storages<'a>(pickle: &Pickle<'a>) -> Result<HashMap<&'a str, Storage>, String> {
    let mut found = HashMap::new();
    for value in pickle.values() {
        let Value::Persistent(id) = *value else { continue };
        let Some((key, storage)) = storage(pickle, id)? else { continue };
        let before = found.insert(key, storage);
        if before.is_some_and(|b: Storage| b.element != storage.element || b.len != storage.len) {
            return Err(format!("storage \"{key}\" is described in two ways"));
        }
    }
    Ok(found)
}

/// `None` for a reference to something else (the source text of a pickled class).
fn storage<'a>(pickle: &Pickle<'a>, id: ValueId) -> Result<Option<(&'a str, Storage)>, String> {
    let Some([kind, class, key, _location, len, rest @ ..]) = pickle.items(id) else { return Ok(None) };
    if pickle.text(*kind) != Some("storage") {
        return Ok(None);
    }
    let (Some(key), Some((module, name)), Some(len)) = (pickle.text(*key), pickle.global(*class), pickle.size(*len)) else {
        return Err("a storage without key, type or size".to_owned());
    };
    let element = Element::of_class(module, name).ok_or_else(|| format!("storage \"{key}\" is of type {module}.{name}"))?;
    if rest.iter().any(|&view| !matches!(pickle.get(view), Value::None)) {
        return Err(format!("storage \"{key}\" is a view of another"));
    }
    Ok(Some((key, Storage { element, len })))
}

fn find_tensors<'a>(pickle: &Pickle<'a>) -> Result<BTreeMap<String, View<'a>>, String> {
    let held = ["state_dict", "model_state_dict"].iter().find_map(|key| pickle.entry(pickle.root(), key));
    let mut search = Search { pickle, found: BTreeMap::new(), visits: 0 };
    search.walk(held.unwrap_or(pickle.root()), "", 0)?;
    if search.found.is_empty() { Err(format!("no tensor in {}", describe(pickle))) } else { Ok(search.found) }
}

/// What a file without tensors holds.
fn describe(pickle: &Pickle<'_>) -> String {
    let name = |object: &Object| pickle.global(object.callable).map(|(module, name)| format!("an object of {module}.{name}"));
    match pickle.get(pickle.root()) {
        Value::Object(object) => name(object).unwrap_or_else(|| "an object".to_owned()),
        Value::Dict(pairs) => format!("a dictionary of {}", pairs.len()),
        _ => "it".to_owned(),
    }
}

struct Search<'p, 'a> {
    pickle: &'p Pickle<'a>,
    found: BTreeMap<String, View<'a>>,
    visits: usize,
}

impl<'a> Search<'_, 'a> {
    /// Collects the tensors below a value.
    fn walk(&mut self, id: ValueId, prefix: &str, depth: usize) -> Result<(), String> {
        self.visits += 1;
        if depth > MAX_DEPTH || self.visits > MAX_VISITS || prefix.len() > MAX_NAME {
            return Err("nested without end".to_owned());
        }
        match self.pickle.get(id) {
            Value::Dict(pairs) => {
                for &(key, value) in pairs {
                    if let Some(key) = self.pickle.text(key) {
                        self.walk(value, &join(prefix, key), depth + 1)?;
                    }
                }
            }
            Value::Object(object) => {
                if let Some(view) = self.view(object, 0).map_err(|reason| format!("tensor \"{prefix}\": {reason}"))? {
                    self.found.insert(prefix.to_owned(), view);
                } else if object.state.is_some_and(|state| self.pickle.entry(state, "_modules").is_some()) {
                    let (module, class) = self.pickle.global(object.callable).unwrap_or(("?", "?"));
                    let advice =
                        "its classes are code, which is not run here: torch.save(model.state_dict(), ...) writes what is read";
                    return Err(format!("a whole pickled module of {module}.{class}; {advice}"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The tensor that a call of `torch._utils` would make; `None` for any other call.
    fn view(&self, object: &Object, depth: usize) -> Result<Option<View<'a>>, String> {
        let Some((module, name)) = self.pickle.global(object.callable) else { return Ok(None) };
        let args = self.pickle.items(object.args).unwrap_or_default();
        match (module, name, args) {
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2", &[storage, offset, shape, stride, ..]) => {
                self.plain_view(storage, offset, shape, stride).map(Some)
            }
            ("torch._utils", "_rebuild_parameter", &[data, ..]) if depth == 0 => match self.pickle.get(data) {
                Value::Object(data) => self.view(data, 1),
                _ => Ok(None),
            },
            ("torch._tensor", "_rebuild_from_type_v2", &[callable, _, args, ..]) if depth == 0 => {
                self.view(&Object { callable, args, state: None }, 1)
            }
            ("torch._utils" | "torch._tensor", other, _) => Err(format!("made by {other}, which is not read here")),
            _ => Ok(None),
        }
    }

    fn plain_view(&self, persistent: ValueId, offset: ValueId, shape: ValueId, stride: ValueId) -> Result<View<'a>, String> {
        let sizes = |id| self.pickle.items(id)?.iter().map(|&n| self.pickle.size(n)).collect::<Option<Vec<_>>>();
        let Value::Persistent(reference) = *self.pickle.get(persistent) else { return Err("without a storage".to_owned()) };
        let Some((key, _)) = storage(self.pickle, reference)? else { return Err("without a storage".to_owned()) };
        match (self.pickle.size(offset), sizes(shape), sizes(stride)) {
            (Some(offset), Some(shape), Some(stride)) if shape.len() == stride.len() && shape.len() <= 8 => {
                Ok(View { key, offset, shape, stride })
            }
            _ => Err("its offset, shape and strides do not fit together".to_owned()),
        }
    }
}

fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
}

/// Makes the tensors. `file_len` bounds what they may take together: a file may name a storage twice, not a thousand times.
fn tensors<'c>(
    views: &BTreeMap<String, View<'_>>,
    storages: &HashMap<&str, Storage>,
    file_len: usize,
    content: impl Fn(&str) -> Option<&'c [u8]>,
) -> Result<Tensors, String> {
    let mut left = file_len.saturating_mul(4);
    let mut made = BTreeMap::new();
    for (name, view) in views {
        let error = |reason: String| format!("tensor \"{name}\": {reason}");
        let (Some(storage), Some(content)) = (storages.get(view.key), content(view.key)) else {
            return Err(error(format!("its storage \"{}\" is not in the file", view.key)));
        };
        if Some(content.len()) != storage.len.checked_mul(storage.element.bytes()) {
            return Err(error(format!("its storage has {} bytes, not {} elements", content.len(), storage.len)));
        }
        let elements = view.shape.iter().try_fold(1_usize, |n, &side| n.checked_mul(side)).filter(|&n| n <= storage.len);
        let elements = elements.ok_or_else(|| error(format!("shape {:?} is larger than its storage", view.shape)))?;
        left = left.checked_sub(elements * storage.element.bytes()).ok_or("its tensors are larger than the file could hold")?;
        let gathered = gather(view, elements, content, storage.element.bytes()).map_err(error)?;
        let tensor = match storage.element {
            Element::Same(dtype) => Tensor::from_raw_buffer(&gathered, dtype, &view.shape, &Device::Cpu),
            Element::I8 => {
                let wide: Vec<i64> = gathered.iter().map(|&byte| i64::from(byte.cast_signed())).collect();
                Tensor::from_vec(wide, view.shape.clone(), &Device::Cpu)
            }
        };
        made.insert(name.clone(), tensor.map_err(|e| error(e.to_string()))?);
    }
    Ok(made)
}

/// The elements of a view in row-major order.
fn gather(view: &View<'_>, elements: usize, content: &[u8], size: usize) -> Result<Vec<u8>, String> {
    if elements == 0 {
        return Ok(Vec::new());
    }
    let last = view.shape.iter().zip(&view.stride).try_fold(view.offset, |at, (&side, &stride)| {
        at.checked_add((side - 1).checked_mul(stride)?) // no side is 0 here
    });
    if last.is_none_or(|last| last >= content.len() / size) {
        return Err(format!("offset {}, shape {:?}, strides {:?} reach past its storage", view.offset, view.shape, view.stride));
    }
    let mut gathered = Vec::with_capacity(elements * size);
    let mut index = vec![0; view.shape.len()];
    let mut at = view.offset;
    loop {
        gathered.extend_from_slice(&content[at * size..(at + 1) * size]);
        // The next index, last axis fastest, and with it the element's place.
        let mut axis = view.shape.len();
        loop {
            if axis == 0 {
                return Ok(gathered);
            }
            axis -= 1;
            index[axis] += 1;
            at += view.stride[axis];
            if index[axis] < view.shape[axis] {
                break;
            }
            at -= view.stride[axis] * view.shape[axis];
            index[axis] = 0;
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use std::io::Write;
    use std::path::PathBuf;

    fn shared(path: &str) -> Option<PathBuf> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(path);
        if !path.exists() {
            println!("skipped: {} is not here", path.display());
            return None;
        }
        Some(path)
    }

    fn read(bytes: &[u8]) -> Result<Tensors, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        super::read(file.path())
    }

    fn values(tensor: &Tensor) -> Vec<f64> {
        tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    fn text(s: &str) -> Vec<u8> {
        [b"X", &(s.len() as u32).to_le_bytes()[..], s.as_bytes()].concat()
    }

    /// `_rebuild_tensor_v2` of a view; sizes below 256.
    fn tensor(class: &str, key: &str, len: u8, offset: u8, shape: &[u8], stride: &[u8]) -> Vec<u8> {
        let tuple = |sizes: &[u8]| [b"(", &sizes.iter().flat_map(|&n| [b'K', n]).collect::<Vec<_>>()[..], b"t"].concat();
        let reference =
            [b"((", &text("storage")[..], format!("ctorch\n{class}\n").as_bytes(), &text(key), &text("cpu"), b"K", &[len], b"tQ"]
                .concat();
        let view = [&b"K"[..], &[offset], &tuple(shape), &tuple(stride), b"\x89)t"].concat();
        [&b"ctorch._utils\n_rebuild_tensor_v2\n"[..], &reference, &view, b"R"].concat()
    }

    fn dict(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let pairs: Vec<u8> = pairs.iter().flat_map(|(key, value)| [text(key), value.clone()].concat()).collect();
        [b"}(", &pairs[..], b"u"].concat()
    }

    /// The older form around an object; storages as (key, elements, bytes).
    fn legacy(object: &[u8], storages: &[(&str, u64, &[u8])]) -> Vec<u8> {
        let keys: Vec<u8> = storages.iter().flat_map(|(key, _, _)| text(key)).collect();
        let data = storages.iter().flat_map(|(_, n, bytes)| [&n.to_le_bytes()[..], bytes].concat()).collect::<Vec<_>>();
        let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.\x80\x02";
        [&magic[..], object, b".\x80\x02](", &keys, b"e.", &data].concat()
    }

    /// A state dict of f32 tensors of fewer than 256 numbers, in the older form.
    pub fn state_dict(tensors: &Tensors) -> Vec<u8> {
        let row_major = |shape: &[u8]| -> Vec<u8> { (0..shape.len()).map(|i| shape[i + 1..].iter().product()).collect() };
        let bytes = |t: &Tensor| values(t).iter().flat_map(|v| (*v as f32).to_le_bytes()).collect::<Vec<u8>>();
        let contents: Vec<(&str, u64, Vec<u8>)> =
            tensors.iter().map(|(name, t)| (name.as_str(), t.elem_count() as u64, bytes(t))).collect();
        let entries: Vec<(&str, Vec<u8>)> = tensors
            .iter()
            .map(|(name, t)| {
                let shape: Vec<u8> = t.dims().iter().map(|&side| side as u8).collect();
                (name.as_str(), tensor("FloatStorage", name, t.elem_count() as u8, 0, &shape, &row_major(&shape)))
            })
            .collect();
        let storages: Vec<(&str, u64, &[u8])> = contents.iter().map(|(name, n, bytes)| (*name, *n, &bytes[..])).collect();
        legacy(&dict(&entries), &storages)
    }

    #[test]
    fn both_forms_hold_the_same_weights() {
        let Some(zip) = shared("golden/attentivechrome/weights.pt") else { return };
        let Some(old) = shared("golden/attentivechrome/weights_legacy.pt") else { return };
        let (zip, old) = (super::read(&zip).unwrap(), super::read(&old).unwrap());
        assert_eq!(zip.len(), 56);
        assert!(zip.keys().eq(old.keys()));
        for (name, tensor) in &zip {
            assert_eq!(tensor.dims(), old[name].dims(), "{name}");
            assert_eq!(values(tensor), values(&old[name]), "{name}");
        }
    }

    #[test]
    fn the_published_file_holds_the_published_shapes() {
        let Some(path) = shared("real/attentivechrome/model.pt") else { return };
        let weights = super::read(&path).unwrap();
        let mut expected: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let mut lstm = |prefix: &str, input: usize, hidden: usize| {
            for end in ["", "_reverse"] {
                expected.insert(format!("{prefix}.rnn.weight_ih_l0{end}"), vec![4 * hidden, input]);
                expected.insert(format!("{prefix}.rnn.weight_hh_l0{end}"), vec![4 * hidden, hidden]);
                expected.insert(format!("{prefix}.rnn.bias_ih_l0{end}"), vec![4 * hidden]);
                expected.insert(format!("{prefix}.rnn.bias_hh_l0{end}"), vec![4 * hidden]);
            }
            expected.insert(format!("{prefix}.bin_attention.bin_context_vector"), vec![2 * hidden, 1]);
        };
        for mark in 0..5 {
            lstm(&format!("rnn_hms.{mark}"), 1, 32);
        }
        lstm("hm_level_rnn_1", 64, 16);
        expected.insert("fdiff1_1.weight".to_owned(), vec![1, 32]);
        expected.insert("fdiff1_1.bias".to_owned(), vec![1]);
        let found: BTreeMap<String, Vec<usize>> = weights.iter().map(|(name, t)| (name.clone(), t.dims().to_vec())).collect();
        assert_eq!(found, expected);
        assert!(weights.values().flat_map(values).all(|w| w.abs() < 10.0), "values of trained weights");
    }

    #[test]
    fn offsets_and_strides_are_followed() {
        let numbers: Vec<u8> = (0..7_i16).flat_map(i16::to_le_bytes).collect();
        let object = dict(&[
            ("transposed", tensor("ShortStorage", "k", 7, 1, &[3, 2], &[1, 3])),
            ("scalar", tensor("ShortStorage", "k", 7, 6, &[], &[])),
            ("none", tensor("ShortStorage", "k", 7, 0, &[0, 2], &[2, 1])),
        ]);
        let read = read(&legacy(&object, &[("k", 7, &numbers)])).unwrap();
        assert_eq!(read["transposed"].dims(), [3, 2]);
        assert_eq!(values(&read["transposed"]), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        assert_eq!(values(&read["scalar"]), [6.0]);
        assert_eq!(read["none"].dims(), [0, 2]);
    }

    #[test]
    fn every_type_of_element_keeps_its_value() {
        for (class, bytes, dtype, value) in [
            ("FloatStorage", (-1.5_f32).to_le_bytes().to_vec(), DType::F32, -1.5),
            ("DoubleStorage", 1e300_f64.to_le_bytes().to_vec(), DType::F64, 1e300),
            ("HalfStorage", vec![0x00, 0xbe], DType::F16, -1.5),
            ("BFloat16Storage", vec![0xc0, 0xbf], DType::BF16, -1.5),
            ("ByteStorage", vec![200], DType::U8, 200.0),
            ("BoolStorage", vec![1], DType::U8, 1.0),
            ("CharStorage", vec![0xfe], DType::I64, -2.0),
            ("ShortStorage", (-300_i16).to_le_bytes().to_vec(), DType::I16, -300.0),
            ("IntStorage", (-70_000_i32).to_le_bytes().to_vec(), DType::I32, -70_000.0),
            ("LongStorage", (1_i64 << 40).to_le_bytes().to_vec(), DType::I64, 1_099_511_627_776.0),
        ] {
            let read = read(&legacy(&dict(&[("x", tensor(class, "k", 1, 0, &[1], &[1]))]), &[("k", 1, &bytes)])).unwrap();
            assert_eq!(read["x"].dtype(), dtype, "{class}");
            if dtype != DType::I16 {
                assert_eq!(values(&read["x"]), [value], "{class}");
            }
        }
    }

    #[test]
    fn a_checkpoint_gives_its_state_dict_and_a_whole_module_is_refused() {
        let parameter = |key: &str| {
            let data = tensor("ByteStorage", key, 1, 0, &[1], &[1]);
            [&b"ctorch._utils\n_rebuild_parameter\n("[..], &data, b"\x88)tR"].concat()
        };
        let storages: [(&str, u64, &[u8]); 2] = [("a", 1, &[1]), ("b", 1, &[2])];
        let state = dict(&[("fc.weight", parameter("a")), ("fc.bias", parameter("b"))]);
        let checkpoint = read(&legacy(&dict(&[("epoch", b"K\x07".to_vec()), ("state_dict", state)]), &storages)).unwrap();
        assert_eq!(checkpoint.keys().collect::<Vec<_>>(), ["fc.bias", "fc.weight"]);
        assert_eq!((values(&checkpoint["fc.weight"]), values(&checkpoint["fc.bias"])), (vec![1.0], vec![2.0]));
        let module = |parts: &[(&str, Vec<u8>)]| [&b"c__main__\nNet\n)\x81"[..], &dict(parts), b"b"].concat();
        let fc = module(&[("_parameters", dict(&[("weight", parameter("a"))])), ("_modules", dict(&[]))]);
        let whole = module(&[("_parameters", dict(&[])), ("_modules", dict(&[("fc", fc)]))]);
        for file in [legacy(&whole, &storages), legacy(&dict(&[("model", whole)]), &storages)] {
            let error = read(&file).unwrap_err();
            assert!(error.contains("a whole pickled module of __main__.Net") && error.contains("state_dict()"), "{error}");
        }
    }

    #[test]
    fn what_holds_no_weights_says_what_it_holds() {
        let refused = |object: &[u8]| read(&legacy(object, &[])).unwrap_err();
        assert!(refused(b"cos\nsystem\nX\x04\x00\x00\x00true\x85R").ends_with("no tensor in an object of os.system"));
        assert!(refused(&dict(&[("epoch", b"K\x07".to_vec())])).ends_with("no tensor in a dictionary of 1"));
        let sparse = b"ctorch._utils\n_rebuild_sparse_tensor\n)R".to_vec();
        assert!(
            refused(&dict(&[("w", sparse)])).ends_with("tensor \"w\": made by _rebuild_sparse_tensor, which is not read here")
        );
        assert!(read(b"").unwrap_err().ends_with("neither a zip archive nor a pickle"));
        assert!(read(b"\x80\x02K\x01.").unwrap_err().ends_with("a pickle without PyTorch's magic number"));
        assert!(read(b"PK\x03\x04 and no more").is_err());
    }

    #[test]
    fn sizes_that_the_file_cannot_hold_are_refused() {
        let one = |len, count, offset, shape: &[u8], stride: &[u8]| {
            let object = dict(&[("w", tensor("FloatStorage", "k", len, offset, shape, stride))]);
            read(&legacy(&object, &[("k", count, &[0; 16])])).unwrap_err()
        };
        assert!(one(4, 5, 0, &[4], &[1]).ends_with("storage \"k\" is said to hold 4 elements and then 5"));
        assert!(one(5, 5, 0, &[4], &[1]).ends_with("the file ends within storage \"k\""));
        assert!(one(4, u64::MAX, 0, &[4], &[1]).contains("4 elements and then 18446744073709551615"));
        assert!(one(4, 4, 1, &[4], &[1]).ends_with("offset 1, shape [4], strides [1] reach past its storage"));
        assert!(one(4, 4, 0, &[2, 2], &[3, 1]).contains("reach past its storage"));
        assert!(one(4, 4, 0, &[255, 255, 255, 255], &[0, 0, 0, 0]).contains("is larger than its storage"));
        assert!(one(4, 4, 0, &[4], &[1, 1]).contains("do not fit together"));
        // 60 levels of dictionaries that hold the one below twice.
        let mut object = dict(&[]);
        for _ in 0..60 {
            object.extend(b"q\x000}(");
            object.extend([&text("a")[..], b"h\x00", &text("b"), b"h\x00u"].concat());
        }
        assert!(read(&legacy(&object, &[])).unwrap_err().ends_with("nested without end"));
        // Many names for one storage.
        let names: Vec<String> = (0..200).map(|i| i.to_string()).collect();
        let mut pairs = vec![("first", [tensor("ByteStorage", "k", 250, 0, &[250], &[1]), b"q\x01".to_vec()].concat())];
        pairs.extend(names.iter().map(|name| (name.as_str(), b"h\x01".to_vec())));
        assert!(read(&legacy(&dict(&pairs), &[("k", 250, &[0; 250])])).unwrap_err().contains("larger than the file could hold"));
    }

    #[test]
    fn an_archive_that_declares_a_directory_of_exabytes_is_refused() {
        let record = |files: u64, size: u64, start: u64| {
            let mut bytes = b"PK\x03\x04".to_vec();
            bytes.resize(100, 0);
            bytes.extend(b"PK\x06\x06");
            bytes.extend(44_u64.to_le_bytes());
            bytes.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            bytes.extend([files, files, size, start].iter().flat_map(|n| n.to_le_bytes()));
            bytes.extend(b"PK\x06\x07\0\0\0\0");
            bytes.extend(100_u64.to_le_bytes());
            bytes.extend(1_u32.to_le_bytes());
            bytes.extend(b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0");
            bytes
        };
        for exponent in [20, 30, 40, 45, 50, 55, 60, 63] {
            for start in [0, 4, 100, 1 << exponent] {
                assert!(read(&record(1 << exponent, (1 << exponent) - 1, start)).is_err());
                assert!(read(&record((1 << exponent) / 46, 1 << exponent, start)).is_err());
                assert!(read(&record(u64::MAX, u64::MAX, start)).is_err());
            }
        }
    }

    #[test]
    fn damaged_files_are_errors_or_weights() {
        let mut read_any = 0;
        for file in
            ["golden/attentivechrome/weights.pt", "golden/attentivechrome/weights_legacy.pt", "real/attentivechrome/model.pt"]
        {
            let Some(path) = shared(file) else { return };
            let whole = std::fs::read(path).unwrap();
            for cut in (0..50).map(|i| whole.len() * i / 50) {
                assert!(read(&whole[..cut]).is_err(), "{file} cut to {cut}");
            }
            let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
            // Nine in ten flips hit the structure: the first and last 12,000 bytes.
            for i in 0..300 {
                let mut bytes = whole.clone();
                for _ in 0..rng.random_range(1..4) {
                    let at = match i % 10 {
                        0 => rng.random_range(0..bytes.len()),
                        1..=6 => rng.random_range(0..12_000),
                        _ => bytes.len() - rng.random_range(1..12_000),
                    };
                    bytes[at] ^= 1 << rng.random_range(0..8);
                }
                read_any += usize::from(read(&bytes).is_ok());
            }
        }
        assert!((1..900).contains(&read_any), "{read_any} of 900 damaged files were readable");
    }
}
