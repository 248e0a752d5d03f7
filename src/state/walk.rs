//! Lists of genes to walk instead of all: of a file, by a column of a table, by how far a measurement differs.

use super::State;
use super::table::{Cell, Line, Table};
use crate::genome::{GeneId, Locus, Region};
use crate::models::measured_output;
use crate::session::SampleId;
use crate::tracks::read_text;
use std::collections::HashMap;
use std::path::Path;

/// Genes in the order they are walked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Walk {
    /// What they are.
    pub title: String,
    /// The genes, each with the number it stands by; NaN where it has none.
    pub genes: Vec<(GeneId, f64)>,
    /// Where in a gene to look, and what is to be seen there.
    pub places: HashMap<GeneId, (Region, String)>,
}

impl State {
    /// Reads a list of genes: names, one a line, or a table with a header (`gene`, `gene_id` or `name`) and a column to order by,
    /// from the furthest from zero. `error` is a column too where the table has a model's `output` for measured genes.
    pub fn read_walk(&self, path: &Path, by: Option<&str>) -> Result<Walk, String> {
        let in_file = |reason: String| format!("{}: {reason}", path.display());
        let text = read_text(path).map_err(|e| in_file(e.to_string()))?;
        let walk = self.walk_of_text(&text, by).map_err(in_file)?;
        let title = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Walk { title: by.map_or(title.clone(), |by| format!("{title} by {by}")), ..walk })
    }

    fn walk_of_text(&self, text: &str, by: Option<&str>) -> Result<Walk, String> {
        let mut lines =
            text.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#')).map(|l| l.split('\t').collect::<Vec<_>>());
        let first = lines.next().ok_or("no gene in it")?;
        let column = |name: &str| first.iter().position(|c| c.trim() == name);
        let names = ["gene", "gene_id", "name"].into_iter().find_map(column);
        let value = match by {
            None | Some("error") => None,
            Some(by) => Some(column(by).ok_or_else(|| format!("no column \"{by}\"; it has {}", first.join(", ")))?),
        };
        let output = match by {
            Some("error") => Some(column("output").ok_or("no column \"output\" to compare with what was measured")?),
            _ => None,
        };
        let place = column("place");
        let headless = names.is_none().then(|| first.clone());
        let mut genes: Vec<(GeneId, f64)> = Vec::new();
        let mut unknown: Vec<String> = Vec::new();
        let mut places = HashMap::new();
        for line in headless.into_iter().chain(lines) {
            let name = line.get(names.unwrap_or(0)).map_or("", |n| n.trim());
            let Some(id) = self.session.genome.genes.find(name) else {
                unknown.push(name.to_owned());
                continue;
            };
            let number = |at: usize| line.get(at).and_then(|v| v.trim().parse::<f64>().ok()).unwrap_or(f64::NAN);
            let value = match (value, output) {
                (Some(at), _) => number(at),
                (None, Some(at)) => number(at) - self.measured_as_output(id).unwrap_or(f64::NAN),
                (None, None) => f64::NAN,
            };
            genes.push((id, value));
            let text = place.and_then(|at| line.get(at)).map_or("", |text| text.trim());
            if let Ok(Locus::Region(region)) = Locus::parse(text, &self.session.genome.chroms) {
                places.insert(id, (region, String::new()));
            }
        }
        if genes.is_empty() {
            return Err(format!(
                "none of its {} names is a gene here (the first is \"{}\")",
                unknown.len(),
                unknown.first().map_or("", |n| n)
            ));
        }
        if by.is_some() {
            order(&mut genes);
        }
        Ok(Walk { title: String::new(), genes, places })
    }

    /// What was measured of a gene, in the units of the model's output.
    fn measured_as_output(&self, gene: GeneId) -> Option<f64> {
        measured_output(&self.session, self.current_model()?.manifest.as_ref().ok()?, self.sample, gene)
    }

    /// Genes by the change of their expression from the sample in view to another: log2((there + 1) / (here + 1)).
    pub fn walk_by_change(&self, sample: &str) -> Result<Walk, String> {
        let samples = &self.session.samples;
        let at = samples.iter().position(|s| s.name == sample).ok_or_else(|| {
            format!(
                "no sample \"{sample}\"; there are {}",
                samples.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", ")
            )
        })?;
        let change = |(id, gene)| {
            let (here, there) = (self.session.expression(self.sample, gene)?, self.session.expression(SampleId(at), gene)?);
            Some((id, ((there + 1.0) / (here + 1.0)).log2()))
        };
        let mut genes: Vec<(GeneId, f64)> = self.session.genome.genes.iter().filter_map(change).collect();
        if genes.is_empty() {
            return Err(format!("no gene is measured in both {} and {sample}", samples[self.sample.0].name));
        }
        order(&mut genes);
        let title = format!("change of expression from {} to {sample}, log2", samples[self.sample.0].name);
        Ok(Walk { title, genes, ..Walk::default() })
    }

    /// A list as a table.
    pub fn walk_table(&self, walk: &Walk) -> Table {
        let line = |&(id, value): &(GeneId, f64)| {
            let gene = self.session.genome.genes.get(id);
            let measured = self.session.expression(self.sample, gene).unwrap_or(f64::NAN);
            let place = walk.places.get(&id);
            let region = place.map_or(&gene.region, |(region, _)| region).clone();
            let place = Cell::Place(self.session.genome.chroms.rank(&region.chrom).unwrap_or(usize::MAX), region);
            Line {
                cells: vec![Cell::Text(gene.name.clone()), Cell::Number(value), Cell::Number(measured), place],
                target: gene.name.clone(),
            }
        };
        Table::new(
            format!("genes: {}", walk.title),
            &["gene", "value", "measured", "place"],
            walk.genes.iter().map(line).collect(),
        )
    }

    /// The next or an earlier gene of the list that is walked; `None` where there is no list.
    pub(super) fn step_walk(&self, step: i64) -> Option<GeneId> {
        let walk = self.walk.as_ref()?;
        let at = walk.genes.iter().position(|(id, _)| Some(*id) == self.gene);
        let next = match at {
            Some(at) => (at as i64 + step).clamp(0, walk.genes.len() as i64 - 1),
            None => 0,
        };
        walk.genes.get(next as usize).map(|(id, _)| *id)
    }

    /// Shows a gene of the list that is walked: where there is something to look at, so that it is in view.
    pub(super) fn show_listed(&mut self, id: GeneId) {
        self.show_gene(id);
        let place = self.walk.as_ref().and_then(|walk| walk.places.get(&id)).cloned();
        if let Some((region, note)) = place {
            if !self.region.covers(&region) {
                let span = self.region.len();
                let start = region.centre().saturating_sub(span / 2);
                self.set_region(Region::new(region.chrom.clone(), start, start + span));
            }
            self.notice = (!note.is_empty()).then_some(note);
        }
    }
}

