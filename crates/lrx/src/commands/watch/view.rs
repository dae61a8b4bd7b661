//! What the terminal shows: how far all is, the runs, the curve of one, and what keys there are.

use console::{measure_text_width, truncate_str};
use lrx_records::{CurveRow, Split};
use ratatui::backend::TestBackend;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{
    Axis, Block, Cell, Chart, Clear, Dataset, GraphType, LineGauge, Paragraph, Row, Table, TableState,
};
use ratatui::{Frame, Terminal};

use super::choice::{By, Choice};
use super::keys::HELP;
use super::sweep::{Shown, Sweep};
use crate::listed::curve;
use crate::progress::{duration, thousands};
use crate::runs::Condition;
use crate::terminal::visible;

/// A lower terminal has no room for a curve under the runs.
const WITH_CURVE: u16 = 18;
/// Labels get at least this part of the width, where others have to go for it; less where the experiment has to be told, too.
const LABEL: (u16, u16) = (2, 5);
const LABEL_OF_SEVERAL: u16 = 18;

/// Draws everything; `trouble` is why the last look has failed.
pub(super) fn draw(frame: &mut Frame<'_>, sweep: Option<&Sweep>, choice: &mut Choice, trouble: Option<&str>) {
    let area = frame.area();
    let lines = sweep.map_or(2, |sweep| head_lines(sweep, area.width));
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(lines), Constraint::Fill(1), Constraint::Length(1)]).areas(area);
    let Some(sweep) = sweep else {
        let text = trouble.map_or_else(|| "reads the folders …".to_string(), |error| visible(error).into_owned());
        frame.render_widget(Paragraph::new(text), body);
        return;
    };
    draw_head(frame, head, sweep);
    match choice.current(sweep) {
        Some(run) if choice.is_open => draw_run(frame, body, run),
        current => {
            let curve_lines = if body.height >= WITH_CURVE { body.height * 2 / 5 } else { 0 };
            let [table, below] = Layout::vertical([Constraint::Fill(1), Constraint::Length(curve_lines)]).areas(body);
            if let Some(run) = current.filter(|_| curve_lines > 0) {
                draw_curve(frame, below, run);
            }
            draw_runs(frame, table, sweep, choice, true);
        }
    }
    draw_foot(frame, foot, choice, trouble);
    if choice.shows_keys {
        draw_keys(frame, area);
    }
}

/// The whole of it as text, once: all runs, without a cursor, in so many columns.
pub(super) fn still(sweep: &Sweep, columns: usize) -> String {
    let mut choice = Choice::default();
    choice.apply(sweep);
    let width = u16::try_from(columns).unwrap_or(u16::MAX).max(20);
    // Higher than a screen may be is no matter here; a buffer counts its cells in 32 bits.
    let lines = u16::try_from(sweep.runs.len() + 6).unwrap_or(u16::MAX).min(u16::MAX / 2);
    let left_out = (sweep.runs.len() + 6).saturating_sub(lines.into());
    let backend = TestBackend::new(width, lines);
    let mut terminal = match Terminal::new(backend) {
        Ok(terminal) => terminal,
        Err(never) => match never {},
    };
    let drawn = terminal.draw(|frame| {
        let head = Constraint::Length(head_lines(sweep, width));
        let [head, table] = Layout::vertical([head, Constraint::Fill(1)]).areas(frame.area());
        draw_head(frame, head, sweep);
        draw_runs(frame, table, sweep, &mut choice, false);
    });
    if let Err(never) = drawn {
        match never {}
    }
    let more = if left_out == 0 { String::new() } else { format!("\nand {left_out} more: lrx list has all") };
    text(terminal.backend().buffer()) + &more
}

/// What stands in a buffer, line by line, without what is empty at the ends.
fn text(buffer: &ratatui::buffer::Buffer) -> String {
    let area = buffer.area;
    let line = |y: u16| {
        let mut line = String::new();
        let mut x = area.left();
        while x < area.right() {
            let symbol = buffer[(x, y)].symbol();
            line += symbol;
            // A wide character takes the cell beside it, too.
            x += u16::try_from(measure_text_width(symbol)).unwrap_or(1).max(1);
        }
        line.trim_end().to_owned()
    };
    let lines: Vec<String> = (area.top()..area.bottom()).map(line).collect();
    lines.join("\n").trim_end().to_owned()
}

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
fn head_lines(sweep: &Sweep, width: u16) -> u16 {
    if counts(sweep).width() + 2 + time_left(sweep).len() <= width.into() { 2 } else { 3 }
}

