//! One run: its figures, and the curve of its losses.

use lrx_records::{CurveRow, Split};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, Paragraph};

use super::super::sweep::Shown;
use super::{bytes, loss};
use crate::listed::curve;
use crate::progress::{duration, thousands};
use crate::terminal::visible;

/// One run: its figures, and its curve under them.
pub(super) fn draw_run(frame: &mut Frame<'_>, area: Rect, run: &Shown) {
    let record = &run.run.record;
    let silent =
        run.silent.map(|silent| format!(", silent for {}", duration(silent.as_secs_f64()))).unwrap_or_default();
    let state = format!("{}{silent}", run.run.condition);
    let mut lines = vec![("run_id", record.run_id.clone()), ("state", state)];
    let steps = match (record.steps, run.steps) {
        (Some(done), Some(all)) if run.run.condition.is_open() => {
            format!("{} of {}", thousands(done as f64), thousands(all as f64))
        }
        (_, Some(all)) => thousands(all as f64),
        (done, None) => done.map_or(String::new(), |done| thousands(done as f64)),
    };
    let left = run.left.map(|left| format!("  {} left", duration(left))).unwrap_or_default();
    lines.push(("steps", format!("{steps}{left}")));
    let losses = [("train", record.train_loss), ("eval", record.eval_loss)];
    let losses = losses.into_iter().filter(|(_, value)| value.is_some());
    lines.push(("loss", losses.map(|(name, value)| format!("{name} {}", loss(value))).collect::<Vec<_>>().join("  ")));
    let speed = run.rate.map(|rate| format!("{} tokens/s", thousands(rate)));
    let memory = run.memory.map(|memory| format!("{} of memory", bytes(memory)));
    let time = record.wall_seconds.map(duration);
    lines.push(("speed", [speed, time, memory].into_iter().flatten().collect::<Vec<_>>().join("  ")));
    let model = [
        record.params.map(|params| format!("{} parameters", thousands(params as f64))),
        record.layers.zip(record.hidden).map(|(layers, hidden)| format!("{layers} layers of {hidden}")),
        record.learning_rate.map(|rate| format!("learning rate {rate}")),
    ];
    lines.push(("model", model.into_iter().flatten().collect::<Vec<_>>().join("  ")));
    lines.push(("attention", format!("{} {}", record.attention, record.attention_ranks)));
    lines.push(("mlp", format!("{} {}", record.mlp, record.mlp_ranks)));
    lines.push(("note", record.note.clone()));
    let shown: Vec<Line<'_>> = lines
        .into_iter()
        .map(|(name, value)| (name, visible(value.trim()).into_owned()))
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| Line::from(vec![Span::from(format!(" {name:<10}")).dim(), Span::from(value)]))
        .collect();
    let seed = record.seed.map(|seed| format!(" seed {seed}")).unwrap_or_default();
    let title = format!(" {}{seed}, of {} ", visible(&record.label), visible(&run.run.experiment));
    let height = (shown.len() as u16 + 2).min(area.height);
    let [above, below] = Layout::vertical([Constraint::Length(height), Constraint::Fill(1)]).areas(area);
    frame.render_widget(Paragraph::new(shown).block(Block::bordered().title(title)), above);
    if below.height >= 5 {
        draw_curve(frame, below, run);
    }
}

/// The losses of a run by its steps.
pub(super) fn draw_curve(frame: &mut Frame<'_>, area: Rect, run: &Shown) {
    let read: Vec<CurveRow>;
    let rows = if run.curve.is_empty() {
        read = run.run.folder.as_deref().map(curve).unwrap_or_default();
        &read
    } else {
        &run.curve
    };
    let points = |split: Split| -> Vec<(f64, f64)> {
        let rows = rows.iter().filter(|row| row.split == split && row.loss.is_finite());
        rows.map(|row| (row.step as f64, row.loss)).collect()
    };
    let (train, eval) = (points(Split::Train), points(Split::Eval));
    let record = &run.run.record;
    let seed = record.seed.map(|seed| format!(" seed {seed}")).unwrap_or_default();
    let (train_color, eval_color) = (Color::Cyan, Color::Yellow);
    let title = vec![
        Span::from(format!(" loss of {}{seed}  ", visible(&record.label))),
        Span::from("─ train  ").fg(train_color),
        Span::from("• eval ").fg(eval_color),
    ];
    let block = Block::bordered().title(Line::from(title));
    let all = || train.iter().chain(&eval);
    if all().next().is_none() {
        frame.render_widget(Paragraph::new(" nothing measured yet").dim().block(block), area);
        return;
    }
    let bounds = |of: fn(&(f64, f64)) -> f64| {
        all().map(of).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    };
    let ((_, last), (low, high)) = (bounds(|point| point.0), bounds(|point| point.1));
    let last = run.steps.map_or(last, |steps| last.max(steps as f64)).max(1.0);
    // A single value lies in the middle.
    let (low, high) = if high > low { (low, high) } else { (low - 0.5, high + 0.5) };
    let mut sets = Vec::new();
    if !train.is_empty() {
        let line = Dataset::default().marker(Marker::Braille).graph_type(GraphType::Line);
        sets.push(line.style(Style::new().fg(train_color)).data(&train));
    }
    if !eval.is_empty() {
        let dots = Dataset::default().marker(Marker::Dot).graph_type(GraphType::Scatter);
        sets.push(dots.style(Style::new().fg(eval_color)).data(&eval));
    }
    let middle = format!("{:.2}", f64::midpoint(low, high));
    let x = Axis::default().bounds([0.0, last]).labels(["0".to_owned(), format!("step {}", thousands(last))]);
    let y = Axis::default().bounds([low, high]).labels([format!("{low:.2}"), middle, format!("{high:.2}")]);
    frame.render_widget(Chart::new(sets).block(block).x_axis(x).y_axis(y), area);
}
