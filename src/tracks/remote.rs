//! Files behind `http://` and `https://`, read in ranges.
//!
//! A request runs on a thread of its own, and whoever waits for it looks twenty times a second whether the answer is still
//! wanted: a server that stalls holds up neither the screen nor the end of the program. What is read is kept in blocks, for
//! all files together within a bound.

use super::TrackError;
use lru::LruCache;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use ureq::http::{HeaderMap, StatusCode};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// Bytes of a block: a bigWig's index node and its data section fit.
const BLOCK: u64 = 64 << 10;
/// Blocks kept, of all files together: 64 MB.
const KEPT: NonZeroUsize = NonZeroUsize::new(1024).expect("1024 is not zero");
/// Most blocks of one request, where a file is read from end to end.
const MOST_AHEAD: u64 = 16;
/// How often a waiting reader looks whether its answer is still wanted.
const LOOK: Duration = Duration::from_millis(50);
/// Largest text that is fetched whole.
const LARGEST_TEXT: u64 = 8 << 20;

/// How long a server is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For an answer with all its bytes.
    pub answer: Duration,
    /// Times that a request is made before it is given up.
    pub attempts: u32,
    /// How long a server that did not answer is left alone.
    pub rest: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(5), answer: seconds(15), attempts: 3, rest: seconds(10) }
    }
}

thread_local! {
    static IS_WANTED: RefCell<Option<Box<dyn Fn() -> bool>>> = const { RefCell::new(None) };
}

/// Runs `work`; while it waits for a server or a command, `is_wanted` says whether the answer still is. Where it is not, the read fails at once.
pub fn while_wanted<T>(is_wanted: impl Fn() -> bool + 'static, work: impl FnOnce() -> T) -> T {
    /// Takes the question back also where `work` panics.
    struct Unset;
    impl Drop for Unset {
        fn drop(&mut self) {
            IS_WANTED.set(None);
        }
    }
    IS_WANTED.set(Some(Box::new(is_wanted)));
    let _unset = Unset;
    work()
}

/// Whether the answer that this thread waits for is still wanted ([`while_wanted`]).
pub fn is_wanted() -> bool {
    IS_WANTED.with_borrow(|ask| ask.as_ref().is_none_or(|ask| ask()))
}

/// Whether a path is a URL that can be read.
pub fn is_url(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.starts_with("http://") || text.starts_with("https://"))
}

/// Where a path of a session file leads: a URL as it is, another path from the session's folder.
pub fn locate(folder: &Path, path: &Path) -> PathBuf {
    if is_url(path) { path.to_owned() } else { folder.join(path) }
}

type Blocks = LruCache<(u64, u64), Arc<[u8]>>;

/// Blocks of all files, by file and place.
static BLOCKS: LazyLock<Mutex<Blocks>> = LazyLock::new(|| Mutex::new(LruCache::new(KEPT)));
/// Servers that did not answer, and until when they are left alone.
static RESTING: LazyLock<Mutex<HashMap<String, (Instant, String)>>> = LazyLock::new(Mutex::default);
static NEXT_FILE: AtomicU64 = AtomicU64::new(0);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An open remote file. Clones share what was read, not the place they read from.
#[derive(Clone)]
pub(super) struct Remote {
    file: Arc<RemoteFile>,
    position: u64,
    /// The block after the last one read, and how many of the last requests followed each other.
    next: u64,
    in_order: u64,
}

struct RemoteFile {
    number: u64,
    url: String,
    len: u64,
    /// What says that the file is still the same: its entity tag, or when it was changed.
    version: Option<String>,
    patience: Patience,
}

/// What a request for a range gave.
struct Answer {
    bytes: Vec<u8>,
    total: u64,
    version: Option<String>,
}

/// Why a request failed, and whether it is worth another try.
struct Failure {
    reason: String,
    is_passing: bool,
    kind: io::ErrorKind,
}

impl Failure {
    fn lasting(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_passing: false, kind: io::ErrorKind::Other }
    }

    fn passing(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_passing: true, kind: io::ErrorKind::Other }
    }
}

impl Remote {
    pub(super) fn open(url: &str) -> io::Result<(Self, u64)> {
        Self::open_with(url, Patience::default())
    }

    pub(super) fn open_with(url: &str, patience: Patience) -> io::Result<(Self, u64)> {
        let first = request(url, 0, BLOCK, patience)?;
        let number = NEXT_FILE.fetch_add(1, Ordering::Relaxed);
        let file = RemoteFile { number, url: url.to_owned(), len: first.total, version: first.version, patience };
        let len = file.len;
        lock(&BLOCKS).put((number, 0), first.bytes.into());
        Ok((Self { file: Arc::new(file), position: 0, next: 1, in_order: 0 }, len))
    }