/// Counts and time left; under them how much is done, how fast, in how much memory.
fn draw_head(frame: &mut Frame<'_>, area: Rect, sweep: &Sweep) {
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

/// A column of the table: what it is sorted by, its width, and how soon it goes where there is no room (0: never).
struct Column {
    by: By,
    width: u16,
    rank: u8,
    cell: fn(&Shown) -> String,
}

/// Numbers stand at the right of their columns.
fn is_text(by: By) -> bool {
    matches!(by, By::Label | By::State | By::Experiment)
}

/// The columns between a run's label and its experiment.
fn columns() -> Vec<Column> {
    let column = |by, width, rank, cell: fn(&Shown) -> String| Column { by, width, rank, cell };
    vec![
        column(By::State, 11, 0, |run| run.state().to_owned()),
        column(By::Seed, 4, 3, |run| run.run.record.seed.map_or(String::new(), |seed| seed.to_string())),
        column(By::Done, 5, 1, done),
        column(By::Loss, 7, 6, |run| loss(run.run.record.train_loss)),
        column(By::EvalLoss, 7, 2, |run| loss(run.run.record.eval_loss)),
        column(By::Speed, 10, 7, |run| run.rate.map_or(String::new(), thousands)),
        column(By::Left, 12, 4, |run| run.left.map_or(String::new(), duration)),
        column(By::Memory, 8, 8, |run| run.memory.map_or(String::new(), bytes)),
    ]
}

fn draw_runs(frame: &mut Frame<'_>, area: Rect, sweep: &Sweep, choice: &mut Choice, has_cursor: bool) {
    let has_several = sweep.runs.iter().any(|run| run.run.experiment != sweep.runs[0].run.experiment);
    let by_whom = sweep.runs.iter().map(|run| owner(run).chars().count()).max().unwrap_or(0) as u16;
    let mut columns = columns();
    for column in &mut columns {
        let numbers = matches!(column.by, By::Seed | By::Speed | By::Memory);
        if numbers {
            let widest = sweep.runs.iter().map(|run| (column.cell)(run).len()).max().unwrap_or(0) as u16;
            column.width = column.width.max(widest);
        }
    }
    if has_several {
        let width = sweep.runs.iter().map(|run| run.run.experiment.chars().count()).max().unwrap_or(0).clamp(10, 24);
        columns.push(Column {
            by: By::Experiment,
            width: width as u16,
            rank: 5,
            cell: |run| run.run.experiment.clone(),
        });
    }
    let longest = sweep.runs.iter().map(|run| run.run.record.label.chars().count()).max().unwrap_or(0) as u16;
    let room = area.width.saturating_sub(2);
    let needed = |columns: &[Column]| columns.iter().map(|column| column.width + 1).sum::<u16>();
    let least = if has_several { LABEL_OF_SEVERAL } else { area.width * LABEL.0 / LABEL.1 };
    while needed(&columns) + longest.min(least).max(3) > room {
        let Some(last) = (0..columns.len()).filter(|&i| columns[i].rank > 0).max_by_key(|&i| columns[i].rank) else {
            break;
        };
        columns.remove(last);
    }
    // Who trains a run stands where there is room for all of it.
    let shows_owner = by_whom > 0 && needed(&columns) + longest + by_whom < room;
    let direction = if choice.is_reversed { "▼" } else { "▲" };
    let heading = |by: By| {
        let name = by.heading();
        let is_it = choice.by == by && has_cursor;
        let line = Line::from(if is_it { format!("{name}{direction}") } else { name.to_owned() });
        Cell::from(if is_text(by) { line } else { line.right_aligned() }).bold()
    };
    // Of ten thousand runs, only those are made into rows that are seen.
    let lines = usize::from(area.height.saturating_sub(3)).max(1);
    choice.page = lines;
    let first = if has_cursor {
        choice.cursor.saturating_sub(lines / 2).min(choice.shown.len().saturating_sub(lines))
    } else {
        0
    };
    let seen = choice.shown.iter().skip(first).take(lines);
    let label_room = usize::from(room.saturating_sub(needed(&columns))).max(3);
    let rows = seen.map(|&index| {
        let run = &sweep.runs[index];
        let style = color_of(run.state());
        let mut cells = vec![Cell::from(cut(&visible(&run.run.record.label), label_room))];
        cells.extend(columns.iter().map(|column| {
            let text = visible(&(column.cell)(run)).into_owned();
            let cell = if is_text(column.by) { Line::from(text) } else { Line::from(text).right_aligned() };
            let cell = Cell::from(cell);
            if column.by == By::State { cell.style(style) } else { cell }
        }));
        if shows_owner {
            cells.push(Cell::from(visible(owner(run)).into_owned()).dim());
        }
        Row::new(cells)
    });
    let mut header = vec![heading(By::Label)];
    header.extend(columns.iter().map(|column| heading(column.by)));
    let mut widths =
        vec![if has_cursor || shows_owner { Constraint::Fill(1) } else { Constraint::Length(longest.max(3)) }];
    if shows_owner {
        widths[0] = Constraint::Length(longest.max(3));
        header.push(Cell::from("by").bold());
    }
    widths.extend(columns.iter().map(|column| Constraint::Length(column.width)));
    if shows_owner {
        widths.push(Constraint::Fill(1));
    }
    let dirs: Vec<String> = sweep.dirs.iter().map(|dir| visible(&dir.display().to_string()).into_owned()).collect();
    let mut title = format!(" {} ", dirs.join(", "));
    if choice.shown.len() < sweep.runs.len() {
        let (shown, all) = (thousands(choice.shown.len() as f64), thousands(sweep.runs.len() as f64));
        title += &format!("· {shown} of {all} runs ");
    }
    if has_cursor && choice.by != By::Label && !columns.iter().any(|column| column.by == choice.by) {
        title += &format!("· by {} {direction} ", choice.by.heading());
    }
    let block = if has_cursor { Block::bordered().title(title) } else { Block::new().title(title) };
    let table = Table::new(rows.collect::<Vec<_>>(), widths)
        .header(Row::new(header))
        .block(block)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let selected = (has_cursor && !choice.shown.is_empty()).then(|| choice.cursor - first);
    frame.render_stateful_widget(table, area, &mut TableState::new().with_selected(selected));
}

/// One run: its figures, and its curve under them.
fn draw_run(frame: &mut Frame<'_>, area: Rect, run: &Shown) {
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
fn draw_curve(frame: &mut Frame<'_>, area: Rect, run: &Shown) {
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

fn draw_foot(frame: &mut Frame<'_>, area: Rect, choice: &Choice, trouble: Option<&str>) {
    let line = if choice.is_typing {
        Line::from(vec![Span::from(" /").bold(), Span::from(visible(&choice.filter).into_owned()), Span::from("█")])
    } else if let Some(trouble) = trouble.map(str::to_owned).or_else(|| choice.trouble()) {
        Line::from(format!(" {}", visible(&trouble))).fg(Color::Red)
    } else {
        let filter =
            if choice.filter.is_empty() { String::new() } else { format!("filter: {}  Esc all  ", choice.filter) };
        let keys = if choice.is_open { "Esc back" } else { "Enter open" };
        Line::from(format!(" {}q end  ↑↓ run  {keys}  s sort  r reverse  / filter  ? keys", visible(&filter))).dim()
    };
    frame.render_widget(line, area);
}

/// All keys, above everything.
fn draw_keys(frame: &mut Frame<'_>, area: Rect) {
    let lines: Vec<Line<'_>> = HELP
        .iter()
        .map(|(keys, what)| Line::from(vec![Span::from(format!(" {keys:<15}")).bold(), Span::from(*what)]))
        .collect();
    let width = lines.iter().map(Line::width).max().unwrap_or(0) as u16 + 3;
    let area = area.centered(Constraint::Length(width), Constraint::Length(HELP.len() as u16 + 2));
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" keys ")), area);
}

