//! Which layers a part of a config speaks of: `"late"`, `"0,2-3"`, `[0, 2]`.

use toml::Value;

use crate::OptionError;
use crate::options::nearest;

type IsIn = fn(usize, usize) -> bool;

/// The names of sets of layers, each with whether layer i of n is in it.
const NAMED: [(&str, IsIn); 7] = [
    ("all", |_, _| true),
    ("early", |i, n| i < n.div_ceil(2)),
    ("late", |i, n| i >= n.div_ceil(2)),
    ("first", |i, _| i == 0),
    ("last", |i, n| i + 1 == n),
    ("even", |i, _| i % 2 == 0),
    ("odd", |i, _| i % 2 == 1),
];

/// Whether each of `layers` layers is among those that `value` names: a name (`"all"`, `"early"`: the first half, the middle
/// one included, `"late"`: the rest, `"first"`, `"last"`, `"even"`: 0, 2, …, `"odd"`), a number, a range (`"2-3"`), several
/// with commas between them, or a list of these.
///
/// # Errors
/// What is none of these, a layer that the model does not have, or no layer at all.
pub fn selected_layers(value: &Value, layers: usize) -> Result<Vec<bool>, OptionError> {
    let mut selected = vec![false; layers];
    let parts = match value {
        Value::Array(parts) => parts.as_slice(),
        one => std::slice::from_ref(one),
    };
    for part in parts {
        match part {
            Value::Integer(layer) => select(&mut selected, &layer.to_string())?,
            Value::String(text) => text.split(',').try_for_each(|part| select(&mut selected, part.trim()))?,
            other => return Err(error(format!("`layers` is {other}; {EXPECTED}"))),
        }
    }
    if !selected.contains(&true) {
        return Err(error(format!("`layers` is {value}, which is no layer of a model with {layers}")).about_sizes());
    }
    Ok(selected)
}

const EXPECTED: &str = "expected \"early\", \"late\", \"first\", \"last\", \"even\", \"odd\", \"all\", numbers from 0 such as \
    \"0,2-3\", or a list of these";

fn error(message: String) -> OptionError {
    OptionError::new("layers", message)
}

fn select(selected: &mut [bool], part: &str) -> Result<(), OptionError> {
    let layers = selected.len();
    if let Some((_, is_in)) = NAMED.iter().find(|(name, _)| *name == part) {
        (0..layers).filter(|&i| is_in(i, layers)).for_each(|i| selected[i] = true);
        return Ok(());
    }
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    let (Ok(first), Ok(last)) = (first.trim().parse::<usize>(), last.trim().parse::<usize>()) else {
        let names = NAMED.iter().map(|(name, _)| *name);
        let hint = nearest(part, names).map(|name| format!("; did you mean \"{name}\"?")).unwrap_or_default();
        return Err(error(format!("`layers` has \"{part}\"; {EXPECTED}{hint}")));
    };
    if first > last {
        return Err(error(format!("`layers` has the range {part}, which ends before it begins")));
    }
    if last >= layers {
        let message = format!("`layers` has {part}, but the model's layers are 0 to {}", layers - 1);
        return Err(error(message).about_sizes());
    }
    selected[first..=last].fill(true);
    Ok(())
}

/// Layers as a config may name them: `all`, `0`, `0,2-3`.
pub fn layers_text(selected: &[bool]) -> String {
    if selected.iter().all(|&is_in| is_in) {
        return "all".to_string();
    }
    let mut parts = Vec::new();
    let mut i = 0;
    while i < selected.len() {
        let run = selected[i..].iter().take_while(|&&is_in| is_in).count();
        match run {
            0 => i += 1,
            1 => parts.push(i.to_string()),
            _ => parts.push(format!("{i}-{}", i + run - 1)),
        }
        i += run;
    }
    parts.join(",")
}

/// Layers in words: `late`, `layers 0 3`; nothing for all of them.
pub fn layers_words(selected: &[bool]) -> Option<String> {
    if selected.iter().all(|&is_in| is_in) {
        return None;
    }
    let is_named = |(_, is_in): &&(&str, IsIn)| (0..selected.len()).all(|i| is_in(i, selected.len()) == selected[i]);
    let named = NAMED.iter().find(is_named).map(|(name, _)| name.to_string());
    Some(named.unwrap_or_else(|| format!("layers {}", layers_text(selected).replace(',', " "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(value: &str, count: usize) -> Result<String, String> {
        let table: toml::Table = format!("x = {value}").parse().unwrap();
        let chosen = selected_layers(&table["x"], count).map_err(|error| error.message)?;
        Ok(chosen.iter().map(|&is_in| if is_in { 'x' } else { '.' }).collect())
    }

    #[test]
    fn layers_are_named_in_words_and_numbers() {
        let should = [
            ("'early'", "xx.."),
            ("'late'", "..xx"),
            ("'first'", "x..."),
            ("'last'", "...x"),
            ("'even'", "x.x."),
            ("'odd'", ".x.x"),
            ("'all'", "xxxx"),
            ("2", "..x."),
            ("'1-2'", ".xx."),
            ("'0, 2-3'", "x.xx"),
            ("[0, 3]", "x..x"),
            ("['first', 'last']", "x..x"),
        ];
        for (value, should) in should {
            assert_eq!(layers(value, 4).as_deref(), Ok(should), "{value}");
        }
        assert_eq!((layers("'early'", 5).unwrap(), layers("'late'", 5).unwrap()), ("xxx..".into(), "...xx".into()));
    }

    #[test]
    fn what_is_no_layer_is_told() {
        assert!(layers("'erly'", 4).unwrap_err().contains("did you mean \"early\"?"));
        assert_eq!(layers("4", 4).unwrap_err(), "`layers` has 4, but the model's layers are 0 to 3");
        assert!(layers("'3-1'", 4).unwrap_err().contains("ends before it begins"));
        assert!(layers("'odd'", 1).unwrap_err().contains("no layer of a model with 1"));
        assert!(layers("-1", 4).is_err() && layers("1.5", 4).is_err() && layers("[]", 4).is_err());
    }

    #[test]
    fn layers_in_words() {
        for (selected, words) in [
            (&[true, true][..], None),
            (&[false, true], Some("late")),
            (&[true, false, false], Some("first")),
            (&[false, false, true, true], Some("late")),
            (&[true, false, true, false], Some("even")),
            (&[true, false, true, true], Some("layers 0 2-3")),
        ] {
            assert_eq!(layers_words(selected).as_deref(), words, "{selected:?}");
        }
    }

    #[test]
    fn layers_written_out_are_read_again() {
        for bits in 1..64_u32 {
            let chosen: Vec<bool> = (0..6).map(|i| bits >> i & 1 == 1).collect();
            assert_eq!(selected_layers(&Value::String(layers_text(&chosen)), 6), Ok(chosen));
        }
    }
}
