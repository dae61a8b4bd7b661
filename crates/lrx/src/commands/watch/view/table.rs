//! The table of the runs: the columns for which there is room, and the lines that are seen.

use console::{measure_text_width, truncate_str};
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Modifier, Style, Stylize};
use ratatui::text::Line;
use ratatui::widgets::{Block, Cell, Row, Table, TableState};

use super::super::choice::{By, Choice};
use super::super::sweep::{Shown, Sweep};
use super::{bytes, color_of, loss};
use crate::progress::{duration, thousands};
use crate::runs::Condition;
use crate::terminal::visible;

/// Labels get at least this part of the width, where others have to go for it; less where the experiment has to be told, too.
const LABEL: (u16, u16) = (2, 5);
const LABEL_OF_SEVERAL: u16 = 18;

/// A column of the table: what it is sorted by, its width, and how soon it goes where there is no room (0: never).
struct Column {
    by: By,
    width: u16,
    rank: u8,
    cell: fn(&Shown) -> String,
}

/// What fits between the borders: labels first, then `columns`, then who trains a run where there is room for all of it.
struct Fit {
    columns: Vec<Column>,
    /// The longest label, but three cells at least.
    longest: u16,
    /// What the columns leave of the width.
    label_room: u16,
    shows_owner: bool,
}

impl Fit {
    fn new(sweep: &Sweep, width: u16) -> Self {
        let widest = |cell: &dyn Fn(&Shown) -> usize| sweep.runs.iter().map(cell).max().unwrap_or(0) as u16;
        let mut columns = columns();
        for column in columns.iter_mut().filter(|column| matches!(column.by, By::Seed | By::Speed | By::Memory)) {
            column.width = column.width.max(widest(&|run| (column.cell)(run).len()));
        }
        let has_several = sweep.runs.iter().any(|run| run.run.experiment != sweep.runs[0].run.experiment);
        if has_several {
            let width = widest(&|run| run.run.experiment.chars().count()).clamp(10, 24);
            columns.push(Column { by: By::Experiment, width, rank: 5, cell: |run| run.run.experiment.clone() });
        }
        let longest = widest(&|run| run.run.record.label.chars().count());
        let room = width.saturating_sub(2);
        let needed = |columns: &[Column]| columns.iter().map(|column| column.width + 1).sum::<u16>();
        let least = if has_several { LABEL_OF_SEVERAL } else { width * LABEL.0 / LABEL.1 };
        while needed(&columns) + longest.min(least).max(3) > room {
            let goes = (0..columns.len()).filter(|&i| columns[i].rank > 0).max_by_key(|&i| columns[i].rank);
            let Some(goes) = goes else { break };
            columns.remove(goes);
        }
        let by_whom = widest(&|run| owner(run).chars().count());
        let needed = needed(&columns);
        let shows_owner = by_whom > 0 && needed + longest + by_whom < room;
        Self { columns, longest: longest.max(3), label_room: room.saturating_sub(needed).max(3), shows_owner }
    }

    fn has(&self, by: By) -> bool {
        self.columns.iter().any(|column| column.by == by)
    }

    /// `direction` stands behind the name of the column that runs are sorted by, where a cursor moves among them.
    fn header(&self, sorted: Option<(By, &str)>) -> Row<'static> {
        let heading = |by: By| {
            let direction = sorted.filter(|sorted| sorted.0 == by).map_or("", |sorted| sorted.1);
            let line = Line::from(format!("{}{direction}", by.heading()));
            Cell::from(if is_text(by) { line } else { line.right_aligned() }).bold()
        };
        let mut cells = vec![heading(By::Label)];
        cells.extend(self.columns.iter().map(|column| heading(column.by)));
        if self.shows_owner {
            cells.push(Cell::from("by").bold());
        }
        Row::new(cells)
    }

    fn row(&self, run: &Shown) -> Row<'static> {
        let mut cells = vec![Cell::from(cut(&visible(&run.run.record.label), self.label_room.into()))];
        cells.extend(self.columns.iter().map(|column| {
            let line = Line::from(visible(&(column.cell)(run)).into_owned());
            let cell = Cell::from(if is_text(column.by) { line } else { line.right_aligned() });
            if column.by == By::State { cell.style(color_of(run.state())) } else { cell }
        }));
        if self.shows_owner {
            cells.push(Cell::from(visible(owner(run)).into_owned()).dim());
        }
        Row::new(cells)
    }

    fn widths(&self, has_cursor: bool) -> Vec<Constraint> {
        // What fills the line is the last column, or, under a cursor, the first.
        let label =
            if has_cursor && !self.shows_owner { Constraint::Fill(1) } else { Constraint::Length(self.longest) };
        let columns = self.columns.iter().map(|column| Constraint::Length(column.width));
        let owner = self.shows_owner.then_some(Constraint::Fill(1));
        std::iter::once(label).chain(columns).chain(owner).collect()
    }
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

pub(super) fn draw_runs(frame: &mut Frame<'_>, area: Rect, sweep: &Sweep, choice: &mut Choice, has_cursor: bool) {
    let fit = Fit::new(sweep, area.width);
    // Of ten thousand runs, only those are made into rows that are seen.
    let lines = usize::from(area.height.saturating_sub(3)).max(1);
    choice.page = lines;
    let first = if has_cursor {
        choice.cursor.saturating_sub(lines / 2).min(choice.shown.len().saturating_sub(lines))
    } else {
        0
    };
    let rows: Vec<Row<'_>> =
        choice.shown.iter().skip(first).take(lines).map(|&index| fit.row(&sweep.runs[index])).collect();
    let direction = if choice.is_reversed { "▼" } else { "▲" };
    let mut title = title(sweep, choice);
    if has_cursor && choice.by != By::Label && !fit.has(choice.by) {
        title += &format!("· by {} {direction} ", choice.by.heading());
    }
    let block = if has_cursor { Block::bordered().title(title) } else { Block::new().title(title) };
    let table = Table::new(rows, fit.widths(has_cursor))
        .header(fit.header(has_cursor.then_some((choice.by, direction))))
        .block(block)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let selected = (has_cursor && !choice.shown.is_empty()).then(|| choice.cursor - first);
    frame.render_stateful_widget(table, area, &mut TableState::new().with_selected(selected));
}

/// Where the runs lie, and how many of them a filter shows.
fn title(sweep: &Sweep, choice: &Choice) -> String {
    let dirs: Vec<String> = sweep.dirs.iter().map(|dir| visible(&dir.display().to_string()).into_owned()).collect();
    let mut title = format!(" {} ", dirs.join(", "));
    if choice.shown.len() < sweep.runs.len() {
        let (shown, all) = (thousands(choice.shown.len() as f64), thousands(sweep.runs.len() as f64));
        title += &format!("· {shown} of {all} runs ");
    }
    title
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

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn what_is_too_long_loses_its_middle() {
        assert_eq!(cut("FullSA-R4MLP-2L, learning rate 0.002", 20), "FullSA-R4M…ate 0.002");
        assert_eq!((cut("short", 5), cut("漢字漢字", 6), cut("abc", 1)), ("short".into(), "漢…字".into(), "…".into()));
    }
}
