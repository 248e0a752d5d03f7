//! The explainer with a scripted network: what is asked of it, in which order, and what reaches the screen.

use super::explain::Explainer;
use super::*;
use crate::genome::{GeneId, Strand, Window};
use crate::models::{Batch, ModelError, Output, test_manifest};
use crate::session::SampleId;
use candle_core::{Device, Tensor};
use std::cell::{Cell, RefCell};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A network that says what it is told, whatever it reads.
struct Scripted {
    manifest: Manifest,
    calls: Arc<AtomicUsize>,
    says: fn(usize) -> f32,
}

impl Model for Scripted {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn forward(&self, _: &Batch) -> Result<Output, ModelError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        Ok(Output { score: Tensor::new(&[(self.says)(call)], &Device::Cpu)?, attention: None })
    }
}

struct Setting {
    session: Arc<Session>,
    folder: tempfile::TempDir,
    calls: Arc<AtomicUsize>,
    says: Arc<Mutex<Says>>,
}

/// F of the n-th call.
type Says = fn(usize) -> f32;

impl Setting {
    fn new() -> Self {
        Self {
            session: Arc::new(Session::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-data/session.toml")).unwrap()),
            folder: tempfile::tempdir().unwrap(),
            calls: Arc::default(),
            says: Arc::new(Mutex::new(|_| 1.0)),
        }
    }

    fn load(&self) -> Box<LoadModel> {
        let (calls, says) = (self.calls.clone(), self.says.clone());
        Box::new(move |_: &Path| {
            let manifest = Manifest { hash: "0123".to_owned(), ..test_manifest(1_000, 1, &["H3K4me3"], None) };
            Ok(Box::new(Scripted { manifest, calls: calls.clone(), says: *says.lock().unwrap() }))
        })
    }

    fn request(&self, gene: u32, neighbours: &[u32]) -> Explain {
        let window = Window::around("chr1", 1_000, Strand::Forward, 500, 1_000);
        let of = |gene: u32| Subject {
            model: 0,
            sample: SampleId(0),
            gene: GeneId(gene),
            window: window.clone(),
            edits: Arc::default(),
        };
        Explain {
            subject: of(gene),
            centre: 1_000,
            analyses: vec![Analysis::IntegratedGradients],
            seqlets: false,
            compared: None,
            neighbours: neighbours.iter().map(|gene| of(*gene)).collect(),
        }
    }

    /// Answers requests one after the other; the replies to each.
    fn answers(&self, requests: Vec<Explain>, caches: Caches, between: impl Fn(usize)) -> Vec<Vec<Reply>> {
        let (sender, mut receiver) = unbounded_channel();
        let (load, folders) = (self.load(), [self.folder.path().to_owned()]);
        let mut explainer = Explainer::new(self.session.clone(), &folders, &*load, caches, &sender);
        let slot = Slot::default();
        let mut answers = Vec::new();
        for (i, request) in requests.into_iter().enumerate() {
            slot.restart(request);
            let (job, request) = slot.take().unwrap();
            explainer.work(job, &request, &|| slot.is_current(job));
            let mut replies = Vec::new();
            while let Ok(reply) = receiver.try_recv() {
                replies.push(reply);
            }
            answers.push(replies);
            between(i);
        }
        answers
    }
}

fn kinds(replies: &[Reply]) -> Vec<&'static str> {
    let kind = |reply: &Reply| match reply {
        Reply::Prediction { prediction: Ok(_), .. } => "prediction",
        Reply::Prediction { prediction: Err(_), .. } => "no prediction",
        Reply::Attribution { attribution: Ok(a), .. } if !a.is_complete() => "part",
        Reply::Attribution { attribution: Ok(_), stored: Some(_), .. } => "stored attribution",
        Reply::Attribution { attribution: Ok(_), .. } => "attribution",
        Reply::Attribution { attribution: Err(_), .. } => "no attribution",
        Reply::ModelReplaced { .. } => "replaced",
        Reply::Warnings(_) => "warnings",
        Reply::Mismatch { .. } => "mismatch",
        _ => "other",
    };
    replies.iter().map(kind).filter(|kind| *kind != "part").collect()
}

#[test]
fn neighbours_are_ready_when_the_user_gets_there() {
    let setting = Setting::new();
    let requests = vec![setting.request(0, &[1, 2]), setting.request(1, &[]), setting.request(2, &[])];
    let calls = Mutex::new(Vec::new());
    let answers =
        setting.answers(requests, Caches::default(), |_| calls.lock().unwrap().push(setting.calls.load(Ordering::SeqCst)));
    assert!(answers.iter().all(|replies| kinds(replies) == ["prediction", "attribution"]), "{answers:?}");
    let calls = calls.into_inner().unwrap();
    assert!(calls[0] > 0 && calls[0] % 3 == 0, "three genes were worked on at once: {calls:?}");
    assert_eq!(calls[1..], [calls[0]; 2], "walking to them runs no network");
}

