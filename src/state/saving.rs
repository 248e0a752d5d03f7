//! The view as a session file keeps it, and back.

use super::drawing::Named;
use super::{FormulaRow, GeneDisplay, NotedRegion, Place, RowView, Scale, SignalStyle, State, Statistic};
use crate::attribution::MutagenesisView;
use crate::genome::{Locus, Pattern, Region};
use crate::jobs::Analysis;
use crate::session::{
    BookmarkEntry, EditWords, Formula, FormulaEntry, Layout, RegionEntry, RowEntry, SampleId, Saved, ViewEntry, parse_edits,
};
use crate::theme::Rgb;
use crate::tracks::{TrackError, write_whole};
use std::io::Write;
use std::path::Path;

impl Scale {
    /// A scale by its name, or two numbers.
    ///
    /// # Errors
    /// What a scale can be.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some((scale, _)) = Self::NAMES.iter().find(|(_, name)| *name == text) {
            return Ok(*scale);
        }
        let numbers: Option<Vec<f32>> = text.split_whitespace().map(|n| n.parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[lo, hi]) if lo.is_finite() && hi.is_finite() && lo < hi => Ok(Self::Fixed(lo, hi)),
            _ => Err(format!("\"{text}\" is no scale: row, group, samples, p99, or two numbers, the lower first")),
        }
    }
}

/// A row's settings as they are written.
fn entry(view: &RowView) -> RowEntry {
    let named = |name: &str, is_default: bool| (!is_default).then(|| name.to_owned());
    let style = named(view.style.name(), view.style == SignalStyle::default());
    RowEntry {
        hidden: view.is_hidden,
        pinned: view.is_pinned,
        lines: view.extra_lines,
        name: view.name.clone(),
        colour: view.colour.map(Rgb::hex),
        group: view.group.clone(),
        style: style.or_else(|| named(view.genes.name(), view.genes == GeneDisplay::default())),
        statistic: named(view.statistic.name(), view.statistic == Statistic::default()),
        scale: named(&view.scale.to_string(), view.scale == Scale::default()),
        log: view.is_log,
        symmetrical: view.is_symmetrical,
        overlay: view.overlays.clone(),
    }
}

/// A row's settings as they were written; what is no setting is said and left out.
fn row_view(entry: &RowEntry, problems: &mut Vec<String>) -> RowView {
    fn or_default<T: Default>(parsed: Option<Result<T, String>>, problems: &mut Vec<String>) -> T {
        parsed.map_or_else(T::default, |parsed| {
            parsed.unwrap_or_else(|error| {
                problems.push(error);
                T::default()
            })
        })
    }
    let style = entry.style.as_deref();
    let genes = style.and_then(|name| GeneDisplay::parse(name).ok());
    let colour = entry.colour.as_deref();
    RowView {
        is_hidden: entry.hidden,
        is_pinned: entry.pinned,
        extra_lines: entry.lines.clamp(-6, 20),
        name: entry.name.clone(),
        colour: or_default(
            colour.map(|c| Rgb::parse(c).map(Some).ok_or_else(|| format!("\"{c}\" is no colour like #ff8800"))),
            problems,
        ),
        group: entry.group.clone(),
        style: if genes.is_some() { SignalStyle::default() } else { or_default(style.map(SignalStyle::parse), problems) },
        genes: genes.unwrap_or_default(),
        statistic: or_default(entry.statistic.as_deref().map(Statistic::parse), problems),
        scale: or_default(entry.scale.as_deref().map(Scale::parse), problems),
        is_log: entry.log,
        is_symmetrical: entry.symmetrical,
        overlays: entry.overlay.clone(),
    }
}

