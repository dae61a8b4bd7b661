//! `[[train.optimizer.group]]`: parameters that have settings of their own.

use lrx_layers::{OptionError, ParameterEntry, Role, deserialize, to_table};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

/// Which parameters are meant, and what is theirs whatever the optimizer. The optimizer's options stand beside it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupKeys {
    /// Parameters of this role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Parameters of such a name; `*` stands for any text: "*.attn.*".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A factor on their learning rate, as `lr` of a layer is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr: Option<f64>,
    /// Their weight decay, in the place of that of [train].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
}

/// The keys of [`GroupKeys`].
pub(super) const GROUP_KEYS: [&str; 4] = ["role", "name", "lr", "weight_decay"];

/// A group as written: its own keys, and the optimizer's options beside them.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub keys: GroupKeys,
    /// As the optimizer fills them in.
    pub options: Table,
}

impl Group {
    /// Takes a group apart; the options are as written.
    pub fn read(mut table: Table) -> Result<Self, OptionError> {
        if table.contains_key("learning_rate") {
            let message = "a group has no learning rate of its own, but a factor on that of [train]: `lr`";
            return Err(OptionError::new("learning_rate", message));
        }
        let own = GROUP_KEYS.into_iter().filter_map(|key| Some((key.to_string(), table.remove(key)?))).collect();
        let keys: GroupKeys = deserialize(own)?;
        if keys.role.is_none() && keys.name.is_none() {
            return Err(OptionError::new("", "which parameters are meant? expected `role` or `name`, or both"));
        }
        let numbers = [("lr", keys.lr), ("weight_decay", keys.weight_decay)];
        for (key, number) in numbers.into_iter().filter_map(|(key, number)| Some((key, number?))) {
            super::check_not_negative(key, number)?;
        }
        Ok(Self { keys, options: table })
    }

    pub fn holds(&self, parameter: &ParameterEntry) -> bool {
        let GroupKeys { role, name, .. } = &self.keys;
        role.is_none_or(|role| role == parameter.role)
            && name.as_ref().is_none_or(|pattern| matches(pattern.as_bytes(), parameter.name.as_bytes()))
    }

    /// The group, as the optimizer understands it.
    pub fn table(&self) -> Table {
        let mut table = to_table(&self.keys);
        table.extend(self.options.clone());
        table
    }

    /// What is meant, for a message.
    pub fn text(&self) -> String {
        let role = self.keys.role.map(|role| format!("role = {}", Value::try_from(role).expect("a word")));
        let name = self.keys.name.as_ref().map(|name| format!("name = {name:?}"));
        role.into_iter().chain(name).collect::<Vec<_>>().join(", ")
    }
}

/// Whether `pattern`, in which `*` stands for any text, is all of `text`.
///
/// Each star takes as little as it can; where the rest does not fit, the last star takes one more. That is enough: what an
/// earlier star could take more, the last one can.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None; // Behind the last star, and where what follows it was tried.
    while read < text.len() {
        if pattern.get(at) == Some(&b'*') {
            at += 1;
            star = Some((at, read));
        } else if pattern.get(at) == Some(&text[read]) {
            (at, read) = (at + 1, read + 1);
        } else if let Some((behind, tried)) = star {
            (at, read) = (behind, tried + 1);
            star = Some((behind, tried + 1));
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|&rest| rest == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        let name = "transformer.h.0.attn.attention.q_proj.weight";
        for yes in ["*", "*.attn.*", name, "*weight", "transformer*", "**q_proj**", "*.h.*.q_proj.*", "*t*t*t*"] {
            assert!(matches(yes.as_bytes(), name.as_bytes()), "{yes}");
        }
        for no in ["", "attn", "*.attn", "*.mlp.*", "weight*", "*.weight.*", "*q_proj*q_proj*"] {
            assert!(!matches(no.as_bytes(), name.as_bytes()), "{no}");
        }
        assert!(matches(b"", b"") && matches(b"*", b"") && !matches(b"a", b""));
    }
}
