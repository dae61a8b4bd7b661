//! A table of configurations that fits the terminal.

use console::{Term, measure_text_width};

/// One configuration, or whatever the table is of: its label, and a cell for each column.
pub(in crate::commands) struct Line {
    pub(in crate::commands) label: String,
    pub(in crate::commands) cells: Vec<String>,
}

/// A column: its heading, and when there is room for it.
pub(in crate::commands) struct Column(pub(in crate::commands) &'static str, pub(in crate::commands) Room);

/// When a column is shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::commands) enum Room {
    /// It has nothing to tell.
    Never,
    Always,
    /// Where there is room for it: the higher, the sooner it is left out.
    IfAny(u8),
}

const GAP: usize = 2;
/// What is not printed to a terminal is read in one of the usual width.
const USUAL: usize = 100;
/// A longer label stands in a line of its own, where otherwise a column would have to go.
const LABEL: usize = 24;

/// The columns of the terminal that standard output goes to.
pub(in crate::commands) fn columns() -> usize {
    Term::stdout().size_checked().map_or(USUAL, |(_, columns)| columns.into())
}

/// The table, its lines at most `room` wide as far as labels and a number each let it: columns that there is no room for are
/// left out, and labels that are too long stand above their line. Also the headings of what was left out.
pub(in crate::commands) fn table(room: usize, columns: &[Column], lines: &[Line]) -> (String, Vec<&'static str>) {
    table_of("configuration", LABEL, room, columns, lines)
}

/// As [`table`], of something else than configurations; columns go until labels of so many characters have room.
pub(in crate::commands) fn table_of(
    what: &str,
    label: usize,
    room: usize,
    columns: &[Column],
    lines: &[Line],
) -> (String, Vec<&'static str>) {
    let widths: Vec<usize> = (0..columns.len())
        .map(|i| {
            lines.iter().map(|line| measure_text_width(&line.cells[i])).chain([columns[i].0.len()]).max().unwrap_or(0)
        })
        .collect();
    let longest = lines.iter().map(|line| measure_text_width(&line.label)).max().unwrap_or(0).max(what.len());
    let mut kept: Vec<usize> = (0..columns.len()).filter(|&i| columns[i].1 != Room::Never).collect();
    let width = |kept: &[usize]| kept.iter().map(|&i| GAP + widths[i]).sum::<usize>();
    let mut left_out = Vec::new();
    while width(&kept) + longest.min(label) > room {
        let Some((at, &column)) =
            kept.iter().enumerate().filter(|(_, i)| columns[**i].1 > Room::Always).max_by_key(|(_, i)| columns[**i].1)
        else {
            break;
        };
        left_out.push(columns[column].0);
        kept.remove(at);
    }
    let label_width = longest.min(room.saturating_sub(width(&kept)).max(what.len()));
    let mut text = String::new();
    let mut put = |label: &str, cell: &dyn Fn(usize) -> String| {
        let own = measure_text_width(label);
        text += label;
        if own > label_width {
            text += "\n";
        }
        text += &" ".repeat(label_width.saturating_sub(if own > label_width { 0 } else { own }));
        for &i in &kept {
            let cell = cell(i);
            text += &" ".repeat(GAP + widths[i] - measure_text_width(&cell));
            text += &cell;
        }
        text += "\n";
    };
    put(what, &|i| columns[i].0.to_string());
    lines.iter().for_each(|line| put(&line.label, &|i| line.cells[i].clone()));
    (text, left_out)
}

/// Seeds in few words: `0–2, 7`.
pub(in crate::commands) fn seeds(seeds: &[u64]) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for &seed in seeds {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(seed) => *last = seed,
            _ => runs.push((seed, seed)),
        }
    }
    let words = runs.into_iter().map(|(first, last)| match last - first {
        0 => first.to_string(),
        1 => format!("{first}, {last}"),
        _ => format!("{first}–{last}"),
    });
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] =
        [Column("seeds", Room::Always), Column("parameters", Room::IfAny(1)), Column("body", Room::IfAny(2))];

    fn lines() -> Vec<Line> {
        let line = |label: &str| Line {
            label: label.into(),
            cells: ["0–2", "27,179,136", "7,094,016"].map(String::from).to_vec(),
        };
        vec![line("FullSA-FullMLP-4L"), line("low-rank rank=100 in q, k of the late layers, init=spectral")]
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_no_label_is_cut() {
        for room in 30..=200 {
            let (text, left_out) = table(room, &COLUMNS, &lines());
            for line in text.lines().filter(|line| !line.starts_with("low-rank")) {
                assert!(measure_text_width(line) <= room, "{room}: {line:?}");
            }
            assert!(lines().iter().all(|line| text.contains(&line.label)), "{room}: {text}");
            assert_eq!(text.matches("0–2").count(), 2, "{room}: {text}");
            assert_eq!(left_out.len() + text.lines().next().unwrap().split_whitespace().count(), 4, "{room}: {text}");
        }
        let (wide, left_out) = table(100, &COLUMNS, &lines());
        assert_eq!((wide.lines().count(), left_out.len()), (3, 0), "{wide}");
        assert_eq!(table(45, &COLUMNS, &lines()).1, ["body"]);
    }

    #[test]
    fn seeds_that_follow_each_other_are_one_word() {
        let said = |list: &[u64]| seeds(list);
        assert_eq!(said(&[0]), "0");
        assert_eq!(said(&[0, 1]), "0, 1");
        assert_eq!(said(&[0, 1, 2, 7, 9, 10, 11]), "0–2, 7, 9–11");
        assert_eq!(said(&[3, 1, u64::MAX]), format!("3, 1, {}", u64::MAX));
        assert_eq!(said(&[]), "");
    }
}
