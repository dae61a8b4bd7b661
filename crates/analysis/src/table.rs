//! A table of text cells, and its form in a terminal.

/// Which side of a column its cells stand on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// One column: its header, of one line or more, and its cells.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) header: Vec<String>,
    pub(crate) align: Align,
    pub(crate) cells: Vec<String>,
}

impl Column {
    /// A column; line breaks in the header stack it.
    pub(crate) fn new(header: &str, align: Align, cells: impl IntoIterator<Item = String>) -> Self {
        let header = header.lines().map(str::to_owned).collect();
        Self { header, align, cells: cells.into_iter().collect() }
    }

    fn width(&self) -> usize {
        self.header.iter().chain(&self.cells).map(|text| width(text)).max().unwrap_or(0)
    }
}

/// Columns of equal length. Columns without any content are left out.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) columns: Vec<Column>,
}

impl Table {
    pub(crate) fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        let filled = |column: &Column| column.cells.iter().any(|cell| !cell.is_empty());
        Self { columns: columns.into_iter().filter(filled).collect() }
    }

    /// The lines of the table, two spaces between columns, a rule under the header.
    pub(crate) fn to_text(&self) -> String {
        let header_lines = self.columns.iter().map(|column| column.header.len()).max().unwrap_or(0);
        let rows = self.columns.first().map_or(0, |column| column.cells.len());
        let mut text = String::new();
        for line in 0..header_lines {
            // Headers stand on the rule: the shorter ones begin lower.
            let cell = |column: &Column| {
                let above = header_lines - column.header.len();
                line.checked_sub(above).map(|line| column.header[line].clone()).unwrap_or_default()
            };
            self.push_line(&mut text, cell);
        }
        self.push_line(&mut text, |column| "─".repeat(column.width()));
        for row in 0..rows {
            self.push_line(&mut text, |column| column.cells[row].clone());
        }
        text
    }

    fn push_line(&self, text: &mut String, cell: impl Fn(&Column) -> String) {
        let padded = self.columns.iter().map(|column| {
            let (cell, width) = (cell(column), column.width());
            match column.align {
                Align::Left => format!("{cell:<width$}"),
                Align::Right => format!("{cell:>width$}"),
            }
        });
        let line = padded.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

/// Columns that a text takes in a terminal, for scripts without wide or combining characters.
fn width(text: &str) -> usize {
    text.chars().count()
}
