//! NumPy's `.npy`: one array.
//!
//! Format: numpy/lib/format.py, versions 1 to 3. Read: little-endian numbers, booleans and text, in C or Fortran order (given in
//! C order); pickled objects are refused. A size is believed only as far as bytes follow.

use super::lines::open_regular;
use super::{TrackError, write_whole};
use std::io::{BufReader, Read, Write};
use std::path::Path;

const MAGIC: &[u8] = b"\x93NUMPY";
/// A header of more is of no array of numbers.
const MAX_HEADER: usize = 1 << 16;
/// Bytes of one array; a deflated archive could otherwise unpack to a thousand times its size.
const MAX_BYTES: u64 = 4 << 30;

/// The numbers of an [`Array`] in C order.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// `<f4`
    F32(Vec<f32>),
    /// `<f8`
    F64(Vec<f64>),
    /// `<i4`; read from smaller integers too.
    I32(Vec<i32>),
    /// `<i8`; read from `<u4` too.
    I64(Vec<i64>),
    /// `|u1`
    U8(Vec<u8>),
    /// `|b1`
    Bool(Vec<bool>),
    /// `<U..`; read from `|S..` too.
    Text(Vec<String>),
}

impl Values {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
            Self::I32(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::U8(v) => v.len(),
            Self::Bool(v) => v.len(),
            Self::Text(v) => v.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An array with its shape; no axis means one number.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Lengths of the axes.
    pub shape: Vec<usize>,
    /// As many as the shape asks for, last axis fastest.
    pub values: Values,
}

impl Array {
    /// An array of f32.
    pub fn f32(shape: &[usize], values: Vec<f32>) -> Self {
        Self { shape: shape.to_vec(), values: Values::F32(values) }
    }

    /// One axis of text.
    pub fn text(values: Vec<String>) -> Self {
        Self { shape: vec![values.len()], values: Values::Text(values) }
    }

    /// The numbers as f64; `None` of text.
    pub fn to_f64(&self) -> Option<Vec<f64>> {
        Some(match &self.values {
            Values::F32(v) => v.iter().map(|&x| x.into()).collect(),
            Values::F64(v) => v.clone(),
            Values::I32(v) => v.iter().map(|&x| x.into()).collect(),
            Values::I64(v) => v.iter().map(|&x| x as f64).collect(),
            Values::U8(v) => v.iter().map(|&x| x.into()).collect(),
            Values::Bool(v) => v.iter().map(|&x| f64::from(u8::from(x))).collect(),
            Values::Text(_) => return None,
        })
    }

    /// The numbers as f32; `None` of text.
    pub fn to_f32(&self) -> Option<Vec<f32>> {
        match &self.values {
            Values::F32(v) => Some(v.clone()),
            _ => Some(self.to_f64()?.into_iter().map(|x| x as f32).collect()),
        }
    }

    /// The text; `None` of numbers.
    pub fn as_text(&self) -> Option<&[String]> {
        match &self.values {
            Values::Text(v) => Some(v),
            _ => None,
        }
    }
}

/// Reads one `.npy` file.
pub fn read_npy(path: &Path) -> Result<Array, TrackError> {
    let (file, _) = open_regular(path)?;
    read_array(&mut BufReader::new(file)).map_err(|reason| TrackError::malformed(path, "array", reason))
}

/// Writes one `.npy` file, whole or not at all.
pub fn write_npy(path: &Path, array: &Array) -> Result<(), TrackError> {
    check(path, "array", array)?;
    write_whole(path, |out| write_array(out, array).map_err(|e| TrackError::io(path, e)))
}

pub(super) fn check(path: &Path, name: &str, array: &Array) -> Result<(), TrackError> {
    if elements(&array.shape) == Some(array.values.len()) {
        return Ok(());
    }
    let reason = format!("shape {:?} for {} values", array.shape, array.values.len());
    Err(TrackError::malformed(path, format!("array {name}"), reason))
}

fn elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |n, &side| n.checked_mul(side))
}

/// What an element is, as `descr` says.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Element {
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    Bool,
    /// Code points.
    Unicode(usize),
    /// Bytes.
    Bytes(usize),
}

