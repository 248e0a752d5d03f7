//! From keys to actions. Every action has a name and a line of help here; which key means it stands in `assets/keymap.toml`.

mod commands;
mod keymap;
mod row_commands;

pub use commands::{COMMANDS, Command, Ran, complete, run, wants_more};
pub use keymap::{Key, Keymap, KeymapError};

/// Something the user can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Move the view by a share of its width (percent; negative is left).
    Pan(i16),
    /// Go to the first (`true`) or last part of the chromosome.
    ChromEdge(bool),
    /// Make the view this many percent as wide.
    Zoom(u16),
    /// One base a column.
    ZoomToBases,
    /// As wide as the model's window.
    ZoomToWindow,
    /// Walk genes.
    Gene(i8),
    /// Walk exons.
    Exon(i8),
    /// Walk last bases of exons.
    ExonEnd(i8),
    /// Walk last bases of genes.
    GeneEnd(i8),
    /// Walk the peaks or intervals of the focused row.
    Peak(i8),
    /// The same, and show what is found to fit.
    Fit(i8),
    /// The next letter sets a bookmark.
    SetBookmark,
    /// The next letter goes to one.
    GoToBookmark,
    /// Do the last action again.
    Repeat,
    /// Open the command line.
    Command,
    /// Features of the annotation rows in a table.
    Features,
    /// Bookmarks and regions of interest in a table.
    Regions,
    /// The list of genes that is walked.
    Genes,
    /// Show or hide the six-frame translation.
    Translation,
    /// Put the place in view on the clipboard.
    Copy,
    /// Move the focus.
    Focus(i8),
    /// Focus the first (`true`) or last row.
    FocusEdge(bool),
    /// Make the focused row higher.
    RowHeight(i8),
    /// Move the focused row among the others.
    MoveRow(i8),
    /// Keep the focused row at the top.
    Pin,
    /// The next scale of the focused signal.
    Scale,
    /// The next way to draw the focused row.
    Style,
    /// Hide the focused row.
    HideRow,
    /// Show all rows.
    ShowRows,
    /// Open the goto prompt.
    Goto,
    /// Give the keys to the other of two places side by side.
    SwitchSide,
    /// Leave only the place with the focus.
    CloseSide,
    /// Walk the history.
    Travel(i8),
    /// Take the last change of the view back.
    Undo,
    /// Do it again.
    Redo,
    /// Type an edit of what the model reads.
    Edit,
    /// List the edits.
    Edits,
    /// Select a stretch.
    Select,
    /// Select the peak or interval of the focused row.
    SelectPeak,
    /// Switch the sample.
    Sample(i8),
    /// Switch the model.
    Model(i8),
    /// Switch what mutagenesis shows of its raw deltas.
    MutagenesisView,
    /// Choose which methods have a row.
    Methods,
    /// Switch the theme.
    Theme,
    /// Write a figure of the view.
    Figure,
    /// Show a figure of the view.
    Preview,
    /// Show what was said.
    Messages,
    /// Show the keys.
    Help,
    /// Leave the program.
    Quit,
    /// Leave the program to the shell; `fg` comes back.
    Suspend,
}

/// An action's name, its line of help, and the heading it stands under.
pub struct ActionInfo {
    /// The action.
    pub action: Action,
    /// Name in `keymap.toml`.
    pub name: &'static str,
    /// One line of help.
    pub help: &'static str,
    /// Heading in the help.
    pub group: &'static str,
}

const fn info(group: &'static str, action: Action, name: &'static str, help: &'static str) -> ActionInfo {
    ActionInfo { action, name, help, group }
}

