//! Against a server on loopback that behaves as badly as servers do.

use super::*;
use crate::genome::{ChromSizes, Region};
use crate::tracks::{Track, open, open_row};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize};

/// How the server behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    Good,
    /// Accepts, and never says a word.
    Stalls,
    /// Says the beginning of the answer, and then a byte a second.
    Trickles,
    /// Announces more bytes than it sends.
    Lies,
    /// Sends the whole file whatever is asked.
    RefusesRanges,
    /// Closes the connection in the middle of the bytes.
    Drops,
    /// Drops the first answer and behaves afterwards.
    DropsOnce,
    /// Another part than asked.
    AnswersElsewhere,
    /// The file is longer at each request.
    Grows,
}

struct Server {
    url: String,
    asked: Arc<AtomicUsize>,
}

/// Serves one body under every path but `/missing`.
fn serve(body: Vec<u8>, manner: Manner) -> Server {
    serve_files(vec![("", body)], manner)
}

/// Serves the file with whose name a path ends, from a thread that ends with the test program.
fn serve_files(files: Vec<(&'static str, Vec<u8>)>, manner: Manner) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let files = Arc::new(files);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (files, n) = (files.clone(), counter.clone());
            std::thread::spawn(move || drop(answer(stream, &files, manner, &n)));
        }
    });
    Server { url, asked }
}

fn answer(stream: TcpStream, files: &[(&str, Vec<u8>)], manner: Manner, asked: &AtomicUsize) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut out = stream;
    loop {
        let (mut line, mut path, mut range) = (String::new(), String::new(), None);
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let text = line.trim().to_ascii_lowercase();
            if let Some(rest) = text.strip_prefix("get ") {
                path = rest.split(' ').next().unwrap_or_default().to_owned();
            }
            if let Some((a, b)) = text.strip_prefix("range: bytes=").and_then(|r| r.split_once('-')) {
                range = Some((a.parse::<usize>().unwrap(), b.parse::<usize>().unwrap()));
            }
            if text.is_empty() {
                break;
            }
        }
        let n = asked.fetch_add(1, Ordering::SeqCst);
        let body = files.iter().find(|(name, _)| path.ends_with(name)).map(|(_, body)| body.as_slice());
        let Some(body) = body.filter(|_| !path.contains("missing")) else {
            out.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
            continue;
        };
        let (first, last) = range.unwrap();
        let last = last.min(body.len() - 1);
        let part = &body[first.min(body.len())..=last];
        let total = body.len() + if manner == Manner::Grows { n } else { 0 };
        let told = if manner == Manner::AnswersElsewhere { first + 7 } else { first };
        let announced = part.len() + if manner == Manner::Lies { 1_000 } else { 0 };
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {told}-{last}/{total}\r\nContent-Length: {announced}\r\n\r\n"
        );
        match manner {
            Manner::Stalls => std::thread::sleep(Duration::from_secs(60)),
            Manner::Trickles => {
                out.write_all(head.as_bytes())?;
                for byte in part {
                    out.write_all(&[*byte])?;
                    std::thread::sleep(Duration::from_secs(1));
                }
            }
            Manner::RefusesRanges => {
                out.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes())?;
                out.write_all(body)?;
            }
            Manner::Drops => {
                out.write_all(head.as_bytes())?;
                out.write_all(&part[..part.len() / 2])?;
                return Ok(());
            }
            Manner::DropsOnce if n == 0 => {
                out.write_all(head.as_bytes())?;
                out.write_all(&part[..part.len() / 2])?;
                return Ok(());
            }
            Manner::Lies => {
                out.write_all(head.as_bytes())?;
                out.write_all(part)?;
                return Ok(());
            }
            Manner::Good | Manner::DropsOnce | Manner::AnswersElsewhere | Manner::Grows => {
                out.write_all(head.as_bytes())?;
                out.write_all(part)?;
            }
        }
    }
}

fn brief() -> Patience {
    let connect = Duration::from_secs(5);
    Patience { connect, answer: Duration::from_millis(300), attempts: 2, rest: Duration::ZERO }
}

fn body() -> Vec<u8> {
    (0..300_000_u32).map(|i| (i * 7 + i / 251) as u8).collect()
}

