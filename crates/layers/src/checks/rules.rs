//! Rules with every kind: it follows a rule, or says why it cannot.

use toml::{Table, Value};

use super::subject::{Made, make, numbers};
use crate::{LinearShape, Registry};

pub(super) fn every_rule(registry: &Registry) {
    for (of, rule, _) in registry.rules().iter() {
        let mut written: Table =
            rule.example.parse().unwrap_or_else(|error| panic!("{}: the example is TOML: {error}", rule.name));
        written.insert("rule".into(), rule.name.into());
        let (mut followed, mut refusals) = (0, Vec::new());
        for (kind, _) in registry.iter().filter(|(_, place)| place.is_none()) {
            for (inputs, outputs) in [(8, 8), (8, 12), (12, 8)] {
                let shape = LinearShape { inputs, outputs, bias: true };
                let plain: Table = kind.example.parse().expect("the kind's own check says so");
                let Ok(_) = registry.linear(kind.name, plain.clone(), shape) else { continue };
                let mut options = plain.clone();
                options.insert(of.key().into(), Value::Table(written.clone()));
                let name = format!("{} with {} = {}, {shape}", kind.name, of.key(), rule.name);
                match registry.linear(kind.name, options, shape) {
                    Ok(spec) => {
                        followed += 1;
                        let Made { parameters, .. } = make(5, |builder| spec.build("slot", builder));
                        let again = make(5, |builder| spec.build("slot", builder)).parameters;
                        assert!(numbers(&parameters).iter().all(|x| x.is_finite()), "{name}: finite numbers");
                        assert_eq!(numbers(&parameters), numbers(&again), "{name}: a seed gives the same again");
                        let factors = parameters.iter().flat_map(|entry| [entry.learning_rate, entry.decay]);
                        assert!(
                            factors.into_iter().all(|f| f >= 0.0 && f.is_finite()),
                            "{name}: factors of at least 0"
                        );
                        let mut written = spec.options.clone();
                        written.extend(spec.rules.options.clone());
                        let read = registry.linear(kind.name, written, shape).expect("what was written out is read");
                        assert_eq!(read.rules.options, spec.rules.options, "{name}: written out and read again");
                        assert_eq!(read.rules.identity, spec.rules.identity, "{name}: known by the same");
                    }
                    Err(error) => {
                        assert!(
                            error.key.starts_with(of.key()),
                            "{name}: the error is at the rule, not at {}",
                            error.key
                        );
                        assert!(error.message.contains(rule.name), "{name}: {:?} names the rule", error.message);
                        refusals.push(error.message);
                    }
                }
            }
        }
        assert!(followed > 0, "{} {}: no kind can follow it: {}", of.key(), rule.name, refusals.join("; "));
    }
}