/// Every action, in the order of the help.
pub const ACTIONS: &[ActionInfo] = &[
    info("move", Action::Pan(-10), "pan-left", "left by a tenth of the view"),
    info("move", Action::Pan(10), "pan-right", "right by a tenth of the view"),
    info("move", Action::Pan(-50), "pan-left-half", "left by half a view"),
    info("move", Action::Pan(50), "pan-right-half", "right by half a view"),
    info("move", Action::Pan(-100), "pan-left-screen", "left by a whole view"),
    info("move", Action::Pan(100), "pan-right-screen", "right by a whole view"),
    info("move", Action::ChromEdge(true), "chrom-start", "start of the chromosome"),
    info("move", Action::ChromEdge(false), "chrom-end", "end of the chromosome"),
    info("zoom", Action::Zoom(50), "zoom-in", "zoom in"),
    info("zoom", Action::Zoom(200), "zoom-out", "zoom out"),
    info("zoom", Action::ZoomToBases, "zoom-to-bases", "one base a column: letters"),
    info("zoom", Action::ZoomToWindow, "zoom-to-window", "the window the model reads"),
    info("go", Action::Gene(1), "next-gene", "next gene"),
    info("go", Action::Gene(-1), "previous-gene", "previous gene"),
    info("go", Action::Exon(1), "next-exon", "next exon"),
    info("go", Action::Exon(-1), "previous-exon", "previous exon"),
    info("go", Action::ExonEnd(1), "next-exon-end", "next end of an exon"),
    info("go", Action::ExonEnd(-1), "previous-exon-end", "previous end of an exon"),
    info("go", Action::GeneEnd(1), "next-gene-end", "next end of a gene, along the genome"),
    info("go", Action::GeneEnd(-1), "previous-gene-end", "previous end of a gene, along the genome"),
    info("go", Action::Peak(1), "next-peak", "next peak or interval of the focused row"),
    info("go", Action::Peak(-1), "previous-peak", "previous peak or interval of the focused row"),
    info("go", Action::Fit(1), "next-to-fit", "the next one, shown to fit"),
    info("go", Action::Fit(-1), "previous-to-fit", "the previous one, shown to fit"),
    info("go", Action::Goto, "go", "a gene, chr1:1,001-2,000, +10k, MYC | TP53 (both)"),
    info("go", Action::SwitchSide, "switch-side", "the keys to the other of two places (g MYC | TP53)"),
    info("go", Action::CloseSide, "close-side", "only the place that has the keys"),
    info("go", Action::Travel(-1), "back", "back to where you were"),
    info("go", Action::Travel(1), "forward", "forward again"),
    info("go", Action::SetBookmark, "set-bookmark", "and a letter: remember the place by it"),
    info("go", Action::GoToBookmark, "go-to-bookmark", "and a letter: go there; '' goes back"),
    info("go", Action::Regions, "region-table", "bookmarks, regions of interest (:note TEXT)"),
    info("go", Action::Features, "feature-table", "features of annotation rows, to sort and filter"),
    info("go", Action::Genes, "gene-table", "the list of genes that is walked (:genes FILE)"),
    info("go", Action::Repeat, "repeat", "the last one again, with its count (20W, then .)"),
    info("rows", Action::Focus(1), "focus-down", "focus the row below"),
    info("rows", Action::Focus(-1), "focus-up", "focus the row above"),
    info("rows", Action::Focus(10), "focus-ten-down", "focus ten rows below"),
    info("rows", Action::Focus(-10), "focus-ten-up", "focus ten rows above"),
    info("rows", Action::FocusEdge(true), "focus-first", "focus the first row"),
    info("rows", Action::FocusEdge(false), "focus-last", "focus the last row"),
    info("rows", Action::RowHeight(1), "row-higher", "make the focused row higher"),
    info("rows", Action::RowHeight(-1), "row-lower", "make the focused row lower"),
    info("rows", Action::MoveRow(1), "move-row-down", "move the focused row down"),
    info("rows", Action::MoveRow(-1), "move-row-up", "move the focused row up"),
    info("rows", Action::Pin, "pin-row", "keep the focused row at the top, or let it go"),
    info("rows", Action::Scale, "next-scale", "scale: row, group, all samples, p99, log, symmetric"),
    info("rows", Action::Style, "next-style", "draw as whiskers, bars, line, points, heatmap"),
    info("rows", Action::HideRow, "hide-row", "hide the focused row"),
    info("rows", Action::ShowRows, "show-rows", "show all rows again"),
    info("rows", Action::Undo, "undo", "take the last change back; places: Ctrl-o"),
    info("rows", Action::Redo, "redo", "do it again"),
    info("what if", Action::Edit, "edit", "change bases or signals: what if"),
    info("what if", Action::Edits, "edits", "the edits: take away, go to"),
    info("what if", Action::Select, "select", "select a stretch (h l, Enter)"),
    info("what if", Action::SelectPeak, "select-peak", "select the nearest peak or interval of the row"),
    info("show", Action::Sample(1), "next-sample", "next sample"),
    info("show", Action::Sample(-1), "previous-sample", "previous sample"),
    info("show", Action::Model(1), "next-model", "next model"),
    info("show", Action::Methods, "methods", "which attribution methods have a row"),
    info("show", Action::Model(-1), "previous-model", "previous model"),
    info("show", Action::MutagenesisView, "next-mutagenesis-view", "mutagenesis as the next view of its deltas"),
    info("show", Action::Translation, "translation", "the six frames, with starts and stops"),
    info("show", Action::Theme, "next-theme", "next theme"),
    info("show", Action::Figure, "figure", "write the view as a figure (SVG, PDF, PNG)"),
    info("show", Action::Preview, "preview", "show the figure of the view; any key goes back"),
    info("show", Action::Copy, "copy", "the place in view to the clipboard"),
    info("show", Action::Command, "command", "type a command; everything there is is listed"),
    info("show", Action::Messages, "messages", "everything that was said"),
    info("show", Action::Help, "help", "these keys"),
    info("show", Action::Suspend, "suspend", "to the shell; fg comes back"),
    info("show", Action::Quit, "quit", "leave"),
];

/// The action of a name.
pub fn action(name: &str) -> Option<Action> {
    ACTIONS.iter().find(|a| a.name == name).map(|a| a.action)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn help_fits_beside_its_keys() {
        for info in ACTIONS {
            assert!(info.help.chars().count() <= 52, "{}: {}", info.name, info.help);
        }
    }

    #[test]
    fn names_and_actions_are_unique() {
        let names: HashSet<_> = ACTIONS.iter().map(|a| a.name).collect();
        let actions: HashSet<_> = ACTIONS.iter().map(|a| a.action).collect();
        assert_eq!((names.len(), actions.len()), (ACTIONS.len(), ACTIONS.len()));
    }
}
