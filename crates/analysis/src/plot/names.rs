//! Names that fit, and stay different.

use std::collections::HashMap;

/// Characters of a name in a plot, at most.
pub(super) const MOST: usize = 44;

/// The names, those that are longer than `most` characters with something left out; names that differ still differ.
pub(super) fn shortened(names: &[String], most: usize) -> Vec<String> {
    let first: Vec<String> = names.iter().map(|name| elided(name, most)).collect();
    // What all names begin with that would look the same.
    let mut alike: HashMap<&str, (&str, usize, bool)> = HashMap::new();
    for (name, first) in names.iter().zip(&first) {
        let (other, same, differ) = alike.entry(first).or_insert((name, name.len(), false));
        *same = common(name, other).min(*same);
        *differ |= name != other;
    }
    let mut short = first.clone();
    let mut known: HashMap<String, &str> = HashMap::new();
    for (i, (name, first)) in names.iter().zip(&first).enumerate() {
        let (_, same, differ) = alike[first.as_str()];
        if differ {
            // Shown from the word on in which the first of them differs.
            let begin = name[..same].rfind(' ').map_or(same, |space| space + 1);
            short[i] = format!("…{}", elided(&name[begin..], most - 6));
        }
        if *known.entry(short[i].clone()).or_insert(name) != name {
            short[i] = format!("{} #{}", short[i], i + 1);
            known.insert(short[i].clone(), name);
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
