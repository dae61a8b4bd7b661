//! Layers over a training: what they change can be made anew from their beginning.

use lrx_tensor::{Tape, values};

use super::gradients;
use super::subject::{Made, copy_by_name, disturb, input, make, run_at};
use crate::{LinearSpec, Parameters, PlacedLinear, Progress};

/// A training of four updates: after each, the layer as it is equals one that is made from the beginning, brought to the same
/// structure and given the same numbers; its gradients are right; it keeps its word on what it costs to deploy.
pub(super) fn over_a_training(name: &str, spec: &LinearSpec) {
    let steps = 4;
    let Made { mut parameters, layer: mut placed } = make(3, |builder| spec.build("slot", builder));
    disturb(&mut parameters);
    for step in 0..=steps {
        let progress = Progress { step, steps };
        let name = format!("{name}, after {step} of {steps} updates");
        placed.on_step(&mut parameters, progress).unwrap_or_else(|error| panic!("{name}: {error}"));
        let outputs = |placed: &PlacedLinear, parameters: &Parameters| {
            let forward = |pass: &crate::Pass<'_>, x| placed.linear().forward(pass, x);
            values(&run_at(&forward, parameters, input(spec.shape.inputs), &Tape::silent(), progress)).to_vec()
        };
        let is = outputs(&placed, &parameters);
        assert!(is.iter().all(|y| y.is_finite()), "{name}: finite outputs");

        // As a checkpoint is read: from the beginning, in another process.
        let Made { parameters: mut again, layer: mut restored } = make(3, |builder| spec.build("slot", builder));
        if let Some(structure) = placed.linear().structure() {
            restored.restore(&mut again, &structure).unwrap_or_else(|error| panic!("{name}: {error}"));
            let said = restored.linear().structure();
            assert_eq!(said.as_deref(), Some(structure.as_str()), "{name}: the structure that it was brought to");
        }
        copy_by_name(&name, &parameters, &mut again);
        assert_eq!(is, outputs(&restored, &again), "{name}: the same after it was restored");
        for (entry, other) in parameters.iter().zip(again.iter()) {
            let rules = |e: &crate::ParameterEntry| (e.learning_rate.to_bits(), e.decay.to_bits(), e.role);
            assert_eq!(rules(entry), rules(other), "{name}: rules of {} after it was restored", entry.name);
        }

        if step == 0 || placed.linear().structure().is_some() {
            let forward = |pass: &crate::Pass<'_>, x| placed.linear().forward(pass, x);
            gradients::check(&name, &forward, &mut parameters, input(spec.shape.inputs), progress);
        }
    }
}
