//! `cislens attribute` to files along the genome, and going on where a run was stopped.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod toy;

use cislens::tracks::{Array, NpzReader};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

fn command(folder: &Path, args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cislens"));
    command.current_dir(folder).args(args.split(' ')).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(folder: &Path, args: &str) -> (Option<i32>, String) {
    let output = command(folder, args).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Values of a bedGraph by chromosome and base.
fn values(path: &Path) -> BTreeMap<(String, u64), f64> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.starts_with("# cislens ") && text.lines().next().unwrap().contains("deepcore"), "what made it");
    let mut values = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let [chrom, start, end, value] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        for base in start.parse().unwrap()..end.parse::<u64>().unwrap() {
            assert!(values.insert((chrom.to_owned(), base), value.parse().unwrap()).is_none(), "{line} stands on another");
        }
    }
    values
}

#[test]
fn values_stand_on_the_genome_whatever_the_strand() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    toy::write_session(folder);
    let input = "deepcore --session session.toml --all";
    for (method, options) in [("ism", "--view mean-4"), ("ig", ""), ("occlusion", "--of H3K4me3")] {
        let args = format!("attribute {method} {input} {options} --out a.bedgraph");
        let args = args.replace("  ", " ");
        assert_eq!(run(folder, &args).0, Some(0), "{args}: {}", run(folder, &args).1);
        let values = values(&folder.join("a.bedgraph"));
        let of = |chrom: &str| values.iter().filter(|((c, _), _)| c == chrom).collect::<Vec<_>>();
        let (forward, reverse) = (of("a"), of("b"));
        assert!(forward.len() > 600 && forward.len() == reverse.len(), "{method}: {}", forward.len());
        let largest = values.values().fold(0.0_f64, |a, b| a.max(b.abs()));
        for ((_, a), (_, b)) in forward.iter().zip(reverse.iter().rev()) {
            assert!((**a - **b).abs() <= 1e-3 * largest, "{method}: {a} and {b}");
        }
        // The bigWig is the same signal, and says beside it what made it.
        assert_eq!(run(folder, &args.replace("a.bedgraph", "a.bw")).0, Some(0));
        let mut bigwig = cislens::tracks::bigwig::open(&folder.join("a.bw")).unwrap().value;
        let region = cislens::genome::Region::new("a", 0, toy::LEN);
        let signal = cislens::tracks::SignalReader::values(&mut bigwig, &region).unwrap();
        for (base, value) in signal.iter().enumerate() {
            match values.get(&("a".to_owned(), base as u64)) {
                Some(expected) => assert!((f64::from(*value) - expected).abs() <= 1e-6 * largest, "{method} {base}"),
                None => assert!(value.is_nan()),
            }
        }
        assert!(std::fs::read_to_string(folder.join("a.bw.txt")).unwrap().contains("deepcore"));
    }
    assert_eq!(run(folder, &format!("attribute ism {input} --of H3K4me3 --out a.bw")).0, Some(2), "mutagenesis is of DNA");
    assert_eq!(run(folder, &format!("attribute ism {input} --out a.txt")).0, Some(2));
}

#[test]
fn pairs_are_written_with_the_names_of_their_units() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    toy::write_session(folder);
    let (status, errors) = run(folder, "attribute epistasis deepcore --session session.toml --all --block 250 --out a.npz");
    assert_eq!(status, Some(0), "{errors}");
    let mut arrays = NpzReader::open(&folder.join("a.npz")).unwrap();
    assert_eq!(arrays.read("units").unwrap(), Array::text(["0-250", "250-500", "500-600"].map(str::to_owned).to_vec()));
    assert_eq!(arrays.read("pairs").unwrap().shape, [4, 3, 3]);
}

#[test]
fn seqlets_have_their_place_and_best_motif() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    toy::write_session(folder);
    let (status, errors) = run(folder, "attribute ism deepcore --session session.toml --all --out a.bed");
    assert_eq!(status, Some(0), "{errors}");
    let text = std::fs::read_to_string(folder.join("a.bed")).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().filter(|l| !l.starts_with('#')).map(|l| l.split('\t').collect()).collect();
    assert!(!lines.is_empty());
    for line in &lines {
        let [chrom, start, end, motif, score, strand, sum, p, q, gene] = line[..] else { panic!("{line:?}") };
        let length = end.parse::<u64>().unwrap() - start.parse::<u64>().unwrap();
        assert!(["a", "b"].contains(&chrom) && (4..=25).contains(&length) && ["+", "-"].contains(&strand), "{line:?}");
        assert!(!motif.is_empty() && gene.starts_with(['O', 'T']) && sum.parse::<f64>().is_ok(), "{line:?}");
        assert!(score.parse::<u64>().unwrap() <= 1000 && [p, q].iter().all(|v| (0.0..=1.0).contains(&v.parse::<f64>().unwrap())));
    }
    assert_eq!(run(folder, "attribute ism deepcore --session session.toml --all --motifs none.meme --out a.bed").0, Some(1));
}

#[cfg(target_os = "linux")]
#[test]
fn a_resumed_run_gives_the_bytes_of_one_that_was_never_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    toy::write_session(folder);
    for ending in ["npz", "tsv"] {
        let args = |out: &str| {
            format!("attribute ig deepcore --session session.toml --all --steps 2000 --threads 1 --out {out}.{ending}")
        };
        assert_eq!(run(folder, &args("whole")).0, Some(0));
        let mut child = command(folder, &args("stopped")).spawn().unwrap();
        let partial = folder.join(format!(".stopped.{ending}.partial"));
        // As soon as one result of four is kept.
        while child.try_wait().unwrap().is_none() && std::fs::metadata(&partial).map_or(0, |m| m.len()) < 1_000 {
            std::thread::yield_now();
        }
        assert!(child.try_wait().unwrap().is_none(), "it was over before it could be stopped");
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(130), "{errors}");
        assert!(errors.contains("of 4 inputs are kept") && !folder.join(format!("stopped.{ending}")).exists(), "{errors}");
        let other = format!("{} --resume", args("stopped").replace("2000", "1000"));
        assert!(run(folder, &other).1.contains("other settings"));
        // A file of the session that reads otherwise by now: the same name, other signals.
        let track = folder.join("toy_H3K4me3.bw");
        let kept = (std::fs::read(&track).unwrap(), std::fs::read(&partial).unwrap());
        std::fs::copy(folder.join("toy_H3K27ac.bw"), &track).unwrap();
        let (status, errors) = run(folder, &format!("{} --resume", args("stopped")));
        assert!(status == Some(2) && errors.contains("what the model reads has changed"), "{errors}");
        std::fs::write(&track, kept.0).unwrap();
        std::fs::write(&partial, kept.1).unwrap();
        let (status, errors) = run(folder, &format!("{} --resume", args("stopped")));
        assert_eq!(status, Some(0), "{errors}");
        let [whole, stopped] = ["whole", "stopped"].map(|name| std::fs::read(folder.join(format!("{name}.{ending}"))).unwrap());
        assert_eq!(whole, stopped, "{ending}: other bytes");
        assert!(!partial.exists());
    }
}
