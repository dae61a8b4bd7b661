//! Parts of a drawing that belong together: what a legend's entry stands for, what is told of a point.
//!
//! The library that draws knows no groups. Where one begins and ends, a text is drawn that no reader ever sees: [`closed`]
//! puts the tags of a group in its place.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::canvas::{Area, DRAWS, INK, text_style};

/// What a part of a drawing is.
pub(super) enum Group<'a> {
    /// The legend.
    Legend,
    /// What stands for entries of the legend: by their numbers, separated by spaces.
    Family(&'a str),
    /// Such a part of which something can be told: lines of text.
    Point(&'a str, &'a str),
}

/// Begins a group; of a private use area, so that no name of anybody's holds it.
const BEGIN: char = '\u{E0B0}';
/// Between its parts.
const PART: char = '\u{E0B1}';
/// Ends it.
const END: char = '\u{E0B2}';
/// Breaks a line.
const LINE: char = '\u{E0B3}';

/// What is drawn from here on belongs to a group.
pub(super) fn open(root: &Area, group: &Group) {
    let clean = |text: &str| text.replace([BEGIN, PART, END, LINE], "?");
    let text = match group {
        Group::Legend => format!("{BEGIN}legend{PART}{PART}"),
        Group::Family(families) => format!("{BEGIN}family{PART}{families}{PART}"),
        Group::Point(families, told) => {
            format!("{BEGIN}point{PART}{families}{PART}{}", clean(told).replace('\n', &LINE.to_string()))
        }
    };
    mark(root, &text);
}

/// … up to here.
pub(super) fn close(root: &Area) {
    mark(root, &END.to_string());
}

fn mark(root: &Area, text: &str) {
    root.draw(&Text::new(text.to_owned(), (0, 0), text_style(INK, 1.0, HPos::Left))).expect(DRAWS);
}

/// The drawing with its groups.
pub(super) fn closed(svg: &str) -> String {
    let mut out = String::with_capacity(svg.len());
    let mut lines = svg.lines().peekable();
    let mut depth = 0_usize;
    while let Some(line) = lines.next() {
        let Some(next) = lines.peek().filter(|_| line.starts_with("<text ")) else {
            if line == "</svg>" {
                out.extend(std::iter::repeat_n("</g>\n", std::mem::take(&mut depth)));
            }
            out.push_str(line);
            out.push('\n');
            continue;
        };
        if let Some(group) = next.strip_prefix(BEGIN) {
            let mut parts = group.splitn(3, PART);
            let [class, families, told] = [(); 3].map(|()| parts.next().unwrap_or_default());
            out += &format!("<g class=\"{class}\" data-family=\"{families}\">");
            if !told.is_empty() {
                out += &format!("<title>{}</title>", told.replace(LINE, "\n"));
            }
            out.push('\n');
            depth += 1;
        } else if next.starts_with(END) {
            out += if depth > 0 { "</g>\n" } else { "" };
            depth = depth.saturating_sub(1);
        } else {
            out.push_str(line);
            out.push('\n');
            continue;
        }
        // The text itself, and its end.
        lines.next();
        lines.next();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_hold_what_is_drawn_between_their_ends() {
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, (10, 10)).into_drawing_area();
            open(&root, &Group::Family("1 2"));
            open(&root, &Group::Point("1", "a < b\nand more"));
            root.draw(&Circle::new((1, 1), 2, INK)).unwrap();
            close(&root);
            root.draw(&Text::new("shown", (1, 1), text_style(INK, 1.0, HPos::Left))).unwrap();
            close(&root);
            root.present().unwrap();
        }
        let drawn: String = closed(&svg).lines().map(|line| line.split(" opacity").next().unwrap()).collect();
        let parts =
            ["<g class=\"family\" data-family=\"1 2\">", "<g class=\"point\" data-family=\"1\"><title>a &lt; b"];
        let at: Vec<usize> = parts.iter().map(|part| drawn.find(part).expect(part)).collect();
        assert!(at[0] < at[1] && at[1] < drawn.find("<circle").unwrap(), "{drawn}");
        assert!(drawn.contains("and more</title>") && drawn.contains("shown"));
        assert_eq!((drawn.matches("<g ").count(), drawn.matches("</g>").count()), (2, 2));
    }

    #[test]
    fn a_name_that_looks_like_the_end_of_a_group_is_none() {
        let drawn = closed(&format!("<svg>\n<text x=\"1\">\n{END}\n</text>\n</svg>\n"));
        assert_eq!(drawn, "<svg>\n</svg>\n");
        let drawn = closed(&format!("<svg>\n<text x=\"1\">\n{BEGIN}point{PART}{PART}\n</text>\n</svg>\n"));
        assert_eq!(drawn.matches("<g ").count(), drawn.matches("</g>").count());
    }
}
