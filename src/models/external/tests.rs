//! A command that answers, and commands that do not.

use super::frame::{self, Arrays};
use super::*;
use crate::models::{MODELS, Weights, test_manifest};

fn spec(command: &[&str]) -> ExternalSpec {
    ExternalSpec {
        command: command.iter().map(|&word| word.to_owned()).collect(),
        timeout_seconds: 20.0,
        gradient: false,
        batch_size: 64,
        heads: Vec::new(),
        head: None,
        positions: 1,
        profile: ProfileStatistic::Sum,
    }
}

fn model(spec: ExternalSpec) -> External {
    let mut manifest = test_manifest(20, 10, &["a", "b"], None);
    EXTERNAL.clone_into(&mut manifest.architecture);
    manifest.external = Some(spec);
    External::new(manifest, Path::new(".")).unwrap()
}

fn batch(n: usize) -> Batch {
    let x = Tensor::arange(0f32, (n * 4) as f32, &Device::Cpu).unwrap().reshape((n, 2, 2)).unwrap();
    Batch { marks: Some(x), ..Batch::default() }
}

fn error(model: &External) -> String {
    model.forward(&batch(1)).unwrap_err().to_string()
}

#[test]
#[cfg(unix)]
fn a_command_that_does_not_answer_is_an_error_that_says_why() {
    let shell = |script: &str| model(spec(&["sh", "-c", script]));
    let error_of = |script: &str| error(&shell(script));
    assert!(error_of("exit 3").contains("toy (sh -c exit 3): it "), "{}", error_of("exit 3"));
    let complained = error_of("echo 'no module named torch' >&2; exec >&-; cat > /dev/null");
    assert!(complained.contains("closed its standard output"), "{complained}");
    assert!(error_of("echo starting the network").contains("is something else printed to standard output?"));
    assert!(error_of("printf abc").contains("the stream ends within a message"));
    assert!(error_of("printf '\\003\\000\\000\\000\\000\\000\\000\\000abc'").contains("no .npz"));
    assert!(error_of("cat").contains("the answer has no array output"));
    let absent = error(&model(spec(&["no-such-program-here"])));
    assert!(absent.contains("no-such-program-here: No such file"), "{absent}");
}

#[test]
#[cfg(unix)]
fn a_command_that_hangs_is_ended_in_time_and_not_started_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    // The shell starts another process, which has to end too.
    let script = format!("sleep 1000 & echo $! > {}; wait", pid.display());
    let hung = model(ExternalSpec { timeout_seconds: 0.5, ..spec(&["sh", "-c", &script]) });
    let first = error(&hung);
    assert!(first.contains("no answer within 0.5 s"), "{first}");
    let sleeper = std::fs::read_to_string(&pid).unwrap();
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", sleeper.trim())).unwrap_or_default();
    // Killed, it is over when the system has come to it.
    let begun = std::time::Instant::now();
    while !state().is_empty() && !state().contains(") Z") {
        assert!(begun.elapsed() < Duration::from_secs(20), "the command's own child still runs: {}", state());
        std::thread::yield_now();
    }
    assert!(error(&hung).contains("no answer"));
    assert!(error(&hung).contains("no answer"));
    assert!(error(&hung).contains("not started again after 3 failures"));
}

#[test]
#[cfg(unix)]
fn an_answer_that_is_no_longer_wanted_is_not_waited_for() {
    use crate::tracks::while_wanted;
    use std::cell::Cell;
    use std::rc::Rc;
    let folder = tempfile::tempdir().unwrap();
    let started = folder.path().join("started");
    let script = format!("echo x >> {}; sleep 1000", started.display());
    let slow = model(ExternalSpec { timeout_seconds: 1_000.0, ..spec(&["sh", "-c", &script]) });
    // Superseded at the n-th look, however long that takes: the test ends only where it is asked.
    for round in 1..=5 {
        let looks = Rc::new(Cell::new(0));
        let seen = looks.clone();
        let has_started = {
            let started = started.clone();
            move || std::fs::read_to_string(&started).is_ok_and(|s| s.lines().count() >= round)
        };
        let is_wanted = move || {
            looks.set(looks.get() + 1);
            looks.get() < 3 || !has_started()
        };
        let reason = while_wanted(is_wanted, || error(&slow));
        assert!(reason.contains("no longer wanted") && seen.get() >= 3, "{reason}");
    }
    // More often than a command may fail: giving up is no failure, and each time it was started anew.
    assert_eq!(std::fs::read_to_string(&started).unwrap().lines().count(), 5);
}

#[test]
#[cfg(unix)]
fn a_program_is_started_through_the_link_it_is_named_by() {
    // A virtual environment's Python finds its packages by the path it was started with.
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/bin/sh", folder.path().join("link")).unwrap();
    let mut manifest = test_manifest(20, 10, &["a", "b"], None);
    manifest.external = Some(spec(&["./link", "-c", "echo started as $0 >&2"]));
    let error = error(&External::new(manifest, folder.path()).unwrap());
    assert!(error.contains("/link"), "{error}");
}

