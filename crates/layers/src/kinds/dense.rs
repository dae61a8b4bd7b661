//! The ordinary matrix.

use lrx_tensor::{Activation, Matrix, ops};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    About, Chain, Linear, LinearKind, LinearShape, OptionError, ParameterId, Parameters, Pass, Plan, Progress, Values,
};

/// `y = W x + b`
pub struct Dense;

/// A dense matrix has no options.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DenseOptions {}

struct DenseLayer {
    weight: ParameterId,
    bias: Option<ParameterId>,
}

impl LinearKind for Dense {
    type Options = DenseOptions;

    fn about(&self) -> About {
        About {
            name: "dense",
            version: 1,
            summary: "an ordinary matrix",
            description: "y = W x + b, W: outputs × inputs.\n\
                Parameters: outputs · inputs. Initial W: N(0, 0.02²), b: 0, as in GPT-Neo.",
            example: "",
        }
    }

    fn layer(&self, _: &DenseOptions, shape: &LinearShape, plan: &mut Plan) -> Result<Box<dyn Linear>, OptionError> {
        let weight = plan.matrix("weight", shape.outputs, shape.inputs);
        plan.chain(&[weight]);
        Ok(Box::new(DenseLayer { weight, bias: plan.bias(shape) }))
    }
}

impl Linear for DenseLayer {
    fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        ops::linear(x, &pass[self.weight], self.bias.map(|bias| &pass[bias]))
    }

    fn dense_equivalent(&self, parameters: &Parameters, _: Progress) -> Option<Matrix> {
        Some(parameters[self.weight].value().clone())
    }

    fn approximation(&self, dense: &Matrix, _: &Parameters) -> Option<Values> {
        Some(vec![(self.weight, dense.clone())])
    }

    fn chain(&self) -> Option<Chain> {
        Some(Chain { matrices: vec![self.weight], bias: self.bias })
    }
}
