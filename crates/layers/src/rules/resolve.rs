//! From what a config says of rules to what they do to a layer.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::{Table, Value};

use super::{Decay, DecayGradient, ErasedRule, RuleOf, RuleSet, Target, find};
use crate::options::{known_names, without_defaults};
use crate::{OptionError, Start};

/// Rules as a config has them, for one layer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WrittenRules {
    values: BTreeMap<RuleOf, Value>,
}

impl WrittenRules {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the rules out of a table.
    pub fn take_from(table: &mut Table) -> Self {
        let values = RuleOf::ALL.into_iter().filter_map(|of| Some((of, table.remove(of.key())?)));
        Self { values: values.collect() }
    }

    /// These on top of `others`.
    pub fn over(&self, others: &WrittenRules) -> Self {
        let mut values = others.values.clone();
        values.extend(self.values.clone());
        Self { values }
    }

    /// What they do to `target`.
    ///
    /// # Errors
    /// An unknown rule or option, or one that the layer cannot follow; the key begins with `init`, `lr` or `decay`.
    pub(crate) fn resolve(&self, rules: &RuleSet, target: &Target<'_>) -> Result<Rules, OptionError> {
        let mut resolved = Rules { written: self.clone(), ..Rules::default() };
        let values = |of| self.values.get(&of);
        if let Some(value) = values(RuleOf::Init) {
            let texts = apply(&rules.init, None, value, target, &mut |starts| resolved.starts.extend(starts));
            resolved.keep(RuleOf::Init, texts)?;
        }
        if let Some(value) = values(RuleOf::LearningRate) {
            let number = Some(("flat", "factor"));
            let texts =
                apply(&rules.learning_rate, number, value, target, &mut |rates| resolved.learning_rates.extend(rates));
            resolved.keep(RuleOf::LearningRate, texts)?;
        }
        if let Some(value) = values(RuleOf::Decay) {
            let number = Some(("per-factor", "factor"));
            let texts = apply(&rules.decay, number, value, target, &mut |decay: Decay| {
                resolved.decays.extend(decay.factors);
                resolved.decay_gradient = decay.gradient.or(resolved.decay_gradient.take());
            });
            resolved.keep(RuleOf::Decay, texts)?;
        }
        Ok(resolved)
    }
}

/// What rules do to a layer.
#[derive(Clone, Default)]
pub struct Rules {
    written: WrittenRules,
    pub(crate) starts: Vec<(usize, Start)>,
    pub(crate) learning_rates: Vec<(usize, f64)>,
    pub(crate) decays: Vec<(usize, f64)>,
    pub(crate) decay_gradient: Option<Arc<DecayGradient>>,
    /// `init`, `lr` and `decay` as a config may have them, with every default filled in.
    pub options: Table,
    /// The same without the defaults, with the version of each rule.
    pub identity: Table,
}

impl Rules {
    /// What the tables show of a rule: its name, with options that are not at their default; empty where none is given.
    pub fn cell(&self, of: RuleOf) -> String {
        self.written.values.get(&of).map(text).unwrap_or_default()
    }

    /// Learning rates and decay for a layer that has changed.
    pub(crate) fn again(&self, rules: &RuleSet, target: &Target<'_>) -> Result<Rules, OptionError> {
        let values = self.written.values.iter().filter(|(of, _)| **of != RuleOf::Init);
        let written = WrittenRules { values: values.map(|(of, value)| (*of, value.clone())).collect() };
        let again = written.resolve(rules, target)?;
        Ok(Rules { written: self.written.clone(), ..again })
    }

    fn keep(&mut self, of: RuleOf, texts: Result<Texts, OptionError>) -> Result<(), OptionError> {
        let Texts { options, identity } = texts.map_err(|error| error.inside(of.key()))?;
        self.options.insert(of.key().into(), options);
        self.identity.insert(of.key().into(), identity);
        Ok(())
    }
}

