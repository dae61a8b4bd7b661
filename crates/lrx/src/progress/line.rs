//! One line that shows how far something is, as wide as the terminal lets it be and never wider: a line that wraps cannot be
//! taken back.

use console::{Term, measure_text_width, truncate_str};

use crate::terminal::visible;

/// Left free at the end of a line: for the cursor, and for the `^C` that the terminal shows where it stands.
const MARGIN: usize = 3;
/// A narrower bar shows nothing.
const BAR: std::ops::RangeInclusive<usize> = 8..=24;
const GAP: &str = "  ";

/// The columns of the terminal that standard error goes to.
pub(super) fn columns() -> usize {
    Term::stderr().size_checked().map_or(80, |(_, columns)| columns.into())
}

/// A line of at most `columns`: the title, a bar of how much of it all is done, and the figures in their order. What there is
/// no room for is left out: first the bar, then those figures that come last by their rank (0 is the most important); a
/// long title is cut.
pub(super) fn line(columns: usize, title: &str, share: f64, figures: &[(u8, String)]) -> String {
    let room = columns.saturating_sub(MARGIN);
    if room == 0 {
        return String::new();
    }
    let title = visible(title);
    let figures: Vec<&(u8, String)> = figures.iter().filter(|(_, text)| !text.is_empty()).collect();
    let mut by_rank: Vec<usize> = (0..figures.len()).collect();
    by_rank.sort_by_key(|&index| figures[index].0);
    // Of a long title, at least the first half of the line is shown.
    let least = measure_text_width(&title).min(room / 2);
    let mut used = 0;
    let mut shown = vec![false; figures.len()];
    for index in by_rank {
        let width = GAP.len() + measure_text_width(&figures[index].1);
        if least + used + width > room {
            break;
        }
        (used, shown[index]) = (used + width, true);
    }
    let mut text = truncate_str(&title, room - used, "…").into_owned();
    used += measure_text_width(&text);
    let bar = room.saturating_sub(used + GAP.len()).min(*BAR.end());
    if BAR.contains(&bar) {
        let full = (share.clamp(0.0, 1.0) * bar as f64) as usize;
        text += &format!("{GAP}{}{}", "█".repeat(full), "░".repeat(bar - full));
    }
    for ((_, figure), _) in figures.into_iter().zip(shown).filter(|(_, shown)| *shown) {
        text += GAP;
        text += figure;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(scale: u64) -> Vec<(u8, String)> {
        vec![
            (0, format!("{}/{}", 12 * scale, 400 * scale)),
            (3, "loss 3.261".into()),
            (4, "eval 3.402".into()),
            (5, format!("{} tokens/s", 49_237 * scale)),
            (1, "3 min 20 s left".into()),
            (2, "1 h 05 min for all".into()),
            (6, String::new()),
        ]
    }

    #[test]
    fn no_line_is_wider_than_its_terminal_and_every_line_says_how_far_it_is() {
        let titles =
            ["[1/3] FullSA-FullMLP-4L seed 0", "[12/90] 漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字 seed 11", ""];
        let long =
            "[90/90] MedSA-MedMLP-8L learning_rate=0.0003 kind=low-rank rank=100 init=spectral slots=q,k seed 12";
        for columns in 1..=250 {
            for title in titles.into_iter().chain([long]) {
                for scale in [1, 1_000_000] {
                    let line = line(columns, title, 0.4, &figures(scale));
                    let width = measure_text_width(&line);
                    assert!(width <= columns.saturating_sub(MARGIN), "{columns}: {width} of {line:?}");
                    assert!(columns < 40 || line.contains('/'), "{columns}: {line:?}");
                    assert!(columns < 40 || scale > 1 || line.contains("12/400"), "{columns}: {line:?}");
                }
            }
        }
        let wide = line(200, titles[0], 0.5, &figures(1));
        assert!(figures(1).iter().all(|(_, figure)| wide.contains(figure.as_str())), "{wide}");
        assert!(wide.contains(&format!("{}{}", "█".repeat(12), "░".repeat(12))), "{wide}");
    }

    #[test]
    fn a_title_commands_no_terminal() {
        assert!(!line(100, "a\u{1b}[2Jb", 0.0, &[]).contains('\u{1b}'));
    }
}