#[test]
fn any_part_of_a_file_is_what_it_is_and_is_asked_for_once() {
    for manner in [Manner::Good, Manner::DropsOnce] {
        let (server, body) = (serve(body(), manner), body());
        let patience = Patience { answer: Duration::from_secs(10), ..brief() };
        let (mut file, len) = Remote::open_with(&format!("{}/a.bw", server.url), patience).unwrap();
        assert_eq!(len as usize, body.len());
        for (at, n) in [(0, 10), (65_530, 20), (130_000, 150_000), (299_990, 10)] {
            let mut part = vec![0; n];
            file.seek(SeekFrom::Start(at)).unwrap();
            file.read_exact(&mut part).unwrap();
            assert!(part == body[at as usize..at as usize + n], "{n} bytes at {at}");
        }
        let asked = server.asked.load(Ordering::SeqCst);
        let mut whole = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut whole).unwrap();
        assert!(whole == body && server.asked.load(Ordering::SeqCst) == asked, "it is kept");
    }
}

#[test]
fn every_bad_manner_is_a_sentence_and_none_is_waited_for() {
    for (manner, part) in [
        (Manner::Stalls, "does not answer in time (2 attempts)"),
        (Manner::Trickles, "does not answer in time (2 attempts)"),
        (Manner::Lies, "(2 attempts)"),
        (Manner::Drops, "(2 attempts)"),
        (Manner::RefusesRanges, "no range requests"),
        (Manner::AnswersElsewhere, "another part than asked"),
    ] {
        let server = serve(body(), manner);
        let error = Remote::open_with(&format!("{}/a", server.url), brief()).err().unwrap();
        assert!(error.to_string().contains(part), "{manner:?}: {error}");
    }
    let server = serve(body(), Manner::Good);
    let error = Remote::open_with(&format!("{}/missing", server.url), brief()).err().unwrap();
    assert_eq!((error.kind(), error.to_string()), (io::ErrorKind::NotFound, "the server says 404 Not Found".to_owned()));
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(Remote::open_with(&format!("http://{closed}/a"), brief()).is_err(), "nobody listens there");
}

#[test]
fn a_file_that_changes_between_requests_is_not_mixed() {
    let server = serve(body(), Manner::Grows);
    let (mut file, _) = Remote::open_with(&format!("{}/a", server.url), brief()).unwrap();
    file.seek(SeekFrom::Start(200_000)).unwrap();
    let error = file.read_exact(&mut [0; 10]).unwrap_err().to_string();
    assert!(error.contains("changed on the server"), "{error}");
}

#[test]
fn a_stalling_server_is_left_as_soon_as_nobody_waits_for_it() {
    let server = serve(body(), Manner::Stalls);
    let is_wanted = Arc::new(AtomicBool::new(true));
    let (asked, wanted) = (server.asked.clone(), is_wanted.clone());
    std::thread::spawn(move || {
        while asked.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        wanted.store(false, Ordering::SeqCst);
    });
    let patience = Patience { answer: Duration::from_secs(600), ..brief() };
    let url = format!("{}/a", server.url);
    let wanted = is_wanted.clone();
    let opened = while_wanted(move || wanted.load(Ordering::SeqCst), || Remote::open_with(&url, patience));
    assert!(opened.err().unwrap().to_string().contains("no longer asked for"));
    assert!(is_wanted_by_default());
}

fn is_wanted_by_default() -> bool {
    is_wanted()
}

#[test]
fn a_server_that_failed_is_left_alone_for_a_while() {
    let server = serve(body(), Manner::Drops);
    let patience = Patience { rest: Duration::from_secs(600), ..brief() };
    let url = format!("{}/a", server.url);
    assert!(Remote::open_with(&url, patience).is_err());
    let asked = server.asked.load(Ordering::SeqCst);
    assert!(Remote::open_with(&url, patience).err().unwrap().to_string().contains("asked again in a while"));
    assert_eq!(server.asked.load(Ordering::SeqCst), asked);
}

fn measured(name: &str) -> Option<(PathBuf, Vec<u8>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/real").join(name);
    match std::fs::read(&path) {
        Ok(bytes) => Some((path, bytes)),
        Err(_) => {
            println!("skipped: no measured files here");
            None
        }
    }
}