impl Element {
    fn parse(descr: &str) -> Option<Self> {
        let (order, code) = (descr.get(..1)?, descr.get(1..)?);
        if !matches!(order, "<" | "|" | "=") {
            return None;
        }
        Some(match code {
            "f4" => Self::F32,
            "f8" => Self::F64,
            "i1" => Self::I8,
            "i2" => Self::I16,
            "i4" => Self::I32,
            "i8" => Self::I64,
            "u1" => Self::U8,
            "u2" => Self::U16,
            "u4" => Self::U32,
            "b1" => Self::Bool,
            _ => match code.split_at_checked(1)? {
                ("U", len) => Self::Unicode(len.parse().ok()?),
                ("S", len) => Self::Bytes(len.parse().ok()?),
                _ => return None,
            },
        })
    }

    fn bytes(self) -> Option<usize> {
        match self {
            Self::I8 | Self::U8 | Self::Bool => Some(1),
            Self::I16 | Self::U16 => Some(2),
            Self::F32 | Self::I32 | Self::U32 => Some(4),
            Self::F64 | Self::I64 => Some(8),
            Self::Unicode(len) => len.checked_mul(4),
            Self::Bytes(len) => Some(len),
        }
    }
}

pub(super) fn read_array(reader: &mut impl Read) -> Result<Array, String> {
    let header = read_header(reader)?;
    let (element, is_fortran, shape) = parse_header(&header).ok_or_else(|| {
        let shown: String = header.chars().filter(|c| !c.is_control()).take(120).collect();
        format!("no little-endian numbers or text: {}", shown.trim_end())
    })?;
    let bytes = elements(&shape).zip(element.bytes()).and_then(|(n, size)| n.checked_mul(size));
    let bytes = bytes
        .filter(|&n| n as u64 <= MAX_BYTES)
        .ok_or_else(|| format!("shape {shape:?} asks for more than {MAX_BYTES} bytes"))?;
    // Grows as bytes come, and reads on to the end, where the archive's checksum is compared.
    let mut data = Vec::new();
    reader.take(bytes as u64 + 1).read_to_end(&mut data).map_err(|e| e.to_string())?;
    if data.len() != bytes {
        let found = if data.len() > bytes { "more".to_owned() } else { data.len().to_string() };
        return Err(format!("{found} bytes where shape {shape:?} of {element:?} asks for {bytes}"));
    }
    let count = elements(&shape).unwrap_or_default(); // known to fit
    // No byte stands behind elements of no size.
    if element.bytes() == Some(0) && count > MAX_HEADER {
        return Err(format!("{count} empty texts"));
    }
    if is_fortran && shape.len() > 1 {
        data = to_c_order(&data, &shape, element.bytes().unwrap_or(1));
    }
    let values = decode(element, &data, count)?;
    Ok(Array { shape, values })
}

fn read_header(reader: &mut impl Read) -> Result<String, String> {
    let mut start = [0; 8];
    reader.read_exact(&mut start).map_err(|_| "shorter than a header")?;
    if !start.starts_with(MAGIC) {
        return Err("not a NumPy array".to_owned());
    }
    let mut length = [0; 4];
    let used = match start[6] {
        1 => 2,
        2 | 3 => 4,
        version => return Err(format!("version {version} of the format is not read here")),
    };
    reader.read_exact(&mut length[..used]).map_err(|_| "shorter than a header")?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_HEADER {
        return Err(format!("a header of {length} bytes"));
    }
    let mut header = vec![0; length];
    reader.read_exact(&mut header).map_err(|_| "shorter than its header")?;
    String::from_utf8(header).map_err(|_| "a header that is no text".to_owned())
}

/// `{'descr': '<f4', 'fortran_order': False, 'shape': (4, 5), }`
fn parse_header(header: &str) -> Option<(Element, bool, Vec<usize>)> {
    let after = |key: &str| {
        let at = header.find(&format!("'{key}'"))? + key.len() + 2;
        Some(header[at..].trim_start().strip_prefix(':')?.trim_start())
    };
    let element = Element::parse(after("descr")?.strip_prefix('\'')?.split('\'').next()?)?;
    let order = after("fortran_order")?;
    let is_fortran = order.starts_with("True");
    if !is_fortran && !order.starts_with("False") {
        return None;
    }
    let (sides, _) = after("shape")?.strip_prefix('(')?.split_once(')')?;
    let sides = sides.split(',').map(str::trim).filter(|side| !side.is_empty());
    let shape: Vec<usize> = sides.map(|side| side.trim_end_matches('L').parse().ok()).collect::<Option<_>>()?;
    (shape.len() <= 32).then_some((element, is_fortran, shape))
}