/// A rule in words: `spectral`, `normal std=0.01`, `down=orthogonal up=normal`.
fn text(value: &Value) -> String {
    match value {
        Value::String(name) => name.clone(),
        Value::Table(table) => {
            let rule = table.get("rule").map(text);
            let others =
                table.iter().filter(|(key, _)| *key != "rule").map(|(key, value)| format!("{key}={}", text(value)));
            rule.into_iter().chain(others).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// A rule as a config may have it.
struct Texts {
    options: Value,
    identity: Value,
}

/// Applies what `value` says: a rule's name, a table with `rule` and its options, a table with the layer's parameters, or a
/// number, which is an option (the second of `number`) of a rule (the first).
fn apply<O>(
    rules: &BTreeMap<&'static str, ErasedRule<O>>,
    number: Option<(&str, &str)>,
    value: &Value,
    target: &Target<'_>,
    keep: &mut dyn FnMut(O),
) -> Result<Texts, OptionError> {
    let names = || rules.keys().copied().collect::<Vec<_>>();
    match (value, number) {
        (Value::String(name), _) => one(rules, name, Table::new(), target, keep),
        (Value::Table(table), _) if table.contains_key("rule") => {
            let mut options = table.clone();
            match options.remove("rule") {
                Some(Value::String(name)) => one(rules, &name, options, target, keep),
                other => {
                    let other = other.map(|value| value.to_string()).unwrap_or_default();
                    let message = format!("`rule` is {other}; expected the name of a rule in quotes");
                    Err(OptionError::new("rule", message))
                }
            }
        }
        (Value::Table(parameters), _) if target.only.is_none() => each(rules, number, parameters, target, keep),
        (Value::Float(_) | Value::Integer(_), Some((name, option))) => {
            one(rules, name, Table::from_iter([(option.to_string(), value.clone())]), target, keep)
        }
        (other, _) => {
            let message =
                format!("{other} is no rule; expected a name ({}) or a table with `rule`", names().join(", "));
            Err(OptionError::new("", message))
        }
    }
}

/// A table of rules for single parameters.
fn each<O>(
    rules: &BTreeMap<&'static str, ErasedRule<O>>,
    number: Option<(&str, &str)>,
    parameters: &Table,
    target: &Target<'_>,
    keep: &mut dyn FnMut(O),
) -> Result<Texts, OptionError> {
    let (mut options, mut identity) = (Table::new(), Table::new());
    for (key, value) in parameters {
        let place = target.declared.iter().position(|declared| declared.key() == key);
        let Some(only) = place else {
            let mut known: Vec<&str> = target.declared.iter().map(|declared| declared.key()).collect();
            known.push("rule");
            let message = format!("`{}` has no parameter `{key}`{}", target.kind, known_names(key, &known));
            return Err(OptionError::new(key, message));
        };
        let own = Target { only: Some(only), chain: target.chain.clone(), product: target.product.clone(), ..*target };
        let texts = apply(rules, number, value, &own, keep).map_err(|error| error.inside(key))?;
        options.insert(key.clone(), texts.options);
        identity.insert(key.clone(), texts.identity);
    }
    Ok(Texts { options: Value::Table(options), identity: Value::Table(identity) })
}

fn one<O>(
    rules: &BTreeMap<&'static str, ErasedRule<O>>,
    name: &str,
    options: Table,
    target: &Target<'_>,
    keep: &mut dyn FnMut(O),
) -> Result<Texts, OptionError> {
    let rule = find(rules, name)?;
    let filled = (rule.fill)(options.clone()).map_err(|error| error.also_known(&["rule"]))?;
    keep((rule.resolve)(options, target)?);
    let mut identity = without_defaults(&filled, |table| (rule.fill)(table).ok());
    let mut options = filled;
    for table in [&mut options, &mut identity] {
        table.insert("rule".into(), name.into());
    }
    identity.insert("version".into(), rule.about.version.into());
    Ok(Texts { options: Value::Table(options), identity: Value::Table(identity) })
}
