//! Files behind `https://`, from a server on loopback whose certificate was made for the test.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod program;

use program::{cislens, run};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// A server of the folder of indexed files: its address, and its certificate as PEM.
fn serve() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = config.clone();
            // A client that does not trust the certificate ends the conversation.
            std::thread::spawn(move || drop(answer(stream, config)));
        }
    });
    (url, made.cert.pem())
}

fn answer(stream: TcpStream, config: Arc<ServerConfig>) -> std::io::Result<()> {
    let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    loop {
        let (mut name, mut range) = (String::new(), (0, usize::MAX - 1));
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim().to_ascii_lowercase();
            if let Some(rest) = line.strip_prefix("get /") {
                name = rest.split(' ').next().unwrap_or_default().to_owned();
            }
            if let Some((from, to)) = line.strip_prefix("range: bytes=").and_then(|r| r.split_once('-')) {
                range = (from.parse().unwrap(), to.parse().unwrap());
            }
            if line.is_empty() {
                break;
            }
        }
        let out = stream.get_mut();
        match fs::read(files().join(&name)) {
            Ok(body) => {
                let (from, to) = (range.0.min(body.len()), (range.1 + 1).min(body.len()));
                write!(
                    out,
                    "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{}/{}\r\nContent-Length: {}\r\n\r\n",
                    to - 1,
                    body.len(),
                    to - from
                )?;
                out.write_all(&body[from..to])?;
            }
            Err(_) => out.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?,
        }
        out.flush()?;
    }
}

fn files() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tabix")
}

fn render(folder: &Path, file: &str, out: &str, authorities: Option<&Path>) -> program::Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cislens"));
    command.current_dir(folder).env_remove("SSL_CERT_FILE");
    if let Some(path) = authorities {
        command.env("SSL_CERT_FILE", path);
    }
    let (svg, tsv) = (format!("{out}.svg"), format!("{out}.tsv"));
    run(command.args(["render", file, "--locus", "chr1:100,001-120,000", "--out", &svg, "--data", &tsv]))
}

/// What was drawn, without the lines that say what made it.
fn values(folder: &Path, out: &str) -> Vec<String> {
    let text = fs::read_to_string(folder.join(out).with_extension("tsv")).unwrap();
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn files_behind_https_are_read_in_parts_as_the_same_files_on_disk() {
    let (url, certificate) = serve();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let authorities = folder.join("authorities.pem");
    fs::write(&authorities, certificate).unwrap();
    for name in ["values.bedgraph.gz", "ruled.bed.gz"] {
        render(folder, &files().join(name).display().to_string(), "disk", None).done();
        render(folder, &format!("{url}/{name}"), "server", Some(&authorities)).done();
        let (disk, server) = (values(folder, "disk"), values(folder, "server"));
        assert!(disk.len() > 20, "{name}: {disk:?}");
        assert_eq!(server, disk, "{name}");
    }
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused_with_the_reason() {
    let (url, _) = serve();
    let (_, of_another) = serve();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let session = format!("version = 2\n[genome]\nsizes = 'g.sizes'\n[[track]]\nfile = '{url}/values.bedgraph.gz'\n");
    fs::write(folder.join("session.toml"), session).unwrap();
    fs::write(folder.join("g.sizes"), "chr1\t600000\n").unwrap();
    let check = |authorities: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cislens"));
        command.current_dir(folder).env_remove("SSL_CERT_FILE").args(["check", "session.toml"]);
        let said = run(authorities.into_iter().fold(&mut command, |command, path| command.env("SSL_CERT_FILE", path)));
        assert_ne!(said.status, 0, "{}", said.stdout);
        said.stdout + &said.stderr
    };
    fs::write(folder.join("other.pem"), of_another).unwrap();
    for authorities in [None, Some("other.pem")] {
        let said = check(authorities);
        assert!(said.contains("no secure connection: invalid peer certificate"), "{said}");
        assert!(said.contains("SSL_CERT_FILE names a file of other authorities"), "{said}");
    }
    fs::write(folder.join("empty.pem"), "nothing\n").unwrap();
    assert!(check(Some("empty.pem")).contains("SSL_CERT_FILE, empty.pem: no certificate in it"));
    assert!(check(Some("gone.pem")).contains("SSL_CERT_FILE, gone.pem: No such file"));
    cislens(folder, "check nowhere.toml").refused(1, &["nowhere.toml"]);
}
