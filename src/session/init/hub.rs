//! UCSC track hubs: hub.txt names genomes.txt, which names a trackDb.txt for each assembly, whose stanzas name files.
//!
//! <https://genome.ucsc.edu/goldenPath/help/hgTrackHubHelp.html>. Bigs and packed text are taken; containers, and tracks without
//! a file, only give their children names.

use crate::tracks::{self, fetch_text, is_url};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Most tracks of a hub that make a session; more are a catalogue to choose from.
const MOST_TRACKS: usize = 2_000;
/// Deepest `include` in a trackDb.
const DEEPEST: usize = 4;

/// A track with a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct HubTrack {
    pub label: String,
    pub path: PathBuf,
    /// A format's name where the hub's word for it is one of ours.
    pub format: Option<&'static str>,
}

/// A hub, read for one assembly.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hub {
    pub name: String,
    pub assembly: String,
    pub sequence: Option<PathBuf>,
    pub tracks: Vec<HubTrack>,
    /// What is not shown, and why.
    pub remarks: Vec<String>,
}

/// Whether a text's first line is a hub's.
pub(super) fn is_hub(first_line: &str) -> bool {
    first_line.split_whitespace().next() == Some("hub")
}

type Stanza = BTreeMap<String, String>;

/// Reads the hub at `path` for the wanted assembly, or for its first.
pub(super) fn read(path: &Path, wanted: Option<&str>) -> Result<Hub, String> {
    let text = read_text(path)?;
    let mut stanzas = stanzas(&text);
    let hub = stanzas.first().cloned().unwrap_or_default();
    let name = hub.get("shortLabel").or(hub.get("hub")).cloned().unwrap_or_default();
    // One file may hold all three.
    let is_single = hub.get("useOneFile").is_some_and(|v| v == "on");
    let (genomes, base) = match (is_single, hub.get("genomesFile")) {
        (true, _) => (stanzas.split_off(1), path.to_owned()),
        (false, Some(file)) => {
            let base = beside(path, file);
            (self::stanzas(&read_text(&base)?), base)
        }
        (false, None) => return Err("the hub names no genomesFile".to_owned()),
    };
    let of = |stanza: &&Stanza| stanza.get("genome").is_some_and(|g| wanted.is_none_or(|w| w == g));
    let Some(genome) = genomes.iter().find(of) else {
        let known: Vec<&str> = genomes.iter().filter_map(|s| s.get("genome").map(String::as_str)).collect();
        return Err(format!("the hub has no assembly {}; it has {}", wanted.unwrap_or("at all"), known.join(", ")));
    };
    let assembly = genome.get("genome").cloned().unwrap_or_default();
    let mut found = Hub {
        name,
        assembly,
        sequence: genome.get("twoBitPath").map(|file| beside(&base, file)),
        tracks: Vec::new(),
        remarks: Vec::new(),
    };
    match (is_single, genome.get("trackDb")) {
        (true, _) => {
            let stanzas: Vec<Stanza> = genomes.iter().filter(|s| s.contains_key("track")).cloned().collect();
            found.take(&stanzas, &base);
        }
        (false, Some(file)) => found.include(&beside(&base, file), 0)?,
        (false, None) => return Err(format!("{} has no trackDb", found.assembly)),
    }
    if found.tracks.is_empty() {
        return Err(format!("no track of {} has a file that is shown; {}", found.assembly, found.remarks.join("; ")));
    }
    Ok(found)
}

impl Hub {
    fn include(&mut self, path: &Path, depth: usize) -> Result<(), String> {
        if depth > DEEPEST {
            return Err(format!("{}: included too deep (in a circle?)", path.display()));
        }
        let text = read_text(path)?;
        self.take(&stanzas(&text), path);
        for file in text.lines().filter_map(|line| line.trim().strip_prefix("include ")) {
            self.include(&beside(path, file.trim()), depth + 1)?;
        }
        Ok(())
    }

