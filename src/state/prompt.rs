//! A line being typed, and what it may mean: a place to go to, or a command.

use super::State;
use crate::genome::Genes;
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use tui_input::Input;

/// What is typed for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Asks {
    /// A place.
    #[default]
    Place,
    /// A command.
    Command,
}

/// Something that what is typed may mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// What stands in the line when it is chosen.
    pub text: String,
    /// What it is.
    pub about: String,
}

/// A line being typed.
#[derive(Clone, Debug, Default)]
pub struct Prompt {
    /// What is typed for.
    pub asks: Asks,
    /// The text and the cursor.
    pub input: Input,
    /// The best matches, best first.
    pub matches: Vec<Match>,
    /// The chosen match; `None` while the text itself is meant.
    pub selected: Option<usize>,
    /// The earlier line that is shown, counted from the newest.
    pub recalled: Option<usize>,
}

impl Prompt {
    /// Matches shown of places.
    pub const SHOWN: usize = 8;

    /// An empty line.
    pub fn new(asks: Asks) -> Self {
        Self { asks, ..Self::default() }
    }

    /// Takes in what the text may mean.
    pub fn offer(&mut self, matches: Vec<Match>) {
        self.matches = matches;
        self.selected = None;
    }

    /// Chooses the next or an earlier match.
    pub fn select(&mut self, step: isize) {
        let n = self.matches.len();
        if n > 0 {
            let from = self.selected.map_or(if step > 0 { -1 } else { n as isize }, |i| i as isize);
            self.selected = Some((from + step).rem_euclid(n as isize) as usize);
        }
    }

    /// The chosen match.
    pub fn chosen(&self) -> Option<&Match> {
        self.matches.get(self.selected?)
    }

    /// What Enter means: the chosen match, else the text.
    pub fn target(&self) -> String {
        match self.chosen() {
            Some(chosen) => chosen.text.clone(),
            None => self.input.value().to_owned(),
        }
    }

    /// Shows an earlier (`step` 1) or later line of `lines`, which end with the newest.
    pub fn recall(&mut self, lines: &[String], step: isize) {
        let at = self.recalled.map_or(-1, |i| i as isize) + step;
        self.recalled = usize::try_from(at).ok().map(|at| at.min(lines.len().saturating_sub(1)));
        let line = self.recalled.and_then(|at| lines.iter().rev().nth(at)).cloned().unwrap_or_default();
        self.input = Input::new(line);
    }
}

/// The entries of a list whose name matches `text` best, by fuzzy score, then length, then order.
pub fn best_matches<'a>(names: impl Iterator<Item = &'a str>, text: &str, limit: usize) -> Vec<usize> {
    let mut matcher = Matcher::new(Config::DEFAULT);
    let pattern = Pattern::parse(text, CaseMatching::Ignore, Normalization::Smart);
    let mut buffer = Vec::new();
    let score = |(i, name): (usize, &str)| {
        let score = pattern.score(Utf32Str::new(name, &mut buffer), &mut matcher)?;
        Some((std::cmp::Reverse(score), name.len(), i))
    };
    let mut scored: Vec<_> = names.enumerate().filter_map(score).collect();
    if scored.len() > limit {
        scored.select_nth_unstable(limit);
        scored.truncate(limit);
    }
    scored.sort_unstable();
    scored.into_iter().map(|(_, _, i)| i).collect()
}

/// The gene whose symbol is closest to `text`, if any is close.
pub(super) fn closest_gene<'a>(genes: &'a Genes, text: &str) -> Option<&'a str> {
    let at = best_matches(genes.iter().map(|(_, gene)| gene.name.as_str()), text, 1);
    genes.iter().nth(*at.first()?).map(|(_, gene)| gene.name.as_str())
}

impl State {
    /// Places that `text` may mean: bookmarks and regions of interest, chromosomes, genes by fuzzy match, features by the beginning
    /// of their name.
    pub fn places_like(&self, text: &str) -> Vec<Match> {
        let text = text.trim();
        // A position is not a name: completing "chr1:" with whatever holds those letters would only distract.
        if text.is_empty() || text.contains(':') {
            return Vec::new();
        }
        let begins = |name: &str| name.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text));
        let mut found: Vec<Match> = Vec::new();
        let genes = &self.session.genome.genes;
        let chroms = self.session.genome.chroms.iter().filter(|(name, _)| !self.session.genome.is_gene_relative && begins(name));
        found.extend(chroms.take(2).map(|(name, len)| Match {
            text: name.to_string(),
            about: format!("chromosome of {} bp", crate::genome::thousands(len)),
        }));
        for region in self.regions.iter().filter(|r| !r.note.is_empty() && begins(&r.note)).take(3) {
            found.push(Match { text: region.region.to_string(), about: format!("region: {}", region.note) });
        }
        let ids: Vec<_> = genes.iter().collect();
        for at in best_matches(ids.iter().map(|(_, gene)| gene.name.as_str()), text, Prompt::SHOWN) {
            let gene = ids[at].1;
            let place = if self.session.genome.is_gene_relative { gene.id.clone() } else { gene.region.to_string() };
            found.push(Match { text: gene.name.clone(), about: format!("{place} ({})", gene.strand) });
        }
        if found.len() < Prompt::SHOWN {
            found.extend(self.features_like(Prompt::SHOWN - found.len(), begins));
        }
        found.truncate(Prompt::SHOWN);
        found
    }

    fn features_like(&self, limit: usize, is_meant: impl Fn(&str) -> bool) -> Vec<Match> {
        let mut found = Vec::new();
        for (id, track) in self.session.tracks_of(self.sample) {
            let Some(Ok(features)) = self.features.get(&id) else { continue };
            for (chrom, feature) in features.iter().filter(|(_, f)| is_meant(&f.name)).take(limit - found.len()) {
                let region = crate::genome::Region::new(chrom.clone(), feature.start, feature.end);
                found.push(Match { text: feature.name.clone(), about: format!("{} {region}", track.label) });
            }
            if found.len() >= limit {
                break;
            }
        }
        found
    }
}
