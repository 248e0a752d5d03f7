//! What a session file keeps of how it was looked at, and saving it with the rest as its author wrote it.

use super::SessionFile;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// The newest layout of `session.toml`; 1 had no `view`, `bookmark`, `region` and `row`.
pub const SESSION_VERSION: u32 = 2;

/// How a session was looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ViewEntry {
    /// Sample in view.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<String>,
    /// Model in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The place at the right of `locus`, where two are in view.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside: Option<String>,
    /// Model or sample that is shown beside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compare: Option<String>,
    /// Labels of rows in the user's order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<String>,
    /// Marks that have a row in every sample.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub matrix: Vec<String>,
    /// Sequences that have a row.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub find: Vec<String>,
    /// What is changed before models read it, one [`super::Edit`] each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<String>,
    /// Whether the six-frame translation is shown.
    #[serde(skip_serializing_if = "is_false")]
    pub translation: bool,
    /// Methods that have a row beside those that always have one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// Whether the seqlets of the mutagenesis have a row.
    #[serde(skip_serializing_if = "is_false")]
    pub seqlets: bool,
    /// Whether what the model attends to together over samples has rows.
    #[serde(skip_serializing_if = "is_false")]
    pub cores: bool,
    /// How the four values of a base become one: `mean-3` where it does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mutagenesis: Option<String>,
    /// Rows that differ from their defaults, by label.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rows: BTreeMap<String, RowEntry>,
}

/// How a row differs from its default; words are those of the commands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RowEntry {
    /// Not shown.
    #[serde(skip_serializing_if = "is_false")]
    pub hidden: bool,
    /// Kept at the top.
    #[serde(skip_serializing_if = "is_false")]
    pub pinned: bool,
    /// Lines more or fewer.
    #[serde(skip_serializing_if = "is_zero")]
    pub lines: i16,
    /// Shown instead of the label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `#rrggbb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub colour: Option<String>,
    /// Rows that share its scale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// `whiskers`, `bars`, `line`, `points`, `heatmap`; of genes `collapsed`, `packed`, `squished`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub style: Option<String>,
    /// `mean`, `max`, `min`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statistic: Option<String>,
    /// `row`, `group`, `samples`, `p99` or two numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<String>,
    /// log10(1 + |x|).
    #[serde(skip_serializing_if = "is_false")]
    pub log: bool,
    /// As far below zero as above.
    #[serde(skip_serializing_if = "is_false")]
    pub symmetrical: bool,
    /// Labels of rows drawn over it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overlay: Vec<String>,
}

/// A place by its letter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BookmarkEntry {
    /// The letter.
    pub key: char,
    /// Where.
    pub locus: String,
    /// The gene that was explained there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gene: Option<String>,
}

/// A region of interest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionEntry {
    /// Where.
    pub locus: String,
    /// Why.
    #[serde(default)]
    pub note: String,
}

/// A row of arithmetic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormulaEntry {
    /// Its name.
    pub label: String,
    /// `log2((1+a)/(1+b))`.
    pub formula: String,
}

/// Everything of a session file that is written when it is saved.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Saved {
    /// Where to open.
    #[serde(skip)]
    pub locus: String,
    /// How it was looked at.
    pub view: ViewEntry,
    /// Places by letter.
    #[serde(rename = "bookmark", skip_serializing_if = "Vec::is_empty")]
    pub bookmarks: Vec<BookmarkEntry>,
    /// Regions of interest.
    #[serde(rename = "region", skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<RegionEntry>,
    /// Rows of arithmetic.
    #[serde(rename = "row", skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<FormulaEntry>,
}

/// The rows of a view and how they are drawn, wherever it is: what the command of a figure says of a view that is not saved.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Layout {
    /// Without what other options of that command say: sample, model, edits.
    pub view: ViewEntry,
    /// Rows of arithmetic.
    #[serde(rename = "row", skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<FormulaEntry>,
}

impl Layout {
    /// Of what is saved.
    pub fn of(saved: Saved) -> Self {
        let view = ViewEntry { sample: None, model: None, compare: None, edits: Vec::new(), ..saved.view };
        Self { view, rows: saved.rows }
    }

