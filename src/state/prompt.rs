//! The goto prompt: a line of text and the genes it may mean.

use crate::genome::{GeneId, Genes};
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use tui_input::Input;

/// A gene that matches what is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The gene.
    pub gene: GeneId,
    /// Its symbol.
    pub name: String,
}

/// A line being typed.
#[derive(Clone, Debug, Default)]
pub struct Prompt {
    /// The text and the cursor.
    pub input: Input,
    /// The best matches, best first.
    pub matches: Vec<Match>,
    /// The chosen match; `None` while the text itself is meant.
    pub selected: Option<usize>,
}

impl Prompt {
    const SHOWN: usize = 8;

    /// Looks for matches again after the text changed.
    pub fn refresh(&mut self, genes: &Genes) {
        self.matches = matches(genes, self.input.value(), Self::SHOWN);
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

    /// What Enter goes to: the chosen match, else the text.
    pub fn target(&self) -> String {
        match self.selected.and_then(|i| self.matches.get(i)) {
            Some(chosen) => chosen.name.clone(),
            None => self.input.value().to_owned(),
        }
    }
}

/// The genes whose symbols match `text` best, by fuzzy score, then length, then order.
pub(super) fn matches(genes: &Genes, text: &str, limit: usize) -> Vec<Match> {
    let text = text.trim();
    // A place is not a gene: completing "chr1:" with whatever holds those letters would only distract.
    if text.is_empty() || text.contains(':') {
        return Vec::new();
    }
    let mut matcher = Matcher::new(Config::DEFAULT);
    let pattern = Pattern::parse(text, CaseMatching::Ignore, Normalization::Smart);
    let mut buffer = Vec::new();
    let mut scored: Vec<(u32, usize, GeneId, &str)> = genes
        .iter()
        .filter_map(|(id, gene)| {
            let score = pattern.score(Utf32Str::new(&gene.name, &mut buffer), &mut matcher)?;
            Some((score, gene.name.len(), id, gene.name.as_str()))
        })
        .collect();
    scored.sort_by_key(|&(score, len, id, _)| (std::cmp::Reverse(score), len, id));
    scored.truncate(limit);
    scored.into_iter().map(|(_, _, gene, name)| Match { gene, name: name.to_owned() }).collect()
}