fn color_of(state: &str) -> Style {
    match state {
        "running" => Style::new().fg(Color::Green).bold(),
        "paused" | "interrupted" | "silent" => Style::new().fg(Color::Yellow),
        "failed" | "diverged" => Style::new().fg(Color::Red),
        "planned" => Style::new().dim(),
        _ => Style::new(),
    }
}

/// Who trains a run.
fn owner(run: &Shown) -> &str {
    match &run.run.condition {
        Condition::Running(by) => by,
        _ => "",
    }
}

fn done(run: &Shown) -> String {
    match run.share {
        Some(share) if run.run.condition.is_open() => format!("{:.0} %", 100.0 * share),
        None if run.run.condition.is_open() => "?".into(),
        _ => String::new(),
    }
}

/// A text in so many columns: what is too long has lost its middle, as beginnings and ends of labels tell most.
fn cut(text: &str, room: usize) -> String {
    if measure_text_width(text) <= room {
        return text.to_owned();
    }
    let end_room = room.saturating_sub(1) / 2;
    let mut end: Vec<char> = Vec::new();
    let mut used = 0;
    for c in text.chars().rev() {
        used += measure_text_width(c.encode_utf8(&mut [0; 4]));
        if used > end_room {
            break;
        }
        end.push(c);
    }
    let end: String = end.into_iter().rev().collect();
    let begin = truncate_str(text, room.saturating_sub(1 + measure_text_width(&end)), "");
    format!("{begin}…{end}")
}

