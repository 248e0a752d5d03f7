//! How a signal is drawn and on what scale; how gene models are stacked.

use super::{RowId, State};
use crate::session::TrackKind;
use std::fmt;

/// A choice that is typed and stored by its name.
pub trait Named: Copy + PartialEq + 'static {
    /// Every choice with its name and what it is.
    const ALL: &'static [(Self, &'static str, &'static str)];

    /// The name.
    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(choice, ..)| *choice == self).map_or("", |(_, name, _)| name)
    }

    /// The choice of a name.
    ///
    /// # Errors
    /// The names there are.
    fn parse(name: &str) -> Result<Self, String> {
        let known = || Self::ALL.iter().map(|(_, name, _)| *name).collect::<Vec<_>>().join(", ");
        Self::ALL
            .iter()
            .find(|(_, n, _)| *n == name)
            .map(|(choice, ..)| *choice)
            .ok_or_else(|| format!("\"{name}\" is none of {}", known()))
    }

    /// The next choice, round and round.
    fn next(self) -> Self {
        let at = Self::ALL.iter().position(|(choice, ..)| *choice == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()].0
    }
}

/// How a signal is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignalStyle {
    /// Bright to the mean of a column, dim to its highest value.
    #[default]
    Whiskers,
    /// One value a column, filled from zero.
    Bars,
    /// One value a column, joined.
    Line,
    /// One value a column.
    Points,
    /// One value a column as a shade: one line is enough.
    Heatmap,
}

impl Named for SignalStyle {
    const ALL: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Whiskers, "whiskers", "bright to the mean, dim to the maximum"),
        (Self::Bars, "bars", "filled from zero"),
        (Self::Line, "line", "joined"),
        (Self::Points, "points", "single"),
        (Self::Heatmap, "heatmap", "shades, one line a row"),
    ];
}

/// Which value of a column is drawn where only one is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Statistic {
    /// The mean of its measured bases.
    #[default]
    Mean,
    /// The highest.
    Max,
    /// The lowest.
    Min,
}

impl Named for Statistic {
    const ALL: &'static [(Self, &'static str, &'static str)] =
        &[(Self::Mean, "mean", "of the measured bases"), (Self::Max, "max", "the highest"), (Self::Min, "min", "the lowest")];
}

/// How gene models are stacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GeneDisplay {
    /// One a gene.
    #[default]
    Collapsed,
    /// Every transcript, with its name.
    Packed,
    /// Every transcript, two a line, without names.
    Squished,
}

impl Named for GeneDisplay {
    const ALL: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Collapsed, "collapsed", "one a gene"),
        (Self::Packed, "packed", "every transcript with its name"),
        (Self::Squished, "squished", "every transcript, two a line"),
    ];
}

/// What a signal's axis spans.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Scale {
    /// What the row shows.
    #[default]
    Row,
    /// What all rows of its group show.
    Group,
    /// What the same mark shows in all samples.
    Samples,
    /// Up to the 99th percentile of what the row shows; what is higher is cut, and marked.
    Percentile,
    /// From one number to another.
    Fixed(f32, f32),
}

impl Scale {
    /// Those without numbers, by name.
    pub const NAMES: [(Self, &'static str); 4] =
        [(Self::Row, "row"), (Self::Group, "group"), (Self::Samples, "samples"), (Self::Percentile, "p99")];
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(lo, hi) => write!(f, "{lo} {hi}"),
            named => f.write_str(Self::NAMES.iter().find(|(scale, _)| scale == named).map_or("", |(_, name)| name)),
        }
    }
}

/// A scale with its turns: what `\` goes through.
const ROUND: [(Scale, bool, bool, &str); 6] = [
    (Scale::Row, false, false, "each row its own"),
    (Scale::Group, false, false, "shared by the group"),
    (Scale::Samples, false, false, "shared by the mark in all samples"),
    (Scale::Percentile, false, false, "to the 99th percentile"),
    (Scale::Row, true, false, "log10(1 + |x|)"),
    (Scale::Row, false, true, "symmetrical around zero"),
];

/// What a mark is of, which is what its group is where nobody says: marks of one kind have values of one size.
fn family(mark: &str) -> String {
    let lower = mark.to_lowercase();
    let is_histone = lower.strip_prefix('h').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    match () {
        () if is_histone => "histones".to_owned(),
        () if has(&["dnase", "atac", "faire"]) => "accessibility".to_owned(),
        () if has(&["rna", "cage", "pro-seq", "gro-seq"]) => "transcription".to_owned(),
        () if has(&["5mc", "cpg", "methyl", "wgbs"]) => "methylation".to_owned(),
        () => lower,
    }
}

impl State {
    /// The group a row shares its scale with.
    pub fn group(&self, row: RowId) -> Option<String> {
        let view = self.row_view(row);
        match row {
            _ if view.group.is_some() => view.group,
            RowId::Track(id) => {
                let info = &self.session.tracks[id.0];
                (info.kind == TrackKind::Signal).then(|| family(info.mark.as_deref().unwrap_or(&info.label)))
            }
            RowId::Formula(_) => Some(self.label(row)),
            _ => None,
        }
    }

    /// Signal rows in view that share a group.
    pub fn rows_of_group(&self, group: &str) -> Vec<RowId> {
        self.rows().into_iter().filter(|row| self.group(*row).as_deref() == Some(group)).collect()
    }