#[test]
fn neighbours_are_predicted_before_anything_is_exact() {
    let setting = Setting::new();
    let (sender, receiver) = unbounded_channel();
    let (load, folders) = (setting.load(), [setting.folder.path().to_owned()]);
    let mut explainer = Explainer::new(setting.session.clone(), &folders, &*load, Caches::default(), &sender);
    let slot = Slot::default();
    let mut work = |request: Explain, is_current: &dyn Fn() -> bool| {
        slot.restart(request);
        let (job, request) = slot.take().unwrap();
        explainer.work(job, &request, is_current);
        setting.calls.load(Ordering::SeqCst)
    };
    // The user moves on as soon as something is exact.
    let (receiver, is_exact) = (RefCell::new(receiver), Cell::new(false));
    let is_current = || {
        while let Ok(reply) = receiver.borrow_mut().try_recv() {
            is_exact.set(is_exact.get() || kinds(&[reply]) == ["attribution"]);
        }
        !is_exact.get()
    };
    let calls = work(setting.request(0, &[1, 2]), &is_current);
    assert!(!is_current(), "it was explained to the end");
    let quick = |gene| Explain { analyses: Vec::new(), ..setting.request(gene, &[]) };
    assert_eq!([work(quick(1), &|| true), work(quick(2), &|| true)], [calls; 2], "their predictions were there");
}

#[test]
fn what_is_foreseen_is_answered_while_the_worker_is_busy() {
    let setting = Setting::new();
    let (sender, mut receiver) = unbounded_channel();
    let (load, folders) = (setting.load(), [setting.folder.path().to_owned()]);
    let foreseen = Arc::new(Foreseen::default());
    let explainer = Explainer::new(setting.session.clone(), &folders, &*load, Caches::default(), &sender);
    let mut explainer = explainer.foreseeing(foreseen.clone());
    let slot = Slot::default();
    slot.restart(setting.request(0, &[1]));
    let (job, request) = slot.take().unwrap();
    explainer.work(job, &request, &|| slot.is_current(job));
    while receiver.try_recv().is_ok() {}
    // Of these workers none ever runs.
    let (look, explain, aside, tile) = Default::default();
    let workers = Workers { look, explain, aside, tile, foreseen, replies: sender.clone() };
    let job = workers.explain(setting.request(1, &[]));
    assert!(matches!(receiver.try_recv(), Ok(Reply::Prediction { job: of, prediction: Ok(_) }) if of == job));
    workers.explain(setting.request(2, &[]));
    assert!(receiver.try_recv().is_err(), "that gene was not foreseen");
    // A model that was replaced has foreseen nothing.
    std::fs::write(setting.folder.path().join("model.toml"), "another one").unwrap();
    explainer.work(job, &setting.request(3, &[]), &|| true);
    while receiver.try_recv().is_ok() {}
    workers.explain(setting.request(1, &[]));
    assert!(receiver.try_recv().is_err());
}

#[test]
fn what_is_compared_is_told_beside_and_both_sides_are_whole_in_the_end() {
    let setting = Setting::new();
    let there = setting.request(1, &[]).subject;
    let compared = Some((there, Some(Analysis::IntegratedGradients)));
    let request = Explain { compared, ..setting.request(0, &[]) };
    let answers = setting.answers(vec![request.clone(), request], Caches::default(), |_| ());
    for replies in answers {
        let (there, here): (Vec<Reply>, Vec<Reply>) = replies.into_iter().partition(|reply| matches!(reply, Reply::Compared(_)));
        let unwrapped = |reply| if let Reply::Compared(reply) = reply { *reply } else { panic!("{reply:?}") };
        let there: Vec<Reply> = there.into_iter().map(unwrapped).collect();
        assert_eq!((kinds(&here), kinds(&there)), (vec!["prediction", "attribution"], vec!["prediction", "attribution"]));
    }
}

#[test]
fn a_request_that_is_superseded_starts_nothing_more() {
    let setting = Setting::new();
    let (sender, mut receiver) = unbounded_channel();
    let (load, folders) = (setting.load(), [setting.folder.path().to_owned()]);
    let mut explainer = Explainer::new(setting.session.clone(), &folders, &*load, Caches::default(), &sender);
    let slot = Slot::default();
    slot.restart(setting.request(0, &[1, 2]));
    let (job, request) = slot.take().unwrap();
    slot.cancel();
    explainer.work(job, &request, &|| slot.is_current(job));
    assert_eq!(kinds(&[receiver.try_recv().unwrap()]), ["prediction"]);
    assert!(receiver.try_recv().is_err());
    assert_eq!(setting.calls.load(Ordering::SeqCst), 1, "its prediction was under way; no path, no neighbour");
}