    fn take(&mut self, stanzas: &[Stanza], base: &Path) {
        for stanza in stanzas {
            let (Some(file), Some(kind)) = (stanza.get("bigDataUrl"), stanza.get("type")) else { continue };
            let label =
                ["shortLabel", "longLabel", "track"].into_iter().find_map(|key| stanza.get(key)).cloned().unwrap_or_default();
            let format = match kind.split_whitespace().next().unwrap_or_default() {
                "bigWig" => Some("bigwig"),
                "bigBed" | "bigGenePred" | "bigNarrowPeak" | "bigInteract" | "bigDbSnp" | "bigChain" => Some("bigbed"),
                "vcfTabix" => Some("vcf"),
                "interact" => Some("interact"),
                other => {
                    self.remarks.push(format!("{label}: {other} is not shown"));
                    continue;
                }
            };
            if self.tracks.len() == MOST_TRACKS {
                self.remarks.push(format!("only the first {MOST_TRACKS} tracks are taken"));
                return;
            }
            self.tracks.push(HubTrack { label, path: beside(base, file), format });
        }
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    match is_url(path) {
        true => fetch_text(path).map_err(|e| e.to_string()),
        false => tracks::read_text(path).map_err(|e| format!("{}: {e}", path.display())),
    }
}

/// Where a file's word for another leads: a URL, a path from the server's root, or one from the file's own folder.
fn beside(of: &Path, file: &str) -> PathBuf {
    if is_url(Path::new(file)) {
        return file.into();
    }
    match of.to_str().filter(|_| is_url(of)) {
        Some(url) => {
            let host_end = url.find("://").and_then(|at| url[at + 3..].find('/').map(|end| at + 3 + end)).unwrap_or(url.len());
            let folder = if file.starts_with('/') { host_end } else { url.rfind('/').unwrap_or(url.len()).max(host_end) };
            format!("{}/{}", &url[..folder], file.trim_start_matches('/')).into()
        }
        None => of.parent().unwrap_or(Path::new("")).join(file),
    }
}

/// Paragraphs of `key value` lines; a line that ends in a backslash goes on.
fn stanzas(text: &str) -> Vec<Stanza> {
    let joined = text.replace("\\\r\n", " ").replace("\\\n", " ");
    let mut all = vec![Stanza::new()];
    for line in joined.lines().map(str::trim) {
        match line.split_once(char::is_whitespace) {
            _ if line.is_empty() => all.push(Stanza::new()),
            _ if line.starts_with('#') => {}
            Some((key, value)) => {
                if let Some(stanza) = all.last_mut() {
                    stanza.insert(key.to_owned(), value.trim().to_owned());
                }
            }
            None => {}
        }
    }
    all.retain(|stanza| !stanza.is_empty());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACKS: &str = "track all\ncompositeTrack on\nshortLabel All\ntype bigWig\n\n\
        track a\nparent all\nshortLabel H3K4me3\ntype bigWig 0 10\nbigDataUrl signals/a.bw\n\n\
        # a comment\ntrack b\nlongLabel Peaks of\\\n a cell\ntype bigBed 6 +\nbigDataUrl https://elsewhere/b.bb\n\n\
        track c\nshortLabel Reads\ntype bam\nbigDataUrl c.bam\n";

    #[test]
    fn three_files_lead_to_the_tracks() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir(folder.path().join("hg38")).unwrap();
        write("hub.txt", "hub mine\nshortLabel My hub\ngenomesFile genomes.txt\nemail x@y\n");
        write("genomes.txt", "genome hg19\ntrackDb hg19/trackDb.txt\n\ngenome hg38\ntrackDb hg38/trackDb.txt\n");
        write("hg38/trackDb.txt", "include more.txt\n\n");
        write("hg38/more.txt", TRACKS);
        let hub = read(&folder.path().join("hub.txt"), Some("hg38")).unwrap();
        assert_eq!((hub.name.as_str(), hub.assembly.as_str()), ("My hub", "hg38"));
        let tracks: Vec<_> = hub.tracks.iter().map(|t| (t.label.as_str(), t.path.clone(), t.format)).collect();
        let a = folder.path().join("hg38/signals/a.bw");
        assert_eq!(
            tracks,
            [("H3K4me3", a, Some("bigwig")), ("Peaks of  a cell", "https://elsewhere/b.bb".into(), Some("bigbed"))]
        );
        assert_eq!(hub.remarks, ["Reads: bam is not shown"]);
        assert!(read(&folder.path().join("hub.txt"), Some("mm10")).unwrap_err().contains("no assembly mm10; it has hg19, hg38"));
        assert!(read(&folder.path().join("hub.txt"), None).unwrap_err().contains("hg19/trackDb.txt"), "a file that is not there");
        write("hg38/more.txt", "include more.txt\n");
        assert!(read(&folder.path().join("hub.txt"), Some("hg38")).unwrap_err().contains("in a circle?"));
    }

    #[test]
    fn one_file_may_hold_it_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.txt");
        std::fs::write(&path, format!("hub x\nuseOneFile on\n\ngenome hg38\n\n{TRACKS}")).unwrap();
        assert_eq!(read(&path, None).unwrap().tracks.len(), 2);
    }

    #[test]
    fn words_for_files_lead_where_a_browser_goes() {
        let of = Path::new("https://a.b/hubs/x/hub.txt");
        for (file, place) in
            [("t.txt", "https://a.b/hubs/x/t.txt"), ("/t.txt", "https://a.b/t.txt"), ("http://c/t", "http://c/t")]
        {
            assert_eq!(beside(of, file), Path::new(place));
        }
        assert_eq!(beside(Path::new("d/hub.txt"), "t/u.txt"), Path::new("d/t/u.txt"));
    }
}