    /// Tracks of the mark of a row in all samples.
    pub fn tracks_of_mark(&self, row: RowId) -> Vec<crate::session::TrackId> {
        let RowId::Track(id) = row else { return Vec::new() };
        let Some(mark) = self.session.tracks[id.0].mark.clone() else { return vec![id] };
        self.tracks_with(&mark)
    }

    fn focused_signal(&self) -> Result<RowId, String> {
        let row = self.focused().ok_or("there is no row")?;
        match self.group(row) {
            Some(_) => Ok(row),
            None => Err(format!("row {} shows no signal: focus one with j k", self.label(row))),
        }
    }

    /// Gives the focused signal the next scale: its own, its group's, its mark's in all samples, 99th percentile, log, symmetrical.
    pub fn next_scale(&mut self) -> Result<(), String> {
        let view = self.row_view(self.focused_signal()?);
        let now = (view.scale, view.is_log, view.is_symmetrical);
        let at = ROUND.iter().position(|(scale, log, symmetrical, _)| (*scale, *log, *symmetrical) == now);
        let (scale, is_log, is_symmetrical, about) = ROUND[at.map_or(0, |at| (at + 1) % ROUND.len())];
        self.set_scale(scale, Some((is_log, is_symmetrical)))?;
        let notice = self.notice.take();
        self.notice = notice.or_else(|| Some(format!("scale: {about}")));
        Ok(())
    }

    /// Sets the scale of the focused signal; that of a group is its rows' together.
    pub fn set_scale(&mut self, scale: Scale, turns: Option<(bool, bool)>) -> Result<(), String> {
        let row = self.focused_signal()?;
        let group = self.group(row).unwrap_or_default();
        let (was_group, is_group) = (self.row_view(row).scale == Scale::Group, scale == Scale::Group);
        if was_group || is_group {
            let of_group = self.rows_of_group(&group);
            for other in &of_group {
                let view = self.view_of(*other);
                view.scale = if is_group { Scale::Group } else { Scale::Row };
                (view.is_log, view.is_symmetrical) = (false, false);
            }
            if is_group {
                let labels: Vec<String> = of_group.iter().map(|r| self.label(*r)).collect();
                self.notice = Some(format!("scale shared by group {group}: {} (:group NAME changes it)", labels.join(", ")));
            }
        }
        let view = self.view_of(row);
        view.scale = scale;
        if let Some((is_log, is_symmetrical)) = turns {
            (view.is_log, view.is_symmetrical) = (is_log, is_symmetrical);
        }
        Ok(())
    }

    /// The next way to draw the focused row: of signals, or of gene models.
    pub fn next_style(&mut self) -> Result<(), String> {
        if self.focused() == Some(RowId::Genes) {
            let view = self.view_of(RowId::Genes);
            view.genes = view.genes.next();
            let name = view.genes.name();
            self.notice = Some(format!("genes {name}"));
            return Ok(());
        }
        let row = self.focused_signal()?;
        let view = self.view_of(row);
        view.style = view.style.next();
        let name = view.style.name();
        self.notice = Some(format!("drawn as {name}"));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::toy;

    #[test]
    fn every_choice_is_found_by_its_name_and_the_round_closes() {
        fn check<T: Named + fmt::Debug>() {
            let mut choice = T::ALL[0].0;
            for (expected, name, _) in T::ALL {
                assert_eq!((choice, T::parse(name)), (*expected, Ok(choice)));
                choice = choice.next();
            }
            assert_eq!(choice, T::ALL[0].0);
            assert!(T::parse("fancy").unwrap_err().contains(T::ALL[0].1));
        }
        check::<SignalStyle>();
        check::<Statistic>();
        check::<GeneDisplay>();
    }

    /// Fault 9 of a peer: one maximum over RNA and histones made the histones one eighth high.
    #[test]
    fn histones_and_rna_are_not_one_group() {
        assert_eq!(["H3K4me3", "h3k27ac", "H2A.Z"].map(family), ["histones"; 3].map(str::to_owned));
        assert_eq!(
            ["RNA-seq", "5mC", "DNase", "CTCF", "HNF4A"].map(family),
            ["transcription", "methylation", "accessibility", "ctcf", "hnf4a"]
        );
    }

    #[test]
    fn the_scale_goes_round_and_a_group_goes_together() {
        let mut state = toy::state(None);
        state.focus = "H3K4me3".to_owned();
        let row = state.focused().unwrap();
        state.view_of(RowId::Track(crate::session::TrackId(1))).group = Some("histones".to_owned());
        for (scale, log, symmetrical, _) in ROUND.iter().cycle().skip(1).take(6) {
            state.next_scale().unwrap();
            let view = state.row_view(row);
            assert_eq!((view.scale, view.is_log, view.is_symmetrical), (*scale, *log, *symmetrical));
            let other = state.row_view(RowId::Track(crate::session::TrackId(1)));
            assert_eq!(other.scale == Scale::Group, *scale == Scale::Group);
        }
        assert!(state.next_style().is_ok() && state.row_view(row).style == SignalStyle::Bars);
        state.focus = "EPD".to_owned();
        assert_eq!(state.next_scale().unwrap_err(), "row EPD shows no signal: focus one with j k");
    }
}