#[test]
fn results_of_an_earlier_run_are_there_at_once_and_say_so() {
    let setting = Setting::new();
    let folder = tempfile::tempdir().unwrap();
    let caches = || Caches { store: Some(Store::open(folder.path(), 1 << 20).unwrap()), ..Caches::default() };
    let first = setting.answers(vec![setting.request(0, &[])], caches(), |_| ());
    let second = setting.answers(vec![setting.request(0, &[])], caches(), |_| ());
    assert_eq!(kinds(&first[0]), ["prediction", "attribution"]);
    assert_eq!(kinds(&second[0]), ["prediction", "stored attribution"]);
    let last = |replies: &[Reply]| match replies.last() {
        Some(Reply::Attribution { attribution: Ok(a), .. }) => (**a).clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(last(&first[0]), last(&second[0]));
}

#[test]
fn a_store_that_cannot_be_written_is_a_message_not_an_end() {
    let setting = Setting::new();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("gone"), 1 << 20).unwrap();
    std::fs::remove_dir(folder.path().join("gone")).unwrap();
    let requests = vec![setting.request(0, &[]), setting.request(1, &[])];
    let answers = setting.answers(requests, Caches { store: Some(store), ..Caches::default() }, |_| ());
    assert_eq!(kinds(&answers[0]), ["prediction", "warnings", "attribution"]);
    assert_eq!(kinds(&answers[1]), ["prediction", "attribution"], "said once");
}

#[test]
fn a_model_replaced_while_open_is_read_again() {
    let setting = Setting::new();
    let file = setting.folder.path().join("model.toml");
    std::fs::write(&file, "old").unwrap();
    let requests = vec![setting.request(0, &[]), setting.request(0, &[]), setting.request(0, &[])];
    let answers = setting.answers(requests, Caches::default(), |i| {
        if i == 1 {
            *setting.says.lock().unwrap() = |_| 2.0;
            std::fs::write(&file, "another one").unwrap();
        }
    });
    assert_eq!(kinds(&answers[1]), ["prediction", "attribution"]);
    assert_eq!(kinds(&answers[2]), ["replaced", "prediction", "attribution"]);
    let score = |replies: &[Reply]| match &replies[replies.len() - 2] {
        Reply::Prediction { prediction: Ok(p), .. } => p.score,
        other => match &replies[1] {
            Reply::Prediction { prediction: Ok(p), .. } => p.score,
            _ => panic!("{other:?}"),
        },
    };
    assert_eq!((score(&answers[1][..2]), score(&answers[2][..3])), (1.0, 2.0));
}

#[test]
fn a_panic_or_a_number_that_is_none_ends_its_row_only() {
    let setting = Setting::new();
    *setting.says.lock().unwrap() = |_| panic!("a fault in a network");
    let answers = setting.answers(vec![setting.request(0, &[1])], Caches::default(), |_| ());
    let Reply::Prediction { prediction: Err(reason), .. } = &answers[0][0] else { panic!("{answers:?}") };
    assert!(reason.contains("internal error") && reason.contains("a fault in a network"), "{reason}");

    *setting.says.lock().unwrap() = |_| f32::NAN;
    let answers = setting.answers(vec![setting.request(0, &[])], Caches::default(), |_| ());
    let Reply::Prediction { prediction: Err(reason), .. } = &answers[0][0] else { panic!("{answers:?}") };
    assert!(reason.contains("NaN"), "{reason}");

    // The prediction is sound, the path is not.
    *setting.says.lock().unwrap() = |call| if call % 2 == 0 { 1.0 } else { f32::INFINITY };
    setting.calls.store(0, Ordering::SeqCst);
    let answers = setting.answers(vec![setting.request(0, &[])], Caches::default(), |_| ());
    assert_eq!(kinds(&answers[0]), ["prediction", "no attribution"]);
}

#[test]
fn no_row_waits_until_another_is_exact() {
    let setting = Setting::new();
    let analyses = vec![Analysis::IntegratedGradients, Analysis::Occlusion];
    let request = Explain { analyses, ..setting.request(0, &[]) };
    let answers = setting.answers(vec![request], Caches::default(), |_| ());
    let came = |reply: &Reply| match reply {
        Reply::Attribution { analysis, attribution: Ok(a), .. } => Some((*analysis, a.is_complete())),
        _ => None,
    };
    let came: Vec<_> = answers[0].iter().filter_map(came).collect();
    let (coarse, exact) = ((Analysis::IntegratedGradients, false), (Analysis::IntegratedGradients, true));
    assert_eq!((came.first(), came.last()), (Some(&coarse), Some(&exact)), "{came:?}");
    assert_eq!(came.iter().find(|(_, is_complete)| *is_complete), Some(&(Analysis::Occlusion, true)));
}
