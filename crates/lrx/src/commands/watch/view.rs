//! What the terminal shows: how far all is, the runs, the curve of one, and what keys there are.

mod head;
mod run;
mod table;

use console::measure_text_width;
use head::{draw_head, head_lines};
use ratatui::backend::TestBackend;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};
use ratatui::{Frame, Terminal};
use run::{draw_curve, draw_run};
use table::draw_runs;

use super::choice::Choice;
use super::keys::HELP;
use super::sweep::Sweep;
use crate::terminal::visible;

/// A lower terminal has no room for a curve under the runs.
const WITH_CURVE: u16 = 18;
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
    use crate::runs::Condition;

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
    fn long_labels_lose_their_middle_and_seeds_nothing() {
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
