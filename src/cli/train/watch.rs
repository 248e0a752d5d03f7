//! What is seen of a fit while it runs: a bar with loss and validation figure and, where standard output is a terminal, the curve of
//! both losses.

use super::super::interrupt;
use crate::training::{Epoch, FitOptions, Progress};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::ops::ControlFlow;

/// Lines of the curve.
const HEIGHT: usize = 8;
/// Most columns of it; more epochs are averaged.
const WIDTH: usize = 60;

/// The display of one fit after another.
pub(in crate::cli) struct Watcher {
    bar: ProgressBar,
    /// Lines above the bar; none where standard output is no terminal.
    curve: Vec<ProgressBar>,
    drawn: usize,
}

impl Watcher {
    pub fn new() -> anyhow::Result<Self> {
        let is_terminal = std::io::stdout().is_terminal();
        let target = if is_terminal { ProgressDrawTarget::stdout() } else { ProgressDrawTarget::stderr() };
        let all = MultiProgress::with_draw_target(target);
        let line = ProgressStyle::with_template("{msg}")?;
        let rows = if is_terminal { HEIGHT } else { 0 };
        let curve = (0..rows).map(|_| all.add(ProgressBar::new(1).with_style(line.clone()))).collect();
        let bar = all.add(ProgressBar::new(0));
        bar.set_style(ProgressStyle::with_template("{prefix} {bar:24} {pos}/{len} {wide_msg} {elapsed} left {eta}")?);
        Ok(Self { bar, curve, drawn: 0 })
    }

    /// Genes read so far; stops where the user said so.
    pub fn reading(&self, done: usize, total: usize) -> ControlFlow<()> {
        self.bar.set_prefix("reading");
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
        go_on()
    }

    /// A step of a fit done; stops where the user said so.
    pub fn fitting(&mut self, what: &str, progress: &Progress<'_>, options: &FitOptions) -> ControlFlow<()> {
        self.bar.set_prefix(what.to_owned());
        self.bar.set_length((options.epochs * progress.steps) as u64);
        self.bar.set_position(((progress.epoch - 1) * progress.steps + progress.step) as u64);
        let valid = progress.history.last();
        let valid = valid.map_or_else(String::new, |e| format!(" · validation {:.3}, score {:.3}", e.valid_loss, e.valid_score));
        self.bar.set_message(format!("epoch {} loss {:.3}{valid}", progress.epoch, progress.loss));
        if self.drawn != progress.history.len() && !self.curve.is_empty() {
            self.drawn = progress.history.len();
            for (line, text) in self.curve.iter().zip(draw(progress.history, WIDTH, HEIGHT)) {
                line.set_message(text);
            }
        }
        go_on()
    }

    pub fn clear(&self) {
        self.curve.iter().for_each(ProgressBar::finish_and_clear);
        self.bar.finish_and_clear();
    }
}

fn go_on() -> ControlFlow<()> {
    if interrupt::is_interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// The losses as lines of text, highest first: `·` training, `•` validation, which stands before where both fall together.
fn draw(history: &[Epoch], width: usize, height: usize) -> Vec<String> {
    let per_column = history.len().div_ceil(width).max(1);
    let mean = |of: fn(&Epoch) -> f64| -> Vec<f64> {
        history.chunks(per_column).map(|c| c.iter().map(of).sum::<f64>() / c.len() as f64).collect()
    };
    let (train, valid) = (mean(|e| e.train_loss), mean(|e| e.valid_loss));
    let finite = || train.iter().chain(&valid).copied().filter(|x| x.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    let row_of = |x: f64| match high > low {
        true => (((high - x) / (high - low)) * (height - 1) as f64).round() as usize,
        false => height - 1,
    };
    (0..height)
        .map(|row| {
            let label = match row {
                0 if high.is_finite() => format!("{high:>8.3} ┤"),
                _ if row == height - 1 && low.is_finite() => format!("{low:>8.3} ┤"),
                _ => format!("{:>8} │", ""),
            };
            let marks = train.iter().zip(&valid).map(|(t, v)| match (row_of(*t) == row, row_of(*v) == row) {
                (_, true) => '•',
                (true, _) => '·',
                _ => ' ',
            });
            let note = if row == 0 { "  loss: · training  • validation" } else { "" };
            format!("{label}{}{note}", marks.collect::<String>())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_falls_from_its_highest_to_its_lowest() {
        let epoch = |train_loss, valid_loss| Epoch { train_loss, valid_loss, valid_score: 0.0, watched: 0.0 };
        let history: Vec<Epoch> = (0..5).map(|i| epoch(4.0 - f64::from(i), 4.0)).collect();
        let lines = draw(&history, 60, 5);
        assert_eq!(lines[0], "   4.000 ┤•••••  loss: · training  • validation");
        assert_eq!(
            &lines[1..],
            ["         │ · ", "         │  ·", "         │   ·", "   0.000 ┤    ·"].map(|l| format!("{l:<15}"))
        );
        let many: Vec<Epoch> = (0..1_000).map(|i| epoch(f64::from(i), 1.0)).collect();
        assert!(draw(&many, 60, 8).iter().all(|line| line.chars().count() < 110));
        assert_eq!(draw(&[], 60, 3).len(), 3);
        assert_eq!(draw(&[epoch(f64::NAN, f64::NAN)], 60, 3).len(), 3);
    }
}
