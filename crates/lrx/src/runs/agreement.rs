//! Whether what lies in a run's folder is of the config that asks for it.

use std::io::ErrorKind;
use std::path::Path;

use toml::{Table, Value};

use crate::results::{RESOLVED_FILE, about, write_text_unflushed};

/// Writes `resolved.toml`, or finds that the one that is there says the same.
///
/// # Errors
/// When it says something else about the numbers: what is in the folder comes from another config.
pub(crate) fn agree_on_config(folder: &Path, resolved: &Table) -> Result<(), String> {
    let path = folder.join(RESOLVED_FILE);
    let known = match lrx_files::read_to_string(&path) {
        // The machine stopped before it was on the disk.
        Ok(text) if text.trim_matches('\0').is_empty() => return write_text_unflushed(&path, &resolved.to_string()),
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return write_text_unflushed(&path, &resolved.to_string());
        }
        Err(error) => return Err(about(&path)(error)),
    };
    let difference = match known.parse::<Table>() {
        Ok(known) => first_difference("", &Value::Table(numeric(known)), &Value::Table(numeric(resolved.clone()))),
        Err(error) => Some(format!("it is not valid TOML: {}", error.message())),
    };
    match difference {
        None => Ok(()),
        Some(difference) => Err(format!(
            "{} is not what this config resolves to: {difference}. What is in its folder belongs to another config; \
             move the folder away, or delete it, to train this run",
            path.display()
        )),
    }
}

/// Without what the numbers do not depend on: names, and where files lie.
fn numeric(mut table: Table) -> Table {
    table.remove("name");
    table.remove("label");
    fn without_paths(table: &mut Table) {
        table.remove("file");
        table.iter_mut().filter_map(|(_, value)| value.as_table_mut()).for_each(without_paths);
    }
    without_paths(&mut table);
    table
}

fn first_difference(key: &str, there: &Value, here: &Value) -> Option<String> {
    let (Value::Table(there), Value::Table(here)) = (there, here) else {
        return (there != here).then(|| format!("`{key}` is {there} there and {here} here"));
    };
    let join = |name: &String| if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
    // A key of one side only is at its default on the other: an option that one of two versions does not know.
    there.iter().find_map(|(name, value)| first_difference(&join(name), value, here.get(name)?))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_never_reached_the_disk_is_written_again_and_another_config_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(RESOLVED_FILE);
        let config =
            |rate: f64| Table::from_iter([("train".into(), Table::from_iter([("rate".into(), rate.into())]).into())]);
        // As a machine leaves it that stopped before: not there, empty, of zeros.
        for lost in [None, Some(""), Some("\0\0\0")] {
            lost.into_iter().for_each(|content| fs::write(&path, content).unwrap());
            agree_on_config(folder.path(), &config(1e-3)).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), config(1e-3).to_string());
            let other = agree_on_config(folder.path(), &config(2e-3)).unwrap_err();
            assert!(other.contains("`train.rate` is 0.001 there and 0.002 here"), "{other}");
            fs::remove_file(&path).unwrap();
        }
    }
}
