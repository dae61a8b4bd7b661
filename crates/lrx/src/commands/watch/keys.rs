//! What a key does.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::choice::Choice;
use super::sweep::Sweep;

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    GoOn,
    /// Look at the folders again, now.
    Look,
    End,
}

/// All keys, for who asks.
pub(super) const HELP: [(&str, &str); 10] = [
    ("↑ ↓, k j", "the run above or below"),
    ("PgUp PgDn", "a page up or down"),
    ("Home End, g G", "the first run, whichever it is; the last one"),
    ("Enter", "open the run: figures and curve"),
    ("Esc", "back; the filter away"),
    ("s S", "sort by the next or last column"),
    ("r", "sort the other way"),
    ("/", "only runs with a text, or a condition such as eval_loss<4"),
    ("Space", "look again now"),
    ("q, Ctrl-C", "end"),
];

/// Does what a key says.
pub(super) fn press(key: KeyEvent, choice: &mut Choice, sweep: &Sweep) -> Then {
    let with_control = key.modifiers.contains(KeyModifiers::CONTROL);
    if with_control && matches!(key.code, KeyCode::Char('c' | 'd')) {
        return Then::End;
    }
    if choice.is_typing {
        match key.code {
            KeyCode::Enter => choice.is_typing = false,
            KeyCode::Esc => (choice.is_typing, choice.filter) = (false, String::new()),
            KeyCode::Backspace => drop(choice.filter.pop()),
            KeyCode::Char('u') if with_control => choice.filter.clear(),
            KeyCode::Char(c) if !with_control => choice.filter.push(c),
            _ => {}
        }
        choice.apply(sweep);
        return Then::GoOn;
    }
    if std::mem::take(&mut choice.shows_keys) {
        return if key.code == KeyCode::Char('q') { Then::End } else { Then::GoOn };
    }
    let (at, page) = (choice.cursor, choice.page.max(1));
    match key.code {
        KeyCode::Char('q') => return Then::End,
        KeyCode::Char(' ') => return Then::Look,
        KeyCode::Char('?') => choice.shows_keys = true,
        KeyCode::Char('/') => (choice.is_typing, choice.is_open) = (true, false),
        KeyCode::Char('s') => choice.sort_by_next(1),
        KeyCode::Char('S') => choice.sort_by_next(-1),
        KeyCode::Char('r') => choice.is_reversed = !choice.is_reversed,
        KeyCode::Enter => choice.open_or_close(sweep),
        KeyCode::Esc if choice.is_open => choice.is_open = false,
        KeyCode::Esc => choice.filter.clear(),
        KeyCode::Up | KeyCode::Char('k') => choice.move_to(at.saturating_sub(1), sweep),
        KeyCode::Down | KeyCode::Char('j') => choice.move_to(at + 1, sweep),
        KeyCode::PageUp => choice.move_to(at.saturating_sub(page), sweep),
        KeyCode::PageDown => choice.move_to(at + page, sweep),
        KeyCode::Home | KeyCode::Char('g') => choice.move_to_first(),
        KeyCode::End | KeyCode::Char('G') => choice.move_to(usize::MAX, sweep),
        _ => {}
    }
    choice.apply(sweep);
    Then::GoOn
}

#[cfg(test)]
mod tests {
    use super::super::sweep::tests::{planned, running, shown, sweep};
    use super::*;

    #[test]
    fn keys_move_open_filter_and_end() {
        let sweep = sweep(
            (0..20).map(|seed| if seed < 2 { shown(seed, running(), 10) } else { planned(seed, None) }).collect(),
        );
        let mut choice = Choice { page: 5, ..Choice::default() };
        choice.apply(&sweep);
        let mut press = |code: KeyCode| {
            let then = press(KeyEvent::new(code, KeyModifiers::NONE), &mut choice, &sweep);
            (then, choice.cursor, choice.is_open, choice.filter.clone(), choice.shown.len())
        };
        for (code, cursor) in [
            (KeyCode::Up, 0),
            (KeyCode::Down, 1),
            (KeyCode::PageDown, 6),
            (KeyCode::Char('G'), 19),
            (KeyCode::PageDown, 19),
            (KeyCode::PageUp, 14),
            (KeyCode::Home, 0),
            (KeyCode::Char('j'), 1),
        ] {
            assert_eq!(press(code), (Then::GoOn, cursor, false, String::new(), 20), "{code:?}");
        }
        assert!(press(KeyCode::Enter).2, "open");
        // Another run, open as well; then back.
        assert_eq!(press(KeyCode::Char('k')), (Then::GoOn, 0, true, String::new(), 20));
        assert!(!press(KeyCode::Esc).2);
        for c in "/seed=3q".chars() {
            assert_eq!(press(KeyCode::Char(c)).0, Then::GoOn, "what is typed is no command");
        }
        assert_eq!(press(KeyCode::Backspace), (Then::GoOn, 0, false, "seed=3".into(), 1));
        assert_eq!(press(KeyCode::Enter), (Then::GoOn, 0, false, "seed=3".into(), 1));
        assert_eq!(press(KeyCode::Esc).4, 20);
        assert_eq!(press(KeyCode::Char(' ')).0, Then::Look);
        press(KeyCode::Char('?'));
        assert_eq!(press(KeyCode::Down).1, 0, "any key takes the list of keys away");
        assert_eq!(press(KeyCode::Char('q')).0, Then::End);
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        choice.is_typing = true;
        assert_eq!(super::press(control_c, &mut choice, &sweep), Then::End);
    }
}
