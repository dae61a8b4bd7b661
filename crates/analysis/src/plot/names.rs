//! Names that fit, and stay different.

/// Characters of a name in a plot, at most.
pub(super) const MOST: usize = 44;

/// The names, those that are longer than `most` characters with something left out; names that differ still differ.
pub(super) fn shortened(names: &[String], most: usize) -> Vec<String> {
    let first: Vec<String> = names.iter().map(|name| elided(name, most)).collect();
    let mut short = first.clone();
    for (i, name) in names.iter().enumerate() {
        let rivals: Vec<&String> =
            (0..names.len()).filter(|&j| names[j] != *name && first[j] == first[i]).map(|j| &names[j]).collect();
        if !rivals.is_empty() {
            // What they begin with is the same: shown from the word on in which the first of them differs.
            let same = rivals.iter().map(|rival| common(name, rival)).min().unwrap_or(0);
            let begin = name[..same].rfind(' ').map_or(same, |space| space + 1);
            short[i] = format!("…{}", elided(&name[begin..], most - 6));
        }
    }
    for i in 0..names.len() {
        let before = (0..i).filter(|&j| short[j] == short[i] && names[j] != names[i]).count();
        if before > 0 {
            short[i] = format!("{} #{}", short[i], i + 1);
        }
    }
    short
}

/// Bytes that both begin with.
fn common(a: &str, b: &str) -> usize {
    a.char_indices().zip(b.chars()).find(|((_, a), b)| a != b).map_or(a.len().min(b.len()), |((at, _), _)| at)
}

/// The begin and the end of a long name.
fn elided(name: &str, most: usize) -> String {
    let characters: Vec<char> = name.chars().collect();
    if characters.len() <= most {
        return name.to_owned();
    }
    let head = (most - 1) / 2;
    let tail = most - 1 - head;
    characters[..head].iter().chain(&['…']).chain(&characters[characters.len() - tail..]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_stay_different() {
        let long = |middle: &str| format!("{} {middle} {}", "begin ".repeat(20), "the end ".repeat(20));
        let names: Vec<String> = ["short", "q", "kk", "k", "äöü", "q and much more that is long", ""]
            .map(|middle| if middle == "short" { middle.to_owned() } else { long(middle) })
            .into();
        let short = shortened(&names, MOST);
        assert_eq!(short[0], "short");
        assert!(short.iter().all(|name| name.chars().count() <= MOST), "{short:?}");
        let mut different = short.clone();
        different.sort();
        different.dedup();
        assert_eq!(different.len(), names.len(), "{short:?}");
        assert_eq!(shortened(&["same".to_owned(), "same".to_owned()], MOST), ["same", "same"]);
    }
}
