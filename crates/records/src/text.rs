//! Text in a cell: what spreadsheets would run, and what no terminal should get.
//!
//! Spreadsheets take a cell that begins with `=`, `+`, `-` or `@` as a formula. Such a text is written with an apostrophe
//! before it, which is what they themselves mean by it: text. So that it reads back, so is one that begins with
//! apostrophes and then one of these; reading takes one away again.

/// Whether one more apostrophe stands before this text in its cell.
fn is_marked(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(['=', '+', '-', '@'])
}

/// The cell for a text: without surrounding white space, control characters [`visible`], formulas marked as text.
pub(crate) fn cell_of_text(text: &str) -> String {
    let text = visible(text.trim());
    if is_marked(&text) { format!("'{text}") } else { text }
}

/// The text in a cell; the inverse of [`cell_of_text`].
pub(crate) fn text_of_cell(cell: &str) -> String {
    let text = visible(cell.trim());
    match text.strip_prefix('\'') {
        Some(rest) if is_marked(rest) => rest.to_owned(),
        _ => text,
    }
}

/// The text with pictures in the place of control characters, which would steer a terminal and break an SVG: `␛` for
/// an escape, `␀` for a zero byte, `␊` for a line break. Those without a picture become `�`.
///
/// ```
/// assert_eq!(lrx_records::visible("a\u{1b}[31m\n"), "a␛[31m␊");
/// ```
pub fn visible(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\0'..='\x1f' => char::from_u32(0x2400 + c as u32).expect("a picture for each of them"),
            '\x7f' => '␡',
            // Not XML's either: SVG has no way to hold them.
            '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}
