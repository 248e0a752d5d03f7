//! Inputs of many genes on disk, so that memory is bounded by a batch, however many genes there are.

use super::TrainingError;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// What a network reads for one gene, transformed but not scaled.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Bases in the network's orientation; `None` where it reads no DNA.
    pub sequence: Option<Vec<u8>>,
    /// `[positions, k]`.
    pub marks: Vec<f32>,
    /// Normalised expression of transcription factors; empty where the network reads none.
    pub tf_expression: Vec<f32>,
    /// Their motif scores in the window.
    pub motif_scores: Vec<f32>,
}

/// Records in a file without a name, which goes with the last user whatever ends the program. Marks are kept as runs of equal numbers,
/// each exactly.
#[derive(Clone, Debug)]
pub(super) struct Store {
    file: Arc<Mutex<File>>,
    /// Where each record begins, and its bytes.
    places: Vec<(u64, usize)>,
    n_marks: usize,
}

impl Store {
    /// Nothing yet; of records with `n_marks` channels.
    pub fn new(n_marks: usize) -> Result<Self, TrainingError> {
        let file = tempfile::tempfile().map_err(full)?;
        Ok(Self { file: Arc::new(Mutex::new(file)), places: Vec::new(), n_marks })
    }

    /// Appends a record. A clone made before does not see it.
    pub fn push(&mut self, record: &Record) -> Result<(), TrainingError> {
        let bytes = encode(record, self.n_marks);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // The file's end, not this store's: clones may have appended.
        let at = file.seek(SeekFrom::End(0)).map_err(full)?;
        file.write_all(&bytes).map_err(full)?;
        self.places.push((at, bytes.len()));
        Ok(())
    }

    /// The record at `index`.
    pub fn read(&self, index: usize) -> Result<Record, TrainingError> {
        Ok(decode(&self.bytes_of(self.places[index])?, self.n_marks))
    }

    /// Hands on every record as it is stored.
    pub fn bytes(&self, take: &mut dyn FnMut(&[u8])) -> Result<(), TrainingError> {
        for &place in &self.places {
            take(&self.bytes_of(place)?);
        }
        Ok(())
    }

    fn bytes_of(&self, (from, len): (u64, usize)) -> Result<Vec<u8>, TrainingError> {
        let mut bytes = vec![0; len];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(from)).and_then(|_| file.read_exact(&mut bytes)).map_err(full)?;
        Ok(bytes)
    }
}

fn full(error: std::io::Error) -> TrainingError {
    TrainingError::Data(format!(
        "{}: the inputs of the genes are kept in a temporary file there: {error}",
        std::env::temp_dir().display()
    ))
}

/// Lengths as u32, little endian: bases, then runs of each mark as (count, number), then what belongs to no position.
fn encode(record: &Record, n_marks: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let put = |bytes: &mut Vec<u8>, n: usize| bytes.extend((n as u32).to_le_bytes());
    match &record.sequence {
        Some(sequence) => {
            put(&mut bytes, sequence.len() + 1);
            bytes.extend(sequence);
        }
        None => put(&mut bytes, 0),
    }
    for channel in 0..n_marks {
        let values: Vec<f32> = record.marks.iter().skip(channel).step_by(n_marks).copied().collect();
        let runs: Vec<&[f32]> = values.chunk_by(|a, b| a.to_bits() == b.to_bits()).collect();
        put(&mut bytes, runs.len());
        for run in runs {
            put(&mut bytes, run.len());
            bytes.extend(run[0].to_le_bytes());
        }
    }
    for vector in [&record.tf_expression, &record.motif_scores] {
        put(&mut bytes, vector.len());
        vector.iter().for_each(|x| bytes.extend(x.to_le_bytes()));
    }
    bytes
}

fn decode(bytes: &[u8], n_marks: usize) -> Record {
    let mut rest = bytes;
    let mut take = |n: usize| {
        let (head, tail) = rest.split_at(n);
        rest = tail;
        head
    };
    let word = |bytes: &[u8]| bytes.first_chunk().map_or([0; 4], |four| *four);
    let sequence = match u32::from_le_bytes(word(take(4))) as usize {
        0 => None,
        n => Some(take(n - 1).to_vec()),
    };
    let mut marks = Vec::new();
    for channel in 0..n_marks {
        let mut at = channel;
        for _ in 0..u32::from_le_bytes(word(take(4))) {
            let (n, x) = (u32::from_le_bytes(word(take(4))) as usize, f32::from_le_bytes(word(take(4))));
            // The first channel makes room for all.
            marks.resize(marks.len().max((at / n_marks + n) * n_marks), 0.0);
            for _ in 0..n {
                marks[at] = x;
                at += n_marks;
            }
        }
    }
    let [tf_expression, motif_scores] = [(); 2].map(|()| {
        let n = u32::from_le_bytes(word(take(4))) as usize;
        take(4 * n).chunks_exact(4).map(|x| f32::from_le_bytes(word(x))).collect()
    });
    Record { sequence, marks, tf_expression, motif_scores }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_bit_by_bit() {
        let records = [
            Record { sequence: Some(b"ACGN".to_vec()), marks: vec![1., 5., 1., 5., 2., -0.0, 2., 0.0], ..Record::default() },
            Record::default(),
            Record {
                sequence: Some(Vec::new()),
                marks: vec![0.1, 0.2],
                tf_expression: vec![1.5, -2.5],
                motif_scores: vec![3.5; 2],
            },
        ];
        let mut store = Store::new(2).unwrap();
        for record in &records {
            store.push(record).unwrap();
        }
        let mut other = store.clone();
        other.push(&records[0]).unwrap();
        store.push(&records[2]).unwrap();
        for i in [2, 0, 1] {
            let found = store.read(i).unwrap();
            assert_eq!(found, records[i]);
            let bits = |r: &Record| r.marks.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&found), bits(&records[i]));
        }
        assert_eq!((other.read(3).unwrap(), store.read(3).unwrap()), (records[0].clone(), records[2].clone()));
        let no_marks = Record { sequence: Some(b"A".to_vec()), ..Record::default() };
        let mut store = Store::new(0).unwrap();
        store.push(&no_marks).unwrap();
        assert_eq!(store.read(0).unwrap(), no_marks);
    }

    #[test]
    fn a_window_of_steps_takes_little_room() {
        // 10 kb of five marks in 50-bp steps: 50,000 numbers.
        let marks = (0..50_000).map(|i| ((i / 5 / 50) % 7) as f32).collect();
        let record = Record { sequence: Some(vec![b'A'; 10_000]), marks, ..Record::default() };
        assert!(encode(&record, 5).len() < 20_000);
    }
}
