//! Layers whose structure changes while they are trained.

use lrx_tensor::{Matrix, Parameter, dims};

use crate::{FixedId, ParameterEntry, ParameterId, Parameters, Role};

/// How a layer gives up parameters and takes others during training (see [`Linear::on_step`](crate::Linear::on_step)).
///
/// New parameters start with an optimizer's state of zeros, and its bias corrections count from the update at which they came.
/// The rules of learning rate and decay that the config gives the layer are applied to them anew.
pub struct Change<'a> {
    parameters: &'a mut Parameters,
    prefix: &'a str,
    born: u64,
    changed: bool,
}

impl<'a> Change<'a> {
    pub(crate) fn new(parameters: &'a mut Parameters, prefix: &'a str, born: u64) -> Self {
        Self { parameters, prefix, born, changed: false }
    }

    pub(crate) fn has_changed(&self) -> bool {
        self.changed
    }

    /// All parameters, as they are now.
    pub fn parameters(&self) -> &Parameters {
        self.parameters
    }

    /// Takes a parameter out of the model: its last values.
    ///
    /// # Panics
    /// When it does not exist.
    pub fn remove(&mut self, id: ParameterId) -> Matrix {
        self.changed = true;
        self.parameters.remove(id).parameter.value().clone()
    }

    /// Takes fixed numbers out of the model.
    ///
    /// # Panics
    /// When they do not exist.
    pub fn remove_fixed(&mut self, id: FixedId) {
        self.changed = true;
        self.parameters.remove_fixed(id);
    }

    /// Adds a trained matrix that is multiplied with.
    ///
    /// # Panics
    /// When the name is taken.
    pub fn matrix(&mut self, name: &str, value: Matrix) -> ParameterId {
        self.add(name, Role::Factor, false, value)
    }

    /// Adds a trained vector, a matrix of one row.
    ///
    /// # Panics
    /// When the name is taken, or there is more than one row.
    pub fn vector(&mut self, name: &str, role: Role, value: Matrix) -> ParameterId {
        assert_eq!(dims(&value).0, 1, "a vector is one row");
        self.add(name, role, true, value)
    }

    fn add(&mut self, name: &str, role: Role, is_vector: bool, value: Matrix) -> ParameterId {
        self.changed = true;
        self.parameters.add(ParameterEntry {
            name: format!("{}.{name}", self.prefix),
            role,
            is_vector,
            blocks: 1,
            parameter: Parameter::new(value),
            learning_rate: 1.0,
            decay: if is_vector { 0.0 } else { 1.0 },
            born: self.born,
        })
    }
}