#[test]
fn remote_files_read_as_the_same_files_on_disk() {
    for (name, chrom, start, end) in [
        ("formats/hg38_chr17_dense.bigWig", "chr17", 59_000, 90_000),
        ("hg19/DnasePeaks8988T.bb", "chr8", 128_700_000, 128_800_000),
        ("formats/wuhCor1.2bit", "NC_045512v2", 100, 29_903),
    ] {
        let Some((path, bytes)) = measured(name) else { return };
        let server = serve(bytes, Manner::Good);
        let url = PathBuf::from(format!("{}/{}", server.url, path.file_name().unwrap().to_string_lossy()));
        let region = Region::new(chrom, start, end);
        let read = |path: &Path| match open(path, None, &ChromSizes::default()).unwrap().value {
            Track::Signal(mut file) => format!("{:?} {:?}", file.columns(&region, 99).unwrap(), file.values(&region).unwrap()),
            Track::Indexed(mut file) => format!("{:?}", file.features(&region).unwrap().overlapping(&region).collect::<Vec<_>>()),
            Track::Sequence(mut file) => format!("{:?}", file.bases(&region).unwrap()),
            _ => panic!("{name}"),
        };
        let (remote, local) = (read(&url), read(&path));
        assert!(remote == local && local.len() > 100, "{name}");
    }
}

#[test]
fn indexes_beside_remote_files_are_found_and_only_what_is_seen_is_fetched() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tabix");
    let read = |name: &str| std::fs::read(here.join(name)).unwrap();
    let text = format!(">chr1 x\n{}", "ACGTTGCAAN\n".repeat(60_000));
    let files = vec![
        ("ruled.bed.gz", read("ruled.bed.gz")),
        ("ruled.bed.gz.tbi", read("ruled.bed.gz.tbi")),
        ("genes.gtf.gz", read("genes.gtf.gz")),
        ("genes.gtf.gz.tbi", read("genes.gtf.gz.tbi")),
        ("values.bedgraph.gz", read("values.bedgraph.gz")),
        ("values.bedgraph.gz.tbi", read("values.bedgraph.gz.tbi")),
        ("a.fa", text.clone().into_bytes()),
        ("a.fa.fai", b"chr1\t600000\t8\t10\t11\n".to_vec()),
        ("b.fa", text.into_bytes()),
    ];
    let server = serve_files(files, Manner::Good);
    let url = |name: &str| PathBuf::from(format!("{}/{name}", server.url));
    let Track::Indexed(mut file) = open(&url("ruled.bed.gz"), None, &ChromSizes::default()).unwrap().value else {
        panic!("read whole");
    };
    let region = Region::new("chr1", 100_000, 101_000);
    assert_eq!(file.features(&region).unwrap().overlapping(&region).count(), 30);
    let Track::Indexed(mut file) = open_row(&url("genes.gtf.gz"), None, &ChromSizes::default()).unwrap().value else {
        panic!("read whole");
    };
    assert_eq!(file.features(&Region::new("chr1", 700, 2_000)).unwrap().overlapping(&Region::new("chr1", 700, 2_000)).count(), 2);
    let Track::Signal(mut file) = open(&url("values.bedgraph.gz"), None, &ChromSizes::default()).unwrap().value else {
        panic!("no signal");
    };
    assert_eq!(file.chroms().len_of("chr1"), Some(25 << 14), "as far as the index says; the lines end before");
    assert_eq!(file.values(&Region::new("chr1", 41, 43)).unwrap(), [54.0, 54.0]);
    let Track::Sequence(mut file) = open(&url("a.fa"), None, &ChromSizes::default()).unwrap().value else {
        panic!("no sequence")
    };
    let before = server.asked.load(Ordering::SeqCst);
    assert_eq!(file.bases(&Region::new("1", 300_005, 300_012)).unwrap(), b"GCAANAC");
    assert_eq!(server.asked.load(Ordering::SeqCst), before + 1, "one block of the 660 kB");
    let error = open(&url("b.fa"), None, &ChromSizes::default()).err().unwrap().to_string();
    assert!(error.contains("needs its index beside it") && error.contains("404"), "{error}");
}
