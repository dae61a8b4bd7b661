//! The lines above the runs: how many of each state, how far all is, how fast, how long it still takes.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::LineGauge;

use super::super::sweep::{Shown, Sweep};
use super::{bytes, color_of};
use crate::progress::{duration, thousands};
use crate::runs::Condition;

/// How many runs of each state there are.
fn counts(sweep: &Sweep) -> Line<'_> {
    let runs = match sweep.runs.len() {
        0 => " no runs".to_owned(),
        1 => " 1 run: ".to_owned(),
        count => format!(" {} runs: ", thousands(count as f64)),
    };
    let mut said = vec![Span::from(runs).bold()];
    for (i, (word, count)) in sweep.counts().into_iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        said.push(Span::styled(format!("{comma}{} {word}", thousands(count as f64)), color_of(word)));
    }
    Line::from(said)
}

/// How long all of them will take.
fn time_left(sweep: &Sweep) -> String {
    let is_running = sweep.runs.iter().any(Shown::is_running);
    match sweep.left {
        Some(left) => format!("{} left for all ", duration(left)),
        None if sweep.runs.iter().all(|run| matches!(run.run.condition, Condition::Finished)) => String::new(),
        None if is_running => "time left not known ".into(),
        None => "nothing is being trained ".into(),
    }
}

/// Counts and time left stand side by side where there is room for both.
pub(super) fn head_lines(sweep: &Sweep, width: u16) -> u16 {
    if counts(sweep).width() + 2 + time_left(sweep).len() <= width.into() { 2 } else { 3 }
}

/// Counts and time left; under them how much is done, how fast, in how much memory.
pub(super) fn draw_head(frame: &mut Frame<'_>, area: Rect, sweep: &Sweep) {
    let left = Line::from(time_left(sweep)).bold();
    let lines = Layout::vertical(vec![Constraint::Length(1); area.height.into()]).split(area);
    if lines.len() < 2 {
        return;
    }
    let (counts, second) = (counts(sweep), if area.height > 2 { lines[2] } else { lines[1] });
    if area.height > 2 {
        frame.render_widget(counts, lines[0]);
        frame.render_widget(Line::from([vec![Span::from(" ")], left.spans].concat()).bold(), lines[1]);
    } else {
        frame.render_widget(counts, lines[0]);
        frame.render_widget(left.right_aligned(), lines[0]);
    }
    let share = sweep.share.filter(|share| share.is_finite()).map(|share| share.clamp(0.0, 1.0));
    let mut figures = vec![share.map_or(" ? %".to_owned(), |share| format!(" {:.0} %", 100.0 * share))];
    if sweep.rate > 0.0 {
        figures.push(format!("{} tokens/s", thousands(sweep.rate)));
    }
    if sweep.memory > 0.0 {
        figures.push(format!("{} here", bytes(sweep.memory)));
    }
    let gauge = LineGauge::default()
        .ratio(share.unwrap_or(0.0))
        .label(figures.join("  "))
        .filled_symbol("█")
        .unfilled_symbol("░")
        .filled_style(Style::new().fg(Color::Green));
    frame.render_widget(gauge, second);
}