    /// The block with a number, from memory or the server.
    fn block(&mut self, number: u64) -> io::Result<Arc<[u8]>> {
        let file = &self.file;
        if let Some(block) = lock(&BLOCKS).get(&(file.number, number)) {
            self.next = number + 1;
            return Ok(block.clone());
        }
        self.in_order = if number == self.next { self.in_order + 1 } else { 0 };
        let ahead = (1 << self.in_order.min(8)).min(MOST_AHEAD);
        let start = number * BLOCK;
        let end = (start + ahead * BLOCK).min(file.len);
        let answer = request(&file.url, start, end, file.patience)?;
        if answer.total != file.len || answer.version != file.version {
            return Err(io::Error::other("the file was changed on the server since it was opened"));
        }
        if answer.bytes.len() as u64 != end - start {
            let reason = format!("the server gave {} bytes of {} from byte {start}", answer.bytes.len(), end - start);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, reason));
        }
        let mut kept = lock(&BLOCKS);
        let mut first: Option<Arc<[u8]>> = None;
        for (i, bytes) in answer.bytes.chunks(BLOCK as usize).enumerate() {
            let block: Arc<[u8]> = bytes.into();
            kept.put((file.number, number + i as u64), block.clone());
            first.get_or_insert(block);
        }
        self.next = number + 1;
        first.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

impl Read for Remote {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.position >= self.file.len {
            return Ok(0);
        }
        let block = self.block(self.position / BLOCK)?;
        let rest = block.get((self.position % BLOCK) as usize..).unwrap_or(&[]);
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        self.position += n as u64;
        Ok(n)
    }
}

impl Seek for Remote {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(position) => (position, 0),
            SeekFrom::End(by) => (self.file.len, by),
            SeekFrom::Current(by) => (self.position, by),
        };
        self.position = from.checked_add_signed(by).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// A text behind a URL, whole: a hub's files.
pub fn fetch_text(path: &Path) -> Result<String, TrackError> {
    let url = path.to_str().unwrap_or_default();
    let (mut file, len) = Remote::open(url).map_err(|e| TrackError::io(path, e))?;
    if len > LARGEST_TEXT {
        return Err(TrackError::malformed(path, "whole file", format!("{len} bytes are too many for this text")));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|e| TrackError::io(path, e))?;
    String::from_utf8(bytes).map_err(|_| TrackError::malformed(path, "whole file", "not text (UTF-8)"))
}

/// Scheme and host.
fn host(url: &str) -> &str {
    let after = url.find("://").map_or(0, |at| at + 3);
    let end = url[after..].find('/').map_or(url.len(), |at| after + at);
    &url[..end]
}

/// Asks for a range until it comes, the patience ends, or nobody wants it any more.
fn request(url: &str, start: u64, end: u64, patience: Patience) -> io::Result<Answer> {
    if let Some((_, reason)) = lock(&RESTING).get(host(url)).filter(|(until, _)| Instant::now() < *until) {
        return Err(io::Error::other(format!("{reason}; it is asked again in a while")));
    }
    let mut last = Failure::lasting("no attempt was made");
    for attempt in 0..patience.attempts.max(1) {
        if attempt > 0 {
            wait(Duration::from_millis(200) * 3_u32.pow(attempt - 1))?;
        }
        match request_once(url, start, end, patience)? {
            Ok(answer) => return Ok(answer),
            Err(failure) => last = failure,
        }
        if !last.is_passing {
            return Err(io::Error::new(last.kind, last.reason));
        }
    }
    lock(&RESTING).insert(host(url).to_owned(), (Instant::now() + patience.rest, last.reason.clone()));
    Err(io::Error::other(format!("{} ({} attempts)", last.reason, patience.attempts)))
}

fn unwanted() -> io::Error {
    io::Error::other("given up: it is no longer asked for")
}

fn wait(time: Duration) -> io::Result<()> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        if !is_wanted() {
            return Err(unwanted());
        }
        std::thread::sleep(LOOK.min(end - Instant::now().min(end)));
    }
    Ok(())
}

/// One request, on a thread of its own; a thread that is waited for no longer ends with its time limit.
fn request_once(url: &str, start: u64, end: u64, patience: Patience) -> io::Result<Result<Answer, Failure>> {
    let (give, take) = mpsc::channel();
    let owned = url.to_owned();
    let work = move || drop(give.send(ask(&owned, start, end, patience)));
    std::thread::Builder::new().name("http".to_owned()).spawn(work)?;
    let deadline = Instant::now() + patience.answer + patience.connect;
    loop {
        match take.recv_timeout(LOOK) {
            Ok(answer) => return Ok(answer),
            Err(RecvTimeoutError::Timeout) if !is_wanted() => return Err(unwanted()),
            Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => {}
            Err(_) => return Ok(Err(Failure::passing("the server does not answer in time"))),
        }
    }
}

