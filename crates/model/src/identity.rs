//! What tells a model from others whose training gives other numbers.

use toml::{Table, Value};

use crate::ModelSpec;

impl ModelSpec {
    /// The section, however it was written: `init_from` by its content, wherever it lies.
    pub fn identity(&self) -> Table {
        let mut identity = self.resolved();
        if let Some(Value::Table(file)) = identity.get_mut("init_from") {
            file.remove("file");
        }
        identity
    }
}
