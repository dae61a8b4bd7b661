//! The report as one page that needs nothing but itself.

use std::fmt::Write;

use crate::notes::{CLAIMS_NOTE, TWINS_NOTE, cost_notes, curve_notes, loss_notes};
use crate::plot::{Entry, Plot, dark_style};
use crate::prose::{NAME_BEGIN, NAME_END, findings};
use crate::table::{Align, Column, Table};
use crate::tables::{claims_table, cost_table, loss_table, twins_table, unfinished_table};
use crate::{Summary, Verdict};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("page.js");

/// One experiment on the page.
pub(crate) struct Section<'a> {
    /// Its figures.
    pub(crate) summary: Summary<'a>,
    /// Its plots.
    pub(crate) plots: Vec<Plot>,
}

/// The page: for each experiment what the figures say, the table, the plots; `folded` up under what the figures say where there
/// are many.
pub(crate) fn page(sections: &[Section], folded: bool) -> String {
    let names: Vec<_> = sections.iter().map(|section| escape(&section.summary.title)).collect();
    let title = if let [name] = names.as_slice() { name } else { "Experiments" };
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{STYLE}{}{}\n</style>\n</head>\n<body>\n<main>\n",
        card_style(),
        dark_style()
    );
    html += &format!("<h1>{title}</h1>\n");
    if sections.len() > 1 {
        html += "<nav aria-label=\"Experiments\">\n<ul>\n";
        for (number, name) in names.iter().enumerate() {
            html += &format!("<li><a href=\"#experiment-{number}\">{name}</a></li>\n");
        }
        html += "</ul>\n</nav>\n";
    }
    for (number, (name, section)) in names.iter().zip(sections).enumerate() {
        if sections.len() > 1 {
            html += &format!("<h2 id=\"experiment-{number}\">{name}</h2>\n");
        }
        push_section(&mut html, section, if sections.len() > 1 { "h3" } else { "h2" }, folded);
    }
    html + &format!("</main>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n")
}

/// A section whose parts have headings of this level: what was claimed, what a sweep varied, what the figures say, the tables,
/// the other plots. In one that is `folded`, plots and tables come last, and are shown when asked for.
fn push_section(html: &mut String, Section { summary, plots }: &Section, level: &str, folded: bool) {
    let heading = |text: &str| format!("<{level} class=\"part\">{text}</{level}>\n");
    let note = |text: &str| format!("<p class=\"note\">{}</p>\n", escape(text));
    if !summary.claims.is_empty() {
        *html += &heading("What was claimed");
        push_table(html, "Claims", &claims_table(summary));
        *html += &note(CLAIMS_NOTE);
    }
    let (of_sweeps, others): (Vec<&Plot>, Vec<&Plot>) = plots.iter().partition(|plot| plot.is_sweep);
    let lead = |paragraph: &String| format!("<p class=\"lead\">{}</p>\n", with_whole_names(paragraph));
    let said: String = findings(summary).iter().map(lead).collect();
    let (mut sweeps, mut rest) = (String::new(), String::new());
    of_sweeps.into_iter().for_each(|plot| push_plot(&mut sweeps, plot, &heading));
    push_tables(&mut rest, summary, &heading, &note);
    others.into_iter().for_each(|plot| push_plot(&mut rest, plot, &heading));
    *html += &if folded {
        said + &folded_up(&format!("Plots and tables of {}", summary.title), &(sweeps + &rest))
    } else {
        sweeps + &said + &rest
    };
}

/// What is shown when asked for, under its name: works without the script. On paper it is shown.
pub(crate) fn folded_up(name: &str, content: &str) -> String {
    format!("<details>\n<summary>{}</summary>\n{content}</details>\n", escape(name))
}

/// The losses, what they cost, the runs that do not count, and the dense models of the same size.
fn push_tables(html: &mut String, summary: &Summary, heading: &dyn Fn(&str) -> String, note: &dyn Fn(&str) -> String) {
    if !summary.rows.is_empty() {
        *html += &heading("Losses");
        push_table(html, "Losses", &loss_table(summary));
        loss_notes(summary).iter().for_each(|text| *html += &note(text));
        let costs = cost_table(summary);
        if costs.columns.len() > 1 {
            *html += &heading("Sizes and costs");
            push_table(html, "Sizes and costs", &costs);
            cost_notes(summary).iter().for_each(|text| *html += &note(text));
        }
    }
    if !summary.unfinished.is_empty() {
        *html += &heading("Runs that are not counted");
        push_table(html, "Runs that are not counted", &unfinished_table(summary));
    }
    if let Some(frontier) = summary.frontier.as_ref().filter(|frontier| !frontier.twins.is_empty()) {
        let title = "Beside dense models of the same size";
        *html += &heading(title);
        push_table(html, title, &twins_table(summary, frontier));
        *html += &note(TWINS_NOTE);
        curve_notes(frontier).iter().for_each(|text| *html += &note(text));
    }
}

/// A plot: its legend as a list, the drawing for a screen and the one for a telephone, of which the style shows one.
fn push_plot(html: &mut String, plot: &Plot, heading: &dyn Fn(&str) -> String) {
    let (title, caption) = (escape(&plot.title), escape(&plot.caption));
    *html += &format!("<figure>\n{}", heading(&title));
    if plot.entries.len() > 1 {
        let fixed = if plot.only_explains { " fixed" } else { "" };
        *html += &format!("<ul class=\"legend{fixed}\" aria-label=\"Legend\">\n");
        for (number, Entry { name, marker }) in plot.entries.iter().enumerate() {
            let marker = format!("<svg viewBox=\"-10 -10 20 20\" aria-hidden=\"true\">{marker}</svg>");
            *html += &format!("<li data-entry=\"{number}\">{marker}<span>{}</span></li>\n", escape(name));
        }
        *html += "</ul>\n";
    }
    for (frame, svg) in [("wide", plot.without_legend()), ("narrow", plot.narrow.clone())] {
        let svg = svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{title}\" "), 1);
        *html += &format!("<div class=\"drawing {frame}\">\n{svg}</div>\n");
    }
    *html += &format!("<figcaption>{caption}</figcaption>\n</figure>\n");
}

