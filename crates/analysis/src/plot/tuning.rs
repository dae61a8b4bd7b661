//! Losses over the values of a key that was tuned.

use lrx_records::{Cell, TuneRecord};
use plotters::prelude::*;

use super::Plot;
use super::canvas::{self, Area, Axis, Chart, DRAWS, Frame, Key, Shape};
use super::groups::{Group, close, open};
use super::names::{MOST, shortened};
use super::palette::{INKS, ON_LINES};

/// Losses so many times as far above the lowest as the median is lie above the plot: those of runs that nearly diverged
/// would leave no room for the rest.
const CUT: f64 = 3.0;

/// The evaluation loss over the value, a line for each rung of each configuration: strong for the last of them, faint for
/// those before. `None` where no value has a loss.
///
/// The rows must be of one key.
pub fn tuning_plot(rows: &[TuneRecord]) -> Option<Plot> {
    let mut configurations: Vec<(&str, &str)> = Vec::new();
    for row in rows {
        if !configurations.iter().any(|(id, _)| *id == row.configuration) {
            configurations.push((&row.configuration, &row.label));
        }
    }
    let names = shortened(&configurations.iter().map(|(_, label)| (*label).to_owned()).collect::<Vec<_>>(), MOST);
    let keys: Vec<Key> = names
        .iter()
        .enumerate()
        .map(|(i, name)| Key { name, color: INKS[i % INKS.len()].color(), shape: ON_LINES[i % ON_LINES.len()] })
        .collect();
    let key = rows.first()?.key.rsplit('.').next()?.replace('_', " ");
    let points: Vec<(&TuneRecord, f64)> =
        rows.iter().filter_map(|row| Some((row, row.loss.filter(|loss| canvas::drawable(*loss))?))).collect();
    let values = || points.iter().map(|(row, _)| row.value).collect::<Vec<_>>();
    let x = Axis::of_sizes(key.clone(), values(), 0.06)?;
    let top = top(points.iter().map(|(_, loss)| *loss).collect())?;
    let shown = points.iter().map(|(_, loss)| loss.min(top));
    let y = Axis::around("loss on the stories for tuning, nats per target token".to_owned(), shown, 0.06)?;
    let draw = |frame: Frame| {
        canvas::draw(frame, &x, &y, (frame.height(canvas::HEIGHT), 16), &keys, |root, chart| {
            for (number, ((id, name), key)) in configurations.iter().zip(&keys).enumerate() {
                let own: Vec<_> = points.iter().filter(|(row, _)| row.configuration == *id).copied().collect();
                open(root, &Group::Point(&number.to_string(), name));
                draw_configuration(root, chart, key, &own, top);
                close(root);
            }
        })
    };
    let mut caption =
        "Each line is a choice among the values that were left: faint after the fewest steps, strong after \
                       the most. A ring marks what was chosen; losses are means over the seeds."
            .to_owned();
    if points.iter().any(|(_, loss)| *loss > top) {
        caption += " Losses far above the others stand at the upper end.";
    }
    let chosen = rows.iter().filter(|row| row.verdict == "chosen").map(|row| row.value.write()).collect::<Vec<_>>();
    let title = match &chosen[..] {
        [one] => format!("Loss over the {key}; chosen: {one}"),
        _ => format!("Loss over the {key}"),
    };
    Some(Plot::new("tune", (title, caption), &keys, draw))
}

/// The highest loss that has a place of its own.
fn top(mut losses: Vec<f64>) -> Option<f64> {
    losses.sort_by(f64::total_cmp);
    let (lowest, median) = (*losses.first()?, losses[losses.len() / 2]);
    Some((lowest + CUT * (median - lowest)).max(median))
}

fn draw_configuration(root: &Area, chart: &mut Chart, key: &Key, points: &[(&TuneRecord, f64)], top: f64) {
    let last = points.iter().map(|(row, _)| row.rung).max().unwrap_or(0);
    for rung in 1..=last {
        let mut line: Vec<(f64, f64)> =
            points.iter().filter(|(row, _)| row.rung == rung).map(|(row, loss)| (row.value, loss.min(top))).collect();
        line.sort_by(|a, b| a.0.total_cmp(&b.0));
        let opacity = 0.3 + 0.7 * rung as f64 / last as f64;
        let style = key.color.mix(opacity).stroke_width(if rung == last { 2 } else { 1 });
        chart.draw_series(LineSeries::new(line.iter().copied(), style)).expect(DRAWS);
        line.iter().for_each(|point| canvas::marker(root, key, chart.backend_coord(point), opacity));
    }
    for (row, loss) in points.iter().filter(|(row, _)| row.verdict == "chosen") {
        let ring = Key { shape: Shape::Ring, ..*key };
        canvas::marker(root, &ring, chart.backend_coord(&(row.value, loss.min(top))), 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_that_nearly_diverged_leaves_room_for_the_others() {
        assert_eq!(top(vec![3.0, 3.5, 3.2, 100.0, 3.1]), Some(3.0 + 3.0 * (3.2_f64 - 3.0)));
        assert_eq!(top(vec![2.0]), Some(2.0));
        assert_eq!(top(vec![]), None);
    }
}