impl State {
    /// The view as a session file keeps it.
    pub fn saved(&self) -> Saved {
        let rows = self.row_views.iter().filter(|(_, view)| **view != RowView::default());
        // The left of two places is the one a session opens at, and the right one stands beside it.
        if self.other.as_ref().is_some_and(|other| other.is_left)
            && let Some(from_left) = self.from_other_side()
        {
            return from_left.saved();
        }
        let gene = self.current_gene().filter(|_| self.session.genome.is_gene_relative).map(|g| g.name.clone());
        Saved {
            locus: gene.unwrap_or_else(|| self.region.to_string()),
            view: ViewEntry {
                sample: self.session.samples.get(self.sample.0).map(|s| s.name.clone()).filter(|name| !name.is_empty()),
                model: self.current_model().map(super::ModelInfo::name),
                beside: self.other.as_ref().map(|other| other.region.to_string()),
                compare: self.compared_name(),
                order: self.order.clone(),
                matrix: self.matrix.clone(),
                find: self.patterns.iter().map(ToString::to_string).collect(),
                edits: self.edits.iter().map(ToString::to_string).collect(),
                translation: self.shows_translation,
                methods: self.more_analyses.iter().map(|a| a.method().to_owned()).collect(),
                seqlets: self.wants_seqlets,
                cores: self.wants_cores,
                mutagenesis: (self.mutagenesis_view != MutagenesisView::default())
                    .then(|| self.mutagenesis_view.name().to_owned()),
                rows: rows.map(|(label, view)| (label.clone(), entry(view))).collect(),
            },
            bookmarks: self
                .bookmarks
                .iter()
                .map(|(&key, place)| BookmarkEntry {
                    key,
                    locus: place.region.to_string(),
                    gene: place.gene.map(|id| self.session.genome.genes.get(id).name.clone()),
                })
                .collect(),
            regions: self.regions.iter().map(|r| RegionEntry { locus: r.region.to_string(), note: r.note.clone() }).collect(),
            rows: self.formulas.iter().map(|f| FormulaEntry { label: f.label.clone(), formula: f.formula.to_string() }).collect(),
        }
    }

    /// The rows and how they are drawn.
    pub fn layout(&self) -> Layout {
        Layout::of(self.saved())
    }

    /// Draws rows as a layout has them, and no others; what of it means nothing here is said and left out.
    pub fn lay_out(&mut self, layout: Layout) {
        self.row_views.clear();
        self.matrix.clear();
        self.formulas.clear();
        self.patterns.clear();
        self.more_analyses.clear();
        self.mutagenesis_view = MutagenesisView::default();
        let edits = std::mem::take(&mut self.edits);
        self.look_as_saved(&Saved { view: layout.view, rows: layout.rows, ..Saved::default() });
        self.edits = edits;
    }

    /// Looks at the session as it was saved; what of it means nothing here is said and left out.
    pub(super) fn look_as_saved(&mut self, saved: &Saved) {
        let mut problems = Vec::new();
        let view = &saved.view;
        if let Some(name) = &view.sample {
            match self.session.samples.iter().position(|s| s.name == *name) {
                Some(at) => self.sample = SampleId(at),
                None => problems.push(format!("no sample \"{name}\"")),
            }
        }
        if let Some(name) = &view.model {
            match self.models.iter().position(|m| m.name() == *name) {
                Some(at) => self.model = Some(at),
                None => problems.push(format!("no model \"{name}\"")),
            }
        }
        match view.beside.as_deref().map(|locus| self.region_of(locus)) {
            Some(Ok(region)) => self.put_beside(region, None),
            Some(Err(error)) => problems.push(format!("beside: {error}")),
            None => {}
        }
        if let Some(Err(problem)) = view.compare.as_ref().map(|name| self.compare_with(name)) {
            problems.push(format!("compare: {problem}"));
        }
        self.order.clone_from(&view.order);
        if let Err(problem) = self.set_matrix(&view.matrix) {
            problems.push(format!("matrix: {problem}"));
        }
        self.shows_translation = view.translation;
        (self.wants_seqlets, self.wants_cores) = (view.seqlets, view.cores);
        for name in &view.methods {
            match Analysis::of_method(name) {
                Some(analysis) => self.show_analysis(analysis),
                None => problems.push(format!("no method \"{name}\"")),
            }
        }
        if let Some(name) = &view.mutagenesis {
            match name.parse() {
                Ok(view) => self.mutagenesis_view = view,
                Err(error) => problems.push(format!("mutagenesis: {error}")),
            }
        }
        for text in &view.find {
            match Pattern::parse(text) {
                Ok(pattern) => self.patterns.push(pattern),
                Err(error) => problems.push(format!("find \"{text}\": {error}")),
            }
        }
        let edits = parse_edits(view.edits.iter().map(String::as_str), &EditWords::new(&self.session, Vec::new()));
        match edits {
            Ok(edits) => self.edits = edits,
            Err(reason) => problems.push(format!("edits {reason}")),
        }
        for (label, entry) in &view.rows {
            let mut of_row = Vec::new();
            self.row_views.insert(label.clone(), row_view(entry, &mut of_row));
            problems.extend(of_row.into_iter().map(|reason| format!("row {label}: {reason}")));
        }
        for row in &saved.rows {
            match Formula::parse(&row.formula) {
                Ok(formula) => self.formulas.push(FormulaRow { label: row.label.clone(), formula }),
                Err(error) => problems.push(format!("row {}: {error}", row.label)),
            }
        }
        for mark in &saved.bookmarks {
            match self.region_of(&mark.locus) {
                Ok(region) => {
                    let gene = mark.gene.as_ref().and_then(|name| self.session.genome.genes.find(name));
                    self.bookmarks.insert(mark.key, Place { region, gene });
                }
                Err(error) => problems.push(format!("bookmark {}: {error}", mark.key)),
            }
        }
        for noted in &saved.regions {
            match self.region_of(&noted.locus) {
                Ok(region) => self.regions.push(NotedRegion { region, note: noted.note.clone() }),
                Err(error) => problems.push(format!("region {}: {error}", noted.locus)),
            }
        }
        for problem in problems {
            self.say(format!("as saved: {problem}"));
        }
    }

