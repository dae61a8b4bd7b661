//! A row of JSON: which of its strings is the story.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;

use super::key::Key;
use super::pieces::normalized;

/// What is wrong with a row, and at which of its bytes, if at one.
#[derive(Debug)]
pub(super) struct RowError {
    pub(super) at: Option<usize>,
    pub(super) message: String,
}

/// The keys of an object, with what stands under each.
type Object<'a> = HashMap<Cow<'a, str>, &'a RawValue>;

/// The story of a row that stands in `row`: an object, a string, or `null`; none if it holds none.
pub(super) fn story(row: &str, key: Key) -> Result<Option<String>, RowError> {
    let wrong = |message: String| RowError { at: None, message };
    match row.as_bytes().first() {
        Some(b'{') => {}
        Some(b'"') => {
            let text: String = serde_json::from_str(row).map_err(|error| json_error(row, row, &error))?;
            return match key {
                Key::Given(_) => Err(wrong(format!("a string has no key {}; expected an object", key.expected()))),
                Key::Known => Ok(Some(normalized(&text)).filter(|story| !story.is_empty())),
            };
        }
        _ if row == "null" => return Ok(None),
        first => {
            let hint = if first == Some(&b'[') { "; `jq -c '.[]'` makes an array so" } else { "" };
            return Err(wrong(format!("expected a JSON object with the story under {}{hint}", key.expected())));
        }
    }
    let object: Object = serde_json::from_str(row).map_err(|error| json_error(row, row, &error))?;
    let mut is_there = false;
    for name in key.names() {
        let Some(value) = value(&object, name, row)? else { continue };
        is_there = true;
        let text: Option<String> =
            serde_json::from_str(value.get()).map_err(|error| json_error(row, value.get(), &error))?;
        if let Some(story) = text.map(|text| normalized(&text)).filter(|story| !story.is_empty()) {
            return Ok(Some(story));
        }
    }
    if is_there {
        return Ok(None);
    }
    let hint = key.nearest(object.keys().map(|key| &**key));
    Err(wrong(format!("the object has no string under {}{hint}", key.expected())))
}

/// What stands under `name`, or under the keys that it is made of.
fn value<'a>(object: &Object<'a>, name: &str, row: &str) -> Result<Option<&'a RawValue>, RowError> {
    if let Some(value) = object.get(name) {
        return Ok(Some(value));
    }
    for (dot, _) in name.match_indices('.') {
        let Some(inner) = object.get(&name[..dot]).filter(|inner| inner.get().starts_with('{')) else { continue };
        let inner: Object = serde_json::from_str(inner.get()).map_err(|error| json_error(row, inner.get(), &error))?;
        if let Some(value) = value(&inner, &name[dot + 1..], row)? {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// The message of an error in `part` of `row`.
fn json_error(row: &str, part: &str, error: &serde_json::Error) -> RowError {
    let text = error.to_string();
    let mut cause = text.rsplit_once(" at line ").map_or(text.as_str(), |(cause, _)| cause);
    if cause.contains("surrogate") || cause == "unexpected end of hex escape" {
        cause = "an escape from \\ud800 to \\udfff is half of a character, and its other half is missing beside it; \
                 write the whole character, or leave it out";
    }
    let before = part.as_ptr() as usize - row.as_ptr() as usize;
    let lines = part.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
    RowError { at: Some(before + lines + error.column()), message: cause.to_owned() }
}
