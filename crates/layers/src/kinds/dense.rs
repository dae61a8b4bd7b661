//! The ordinary matrix.

use lrx_tensor::{Activation, Matrix, ops};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GPT_NEO_STD;
use crate::{About, Builder, Chain, Cost, Linear, LinearKind, LinearShape, ParameterId, Parameters, Pass};

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
            summary: "an ordinary matrix",
            description: "y = W x + b, W: outputs × inputs.\n\
                Parameters: outputs · inputs. Initial W: N(0, 0.02²), b: 0, as in GPT-Neo.",
            example: "",
        }
    }

    fn cost(&self, _: &DenseOptions, shape: &LinearShape) -> Cost {
        Cost::of_matrices(shape.outputs * shape.inputs, shape)
    }

    fn build(&self, _: &DenseOptions, shape: &LinearShape, builder: &mut Builder<'_>) -> Box<dyn Linear> {
        let (rows, columns) = (shape.outputs, shape.inputs);
        let weight = builder.normal("weight", rows * columns, GPT_NEO_STD);
        Box::new(DenseLayer { weight: builder.matrix("weight", rows, columns, weight), bias: builder.bias(shape) })
    }
}

impl Linear for DenseLayer {
    fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        ops::linear(x, &pass[self.weight], self.bias.map(|bias| &pass[bias]))
    }

    fn dense_equivalent(&self, parameters: &Parameters) -> Matrix {
        parameters[self.weight].value().clone()
    }

    fn chain(&self) -> Option<Chain> {
        Some(Chain { matrices: vec![self.weight], bias: self.bias })
    }
}
