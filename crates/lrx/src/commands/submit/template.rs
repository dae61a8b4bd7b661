//! Texts with named placeholders, `{{name}}`.

use std::collections::BTreeMap;

/// What stands for each placeholder.
pub(super) type Values = BTreeMap<String, String>;

/// The text of the template `source` with values in the place of its placeholders.
///
/// # Errors
/// A placeholder that no value has the name of, or one that does not end on its line, with its place.
pub(super) fn filled(source: &str, template: &str, values: &Values) -> Result<String, String> {
    let mut text = String::new();
    for (i, line) in template.split_inclusive('\n').enumerate() {
        let at = format!("{source}:{}", i + 1);
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((name, after)) = after.split_once("}}") else {
                return Err(format!("{at}: `{{{{` without `}}}}`; a placeholder is written {{{{name}}}}"));
            };
            let name = name.trim();
            let value = values.get(name).ok_or_else(|| unknown(&at, name, values))?;
            text.push_str(before);
            text.push_str(value);
            rest = after;
        }
        text.push_str(rest);
    }
    Ok(text)
}

fn unknown(at: &str, name: &str, values: &Values) -> String {
    let nearest = lrx_layers::nearest(name, values.keys().map(String::as_str));
    let hint = nearest.map(|name| format!("; did you mean {{{{{name}}}}}?")).unwrap_or_default();
    let known = values.keys().cloned().collect::<Vec<_>>().join(", ");
    format!("{at}: unknown placeholder {{{{{name}}}}}{hint} (known: {known}; --value {name}=TEXT gives it a value)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_unknown_ones_are_errors_at_their_place() {
        let values = Values::from([("cores".into(), "4".into()), ("name".into(), "{{cores}}".into())]);
        let of = |template| filled("a.sh", template, &values);
        assert_eq!(of("n={{cores}} {{ name }}\n${x} {y}").unwrap(), "n=4 {{cores}}\n${x} {y}");
        let error = of("a\nb {{core}}\n").unwrap_err();
        assert!(error.starts_with("a.sh:2: unknown placeholder {{core}}; did you mean {{cores}}? (known: cores, name"));
        assert!(of("\n\n{{cores").unwrap_err().starts_with("a.sh:3: "));
    }
}