/// Elements of `size` bytes, first axis fastest, to last axis fastest.
fn to_c_order(data: &[u8], shape: &[usize], size: usize) -> Vec<u8> {
    let mut ordered = Vec::with_capacity(data.len());
    let mut index = vec![0; shape.len()];
    for _ in 0..data.len() / size.max(1) {
        let at = index.iter().zip(shape).rev().fold(0, |at, (&i, &side)| at * side + i);
        ordered.extend_from_slice(&data[at * size..(at + 1) * size]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    ordered
}

fn decode(element: Element, data: &[u8], count: usize) -> Result<Values, String> {
    macro_rules! numbers {
        ($number:ty, $kind:ident, $into:ty) => {{
            let (chunks, _) = data.as_chunks();
            Values::$kind(chunks.iter().map(|&bytes| <$into>::from(<$number>::from_le_bytes(bytes))).collect())
        }};
    }
    Ok(match element {
        Element::F32 => numbers!(f32, F32, f32),
        Element::F64 => numbers!(f64, F64, f64),
        Element::I8 => numbers!(i8, I32, i32),
        Element::I16 => numbers!(i16, I32, i32),
        Element::I32 => numbers!(i32, I32, i32),
        Element::I64 => numbers!(i64, I64, i64),
        Element::U8 => numbers!(u8, U8, u8),
        Element::U16 => numbers!(u16, I32, i32),
        Element::U32 => numbers!(u32, I64, i64),
        Element::Bool => Values::Bool(data.iter().map(|&byte| byte != 0).collect()),
        Element::Unicode(0) | Element::Bytes(0) => Values::Text(vec![String::new(); count]),
        Element::Unicode(len) => {
            let text = |bytes: &[u8]| -> Option<String> {
                let (points, _) = bytes.as_chunks();
                let points = points.iter().map(|&point| u32::from_le_bytes(point));
                let text: Option<String> = points.map(char::from_u32).collect();
                Some(text?.trim_end_matches('\0').to_owned())
            };
            let texts: Option<Vec<String>> = data.chunks_exact(len * 4).map(text).collect();
            Values::Text(texts.ok_or("text with a code point that is none")?)
        }
        Element::Bytes(len) => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned();
            Values::Text(data.chunks_exact(len).map(text).collect())
        }
    })
}

pub(super) fn write_array(out: &mut impl Write, array: &Array) -> std::io::Result<()> {
    let longest = longest_text(&array.values);
    write_header(out, &descr(&array.values), &array.shape)?;
    write_values(out, &array.values, longest)
}

/// `<f4` and the like.
pub(super) fn descr(values: &Values) -> String {
    match values {
        Values::F32(_) => "<f4".to_owned(),
        Values::F64(_) => "<f8".to_owned(),
        Values::I32(_) => "<i4".to_owned(),
        Values::I64(_) => "<i8".to_owned(),
        Values::U8(_) => "|u1".to_owned(),
        Values::Bool(_) => "|b1".to_owned(),
        Values::Text(_) => format!("<U{}", longest_text(values)),
    }
}

fn longest_text(values: &Values) -> usize {
    match values {
        Values::Text(texts) => texts.iter().map(|t| t.chars().count()).max().unwrap_or(0).max(1),
        _ => 0,
    }
}

pub(super) fn write_header(out: &mut impl Write, descr: &str, shape: &[usize]) -> std::io::Result<()> {
    let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
    let comma = if sides.len() == 1 { "," } else { "" };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}{comma}), }}", sides.join(", "));
    // The data begin at a multiple of 64 bytes; the header ends in a line feed.
    let used = MAGIC.len() + 4 + header.len() + 1;
    header.push_str(&" ".repeat(used.next_multiple_of(64) - used));
    header.push('\n');
    let length = u16::try_from(header.len()).map_err(std::io::Error::other)?;
    out.write_all(MAGIC)?;
    out.write_all(&[1, 0])?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(header.as_bytes())
}