    /// Reads a line of [`Layout::to_line`].
    ///
    /// # Errors
    /// What of it is no table of TOML, or no setting.
    pub fn parse(line: &str) -> Result<Self, String> {
        let table = toml::de::ValueDeserializer::parse(line).map_err(|e| e.message().to_owned())?;
        Self::deserialize(table).map_err(|e| e.message().to_owned())
    }

    /// In one line, a table of TOML.
    pub fn to_line(&self) -> String {
        let mut line = String::new();
        let written = self.serialize(toml::ser::ValueSerializer::new(&mut line));
        // Text, numbers and tables with names: TOML has all of them.
        if written.is_err() { String::new() } else { line }
    }

    /// Whether options that hide rows and make them higher can say all that has changed since `before`.
    pub fn only_hides_since(&self, before: &Self) -> bool {
        let plain = |layout: &Self| {
            let mut plain = layout.clone();
            (plain.view.methods, plain.view.seqlets) = (Vec::new(), false); // options of their own
            for row in plain.view.rows.values_mut() {
                (row.hidden, row.lines) = (false, 0);
            }
            plain.view.rows.retain(|_, row| *row != RowEntry::default());
            plain
        };
        let place = |layout: &Self, label: &str| layout.view.rows.get(label).map_or((false, 0), |r| (r.hidden, r.lines));
        let was_changed = |label: &&String| place(before, label) != (false, 0);
        let is_undone = |label: &String| place(self, label) != place(before, label);
        plain(self) == plain(before) && !before.view.rows.keys().filter(was_changed).any(is_undone)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(value: &i16) -> bool {
    *value == 0
}

impl Saved {
    /// A session's text with this in it: everything else stays as it was written, comments too.
    ///
    /// # Errors
    /// Where the text is no TOML, which it was when it was opened.
    pub fn put_into(&self, text: &str) -> Result<String, String> {
        let mut document: toml_edit::DocumentMut = text.parse().map_err(|e: toml_edit::TomlError| e.to_string())?;
        set(&mut document, "version", i64::from(SESSION_VERSION).into());
        if !self.locus.is_empty() {
            set(&mut document, "locus", self.locus.clone().into());
        }
        for section in ["view", "bookmark", "region", "row"] {
            document.remove(section);
        }
        let own = toml::to_string(self).map_err(|e| e.to_string())?;
        // Headers of tables are whole names: they may stand at the end, whatever stands before.
        let rest = document.to_string();
        Ok(format!("{}\n\n{}\n", rest.trim_end(), own.trim()))
    }
}

/// Gives a key a value; a comment behind the old one stays.
fn set(document: &mut toml_edit::DocumentMut, key: &str, mut value: toml_edit::Value) {
    match document.get_mut(key).and_then(toml_edit::Item::as_value_mut) {
        Some(old) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        None => document[key] = toml_edit::Item::Value(value),
    }
}

impl SessionFile {
    /// What was saved in it.
    pub fn saved(&self) -> Saved {
        Saved {
            locus: self.locus.clone().unwrap_or_default(),
            view: self.view.clone().unwrap_or_default(),
            bookmarks: self.bookmarks.clone(),
            regions: self.regions.clone(),
            rows: self.rows.clone(),
        }
    }

    /// The same session with its paths from another folder.
    pub fn moved(&self, from: &Path, to: &Path) -> Self {
        let mut file = self.clone();
        let (from, to) = (absolute(from), absolute(to));
        let turn = |path: &mut PathBuf| {
            // What is no path (an address) stays what it is.
            if !path.to_string_lossy().contains("://") {
                *path = relative(&from.join(&*path), &to);
            }
        };
        let genome = &mut file.genome;
        [&mut genome.sizes, &mut genome.fasta, &mut genome.genes].into_iter().flatten().for_each(turn);
        for sample in &mut file.samples {
            for entry in [&mut sample.expression, &mut sample.tf_expression].into_iter().flatten() {
                turn(&mut entry.file);
                entry.transcripts.iter_mut().for_each(turn);
            }
        }
        file.tracks.iter_mut().map(|t| &mut t.file).chain(file.models.iter_mut().map(|m| &mut m.path)).for_each(turn);
        file
    }
}

fn absolute(path: &Path) -> PathBuf {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    plain(&path)
}

/// Without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

/// `path` as seen from `folder`, both absolute. At the root of everything only an absolute path is short.
fn relative(path: &Path, folder: &Path) -> PathBuf {
    let path = plain(path);
    let shared = path.components().zip(folder.components()).take_while(|(a, b)| a == b).count();
    if shared <= 1 {
        return path;
    }
    let up = folder.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(path.components().skip(shared)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::TrackEntry;

    const TEXT: &str = "# my project\nversion = 1 # as it came\nnote = \"n\"\n\n[genome]\nsizes = 'g.sizes' # hg38\n\n[[track]]\nfile = 'a.bw'\n# the second one\n[[track]]\nfile = 'b.bw'\n";

    fn saved() -> Saved {
        let row = RowEntry { style: Some("line".to_owned()), log: true, ..RowEntry::default() };
        Saved {
            locus: "chr1:1-100".to_owned(),
            view: ViewEntry { sample: Some("S".to_owned()), rows: [("a b".to_owned(), row)].into(), ..ViewEntry::default() },
            bookmarks: vec![BookmarkEntry { key: 'a', locus: "chr1:5-9".to_owned(), gene: None }],
            ..Saved::default()
        }
    }

    #[test]
    fn saving_keeps_what_its_author_wrote_and_upgrades_the_version() {
        let text = saved().put_into(TEXT).unwrap();
        for kept in ["# my project", "# as it came", "sizes = 'g.sizes' # hg38", "# the second one"] {
            assert!(text.contains(kept), "{kept}:\n{text}");
        }
        let file: SessionFile = toml::from_str(&text).unwrap();
        assert_eq!((file.version, file.tracks.len(), file.saved()), (SESSION_VERSION, 2, saved()));
        assert_eq!(saved().put_into(&text).unwrap(), text, "saved again it is the same");
        let empty = Saved::default().put_into(&text).unwrap();
        assert!(!empty.contains("bookmark") && empty.contains("# the second one"));
    }

    #[test]
    fn paths_are_relative_to_where_the_session_is_saved() {
        let file = SessionFile {
            tracks: ["/data/p/a.bw", "b.bw", "../c.bw", "https://host/d.bw"]
                .map(|f| TrackEntry { file: f.into(), ..TrackEntry::default() })
                .into(),
            ..SessionFile::default()
        };
        let moved = file.moved(Path::new("/data/p"), Path::new("/data/q/r"));
        let paths: Vec<String> = moved.tracks.iter().map(|t| t.file.display().to_string()).collect();
        assert_eq!(paths, ["../../p/a.bw", "../../p/b.bw", "../../c.bw", "https://host/d.bw"]);
        let far = file.moved(Path::new("/data/p"), Path::new("/home/me"));
        assert_eq!(far.tracks[1].file, Path::new("/data/p/b.bw"));
    }

    #[test]
    fn a_layout_is_a_line_that_says_it_all() {
        let layout = Layout::of(saved());
        assert_eq!(layout.view.sample, None);
        let line = layout.to_line();
        assert!(!line.contains('\n') && line.contains("a b"), "{line}");
        assert_eq!(Layout::parse(&line), Ok(layout.clone()));
        assert!(Layout::parse("{ view = { colours = 1 } }").unwrap_err().contains("colours"));
        assert!(Layout::parse("view").is_err());

        let mut hidden = layout.clone();
        hidden.view.rows.insert("c".to_owned(), RowEntry { hidden: true, lines: 2, ..RowEntry::default() });
        assert!(layout.only_hides_since(&layout) && hidden.only_hides_since(&layout));
        assert!(!layout.only_hides_since(&hidden), "an option cannot show what the session hides");
        hidden.view.rows.get_mut("a b").unwrap().log = false;
        assert!(!hidden.only_hides_since(&layout));
    }
}