    fn region_of(&self, locus: &str) -> Result<Region, String> {
        match Locus::parse(locus, &self.session.genome.chroms).map_err(|e| e.to_string())? {
            Locus::Region(region) => Ok(region),
            Locus::Position(chrom, at) => Ok(Region::new(chrom, at, at + 1)),
            Locus::Name(name) => Err(format!("\"{name}\" is no place")),
        }
    }

    /// Writes the session where it was opened, or to another file, whole or not at all.
    ///
    /// # Errors
    /// Where it was made of bare files and nothing says where to, where another file is there, or what the system says.
    pub fn save(&mut self, path: Option<&Path>) -> Result<(), String> {
        let own = self.session.path.clone();
        let path = path.map(Path::to_owned).or_else(|| own.clone());
        let path = path.ok_or("the session is of bare files: :w NAME.toml says where to")?;
        let is_own = own.as_deref() == Some(path.as_path());
        if !is_own && path.exists() {
            return Err(format!("there is a file {} already", path.display()));
        }
        self.write_session(&path, is_own)?;
        self.say(format!("saved: {}", path.display()));
        Ok(())
    }

    /// Writes the session, with paths from where it is written; in its own place with all its author wrote.
    pub fn write_session(&self, path: &Path, is_own: bool) -> Result<(), String> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let text = match is_own {
            true => std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?,
            false => toml::to_string(&self.session.source.moved(&self.session.folder, folder)).map_err(|e| e.to_string())?,
        };
        let text = self.saved().put_into(&text)?;
        write_whole(path, |out| out.write_all(text.as_bytes()).map_err(|e| TrackError::io(path, e))).map_err(|e| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{Session, TrackId};
    use crate::state::{RowId, toy};
    use crate::theme::Theme;
    use std::sync::Arc;

    #[test]
    fn what_is_saved_is_looked_at_again() {
        let mut state = toy::state(None);
        state.switch_sample(1);
        state.set_bookmark('a');
        state.note_region("odd \"one\"");
        state.patterns.push(Pattern::parse("TGASTCA").unwrap());
        state.set_formula("twice", Formula::parse("H3K4me3 * 2").unwrap()).unwrap();
        state.order = vec!["EPD".to_owned(), "genes".to_owned()];
        state.go_to("chr1:15,001-25,000 | chr1:60,001-70,000").unwrap();
        state.switch_side();
        state.shows_translation = true;
        (state.wants_seqlets, state.wants_cores) = (true, true);
        state.compare_with("S01").unwrap();
        *state.view_of(RowId::Track(TrackId(2))) = RowView {
            is_pinned: true,
            extra_lines: -2,
            name: Some("x".to_owned()),
            colour: Some(Rgb(1, 2, 3)),
            group: Some("g".to_owned()),
            style: SignalStyle::Points,
            statistic: Statistic::Max,
            scale: Scale::Fixed(-0.5, 12.25),
            is_log: true,
            is_symmetrical: true,
            overlays: vec!["twice".to_owned()],
            ..RowView::default()
        };
        state.view_of(RowId::Genes).genes = GeneDisplay::Squished;
        let text = state.saved().put_into("version = 1\n").unwrap();
        let file: crate::session::SessionFile = toml::from_str(&text).unwrap();
        let mut again = toy::state(None);
        again.go_to(&file.saved().locus).unwrap();
        again.look_as_saved(&file.saved());
        assert_eq!(again.saved(), state.saved());
        assert!(again.wants_seqlets && again.wants_cores);
        assert_eq!((again.row_views, again.bookmarks, again.regions), (state.row_views, state.bookmarks, state.regions));
        assert_eq!(again.messages, state.messages[..0], "nothing to complain of");
    }

    #[test]
    fn what_means_nothing_is_said_and_the_rest_is_taken() {
        let text = "version = 2\n[view]\nsample = 'gone'\nfind = ['XX']\n[view.rows.H3K4me3]\nstyle = 'fancy'\nlog = true\n[[bookmark]]\nkey = 'q'\nlocus = 'chr9:1-5'\n[[row]]\nlabel = 'r'\nformula = '1 +'\n";
        let file: crate::session::SessionFile = toml::from_str(text).unwrap();
        let mut state = toy::state(None);
        state.look_as_saved(&file.saved());
        assert_eq!(state.messages.len(), 5, "{:?}", state.messages);
        assert!(state.row_views["H3K4me3"].is_log);
    }

    /// What the child of the test below does: saves one of two states after the other, and says so.
    const SAVER: &str = "CISLENS_TEST_SAVES_TO";

    #[test]
    fn a_kill_at_any_moment_leaves_the_old_session_or_the_new() {
        use std::io::{BufRead, BufReader};
        use std::process::{Command, Stdio};
        let mut states = [toy::state(None), toy::state(None)];
        for (i, state) in states.iter_mut().enumerate() {
            for n in 0..(1 + i) * 500 {
                state.note_region(&format!("note {n} of state {i}"));
                state.region.end += 1;
            }
        }
        if let Some(path) = std::env::var_os(SAVER) {
            for _ in 0..5_000 {
                for state in &states {
                    state.write_session(Path::new(&path), false).unwrap();
                    println!("saved");
                }
            }
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let texts = states.each_ref().map(|state| {
            let path = folder.path().join("expected.toml");
            state.write_session(&path, false).unwrap();
            std::fs::read_to_string(path).unwrap()
        });
        assert!(texts[0].len() > 20_000 && texts[0] != texts[1]);
        let path = folder.path().join("session.toml");
        for saves in 1..=15 {
            let name = "state::saving::tests::a_kill_at_any_moment_leaves_the_old_session_or_the_new";
            let mut saver = Command::new(std::env::current_exe().unwrap());
            let saver = saver.args(["--exact", name, "--nocapture"]).env(SAVER, &path).stdout(Stdio::piped());
            let mut child = saver.spawn().unwrap();
            let lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let said = lines.map(Result::unwrap).filter(|line| line.ends_with("saved")).take(saves).count();
            child.kill().unwrap(); // SIGKILL, somewhere in the next save
            child.wait().unwrap();
            assert_eq!(said, saves);
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(texts.contains(&text), "{} bytes, neither the old nor the new", text.len());
        }
        states[0].write_session(&path, false).unwrap();
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 2, "what the killed left half-written is gone with the next save");
    }

    #[test]
    fn a_session_is_saved_in_its_place_and_elsewhere_and_another_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("g.sizes"), "chr1\t100000\n").unwrap();
        std::fs::write(at("p.bed"), "chr1\t10\t20\tp\n").unwrap();
        std::fs::write(
            at("s.toml"),
            "# mine\nversion = 1\n[genome]\nsizes = 'g.sizes'\n[[track]]\nfile = 'p.bed'\n[[track]]\nfile = 'gone.bw'\n",
        )
        .unwrap();
        let open = |path: &Path| State::new(Arc::new(Session::open(path).unwrap()), Vec::new(), Theme::named("dark").unwrap());
        let mut state = open(&at("s.toml"));
        state.go_to("chr1:5,001-9,000").unwrap();
        state.note_region("here");
        state.save(None).unwrap();
        assert!(std::fs::read_to_string(at("s.toml")).unwrap().starts_with("# mine\nversion = 2\n"));
        let again = open(&at("s.toml"));
        assert_eq!((again.region.to_string(), again.regions.len()), (state.region.to_string(), 1));
        std::fs::create_dir(at("sub")).unwrap();
        state.save(Some(&at("sub/t.toml"))).unwrap();
        let copy = std::fs::read_to_string(at("sub/t.toml")).unwrap();
        assert!(copy.contains("\"../p.bed\"") && open(&at("sub/t.toml")).regions.len() == 1, "{copy}");
        assert!(state.save(Some(&at("p.bed"))).unwrap_err().contains("already"));
        // A file that is gone is a row all the same.
        assert_eq!(again.session.tracks.iter().map(|t| t.label.as_str()).collect::<Vec<_>>(), ["p", "gone"]);
        let later = "version = 99\n[genome]\nsizes = 'g.sizes'\n[new]\nx = 1\n";
        std::fs::write(at("later.toml"), later).unwrap();
        assert!(Session::open(&at("later.toml")).unwrap_err().to_string().contains("version 99"));
    }
}