/// Texts are padded to `longest` characters.
pub(super) fn write_values(out: &mut impl Write, values: &Values, longest: usize) -> std::io::Result<()> {
    match values {
        Values::F32(v) => v.iter().try_for_each(|x| out.write_all(&x.to_le_bytes())),
        Values::F64(v) => v.iter().try_for_each(|x| out.write_all(&x.to_le_bytes())),
        Values::I32(v) => v.iter().try_for_each(|x| out.write_all(&x.to_le_bytes())),
        Values::I64(v) => v.iter().try_for_each(|x| out.write_all(&x.to_le_bytes())),
        Values::U8(v) => out.write_all(v),
        Values::Bool(v) => v.iter().try_for_each(|&x| out.write_all(&[u8::from(x)])),
        Values::Text(v) => v.iter().try_for_each(|text| {
            let padding = longest - text.chars().count();
            let mut points = text.chars().map(u32::from).chain(std::iter::repeat_n(0, padding));
            points.try_for_each(|point| out.write_all(&point.to_le_bytes()))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(header: &str, data: &[u8]) -> Result<Array, String> {
        let bytes = [MAGIC, &[1, 0], &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat();
        read_array(&mut &bytes[..])
    }

    /// numpy.save of numpy 1.26, as bytes: int16 [[1, 2, 3], [4, 5, 6]] in Fortran order.
    #[test]
    fn bytes_that_numpy_wrote_are_read() {
        let mut file = b"\x93NUMPY\x01\x00\x76\x00{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }".to_vec();
        file.resize(127, b' ');
        file.extend(b"\n\x01\0\x04\0\x02\0\x05\0\x03\0\x06\0");
        let array = read_array(&mut &file[..]).unwrap();
        assert_eq!(array, Array { shape: vec![2, 3], values: Values::I32(vec![1, 2, 3, 4, 5, 6]) });
        let cube = npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3, 2), }", &[0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11])
            .unwrap();
        assert_eq!(cube.values, Values::U8((0..12).collect()));
    }

    #[test]
    fn headers_that_ask_for_too_much_or_the_unknown_are_refused() {
        let header = |descr: &str, shape: &str| format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}");
        for (descr, shape, message) in [
            ("'<f4'", "(1000000000000,)", "asks for more than"),
            ("'<f4'", "(4294967296, 4294967296, 4294967296)", "asks for more than"),
            ("'<U18446744073709551615'", "(1,)", "asks for more than"),
            ("'<f4'", "(3,)", "8 bytes where shape [3] of F32 asks for 12"),
            ("'<f4'", "(1,)", "more bytes where shape [1] of F32 asks for 4"),
            ("'<f4'", "(-1,)", "no little-endian numbers or text: {'descr': '<f4'"),
            ("'>f4'", "(2,)", "no little-endian numbers or text: {'descr': '>f4'"),
            ("'|O'", "(1,)", "no little-endian numbers or text: {'descr': '|O'"),
            ("[('a', '<f4')]", "(2,)", "no little-endian numbers or text"),
            ("'é'", "(2,)", "no little-endian numbers or text"),
        ] {
            let error = npy(&header(descr, shape), &[0; 8]).unwrap_err();
            assert!(error.contains(message), "{descr} {shape}: {error}");
        }
        assert_eq!(npy(&header("'<U0'", "(1000000000000,)"), &[]).unwrap_err(), "1000000000000 empty texts");
        assert!(npy(&header("'<U2'", "(1,)"), &[0xff; 8]).unwrap_err().contains("code point"));
        assert!(read_array(&mut &b"\x93NUMPY\x02\0\xff\xff\xff\x7f"[..]).unwrap_err().contains("a header of 2147483647 bytes"));
        assert!(read_array(&mut &b"\x93NUMPY\x09\0\0\0"[..]).unwrap_err().contains("version 9"));
        assert!(read_array(&mut &b"PK"[..]).is_err());
        assert!(read_npy(Path::new("/")).is_err() && read_npy(Path::new("absent")).is_err());
    }
}