fn loss(loss: Option<f64>) -> String {
    loss.map_or(String::new(), |loss| format!("{loss:.4}"))
}

fn bytes(bytes: f64) -> String {
    if bytes >= 1e9 { format!("{:.1} GB", bytes / 1e9) } else { format!("{:.0} MB", bytes / 1e6) }
}

#[cfg(test)]
mod tests {
    use super::super::sweep::tests::{planned, running, shown, sweep};
    use super::*;

    fn drawn(width: u16, height: u16, sweep: Option<&Sweep>, choice: &mut Choice, trouble: Option<&str>) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        if let Some(sweep) = sweep {
            choice.apply(sweep);
        }
        terminal.draw(|frame| draw(frame, sweep, choice, trouble)).unwrap();
        text(terminal.backend().buffer())
    }

    fn some() -> Sweep {
        let mut runs =
            vec![shown(0, Condition::Finished, 100), shown(1, running(), 50), shown(2, Condition::Paused, 20)];
        runs.extend((3..40).map(|seed| planned(seed, Some(1e6))));
        sweep(runs)
    }

    #[test]
    fn the_screen_says_how_far_all_is_and_each_run() {
        let (sweep, mut choice) = (some(), Choice::default());
        let screen = drawn(80, 24, Some(&sweep), &mut choice, None);
        for part in [
            "40 runs: 1 running, 1 paused, 37 planned, 1 finished",
            // Of 40 million FLOP, 1.7 are done; 38.3 million at 10,000 a second.
            "4 %  1,000 tokens/s  1.5 GB here",
            "1 h 04 min left for all",
            " results/zoo ",
            "R38SA-FullMLP-4L",
            "50 %",
            "8.5000",
            "4.1000",
            "50 s",
            "loss of R38SA-FullMLP-4L seed 1",
            "step 100",
            "q end",
        ] {
            assert!(screen.contains(part), "{part}:\n{screen}");
        }
        let line = |part: &str| screen.lines().position(|line| line.contains(part)).unwrap();
        assert!(line(" running ") < line(" paused ") && line(" paused ") < line(" planned "), "{screen}");
        let wide = drawn(160, 50, Some(&sweep), &mut choice, None);
        assert!(wide.contains("process 12 on host"), "{wide}");
        assert!(!screen.contains("process 12"), "{screen}");
    }

    #[test]
    fn any_size_any_view_and_any_sweep_can_be_drawn() {
        let sweeps = [some(), sweep(Vec::new()), sweep(vec![shown(0, running(), 0)]), sweep(vec![planned(0, None)])];
        for (width, height) in [(1, 1), (2, 3), (10, 5), (20, 18), (40, 10), (80, 24), (160, 50), (300, 100)] {
            for sweep in &sweeps {
                for (is_open, shows_keys, is_typing) in
                    [(false, false, false), (true, false, false), (false, true, false), (false, false, true)]
                {
                    let mut choice = Choice { is_open, shows_keys, is_typing, cursor: 7, ..Choice::default() };
                    let screen = drawn(width, height, Some(sweep), &mut choice, Some("no such folder"));
                    assert!(screen.lines().all(|line| line.chars().count() <= width.into()), "{screen}");
                }
            }
            drawn(width, height, None, &mut Choice::default(), None);
        }
    }

    #[test]
    fn a_run_is_opened_and_keys_are_told() {
        let (sweep, mut choice) = (some(), Choice { is_open: true, ..Choice::default() });
        choice.apply(&sweep);
        let screen = drawn(80, 24, Some(&sweep), &mut choice, None);
        for part in ["run-s1", "running by process 12 on host", "50 of 100  50 s left", "train 8.5000", "Esc back"] {
            assert!(screen.contains(part), "{part}:\n{screen}");
        }
        let mut choice = Choice { shows_keys: true, ..Choice::default() };
        let screen = drawn(80, 24, Some(&sweep), &mut choice, None);
        assert!(HELP.iter().all(|(keys, _)| screen.contains(keys)), "{screen}");
    }

    #[test]
    fn a_still_picture_has_all_runs_and_commands_no_terminal() {
        let mut sweep = some();
        sweep.runs[0].run.record.label = "a\u{1b}[2Jb".into();
        sweep.runs[1].run.record.label = "漢字漢字".into();
        let picture = still(&sweep, 100);
        assert!(!picture.contains('\u{1b}') && picture.contains("漢字漢字"), "{picture}");
        assert_eq!(picture.matches("planned").count(), 38, "each, and their count:\n{picture}");
        assert!(picture.lines().all(|line| measure_text_width(line) <= 100), "{picture}");
        let nothing = still(&super::super::sweep::tests::sweep(Vec::new()), 100);
        assert!(nothing.contains("no runs"), "{nothing}");
    }

    #[test]
    fn labels_lose_their_middle_and_seeds_nothing() {
        assert_eq!(cut("FullSA-R4MLP-2L, learning rate 0.002", 20), "FullSA-R4M…ate 0.002".to_owned());
        assert_eq!((cut("short", 5), cut("漢字漢字", 6), cut("abc", 1)), ("short".into(), "漢…字".into(), "…".into()));
        let mut sweep = some();
        sweep.runs[1].run.record.seed = Some(20_240_101);
        sweep.runs[1].run.record.label = "FullSA-R4MLP-2L, width 128, warm-up 10, learning rate 0.002".into();
        sweep.runs[1].silent = Some(std::time::Duration::from_secs(78));
        for width in [80, 100, 160] {
            let screen = drawn(width, 24, Some(&sweep), &mut Choice::default(), None);
            for part in ["20240101", "0.002 ", "FullSA-R4MLP-2L, ", " silent "] {
                assert!(screen.contains(part), "{part}:\n{screen}");
            }
        }
    }

    #[test]
    fn counts_and_time_stand_apart() {
        let mut sweep = some();
        let states = [Condition::Interrupted, Condition::Diverged, Condition::Failed, Condition::Stopped];
        sweep.runs.extend(states.into_iter().zip(50..).map(|(state, seed)| shown(seed, state, 10)));
        for width in [40, 80, 100] {
            let screen = drawn(width, 24, Some(&sweep), &mut Choice::default(), None);
            let lines: Vec<&str> = screen.lines().collect();
            assert!(lines[0].starts_with(" 44 runs: 1 running, 1 interrupted"), "{screen}");
            assert!(lines[1].contains("left for all") && lines[2].contains(" %"), "{screen}");
        }
        let wide = drawn(160, 24, Some(&sweep), &mut Choice::default(), None);
        assert!(
            wide.lines().next().is_some_and(|line| line.contains("1 finished") && line.contains("for all")),
            "{wide}"
        );
    }

    #[test]
    fn what_goes_wrong_is_told_in_the_last_line() {
        let screen = drawn(80, 24, Some(&some()), &mut Choice::default(), Some("results/zoo: gone"));
        assert!(screen.lines().last().is_some_and(|line| line.contains("results/zoo: gone")), "{screen}");
    }
}
