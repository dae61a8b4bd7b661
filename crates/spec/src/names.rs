//! Names and labels that go into folders, tables, plots and terminals.

/// Far below what file systems take for one name, and beyond what a table can show.
const LONGEST_NAME: usize = 100;
const LONGEST_LABEL: usize = 200;

/// Whether `name` can be the name of an experiment and of its folder.
///
/// # Errors
/// Why it cannot; the sentence begins with the name.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.starts_with(['.', '-']) || !name.chars().all(allowed) {
        return Err(format!(
            "{name:?}; expected letters, digits, `-`, `_` and `.`, the first a letter, a digit or `_`: results go to a \
             folder of this name"
        ));
    }
    if name.len() > LONGEST_NAME {
        return Err(format!("{} bytes long; expected at most {LONGEST_NAME}", name.len()));
    }
    Ok(())
}

/// Whether `label` can stand in tables, plots and terminals.
///
/// # Errors
/// Why it cannot, as a sentence.
pub(crate) fn check_label(label: &str) -> Result<(), String> {
    if label.trim().is_empty() {
        return Err("`label` is empty; expected a name for the configuration, or no `label` to derive one".into());
    }
    if let Some(c) = label.chars().find(|c| is_invisible(*c)) {
        return Err(format!(
            "`label` holds the control character U+{:04X}; expected text that tables and plots can show",
            c as u32
        ));
    }
    if label.trim_start().starts_with(['=', '+', '-', '@']) {
        return Err(format!("`label` is {label:?}; spreadsheets take what begins with = + - @ for a formula"));
    }
    if label.chars().count() > LONGEST_LABEL {
        let count = label.chars().count();
        return Err(format!("`label` has {count} characters; expected at most {LONGEST_LABEL}"));
    }
    Ok(())
}

/// Characters that do something where they are shown instead of being shown: control characters, line breaks, and those
/// that turn the direction of writing.
pub(crate) fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names_of_folders() {
        for good in ["a", "seed-small", "Größe_2.1", "_x", "7"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in ["", ".", "..", ".cache", "a/b", "a b", "-x", "a\n", "a\0", "a\\b", &"x".repeat(101)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn labels_are_shown_as_they_are() {
        for good in ["a", "low-rank 12, late", "Größe = 2", "µ ≥ 3"] {
            assert_eq!(check_label(good), Ok(()), "{good}");
        }
        for bad in ["", " ", "a\u{1b}[2J", "a\0", "a\nb", "a\tb", "\u{202e}a", "=1+1", "+x", "-x", "@x", " =1"] {
            assert!(check_label(bad).is_err(), "{bad:?}");
        }
        assert!(check_label(&"x".repeat(201)).is_err());
    }
}
