//! Genuine checkpoints through the command line: `import`, then `predict` and `attribute saliency` on plain arrays, against the numbers
//! of TensorFlow and PyTorch (`../shared/golden`, skipped where it is absent).
//!
//! Outputs agree to 1e-5 of `max(1, largest)`, gradients to 1e-4 of the largest: what f32 allows.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cislens::tracks::NpzReader;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An array's shape and numbers.
struct Numbers {
    shape: Vec<usize>,
    values: Vec<f64>,
}

fn golden(what: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/golden").join(what);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path.canonicalize().unwrap())
}

/// Runs the program; gives what it says on stderr.
fn cislens(folder: &Path, args: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_cislens")).current_dir(folder).args(args.split(' ')).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args}: {said}");
    said
}

fn read(path: &Path, name: &str) -> Numbers {
    let array = NpzReader::open(path).unwrap().read(name).unwrap();
    Numbers { values: array.to_f64().unwrap(), shape: array.shape }
}

#[track_caller]
fn assert_near(what: &str, found: &[f64], expected: &[f64], tolerance: f64, at_least: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(at_least, |m, v| m.max(v.abs()));
    let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    println!("{what}: {worst:.1e} of {largest:.1e}");
    assert!(worst <= tolerance * largest, "{what}: {worst:e} of {largest:e}");
}

#[track_caller]
fn assert_output(what: &str, found: &Numbers, expected: &Numbers) {
    assert_eq!(found.shape, expected.shape, "{what}");
    assert_near(what, &found.values, &expected.values, 1e-5, 1.0);
}

/// Channels A,G,C,T of `[positions, 4]` in A,C,G,T.
fn in_acgt(values: &[f64]) -> Vec<f64> {
    values.chunks_exact(4).flat_map(|row| [row[0], row[2], row[1], row[3]]).collect()
}

/// `[rows, columns]` by column.
fn transposed(values: &[f64], columns: usize) -> Vec<f64> {
    (0..columns).flat_map(|column| values.iter().skip(column).step_by(columns).copied()).collect()
}

/// Imports `file` and runs both commands on the golden input; gives the folder with p.npz and s.npz, the golden file, what was said.
fn run(architecture: &str, file: &str, sequences: bool, options: &str) -> Option<(tempfile::TempDir, PathBuf, String)> {
    let (file, folder) = (golden(file)?, tempfile::tempdir().unwrap());
    let home = file.ancestors().find(|path| path.join("expected.npz").is_file()).unwrap().to_owned();
    let expected = home.join("expected.npz");
    let said = cislens(folder.path(), &format!("import {architecture} {} --out m{options}", file.display()));
    let mut input = format!("--arrays {}", expected.display());
    if sequences {
        input += &format!(" --sequences {}", home.join("sequences.txt").display());
    }
    cislens(folder.path(), &format!("predict m {input} --out p.npz"));
    cislens(folder.path(), &format!("attribute saliency m {input} --out s.npz"));
    Some((folder, expected, said))
}

#[test]
fn deepcore_is_imported_from_its_checkpoint_folder() {
    for file in ["deepcore/checkpoint", "deepcore/checkpoint/.index"] {
        let Some((folder, expected, said)) = run("deepcore", file, true, "") else { return };
        assert!(said.contains("skipped Attention/attn_v_bias, "), "{said}");
        let [p, s] = ["p.npz", "s.npz"].map(|name| folder.path().join(name));
        assert_output("output", &read(&p, "output"), &read(&expected, "output"));
        assert_output("attention", &read(&p, "attention"), &read(&expected, "attention"));
        let gradient = read(&expected, "gradient").values;
        let of = |from: usize, to: usize| gradient.chunks_exact(9).flat_map(|row| row[from..to].to_vec()).collect::<Vec<_>>();
        let (sequence, marks) = (read(&s, "sequence"), read(&s, "marks"));
        assert_eq!((&sequence.shape[..], &marks.shape[..]), (&[3, 10_000, 4][..], &[3, 10_000, 5][..]));
        assert_near("gradient of DNA", &sequence.values[..40_000], &in_acgt(&of(0, 4)), 1e-4, 0.0);
        assert_near("gradient of marks", &marks.values[..50_000], &of(4, 9), 1e-4, 0.0);
    }
}

