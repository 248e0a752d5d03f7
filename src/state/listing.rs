//! Lists of genes by what a model makes of them, begun by the user and worked out in the background.

use super::{Comparison, RowId, RowState, State, Walk};
use crate::jobs::{Analysis, By, Listed, Listing, ListingSide, is_one_unit};
use std::sync::Arc;

/// What `:genes` can list by, as it is typed.
pub const LISTS: [&str; 4] = ["error", "difference", "disagreement", "attribution"];

/// A list as far as it is worked out.
#[derive(Clone, Debug)]
pub struct Begun {
    listing: Arc<Listing>,
    found: Vec<Listed>,
}

impl State {
    /// Begins a list of every gene: `error`, `attribution INPUT` by the method in view; `difference`, `disagreement` between what is
    /// compared, the latter else between integrated gradients and occlusion.
    ///
    /// # Errors
    /// Where there is no such list, or nothing to compare.
    pub fn begin_list(&mut self, text: &str) -> Result<(), String> {
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        if let Some(RowState::Failed(reason) | RowState::NotApplicable(reason)) =
            self.obstacle().or_else(|| self.compared_obstacle())
        {
            return Err(reason);
        }
        let model = self.model.ok_or("the session has no model")?;
        let manifest = self.models[model].manifest.as_ref().map_err(Clone::clone)?;
        let here = ListingSide { model, sample: self.sample, method: Analysis::IntegratedGradients.method() };
        let [name, other] = self.sides().unwrap_or_else(|| ["IG".to_owned(), "occlusion".to_owned()]);
        let there = match (self.compared.with, self.compared_subject()) {
            (Some(Comparison::Method(analysis)), _) => ListingSide { method: analysis.method(), ..here },
            (_, Some(subject)) => ListingSide { model: subject.model, sample: subject.sample, ..here },
            _ => ListingSide { method: Analysis::Occlusion.method(), ..here },
        };
        // Two samples or models are told apart by the method whose rows stand side by side, as the row `diff` does.
        let (mut here, there) = match (self.compared_analysis(), self.compared.with) {
            (Some(analysis), Some(Comparison::Method(_))) => (ListingSide { method: analysis.method(), ..here }, there),
            (Some(analysis), _) => [here, there].map(|side| ListingSide { method: analysis.method(), ..side }).into(),
            (None, _) => (here, there),
        };
        let (by, title) = match (word, rest.trim()) {
            ("error", "") => (By::Error, format!("predicted by {} less measured in {}", manifest.name, self.sample_name())),
            ("difference", "") => {
                let other_manifest = self.models[there.model].manifest.as_ref().map_err(Clone::clone)?;
                if (there.model, there.sample) == (here.model, here.sample) {
                    return Err("a difference of what? :compare MODEL or :compare SAMPLE first".to_owned());
                }
                if !is_one_unit(manifest, other_manifest) {
                    return Err(format!("{} is not in the unit of {}", other_manifest.output.unit, manifest.output.unit));
                }
                (By::Difference, format!("predicted for {name} less {other}"))
            }
            ("disagreement", "") => (By::Disagreement, format!("disagreement of {name} and {other} (0 to 1)")),
            ("attribution", label) => {
                let mut inputs = manifest.input.marks.clone();
                inputs.extend(manifest.input.sequence.map(|_| crate::attribution::DNA.to_owned()));
                let input = inputs.iter().find(|input| input.eq_ignore_ascii_case(label));
                let input = input.ok_or_else(|| format!("attribution of what? {}", inputs.join(", ")))?;
                here.method = self.analysis_in_view().method();
                (By::Attribution(input.clone()), format!("{} of {input} in {}", here.method, self.sample_name()))
            }
            _ => return Err(format!(":genes {text}: {} are lists", LISTS.join(", "))),
        };
        let genes = &self.session.genome.genes;
        let coding: Vec<_> = genes.iter().filter(|(_, g)| g.biotype == "protein_coding").map(|(id, _)| id).collect();
        let genes = if coding.is_empty() { genes.iter().map(|(id, _)| id).collect() } else { coding };
        let listing = Arc::new(Listing { title, by, here, there, genes });
        self.notice = Some(format!("{}: being worked out; G shows what is there, W B walk it", listing.title));
        self.beside.begun = Some(Begun { listing, found: Vec::new() });
        self.walk = None;
        Ok(())
    }

    /// The method that is looked at: that of the focused row, else the first that has a row.
    fn analysis_in_view(&self) -> Analysis {
        let focused = match self.focused() {
            Some(RowId::Attribution(analysis)) => Some(analysis),
            _ => self.compared_analysis().or_else(|| self.analyses().into_iter().find(|analysis| self.shows(*analysis))),
        };
        focused.unwrap_or(Analysis::IntegratedGradients)
    }

    /// How far the list is that is being worked out.
    pub fn list_progress(&self) -> Option<String> {
        let begun = self.beside.begun.as_ref()?;
        let (n, all) = (begun.found.len(), begun.listing.genes.len());
        (n < all).then(|| format!("{}: {n} of {all} genes so far", begun.listing.title))
    }