/// Connections are kept open between requests.
static AGENT: LazyLock<Result<ureq::Agent, String>> = LazyLock::new(|| {
    let version = concat!("cislens/", env!("CARGO_PKG_VERSION"));
    let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(5).user_agent(version);
    Ok(match std::env::var_os(AUTHORITIES) {
        None => config.build().into(),
        Some(path) => {
            let roots = authorities(Path::new(&path)).map_err(|reason| format!("{AUTHORITIES}, {}: {reason}", path.display()))?;
            config.tls_config(TlsConfig::builder().root_certs(roots).build()).build().into()
        }
    })
});

/// Names a file of authorities (PEM) to be trusted instead of the list that comes with the program, as OpenSSL reads it.
const AUTHORITIES: &str = "SSL_CERT_FILE";

fn authorities(path: &Path) -> Result<RootCerts, String> {
    let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    let mut certificates = Vec::new();
    for item in parse_pem(&bytes) {
        if let PemItem::Certificate(certificate) = item.map_err(|e| e.to_string())? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() { Err("no certificate in it".to_owned()) } else { Ok(certificates.into()) }
}

fn ask(url: &str, start: u64, end: u64, patience: Patience) -> Result<Answer, Failure> {
    let explain = |error: ureq::Error| match error {
        ureq::Error::Timeout(_) => Failure::passing("the server does not answer in time"),
        ureq::Error::BadUri(e) => Failure::lasting(format!("no URL that can be read: {e}")),
        // What is wrong with a certificate comes as data that is invalid.
        ureq::Error::Io(e) if e.kind() == io::ErrorKind::InvalidData => {
            Failure::lasting(format!("no secure connection: {e} ({AUTHORITIES} names a file of other authorities to trust)"))
        }
        ureq::Error::HostNotFound => Failure::passing("no such server (or no connection to a network)"),
        error => Failure::passing(error.to_string()),
    };
    let range = format!("bytes={start}-{}", end - 1);
    let agent = AGENT.as_ref().map_err(Failure::lasting)?;
    let limits = agent.get(url).config().timeout_global(Some(patience.answer)).timeout_connect(Some(patience.connect));
    let call = limits.build().header("Range", &range).header("Accept-Encoding", "identity").call();
    let mut response = call.map_err(explain)?;
    let (status, headers) = (response.status(), response.headers().clone());
    check_status(status)?;
    let total = total_of(&headers, start)?;
    let expected = end.min(total).saturating_sub(start);
    let mut bytes = Vec::new();
    let body = response.body_mut().as_reader().take(end - start + 1).read_to_end(&mut bytes);
    body.map_err(|e| match ureq::Error::from(e) {
        ureq::Error::Timeout(_) => Failure::passing("the server does not answer in time"),
        error => Failure::passing(format!("the connection was lost: {error}")),
    })?;
    if bytes.len() as u64 != expected {
        return Err(Failure::passing(format!("the server gave {} bytes where it announced {expected}", bytes.len())));
    }
    let header = |name| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    Ok(Answer { bytes, total, version: header("etag").or_else(|| header("last-modified")) })
}

fn check_status(status: StatusCode) -> Result<(), Failure> {
    let said = || format!("the server says {status}");
    match status.as_u16() {
        206 => Ok(()),
        200 => Err(Failure::lasting("the server gives no parts of files (no range requests): download the file and open that")),
        404 | 410 => Err(Failure { kind: io::ErrorKind::NotFound, ..Failure::lasting(said()) }),
        429 | 500..=599 => Err(Failure::passing(said())),
        _ => Err(Failure::lasting(said())),
    }
}

/// The file's length, from `Content-Range: bytes 0-65535/1234567`.
fn total_of(headers: &HeaderMap, start: u64) -> Result<u64, Failure> {
    let text = headers.get("content-range").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let parts = text.strip_prefix("bytes ").and_then(|text| text.split_once('/'));
    let total = parts.and_then(|(range, total)| {
        let (first, _) = range.split_once('-')?;
        let total: u64 = total.trim().parse().ok()?;
        (first.trim().parse() == Ok(start) && total > start).then_some(total)
    });
    total.ok_or_else(|| {
        Failure::lasting(format!(
            "the server answers with another part than asked (Content-Range \"{}\")",
            super::clean_text(text)
        ))
    })
}

#[cfg(test)]
mod tests;
