//! Tables of expression: whose they are and in which unit.

use super::{Draft, Facts, names};
use crate::session::{ExpressionEntry, SampleEntry};
use crate::tracks::{Expression, ExpressionColumns};
use std::path::Path;

impl Draft<'_> {
    pub(super) fn add_expression(&mut self, path: &Path, facts: &Facts) -> Result<(), String> {
        let columns = Expression::samples(path).map_err(|e| e.to_string())?;
        let is_matrix = columns.len() > 1 && !columns.iter().any(|c| c.eq_ignore_ascii_case("TPM"));
        let known: Vec<String> = self.made.file.samples.iter().map(|s| s.name.clone()).collect();
        let stem = names::long_stem(path);
        let of_name = known.iter().filter(|s| **s == names::stem(path) || names::after_sample(&stem, s).is_some());
        let of_name = of_name.max_by_key(|s| s.len()).cloned();
        let said = facts.sample.clone().or_else(|| self.options.sample.clone());
        let of: Vec<String> = match said.or(of_name) {
            Some(sample) => vec![sample],
            None if is_matrix => {
                let both: Vec<String> = columns.iter().filter(|c| known.contains(c)).cloned().collect();
                if both.is_empty() && !known.is_empty() {
                    let (has, known) = (columns.iter().take(5).cloned().collect::<Vec<_>>().join(", "), known.join(", "));
                    return Err(format!("none of its columns ({has}) is a sample ({known}): name them alike, or use --sample"));
                }
                if both.is_empty() { columns } else { both }
            }
            None => match &known[..] {
                [only] => vec![only.clone()],
                [] => vec![names::stem(path)],
                _ => {
                    return Err(format!(
                        "which sample's expression is it? There are {}: name the file after one",
                        known.join(", ")
                    ));
                }
            },
        };
        let wanted = ExpressionColumns { sample: of.first().map(String::as_str), ..ExpressionColumns::default() };
        let read = Expression::read(path, &wanted).map_err(|e| e.to_string())?.value;
        let unit = unit_of(&read, &stem);
        let file = self.place(path);
        for sample in &of {
            let entry = ExpressionEntry { file: file.clone(), unit: unit.clone(), ..ExpressionEntry::default() };
            match self.made.file.samples.iter_mut().find(|s| s.name == *sample) {
                Some(SampleEntry { expression: Some(first), .. }) => {
                    return Err(format!("sample {sample} has its expression from {} already", first.file.display()));
                }
                Some(known) => known.expression = Some(entry),
                None => self.made.file.samples.push(SampleEntry {
                    name: sample.clone(),
                    expression: Some(entry),
                    ..SampleEntry::default()
                }),
            }
        }
        let unit = if unit.is_empty() { "unit unknown".to_owned() } else { unit };
        self.understand(path, &format!("expression of {} ({} genes, {unit})", of.join(", "), read.rows().len()));
        Ok(())
    }
}

/// TPM or counts, where column, name or numbers tell.
fn unit_of(expression: &Expression, stem: &str) -> String {
    let says = |word: &str| names::words(stem).iter().any(|(_, w)| w.eq_ignore_ascii_case(word));
    for unit in ["TPM", "FPKM", "RPKM"] {
        if expression.column().eq_ignore_ascii_case(unit) || says(unit) {
            return unit.to_owned();
        }
    }
    let is_whole = expression.rows().all(|(_, value)| value.fract() == 0.0);
    if is_whole || says("count") || says("counts") { "count".to_owned() } else { String::new() }
}