    /// Gives up the list that is being worked out.
    pub fn end_list(&mut self) {
        self.beside.begun = None;
    }

    fn sample_name(&self) -> String {
        self.session.samples.get(self.sample.0).map(|s| s.name.clone()).unwrap_or_default()
    }

    /// The list that is being worked out.
    pub(super) fn listing_wanted(&self) -> Option<Arc<Listing>> {
        let begun = self.beside.begun.as_ref()?;
        (begun.found.len() < begun.listing.genes.len()).then(|| begun.listing.clone())
    }

    /// Takes in more of a list: what is there is walked from the furthest from zero.
    pub(super) fn take_listed(&mut self, listing: &Arc<Listing>, found: Vec<Listed>, first: usize) {
        let Some(begun) = self.beside.begun.as_mut().filter(|begun| begun.listing == *listing) else { return };
        begun.found.truncate(first);
        begun.found.extend(found);
        let (n, all) = (begun.found.len(), listing.genes.len());
        let mut genes: Vec<_> = begun.found.iter().map(|of| (of.gene, of.value)).collect();
        super::walk::order(&mut genes);
        let so_far = if n < all { format!(" \u{b7} {n} of {all} so far") } else { String::new() };
        let places = begun.found.iter().filter_map(|of| Some((of.gene, of.place.clone()?))).collect();
        self.walk = Some(Walk { title: format!("{}{so_far}", listing.title), genes, places });
        if n == all && begun.found.iter().all(|of| of.value.is_nan()) {
            self.say(format!("{}: nothing can be said of any gene", listing.title));
        } else if n == all {
            self.say(format!("{}: {all} genes (G shows them, W B walk from the largest)", listing.title));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::GeneId;
    use crate::jobs::{JobId, Reply};
    use crate::models::test_manifest;
    use crate::state::toy;

    #[test]
    fn a_list_grows_and_is_walked_from_the_furthest() {
        let mut state = toy::state(Some(Ok(test_manifest(10_000, 100, &["H3K4me3"], None))));
        state.show_gene(GeneId(0));
        for (text, reason) in [
            ("difference", "a difference of what?"),
            ("attribution H9", "attribution of what? H3K4me3"),
            ("weather", "error, difference"),
        ] {
            assert!(state.begin_list(text).unwrap_err().contains(reason), "{text}");
        }
        state.begin_list("disagreement").unwrap();
        let listing = state.aside().listing.unwrap();
        assert_eq!((listing.here.method, listing.there.method, listing.genes.len()), ("integrated-gradients", "occlusion", 4));
        let place = crate::genome::Region::new("chr1", 43_000, 43_050);
        let of = |gene, value: f64| Listed { gene: GeneId(gene), value, place: None };
        let send = |state: &mut State, found, first| {
            let reply = Reply::Listed { listing: listing.clone(), found, first };
            state.apply(reply, JobId::default(), JobId::default());
        };
        let here = Listed { place: Some((place.clone(), "look".to_owned())), ..of(1, 0.7) };
        send(&mut state, vec![of(0, 0.2), here], 0);
        assert!(state.walk.as_ref().unwrap().title.ends_with("2 of 4 so far"));
        state.step_gene(1);
        assert_eq!(
            (state.gene, state.notice.as_deref()),
            (Some(GeneId(0)), Some("this is the end of the list; :genes all walks every gene"))
        );
        // What was worked out once more is not listed twice.
        send(&mut state, vec![of(1, 0.7), of(2, f64::NAN), of(3, 0.9)], 1);
        let genes: Vec<u32> = state.walk.as_ref().unwrap().genes.iter().map(|(id, _)| id.0).collect();
        assert_eq!((genes, state.aside().listing), (vec![3, 1, 0, 2], None));
        for (focus, method) in [("", "integrated-gradients"), ("occlusion", "occlusion"), ("ISM", "saturation-mutagenesis")] {
            state.focus = focus.to_owned();
            state.begin_list("attribution h3k4me3").unwrap();
            let listing = state.aside().listing.unwrap();
            assert_eq!((listing.here.method, &listing.by), (method, &By::Attribution("H3K4me3".to_owned())), "{focus}");
            assert!(listing.title.starts_with(&format!("{method} of H3K4me3")), "{}", listing.title);
        }
        let nothing = (0..4).map(|gene| of(gene, f64::NAN)).collect();
        let listed = Reply::Listed { listing: state.aside().listing.unwrap(), found: nothing, first: 0 };
        state.apply(listed, JobId::default(), JobId::default());
        assert!(state.notice.as_deref().unwrap().contains("nothing can be said"), "{:?}", state.notice);
        state.begin_list("disagreement").unwrap();
        send(&mut state, vec![Listed { place: Some((place.clone(), "look".to_owned())), ..of(1, 0.7) }], 0);
        state.gene = Some(GeneId(3));
        state.step_gene(1);
        assert!(state.region.covers(&place) && state.notice.as_deref() == Some("look"), "{}", state.region);
    }
}
