//! All that is wrong with a table, not only the first: what is wrong is taken out, and the rest is looked at again.

use lrx_layers::OptionError;
use toml::{Table, Value};

/// More mistakes than a table holds that somebody wrote by hand.
const MOST: usize = 100;

/// Reads `table` with `resolve`, and again without what is wrong, until nothing is: all problems, in the order found,
/// and what the rest of the table resolves to.
///
/// A problem that may come only from what was taken out is not told: a missing key in a table that a wrong one was
/// taken from, or sizes that do not fit together when one of them was wrong.
pub(crate) fn resolve_all<S>(
    mut table: Table,
    resolve: impl Fn(Table) -> Result<S, OptionError>,
) -> (Option<S>, Vec<OptionError>) {
    let mut found: Vec<OptionError> = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    for _ in 0..MOST {
        let error = match resolve(table.clone()) {
            Ok(resolved) => return (Some(resolved), found),
            Err(error) => error,
        };
        let times = seen.iter().filter(|key| **key == error.key).count();
        let taken_out = take_out(&mut table, &error.key, times);
        let is_consequence = seen.iter().any(|taken| surrounds(&error.key, taken))
            || (error.is_about_sizes() && found.iter().any(may_be_a_wrong_size));
        seen.push(error.key.clone());
        if !is_consequence {
            found.push(error);
        }
        if !taken_out {
            break;
        }
    }
    (None, found)
}

/// Whether `key` is `inner` or a table around it.
fn surrounds(key: &str, inner: &str) -> bool {
    key.is_empty() || inner.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The sizes that others follow from stand in the section itself.
fn may_be_a_wrong_size(error: &OptionError) -> bool {
    !error.is_about_sizes() && !error.key.contains('.')
}

/// Takes the value at a dotted key out: with the whole table around it where it is the `kind`, without which the others
/// mean nothing. In a list, another of its values takes its place, so that those are looked at in theirs: the first, the
/// second where that is wrong as well (`times` = 1), and so on.
fn take_out(table: &mut Table, key: &str, times: usize) -> bool {
    let parts: Vec<&str> = key.split('.').collect();
    let end = parts.iter().position(|part| *part == "kind").filter(|&at| at > 0).unwrap_or(parts.len());
    let Some((last, outer)) = parts[..end].split_last() else { return false };
    let inner = outer.iter().try_fold(&mut *table, |table, part| table.get_mut(*part)?.as_table_mut());
    if let Some(inner) = inner {
        return inner.remove(*last).is_some();
    }
    // The element of a list.
    let (list_key, outer) = outer.split_last().expect("a table holds the list");
    let Some(inner) = outer.iter().try_fold(table, |table, part| table.get_mut(*part)?.as_table_mut()) else {
        return false;
    };
    let (Some(Value::Array(list)), Ok(index)) = (inner.get_mut(*list_key), last.parse::<usize>()) else {
        return false;
    };
    match (0..list.len()).filter(|at| *at != index).nth(times) {
        Some(other) if index < list.len() => {
            list[index] = list[other].clone();
            true
        }
        _ => inner.remove(*list_key).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use lrx_layers::deserialize;

    use super::*;

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Options {
        rank: usize,
        #[serde(default)]
        list: Vec<u32>,
        #[serde(default)]
        deep: Deep,
    }

    #[derive(Default, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Deep {
        kind: Option<u32>,
        size: Option<u32>,
    }

    fn keys(text: &str) -> Vec<String> {
        let (_, found) = resolve_all(text.parse().unwrap(), deserialize::<Options>);
        let mut keys: Vec<String> = found.into_iter().map(|error| error.key).collect();
        keys.sort();
        keys
    }

    #[test]
    fn every_mistake_is_found_and_no_consequence_of_one() {
        assert_eq!(keys("rank = 3"), [""; 0]);
        assert_eq!(keys("rank = 3\nrnak = 4\nlsit = 3"), ["lsit", "rnak"]);
        assert_eq!(keys("rank = 3\nlist = [1, -1, 2, -2]"), ["list.1", "list.3"]);
        assert_eq!(keys("rank = 3\nlist = [-1, -2, 2, -3]"), ["list.0", "list.1", "list.3"]);
        assert_eq!(keys("rank = 3\nlist = [-1]"), ["list.0"]);
        assert_eq!(keys("rank = 3\ndeep = { kind = -1, size = -1 }"), ["deep.kind"], "what kind has that size?");
        assert_eq!(keys("rank = 3\ndeep = { szie = 1, size = -1 }\nlist = 3"), ["deep.size", "deep.szie", "list"]);
        assert_eq!(keys("list = []"), [""], "the rank is missing");
        assert_eq!(keys("rnak = 3"), ["rnak"], "it is meant to be the rank");
    }
}