#[test]
fn what_cannot_be_followed_is_refused_by_name() {
    let message = |change: &dyn Fn(&mut ExternalSpec)| {
        let mut spec = spec(&["true"]);
        change(&mut spec);
        spec.check().unwrap_err().to_string()
    };
    assert!(message(&|s| s.command.clear()).contains("external.command names no program"));
    for seconds in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
        assert!(message(&|s| s.timeout_seconds = seconds).contains("external.timeout_seconds"));
    }
    assert!(message(&|s| s.batch_size = 0).contains("external.batch_size"));
    assert!(message(&|s| s.positions = 0).contains("external.positions"));
    assert!(message(&|s| s.head = Some("x".to_owned())).contains("external.head = \"x\" is none of"));
    let text = "command = [\"a\"]\ntimeout = 3";
    assert!(toml::from_str::<ExternalSpec>(text).unwrap_err().to_string().contains("unknown field `timeout`"));
    let read: ExternalSpec = toml::from_str("command = [\"a\"]").unwrap();
    assert_eq!((read.timeout_seconds, read.batch_size, read.positions), (60.0, 64, 1));
    assert_eq!(read.profile, ProfileStatistic::Sum);
}

#[test]
fn a_head_and_its_profile_become_one_number() {
    let of = |head: &str, profile| {
        let heads = ["one".to_owned(), "two".to_owned()].to_vec();
        model(ExternalSpec { heads, head: Some(head.to_owned()), positions: 3, profile, ..spec(&["true"]) })
    };
    let answer = |shape: &[usize]| {
        let n = shape.iter().product::<usize>();
        Arrays::from([("output".to_owned(), Array::f32(shape, (0..n).map(|i| i as f32).collect()))])
    };
    assert_eq!(of("two", ProfileStatistic::Sum).scores(&answer(&[2, 2, 3]), 2).unwrap(), [12.0, 30.0]);
    assert_eq!(of("one", ProfileStatistic::Mean).scores(&answer(&[2, 6]), 2).unwrap(), [1.0, 7.0]);
    let wrong = of("one", ProfileStatistic::Sum).scores(&answer(&[2, 3]), 2).unwrap_err().to_string();
    assert!(wrong.contains("output of shape [2, 3], where [2, 2, 3] is expected"), "{wrong}");
    assert!(of("one", ProfileStatistic::Sum).scores(&answer(&[12]), 2).is_err(), "windows come first");
}

#[test]
fn a_network_of_ours_answers_what_it_gives_itself() {
    for architecture in MODELS.iter().filter(|a| a.default_manifest().input.bin_size > 1) {
        let mut manifest = architecture.default_manifest();
        manifest.window.length = 20 * manifest.input.bin_size;
        let weights = Weights::fresh(3, DType::F32, &Device::Cpu);
        let ours = (architecture.build)(&weights, manifest.clone()).unwrap();
        let x = Tensor::rand(0f32, 5.0, (3, 20, 5), &Device::Cpu).unwrap();
        let batch = Batch { marks: Some(x), ..Batch::default() };
        let request = |what: &str| {
            let mut request = Arrays::from([("request".to_owned(), Array::text(vec![what.to_owned()]))]);
            request.insert("marks".to_owned(), array(batch.marks.as_ref().unwrap()).unwrap());
            request.insert("weight".to_owned(), Array::f32(&[1, 1], vec![2.0]));
            frame::encode(&request).unwrap()
        };
        let (mut input, mut output) = ([request("predict"), request("gradient"), request("sing")].concat(), Vec::new());
        serve(&*ours, &input[..], &mut output).unwrap();
        let mut answers = &output[..];
        let mut next = || frame::decode(frame::read(&mut answers).unwrap().unwrap()).unwrap();
        let (predicted, explained, refused) = (next(), next(), next());
        let (expected, gradient) = ours.gradient(&batch).unwrap();
        let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(predicted["output"].to_f32().unwrap(), flat(&expected.score), "{}", architecture.name);
        assert_eq!(predicted["output"].shape, [3, 1]);
        let twice: Vec<f32> = flat(&gradient.marks.unwrap()).iter().map(|g| 2.0 * g).collect();
        assert_eq!(explained["gradient_marks"].to_f32().unwrap(), twice);
        let has = |name: &str| predicted.contains_key(name);
        match expected.attention {
            Some(Attention::Bins(_)) => assert!(has("attention")),
            Some(Attention::Marks(_)) => assert!(has("alpha") && !has("beta")),
            Some(Attention::Hierarchical { .. }) => assert!(has("alpha") && has("beta")),
            None => assert_eq!(predicted.len(), 1),
        }
        assert_eq!(refused["error"].as_text().unwrap(), ["request \"sing\" is neither predict nor gradient"]);
        input.truncate(input.len() - 1);
        assert!(serve(&*ours, &input[..], std::io::sink()).is_err(), "a request that is cut");
    }
}

#[test]
fn damaged_messages_are_errors() {
    let whole = frame::encode(&Arrays::from([("x".to_owned(), Array::f32(&[3], vec![1.0; 3]))])).unwrap();
    for cut in 1..whole.len() {
        assert!(frame::read(&mut &whole[..cut]).is_err());
        if cut > 8 {
            assert!(frame::decode(whole[8..cut].to_vec()).is_err(), "cut to {cut}");
        }
    }
    assert!(frame::read(&mut &u64::MAX.to_le_bytes()[..]).unwrap_err().to_string().contains("18446744073709551615 bytes"));
    assert!(frame::read(&mut &[][..]).unwrap().is_none());
}
