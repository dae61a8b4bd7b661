//! A curve of characters: each stands for two by four dots.

/// Of the points (step, loss) of training and evaluation, a chart of at most so many columns and lines, the axis and its labels
/// included: evaluations as `●`, the training loss as dots. Losses that are not finite are left out.
pub(super) fn chart(train: &[(f64, f64)], eval: &[(f64, f64)], columns: usize, lines: usize) -> String {
    let finite = |points: &[(f64, f64)]| -> Vec<(f64, f64)> {
        points.iter().copied().filter(|(_, loss)| loss.is_finite()).collect()
    };
    let (train, eval) = (finite(train), finite(eval));
    let all = || train.iter().chain(&eval);
    let range = |of: fn(&(f64, f64)) -> f64| {
        all().map(of).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    };
    if all().next().is_none() {
        return String::new();
    }
    let ((first, last), (low, high)) = (range(|point| point.0), range(|point| point.1));
    let labels = [format!("{high:.3}"), format!("{low:.3}")];
    let margin = labels.iter().map(String::len).max().unwrap_or(0);
    let (width, height) = (columns.saturating_sub(margin + 2).max(8), lines.saturating_sub(2).max(3));
    // From 0 to 1; where all are the same, in the middle.
    let part = |value: f64, low: f64, high: f64| if high > low { (value - low) / (high - low) } else { 0.5 };
    let place = |part: f64, count: usize| ((part * (count - 1) as f64).round() as usize).min(count - 1);
    let mut cells = vec![vec![0_u8; width]; height];
    for (step, loss) in &train {
        let column = place(part(*step, first, last), 2 * width);
        let line = place(1.0 - part(*loss, low, high), 4 * height);
        cells[line / 4][column / 2] |= dot(column % 2, line % 4);
    }
    let braille = |dots: u8| if dots == 0 { ' ' } else { char::from_u32(0x2800 + u32::from(dots)).unwrap_or('.') };
    let mut rows: Vec<Vec<char>> = cells.iter().map(|row| row.iter().map(|dots| braille(*dots)).collect()).collect();
    for (step, loss) in &eval {
        let (column, line) = (place(part(*step, first, last), width), place(1.0 - part(*loss, low, high), height));
        rows[line][column] = '●';
    }
    let mut text = String::new();
    for (i, row) in rows.iter().enumerate() {
        let label = match i {
            0 => labels[0].as_str(),
            _ if i + 1 == height => labels[1].as_str(),
            _ => "",
        };
        let row: String = row.iter().collect();
        text += &format!("{label:>margin$} │{}\n", row.trim_end());
    }
    text += &format!("{:margin$} └{}\n", "", "─".repeat(width));
    let (first, last) = (format!("step {first}"), format!("{last}"));
    let gap = width.saturating_sub(first.len() + last.len());
    let legend = if eval.is_empty() { "" } else { "   ● eval" };
    text + &format!("{:margin$}  {first}{}{last}{legend}", "", " ".repeat(gap))
}

/// The bit of a dot in a character of Braille, by column and line: 1 to 3 and 7 go down on the left, 4 to 6 and 8 on the right.
fn dot(column: usize, line: usize) -> u8 {
    [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]][column][line]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_falls_goes_from_corner_to_corner() {
        let train: Vec<(f64, f64)> = (0..8).map(|i| (f64::from(i), 7.0 - f64::from(i))).collect();
        // No chart is narrower than 8 characters and lower than 3: 16 by 12 dots.
        let drawn = chart(&train, &[], 0, 0);
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines.len(), 5, "{drawn}");
        assert!(lines[0].starts_with("7.000 │⠁"), "{drawn}");
        // The last dot is the lowest on the right of its character.
        let last = lines[2].chars().last().map(|c| c as u32 - 0x2800);
        assert!(lines[2].starts_with("0.000 │") && last.is_some_and(|dots| dots & 0x80 != 0), "{drawn}");
        assert_eq!(lines[3], "      └────────");
        assert_eq!(lines[4], "       step 0 7");
    }

    #[test]
    fn evaluations_stand_out_and_what_is_not_finite_is_left_out() {
        let train = [(1.0, 4.0), (2.0, f64::NAN), (3.0, 2.0)];
        let drawn = chart(&train, &[(3.0, 3.0), (2.0, f64::INFINITY)], 40, 10);
        assert_eq!((drawn.matches('●').count(), drawn.lines().count()), (2, 10), "one, and the legend: {drawn}");
        assert!(drawn.lines().all(|line| line.chars().count() <= 40 + "   ● eval".chars().count()), "{drawn}");
        assert_eq!(chart(&[(1.0, f64::NAN)], &[], 40, 10), "");
        // A single measurement is no line, but a dot.
        assert_eq!(
            chart(&[(5.0, 1.0)], &[], 40, 10).chars().filter(|c| ('\u{2801}'..='\u{28ff}').contains(c)).count(),
            1
        );
    }
}