#[test]
fn isegnet_is_imported_from_a_full_keras_model() {
    let Some((folder, expected, _)) = run("isegnet", "isegnet/model.h5", true, "") else { return };
    let [p, s] = ["p.npz", "s.npz"].map(|name| folder.path().join(name));
    assert_output("output", &read(&p, "output"), &read(&expected, "output"));
    let (sequence, marks) = (read(&s, "sequence"), read(&s, "marks"));
    assert_eq!((&sequence.shape[..], &marks.shape[..]), (&[3, 2_500, 4][..], &[3, 2_500, 7][..]));
    let of_marks = transposed(&marks.values[..17_500], 7);
    assert_near("gradient of marks", &of_marks, &read(&expected, "gradient_0").values, 1e-4, 0.0);
    assert_near("gradient of DNA", &sequence.values[..10_000], &read(&expected, "gradient_1").values, 1e-4, 0.0);
}

#[test]
fn deepcage_is_imported_from_keras_weights() {
    let Some((folder, expected, said)) = run("deepcage", "deepcage/weights.h5", true, "") else { return };
    assert!(said.contains("678 transcription factors"), "{said}");
    let [p, s] = ["p.npz", "s.npz"].map(|name| folder.path().join(name));
    assert_output("output", &read(&p, "output"), &read(&expected, "output"));
    let gradient = transposed(&read(&expected, "gradient_0").values, 1_000);
    assert_near("gradient of DNA", &read(&s, "sequence").values[..4_000], &in_acgt(&gradient), 1e-4, 0.0);
    for (ours, theirs) in [("expression", "gradient_1"), ("motif_scores", "gradient_2")] {
        let found = read(&s, ours);
        assert_eq!(found.shape, [3, 678]);
        assert_near(ours, &found.values[..678], &read(&expected, theirs).values, 1e-4, 0.0);
    }
}

#[test]
fn attentive_chrome_is_imported_from_both_forms_of_torch_save() {
    for weights in ["weights.pt", "weights_legacy.pt"] {
        let file = format!("attentivechrome/{weights}");
        let Some((folder, expected, _)) = run("attentive-chrome", &file, false, " --bins 100 --marks a,b,c,d,e") else { return };
        let [p, s] = ["p.npz", "s.npz"].map(|name| folder.path().join(name));
        let output = read(&p, "output");
        assert_eq!(output.shape, [4, 1]);
        assert_near("output", &output.values, &read(&expected, "output").values, 1e-5, 1.0);
        for name in ["alpha", "beta"] {
            assert_output(name, &read(&p, name), &read(&expected, name));
        }
        for (probability, logit) in read(&p, "probability").values.iter().zip(&output.values) {
            assert!((probability - 1.0 / (1.0 + (-logit).exp())).abs() < 1e-6);
        }
        assert_near("gradient", &read(&s, "x").values, &read(&expected, "gradient").values, 1e-4, 0.0);
    }
}

#[test]
fn deepchrome_is_imported_from_a_state_dict() {
    let Some((folder, expected, said)) = run("deepchrome", "deepchrome/weights.pt", false, "") else { return };
    assert!(said.contains("published order, H3K27me3,H3K36me3,H3K4me1,H3K4me3,H3K9me3"), "{said}");
    let [p, s] = ["p.npz", "s.npz"].map(|name| folder.path().join(name));
    assert_output("output", &read(&p, "output"), &read(&expected, "output"));
    let logit = read(&p, "logit").values;
    for (row, logit) in read(&p, "output").values.chunks_exact(2).zip(&logit) {
        assert!((row[0] - row[1] - logit).abs() < 1e-5);
    }
    // F is the logit of high; the reference is the gradient of its log-probability: (1 - p) dF.
    let x = read(&s, "x");
    let found: Vec<f64> = x.values.iter().enumerate().map(|(i, g)| g / (1.0 + logit[i / 500].exp())).collect();
    assert_near("gradient", &found, &read(&expected, "gradient").values, 1e-4, 0.0);
}
