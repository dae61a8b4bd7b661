//! The report as one page that needs nothing but itself.

use std::fmt::Write;

use crate::plot::{Plot, dark_style};
use crate::prose::{NAME_BEGIN, NAME_END, findings};
use crate::table::{Align, Column, Table};
use crate::tables::{TWINS_NOTE, notes, page_table, twins_table, unfinished_table};
use crate::{Summary, Verdict};

const STYLE: &str = include_str!("style.css");

/// One experiment on the page.
pub(crate) struct Section<'a> {
    /// Its figures.
    pub(crate) summary: Summary<'a>,
    /// Its plots.
    pub(crate) plots: Vec<Plot>,
}

/// The page: for each experiment what the figures say, the table, the plots.
pub(crate) fn page(sections: &[Section]) -> String {
    let names: Vec<_> = sections.iter().map(|section| escape(&section.summary.title)).collect();
    let title = if let [name] = names.as_slice() { name } else { "Experiments" };
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{STYLE}{}\n</style>\n</head>\n<body>\n<main>\n",
        dark_style()
    );
    html += &format!("<h1>{title}</h1>\n");
    if sections.len() > 1 {
        html += "<nav>\n<ul>\n";
        for (number, name) in names.iter().enumerate() {
            html += &format!("<li><a href=\"#experiment-{number}\">{name}</a></li>\n");
        }
        html += "</ul>\n</nav>\n";
    }
    for (number, (name, section)) in names.iter().zip(sections).enumerate() {
        if sections.len() > 1 {
            html += &format!("<h2 id=\"experiment-{number}\">{name}</h2>\n");
        }
        push_section(&mut html, section, if sections.len() > 1 { "h3" } else { "h2" });
    }
    html + "</main>\n</body>\n</html>\n"
}

/// A section whose parts have headings of this level.
fn push_section(html: &mut String, Section { summary, plots }: &Section, level: &str) {
    let heading = |text: &str| format!("<{level} class=\"part\">{text}</{level}>\n");
    for paragraph in findings(summary) {
        *html += &format!("<p class=\"lead\">{}</p>\n", with_whole_names(&paragraph));
    }
    if !summary.rows.is_empty() {
        push_table(html, &page_table(summary));
        for note in notes(summary) {
            *html += &format!("<p class=\"note\">{}</p>\n", escape(&note));
        }
    }
    if !summary.unfinished.is_empty() {
        *html += &heading("Runs that are not counted");
        push_table(html, &unfinished_table(summary));
    }
    if let Some(frontier) = summary.frontier.as_ref().filter(|frontier| !frontier.twins.is_empty()) {
        *html += &heading("Beside dense models of as many parameters");
        push_table(html, &twins_table(summary, frontier));
        *html += &format!("<p class=\"note\">{}</p>\n", escape(TWINS_NOTE));
    }
    for plot in plots {
        let (title, caption) = (escape(&plot.title), escape(&plot.caption));
        let svg = plot.svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{title}\" "), 1);
        *html += &format!(
            "<figure>\n{}<div class=\"scroll\">\n{svg}</div>\n<figcaption>{caption}</figcaption>\n</figure>\n",
            heading(&title)
        );
    }
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

fn push_table(html: &mut String, table: &Table) {
    let class = |column: &Column| if column.align == Align::Right { " class=\"right\"" } else { "" };
    *html += "<div class=\"scroll\">\n<table>\n<thead><tr>";
    for column in &table.columns {
        let header = column.header.iter().map(|line| escape(line)).collect::<Vec<_>>().join("\n");
        write_cell(html, "th", class(column), &header);
    }
    *html += "</tr></thead>\n<tbody>\n";
    for row in 0..table.columns.first().map_or(0, |column| column.cells.len()) {
        *html += "<tr>";
        for column in &table.columns {
            let cell = escape(&column.cells[row]);
            let verdict = [Verdict::Better, Verdict::Worse].into_iter().find(|verdict| verdict.as_str() == cell);
            let verdict = verdict.map(|verdict| format!(" class=\"{verdict}\""));
            write_cell(html, "td", verdict.as_deref().unwrap_or(class(column)), &cell);
        }
        *html += "</tr>\n";
    }
    *html += "</tbody>\n</table>\n</div>\n";
}

fn write_cell(html: &mut String, tag: &str, attributes: &str, content: &str) {
    write!(html, "<{tag}{attributes}>{content}</{tag}>").expect("memory takes the text");
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