/// The furthest from zero first; what has no value last.
pub(super) fn order(genes: &mut [(GeneId, f64)]) {
    genes.sort_by(|(_, a), (_, b)| a.is_nan().cmp(&b.is_nan()).then(b.abs().total_cmp(&a.abs())));
}

#[cfg(test)]
mod tests {
    use crate::state::toy;

    fn names(walk: &super::Walk, state: &crate::state::State) -> Vec<String> {
        walk.genes.iter().map(|(id, _)| state.session.genome.genes.get(*id).name.clone()).collect()
    }

    #[test]
    fn a_list_is_walked_in_its_own_order() {
        let mut state = toy::state(None);
        let walk = state.walk_of_text("GAMMA\nalpha\n\nnobody\n# BETA\n", None).unwrap();
        assert_eq!(names(&walk, &state), ["GAMMA", "ALPHA"]);
        state.walk = Some(walk);
        state.step_gene(1);
        assert_eq!(state.current_gene().unwrap().name, "ALPHA", "the gene in view is in the list, at its end");
        state.step_gene(-1);
        assert_eq!(state.current_gene().unwrap().name, "GAMMA");
    }

    #[test]
    fn a_table_is_ordered_by_the_furthest_from_zero() {
        let state = toy::state(None);
        let table = "gene_id\tx\nENSG_ALPHA\t1\nENSG_BETA\t-3\nENSG_GAMMA\tNA\nENSG_DELTA\t2\n";
        assert_eq!(names(&state.walk_of_text(table, Some("x")).unwrap(), &state), ["BETA", "DELTA", "ALPHA", "GAMMA"]);
        assert_eq!(state.walk_of_text(table, Some("y")).unwrap_err(), "no column \"y\"; it has gene_id, x");
        assert!(state.walk_of_text("one\ntwo\n", None).unwrap_err().contains("none of its 2 names"));
    }
}
