//! An `.npz` whose arrays grow row by row: rows wait in temporary files, so that a whole genome's do not fill the memory.

use super::npy::{Array, Values, descr, write_array, write_header, write_values};
use super::npz::entry_options;
use super::{TrackError, write_whole};
use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::path::{Path, PathBuf};
use zip::ZipWriter;

/// Arrays under way. Dropped before [`Self::finish`] nothing of them is left.
pub struct NpzRows {
    path: PathBuf,
    columns: Vec<Rows>,
}

struct Rows {
    name: String,
    descr: String,
    /// Shape of one row.
    shape: Vec<usize>,
    count: usize,
    bytes: u64,
    file: BufWriter<File>,
}

impl NpzRows {
    /// Rows for the archive at `path`, whose folder has to be there.
    pub fn new(path: &Path) -> Result<Self, TrackError> {
        let rows = Self { path: path.to_owned(), columns: Vec::new() };
        rows.temporary()?;
        Ok(rows)
    }

    /// An unnamed file beside the archive: a folder for temporary files may be small.
    fn temporary(&self) -> Result<File, TrackError> {
        let folder = self.path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        tempfile::tempfile_in(folder).map_err(|e| TrackError::io(&self.path, e))
    }

    /// Appends one row to the array of a name: an [`Array`] of the row's shape, numbers only.
    ///
    /// # Errors
    /// Where the row is not of the shape and kind of those before it, or cannot be written.
    pub fn push(&mut self, name: &str, row: &Array) -> Result<(), TrackError> {
        let at = match self.columns.iter().position(|c| c.name == name) {
            Some(at) => at,
            None => {
                let file = BufWriter::new(self.temporary()?);
                let (descr, shape) = (descr(&row.values), row.shape.clone());
                self.columns.push(Rows { name: name.to_owned(), descr, shape, count: 0, bytes: 0, file });
                self.columns.len() - 1
            }
        };
        let path = &self.path;
        let error = |reason: String| TrackError::malformed(path, format!("array {name}"), reason);
        super::npy::check(path, name, row)?;
        let column = &mut self.columns[at];
        if matches!(row.values, Values::Text(_)) {
            return Err(error("rows of text".to_owned()));
        }
        if column.shape != row.shape || column.descr != descr(&row.values) {
            let (descr, shape) = (&column.descr, &column.shape);
            return Err(error(format!("a row of shape {:?} among rows of {descr} {shape:?}", row.shape)));
        }
        write_values(&mut column.file, &row.values, 0).map_err(|e| TrackError::io(path, e))?;
        column.count += 1;
        column.bytes += 8 * row.values.len() as u64;
        Ok(())
    }

    /// Writes the archive, whole or not at all: the arrays in order of their first rows, then `others`.
    pub fn finish(mut self, others: &[(&str, &Array)]) -> Result<(), TrackError> {
        let path = self.path.clone();
        let io = |e: std::io::Error| TrackError::io(&path, e);
        let zip_error = |e: zip::result::ZipError| TrackError::malformed(&path, "archive", e.to_string());
        for (name, array) in others {
            super::npy::check(&path, name, array)?;
        }
        write_whole(&path, |out| {
            let mut archive = ZipWriter::new(out);
            for column in &mut self.columns {
                archive.start_file(format!("{}.npy", column.name), entry_options(column.bytes)).map_err(zip_error)?;
                let shape: Vec<usize> = std::iter::once(column.count).chain(column.shape.iter().copied()).collect();
                write_header(&mut archive, &column.descr, &shape).map_err(io)?;
                column.file.flush().map_err(io)?;
                let file = column.file.get_mut();
                file.rewind().map_err(io)?;
                std::io::copy(file, &mut archive).map_err(io)?;
            }
            for (name, array) in others {
                archive.start_file(format!("{name}.npy"), entry_options(8 * array.values.len() as u64)).map_err(zip_error)?;
                let mut entry = BufWriter::new(&mut archive);
                write_array(&mut entry, array).and_then(|()| entry.flush()).map_err(io)?;
            }
            archive.finish().map(drop).map_err(zip_error)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracks::write_npz;

    #[test]
    fn rows_make_the_bytes_of_the_whole_array() {
        let folder = tempfile::tempdir().unwrap();
        let (rows, whole) = (folder.path().join("rows.npz"), folder.path().join("whole.npz"));
        let mut writer = NpzRows::new(&rows).unwrap();
        for i in 0..3_u8 {
            let x = f32::from(i);
            writer.push("x", &Array::f32(&[2, 2], vec![x, x + 0.5, -x, f32::NAN])).unwrap();
            writer.push("n", &Array { shape: vec![], values: Values::I64(vec![i.into()]) }).unwrap();
        }
        let names = Array::text(vec!["a".to_owned(), "bc".to_owned(), String::new()]);
        writer.finish(&[("name", &names)]).unwrap();
        let row = |x: f32| [x, x + 0.5, -x, f32::NAN];
        let x = Array::f32(&[3, 2, 2], [row(0.0), row(1.0), row(2.0)].concat());
        let n = Array { shape: vec![3], values: Values::I64(vec![0, 1, 2]) };
        write_npz(&whole, &[("x", &x), ("n", &n), ("name", &names)]).unwrap();
        assert_eq!(std::fs::read(&rows).unwrap(), std::fs::read(&whole).unwrap());
    }

    #[test]
    fn rows_that_do_not_fit_are_refused_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let mut writer = NpzRows::new(&path).unwrap();
        writer.push("x", &Array::f32(&[2], vec![1.0, 2.0])).unwrap();
        let error = writer.push("x", &Array::f32(&[1], vec![1.0])).unwrap_err().to_string();
        assert!(error.contains("array x: a row of shape [1] among rows of <f4 [2]"), "{error}");
        assert!(writer.push("x", &Array { shape: vec![2], values: Values::F64(vec![1.0, 2.0]) }).is_err());
        assert!(writer.push("t", &Array::text(vec!["a".to_owned()])).is_err());
        drop(writer);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(NpzRows::new(&folder.path().join("absent/a.npz")).err().unwrap().to_string().contains("a.npz: "));
    }
}
