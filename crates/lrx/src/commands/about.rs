//! A kind or a rule, as `lrx layers` and `lrx rules` tell of it.

use lrx_layers::About;
use schemars::Schema;
use serde_json::Value;

use crate::terminal::say;

/// Its name, its mathematics, its options and their defaults.
pub(super) fn print_about(About { name, version, summary, description, .. }: &About, schema: &Schema) {
    let version = if *version == 1 { String::new() } else { format!(" (version {version})") };
    say!("{name}{version}: {summary}\n\n{description}\n\nOptions:");
    let schema = schema.as_value();
    let options = schema["properties"].as_object();
    if options.is_none_or(|options| options.is_empty()) {
        say!("  none");
    }
    let required = |key: &String| schema["required"].as_array().is_some_and(|all| all.iter().any(|name| name == key));
    for (key, option) in options.into_iter().flatten() {
        let default = match option.get("default") {
            Some(Value::Null) | None if !required(key) => "optional".to_string(),
            Some(default) => format!("default {}", in_few_digits(default)),
            None => "required".to_string(),
        };
        let text = option["description"].as_str().unwrap_or("").replace('\n', " ");
        say!("  {key} ({default})  {text}");
        let definition = option["$ref"].as_str().and_then(|reference| schema.pointer(reference.strip_prefix('#')?));
        for (value, text) in variants(definition.unwrap_or(option)) {
            say!("    {value}  {}", text.replace('\n', " "));
        }
    }
}

/// A value as people write it: of a number that is kept in single precision, the digits that single precision has.
fn in_few_digits(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            let number = number.as_f64().unwrap_or_default();
            let single = number as f32;
            let shortest = single.to_string().parse().unwrap_or(number);
            if f64::from(single) == number { shortest.into() } else { value.clone() }
        }
        Value::Array(values) => values.iter().map(in_few_digits).collect(),
        Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), in_few_digits(value))).collect(),
        value => value.clone(),
    }
}

/// The values of an option that has only so many, with their descriptions.
fn variants(schema: &Value) -> Vec<(String, &str)> {
    let variants = schema["oneOf"].as_array().into_iter().flatten();
    variants.map(|variant| (variant["const"].to_string(), variant["description"].as_str().unwrap_or(""))).collect()
}
