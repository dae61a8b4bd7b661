//! An optimizer at work: what it keeps for each parameter, from update to update.

use std::collections::HashSet;
use std::sync::Arc;

use lrx_layers::{OptionError, ParameterEntry, ParameterId, Parameters};
use lrx_tensor::adamw;

use super::spec::Settings;
use super::{OptimizerSpec, ParameterStep, Rule};
use crate::Update;

/// An optimizer over all parameters of a model, with clipping by the global norm.
///
/// Parameters may come and go: [`follow`](Self::follow) has to be told. What it keeps for one that comes starts from zero.
pub struct Optimizer {
    spec: OptimizerSpec,
    /// In the order in which the parameters came, which sums of all depend on.
    members: Vec<Member>,
}

struct Member {
    id: ParameterId,
    name: String,
    rule: Arc<dyn Rule>,
    learning_rate: f64,
    weight_decay: Option<f64>,
    moments: Vec<Vec<f32>>,
}

/// The numbers that an optimizer keeps for one parameter.
pub(crate) struct StoredMoment<'a> {
    pub name: String,
    pub values: &'a [f32],
}

impl Optimizer {
    /// The optimizer before the first update.
    ///
    /// # Errors
    /// When the groups do not fit the parameters; the key is relative to `[train.optimizer]`.
    pub fn new(spec: &OptimizerSpec, parameters: &Parameters) -> Result<Self, OptionError> {
        spec.check(parameters)?;
        let mut optimizer = Self { spec: spec.clone(), members: Vec::new() };
        optimizer.follow(parameters)?;
        Ok(optimizer)
    }

    /// Drops what it keeps for parameters that are gone, and takes up those that have come.
    ///
    /// # Errors
    /// When settings of several groups that hold for a new parameter do not fit together.
    pub fn follow(&mut self, parameters: &Parameters) -> Result<(), OptionError> {
        let there: HashSet<ParameterId> = parameters.ids().collect();
        self.members.retain(|member| there.contains(&member.id));
        if self.members.len() == there.len() {
            return Ok(());
        }
        let known: HashSet<ParameterId> = self.members.iter().map(|member| member.id).collect();
        for id in parameters.ids().filter(|id| !known.contains(id)) {
            let member = self.member(id, parameters.entry(id))?;
            self.members.push(member);
        }
        Ok(())
    }

    fn member(&self, id: ParameterId, entry: &ParameterEntry) -> Result<Member, OptionError> {
        let Settings { rule, learning_rate, weight_decay } = self.spec.settings(entry)?;
        let moments = rule.moments(entry).iter().map(|moment| vec![0.0; moment.count]).collect();
        Ok(Member { id, name: entry.name.clone(), rule, learning_rate, weight_decay, moments })
    }

    /// The norm of all gradients together: √Σ g².
    pub fn gradient_norm(&self, parameters: &Parameters) -> f64 {
        self.members.iter().map(|member| adamw::squared_norm(&parameters[member.id])).sum::<f64>().sqrt()
    }

    /// One step on every parameter. `norm` is the gradients' [`gradient_norm`](Self::gradient_norm).
    pub fn step(&mut self, parameters: &mut Parameters, update: &Update, norm: f64) {
        let &Update { number, learning_rate, weight_decay, clip_norm, .. } = update;
        // PyTorch's clip_grad_norm_ adds the same 1e-6.
        let gradient_scale = if clip_norm > 0.0 { (clip_norm / (norm + 1e-6)).min(1.0) } else { 1.0 };
        for member in &mut self.members {
            let entry = parameters.entry(member.id);
            let step = ParameterStep {
                learning_rate: learning_rate * entry.learning_rate * member.learning_rate,
                weight_decay: member.weight_decay.unwrap_or(weight_decay) * entry.decay,
                number: number - entry.born,
                gradient_scale,
            };
            member.rule.update(parameters, member.id, &mut member.moments, &step);
        }
    }

    /// The names of the parameters in the order in which they came.
    pub(crate) fn order(&self) -> Vec<String> {
        self.members.iter().map(|member| member.name.clone()).collect()
    }

    /// All that it keeps, under names that tell the optimizer, what it is, and the parameter: `adamw.first.…`.
    pub(crate) fn stored<'a>(&'a self, parameters: &'a Parameters) -> impl Iterator<Item = StoredMoment<'a>> + 'a {
        self.members.iter().flat_map(|member| {
            let moments = member.rule.moments(parameters.entry(member.id));
            let named = moments.into_iter().zip(&member.moments);
            named.map(|(moment, values)| StoredMoment { name: self.stored_name(moment.name, &member.name), values })
        })
    }

    fn stored_name(&self, moment: &str, parameter: &str) -> String {
        format!("{}.{moment}.{parameter}", self.spec.kind())
    }

    /// The optimizer of the same spec that was stored: its parameters in their `order`, and so many numbers under each
    /// name from `take`.
    ///
    /// # Errors
    /// When `order` does not hold the names of the parameters, or `take` fails.
    pub(crate) fn stored_as<E>(
        &self,
        parameters: &Parameters,
        order: &[String],
        mut take: impl FnMut(&str, usize) -> Result<Vec<f32>, E>,
        error: impl Fn(String) -> E,
    ) -> Result<Self, E> {
        let mut members = Vec::new();
        for name in order {
            let id = parameters.find(name).ok_or_else(|| error(format!("the model has no parameter `{name}`")))?;
            let entry = parameters.entry(id);
            let mut member = self.member(id, entry).map_err(|wrong| error(wrong.to_string()))?;
            for (moment, values) in member.rule.moments(entry).iter().zip(&mut member.moments) {
                *values = take(&self.stored_name(moment.name, name), moment.count)?;
            }
            members.push(member);
        }
        let different: HashSet<&str> = order.iter().map(String::as_str).collect();
        if different.len() != order.len() || order.len() != parameters.ids().count() {
            return Err(error("the optimizer's parameters are not those of the model".into()));
        }
        Ok(Self { spec: self.spec.clone(), members })
    }
}