/// No line breaks within a name, unless it would not fit on one.
fn with_whole_names(paragraph: &str) -> String {
    let mut pieces = paragraph.split(NAME_BEGIN);
    let mut html = escape(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (name, rest) = piece.split_once(NAME_END).unwrap_or((piece, ""));
        let is_short = name.chars().count() <= SHORT_NAME;
        let (before, after) = if is_short { ("<span class=\"name\">", "</span>") } else { ("", "") };
        html += &format!("{before}{}{after}{}", escape(name), escape(rest));
    }
    html
}

/// Characters of a name that fits on a line of a telephone.
const SHORT_NAME: usize = 32;

/// Widths of the window, in rem, below which a table that needs more becomes a card a row.
const BREAKS: [u32; 8] = [36, 44, 52, 60, 68, 76, 84, 96];

/// The rules for that; on paper a table stays one.
fn card_style() -> String {
    let rules = |rem: &u32| {
        let table = format!(".cards-{rem}");
        format!(
            "@media screen and (max-width: {rem}rem) {{\n\
             {table}, {table} tbody, {table} tr, {table} th, {table} td {{ display: block; }}\n\
             {table} thead {{ display: none; }}\n\
             .js {table} thead {{ display: block; }} .js {table} thead tr {{ display: flex; flex-wrap: wrap; gap: 0.25rem; }}\n\
             .js {table} thead th {{ padding: 0; border: 0; }} .js {table} thead button {{ border: 1px solid var(--line); padding: 0.1rem 0.4rem; }}\n\
             {table} tbody tr {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: 0.1rem 1rem; \
             padding: 0.6rem 0; border-bottom: 1px solid var(--line); }}\n\
             {table} tbody th {{ grid-column: 1 / -1; font-size: 0.95rem; }}\n\
             {table} tbody th, {table} tbody td {{ border: 0; padding: 0; text-align: left; white-space: normal; overflow-wrap: anywhere; }}\n\
             {table} td:empty {{ display: none; }}\n\
             {table} td::before {{ content: attr(data-head); display: block; color: var(--muted); font-weight: 400; font-size: 0.7rem; }}\n}}\n"
        )
    };
    BREAKS.iter().map(rules).collect()
}

/// Pixels that a table takes at most, as its cells are written.
fn width(table: &Table) -> usize {
    let cell = |text: &str| text.chars().count();
    let column = |(index, column): (usize, &Column)| {
        let head = column.header.iter().map(|line| cell(line) + 2).max().unwrap_or(0);
        let cells = column.cells.iter().map(|text| cell(text)).max().unwrap_or(0);
        // Names break, and so does what is long.
        let cells = if index == 0 {
            cells.min(22)
        } else if cells > LONG {
            24
        } else {
            cells
        };
        head.max(cells) * 36 / 5 + 12
    };
    table.columns.iter().enumerate().map(column).sum()
}

/// Longer cells than this, in characters, may break.
const LONG: usize = 30;

/// A table that can be sorted, and becomes cards where the window is too narrow for it.
pub(crate) fn push_table(html: &mut String, title: &str, table: &Table) {
    let needed = width(table) / 16 + 2;
    let cards = BREAKS.iter().find(|rem| **rem as usize >= needed).unwrap_or(&BREAKS[BREAKS.len() - 1]);
    // Roles, since cards are no table to a reader of the screen otherwise.
    *html += &format!("<table role=\"table\" aria-label=\"{}\" class=\"cards-{cards}\">\n", escape(title));
    *html += "<thead role=\"rowgroup\"><tr role=\"row\">";
    for column in &table.columns {
        let header = column.header.iter().map(|line| escape(line)).collect::<Vec<_>>().join("\n");
        let side = if column.align == Align::Right { " class=\"right\"" } else { "" };
        write_cell(html, "th", &format!(" role=\"columnheader\" scope=\"col\"{side}"), &header);
    }
    *html += "</tr></thead>\n<tbody role=\"rowgroup\">\n";
    for row in 0..table.columns.first().map_or(0, |column| column.cells.len()) {
        *html += "<tr role=\"row\">";
        for (index, column) in table.columns.iter().enumerate() {
            let cell = &column.cells[row];
            let content = escape(cell);
            if index == 0 {
                write_cell(html, "th", " role=\"rowheader\" scope=\"row\"", &content);
                continue;
            }
            let mut classes = Vec::new();
            let verdict = [Verdict::Better, Verdict::Worse].into_iter().find(|verdict| verdict.as_str() == cell);
            classes.extend(verdict.map(Verdict::as_str));
            classes.extend((column.align == Align::Right).then_some("right"));
            classes.extend((cell.chars().count() > LONG).then_some("long"));
            let class = if classes.is_empty() { String::new() } else { format!(" class=\"{}\"", classes.join(" ")) };
            let head = escape(&column.header.join(" "));
            write_cell(html, "td", &format!(" role=\"cell\"{class} data-head=\"{head}\""), &content);
        }
        *html += "</tr>\n";
    }
    *html += "</tbody>\n</table>\n";
}

fn write_cell(html: &mut String, tag: &str, attributes: &str, content: &str) {
    write!(html, "<{tag}{attributes}>{content}</{tag}>").expect("memory takes the text");
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
