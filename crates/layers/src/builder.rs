//! From what a layer declares to parameters with values.

use std::collections::BTreeMap;
use std::sync::Arc;

use lrx_tensor::{Parameter, matrix};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal, Uniform};

use crate::plan::{DeclaredFixed, FixedStart};
use crate::{Declared, Fixed, FixedEntry, ParameterEntry, ParameterId, Parameters, Plan, Size, Start};

/// What parameters are made with: it knows their place in the model, and the seed.
pub struct Builder<'p> {
    parameters: &'p mut Parameters,
    shared: &'p mut BTreeMap<String, ParameterId>,
    prefix: String,
    seed: u64,
}

impl<'p> Builder<'p> {
    /// A builder at the root of the model. `shared` remembers what layers share.
    pub fn new(parameters: &'p mut Parameters, shared: &'p mut BTreeMap<String, ParameterId>, seed: u64) -> Self {
        Self { parameters, shared, prefix: String::new(), seed }
    }

    /// A builder for a part of this layer; names made with it start with `name` and a dot.
    pub fn scope(&mut self, name: &str) -> Builder<'_> {
        let prefix = self.full_name(name);
        Builder { parameters: self.parameters, shared: self.shared, prefix, seed: self.seed }
    }

    /// An empty plan for what is to be made here.
    pub fn plan(&self) -> Plan {
        let known = self.shared.iter().map(|(name, &id)| {
            let entry = self.parameters.entry(id);
            let (rows, columns) = entry.parameter.dims();
            let size = if entry.is_vector { Size::Vector(columns) } else { Size::Matrix(rows, columns) };
            (name.clone(), size, id)
        });
        Plan::starting_at(self.parameters.next(), self.parameters.next_fixed(), known.collect())
    }

    /// Makes what `plan` declares: the ids that it gave out are those of the parameters.
    ///
    /// # Panics
    /// When something else was made since the plan was begun, or a name is taken, or a start has another size.
    pub fn make(&mut self, plan: &Plan) {
        for (declared, &id) in plan.trained.iter().zip(plan.ids()) {
            let values = self.values(declared);
            let full_name = declared.shared.clone().unwrap_or_else(|| self.full_name(&declared.name));
            let made = self.parameters.add(entry(full_name, declared, values));
            assert_eq!(made, id, "parameters are made in the order in which they were declared");
            if let Some(name) = &declared.shared {
                self.shared.insert(name.clone(), id);
            }
        }
        for DeclaredFixed { name, content } in &plan.fixed {
            let content = match content {
                FixedStart::Matrix(rows, columns, start) => {
                    Fixed::Matrix(matrix(self.start(name, rows * columns, start), *rows, *columns))
                }
                FixedStart::Integers(count, draw) => {
                    let integers = draw(&mut self.random(name));
                    assert_eq!(integers.len(), *count, "as many whole numbers for {name} as declared");
                    Fixed::Integers(Arc::from(integers))
                }
            };
            let name = self.full_name(name);
            self.parameters.add_fixed(FixedEntry { name, content });
        }
    }

    fn values(&self, declared: &Declared) -> Vec<f32> {
        self.start(&declared.name, declared.size.count(), &declared.start)
    }

    fn start(&self, name: &str, count: usize, start: &Start) -> Vec<f32> {
        let values = match start {
            Start::Constant(value) => vec![*value; count],
            Start::Normal { std } => self.normal(name, count, *std),
            Start::Uniform { low, high } => {
                let uniform = Uniform::new_inclusive(*low, *high).expect("finite bounds");
                uniform.sample_iter(self.random(name)).take(count).collect()
            }
            Start::From(values) => values(self),
            Start::Follows(values) => values(self.parameters),
        };
        assert_eq!(values.len(), count, "as many numbers for {name} as declared");
        values
    }

    /// `count` numbers from N(0, std²).
    ///
    /// They depend on the seed of the run and on the full name only: the embedding of a run is the same whatever its
    /// layers are, and a layer's numbers are the same whatever the others are, so runs of one seed can be paired.
    pub fn normal(&self, name: &str, count: usize, std: f32) -> Vec<f32> {
        let normal = Normal::new(0.0, std).expect("a finite standard deviation");
        normal.sample_iter(self.random(name)).take(count).collect()
    }

    /// A stream of random numbers that depends on the seed of the run and on the full name only.
    pub fn random(&self, name: &str) -> ChaCha8Rng {
        let mut hash = blake3::Hasher::new();
        hash.update(&self.seed.to_le_bytes()).update(self.full_name(name).as_bytes());
        ChaCha8Rng::from_seed(*hash.finalize().as_bytes())
    }

    /// The layer's place in the model, and with the seed what its random numbers depend on.
    pub(crate) fn place(&self) -> (u64, &str) {
        (self.seed, &self.prefix)
    }

    pub(crate) fn parameters(&mut self) -> &mut Parameters {
        self.parameters
    }

    fn full_name(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_string() } else { format!("{}.{name}", self.prefix) }
    }
}

/// Matrices decay, vectors do not, unless a rule says otherwise.
fn entry(name: String, declared: &Declared, values: Vec<f32>) -> ParameterEntry {
    let (rows, columns) = declared.size.dims();
    let is_vector = matches!(declared.size, Size::Vector(_));
    ParameterEntry {
        name,
        role: declared.role,
        is_vector,
        blocks: declared.blocks,
        parameter: Parameter::new(matrix(values, rows, columns)),
        learning_rate: 1.0,
        decay: if is_vector { 0.0 } else { 1.0 },
        born: 0,
    }
}
