//! What a layer declares before it exists: its parameters, once, as data. Counts, floating-point operations, initial values,
//! weights, optimizer groups and ranks follow from it.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;

use crate::{Builder, Depth, FixedId, LinearShape, ParameterId, Parameters, Role};

/// The size of a declared parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Rows × columns.
    Matrix(usize, usize),
    /// So many numbers.
    Vector(usize),
}

impl Size {
    /// How many numbers.
    pub fn count(self) -> usize {
        match self {
            Size::Matrix(rows, columns) => rows.saturating_mul(columns),
            Size::Vector(count) => count,
        }
    }

    /// Rows and columns; a vector is one row.
    pub fn dims(self) -> (usize, usize) {
        match self {
            Size::Matrix(rows, columns) => (rows, columns),
            Size::Vector(count) => (1, count),
        }
    }
}

/// How a parameter starts.
#[derive(Clone)]
pub enum Start {
    /// All of one value.
    Constant(f32),
    /// From N(0, std²).
    Normal {
        /// The standard deviation.
        std: f32,
    },
    /// Evenly between two numbers.
    Uniform {
        /// The lower.
        low: f32,
        /// The higher.
        high: f32,
    },
    /// Computed at the layer's own place in the model (see [`Builder::normal`], [`Builder::random`]).
    From(Arc<Computed>),
    /// Computed from the first numbers of parameters that the layer has declared before. No init rule says otherwise, and
    /// rules do not count it among the layer's factors.
    Follows(Arc<Following>),
}

/// The first numbers of a parameter, from its layer's own place in the model.
pub type Computed = dyn Fn(&Builder<'_>) -> Vec<f32> + Send + Sync;

/// The first numbers of a parameter, from those of others.
pub type Following = dyn Fn(&Parameters) -> Vec<f32> + Send + Sync;

impl std::fmt::Debug for Start {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Start::Constant(value) => write!(f, "{value}"),
            Start::Normal { std } => write!(f, "N(0, {std}²)"),
            Start::Uniform { low, high } => write!(f, "{low} … {high}"),
            Start::From(_) | Start::Follows(_) => write!(f, "computed"),
        }
    }
}

/// A trained parameter that a layer declares.
#[derive(Clone, Debug)]
pub struct Declared {
    /// The name within the layer: `down.weight`.
    pub name: String,
    /// Rows and columns.
    pub size: Size,
    /// What it is for.
    pub role: Role,
    /// How many matrices stand under one another in it: 1, unless it was declared by [`Plan::blocks`].
    pub blocks: usize,
    /// How it starts, unless an init rule says otherwise.
    pub start: Start,
    /// The full name where several layers share it.
    pub shared: Option<String>,
}

impl Declared {
    /// The name as configs have it: `down` for `down.weight`.
    pub fn key(&self) -> &str {
        self.name.strip_suffix(".weight").unwrap_or(&self.name)
    }
}

/// What the numbers of the whole matrix are made of that a layer stands for.
#[derive(Clone, Debug)]
pub struct Product {
    /// The factors, in the order in which they are applied: their places among the declared parameters.
    pub factors: Vec<usize>,
    /// Each number is a sum of so many products of one number of each factor.
    pub terms: f64,
}

impl Product {
    /// That of a chain of matrices with so many rows each.
    pub(crate) fn of_chain(factors: Vec<usize>, rows: impl Fn(usize) -> usize) -> Self {
        let inner = factors[..factors.len() - 1].iter().map(|&i| rows(i) as f64);
        Self { terms: inner.product(), factors }
    }
}

/// Fixed numbers that a layer declares.
#[derive(Clone)]
pub struct DeclaredFixed {
    /// The name within the layer.
    pub name: String,
    /// Their values.
    pub content: FixedStart,
}

/// The values of fixed numbers, from the layer's own place in the model.
#[derive(Clone)]
pub enum FixedStart {
    /// Real numbers.
    Matrix(usize, usize, Start),
    /// Whole numbers, from a random stream of their own.
    Integers(usize, Arc<Drawn>),
}

/// Whole numbers from a random stream.
pub type Drawn = dyn Fn(&mut ChaCha8Rng) -> Vec<u32> + Send + Sync;

/// What a layer costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Numbers trained, biases included.
    pub parameters: usize,
    /// Floating-point operations a token in the forward pass of training: 2 for each multiply-add of a matrix product.
    /// Biases and other elementwise work are not counted, nor are the products of attention scores, which depend on the
    /// story.
    pub flops: usize,
    /// Numbers that the trained layer needs, where it needs others than it was trained with.
    pub deploy_parameters: usize,
    /// Floating-point operations a token of the trained layer.
    pub deploy_flops: usize,
}

impl std::ops::Add for Cost {
    type Output = Cost;

    fn add(self, other: Cost) -> Cost {
        Cost {
            parameters: self.parameters.saturating_add(other.parameters),
            flops: self.flops.saturating_add(other.flops),
            deploy_parameters: self.deploy_parameters.saturating_add(other.deploy_parameters),
            deploy_flops: self.deploy_flops.saturating_add(other.deploy_flops),
        }
    }
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Cost>>(costs: I) -> Cost {
        costs.fold(Cost::default(), std::ops::Add::add)
    }
}

/// Where a layer declares what it is made of. Nothing is allocated: the ids are those that the parameters will have.
#[derive(Default)]
pub struct Plan {
    pub(crate) trained: Vec<Declared>,
    pub(crate) fixed: Vec<DeclaredFixed>,
    ids: Vec<ParameterId>,
    depth: Option<Depth>,
    next: usize,
    next_fixed: usize,
    /// Parameters that other layers have declared and this one may share.
    known: Vec<(String, Size, ParameterId)>,
    pub(crate) chain: Option<Vec<ParameterId>>,
    product: Option<(Vec<ParameterId>, f64)>,
    pub(crate) rank: Option<usize>,
    flops: Option<usize>,
    deploy: Option<(usize, usize)>,
}

impl Plan {
    /// A plan whose first parameter will be `next`.
    pub(crate) fn starting_at(next: ParameterId, fixed: FixedId, known: Vec<(String, Size, ParameterId)>) -> Self {
        Self { next: next.0, next_fixed: fixed.0, known, ..Self::default() }
    }

    pub(crate) fn at(self, depth: Depth) -> Self {
        Self { depth: Some(depth), ..self }
    }

    /// Where in the model the layer stands.
    pub fn depth(&self) -> Depth {
        self.depth.unwrap_or(Depth::ALONE)
    }

    /// A trained matrix of `rows × columns` that is multiplied with: role [`Role::Factor`], N(0, 0.02²) unless said
    /// otherwise by [`starting`](Self::starting) or an init rule.
    pub fn matrix(&mut self, name: &str, rows: usize, columns: usize) -> ParameterId {
        self.declare(name, Size::Matrix(rows, columns), Role::Factor, Start::Normal { std: GPT_NEO_STD }, None)
    }

    /// `count` trained matrices of `rows × columns`, one under the other in one parameter, each multiplied with features of its
    /// own: rules of initialisation and learning rate look at the size of one.
    pub fn blocks(&mut self, name: &str, count: usize, rows: usize, columns: usize) -> ParameterId {
        let id = self.matrix(name, count * rows, columns);
        self.trained.last_mut().expect("just declared").blocks = count;
        id
    }

    /// A trained vector: role [`Role::Scale`], all `value` at first.
    pub fn scale(&mut self, name: &str, count: usize, value: f32) -> ParameterId {
        self.declare(name, Size::Vector(count), Role::Scale, Start::Constant(value), None)
    }

    /// A bias of zeros if the slot has one.
    pub fn bias(&mut self, shape: &LinearShape) -> Option<ParameterId> {
        let size = Size::Vector(shape.outputs);
        shape.bias.then(|| self.declare("bias", size, Role::Bias, Start::Constant(0.0), None))
    }

    /// Any trained parameter.
    pub fn parameter(&mut self, name: &str, size: Size, role: Role, start: Start) -> ParameterId {
        self.declare(name, size, role, start, None)
    }

    /// A trained matrix that all layers which declare `full_name` share; the first of them decides how it starts, and rules
    /// of the others do not reach it.
    ///
    /// # Panics
    /// When another layer has declared it with another size: a kind that shares checks sizes first.
    pub fn shared_matrix(&mut self, full_name: &str, rows: usize, columns: usize) -> ParameterId {
        let size = Size::Matrix(rows, columns);
        if let Some((_, known, id)) = self.known.iter().find(|(name, ..)| name == full_name) {
            assert_eq!(*known, size, "the shared parameter {full_name} has one size");
            return *id;
        }
        let start = Start::Normal { std: GPT_NEO_STD };
        self.declare(full_name, size, Role::Factor, start, Some(full_name.to_string()))
    }

    /// How a declared parameter starts.
    pub fn starting(&mut self, id: ParameterId, start: Start) -> ParameterId {
        if let Some(i) = self.ids.iter().position(|&known| known == id) {
            self.trained[i].start = start;
        }
        id
    }

    /// Real numbers that are not trained.
    pub fn fixed_matrix(&mut self, name: &str, rows: usize, columns: usize, start: Start) -> FixedId {
        self.declare_fixed(name, FixedStart::Matrix(rows, columns, start))
    }

    /// `count` whole numbers that are not trained, such as the support of a sparse matrix: `values` draws them from a stream
    /// that depends on the run's seed and the layer's place only.
    pub fn integers(
        &mut self,
        name: &str,
        count: usize,
        values: impl Fn(&mut ChaCha8Rng) -> Vec<u32> + Send + Sync + 'static,
    ) -> FixedId {
        self.declare_fixed(name, FixedStart::Integers(count, Arc::new(values)))
    }

    /// Says that the layer is the product of these matrices and nothing else, in the order in which they are applied. Rules
    /// that look at the product (spectral init, Frobenius decay) need to know.
    pub fn chain(&mut self, matrices: &[ParameterId]) {
        self.chain = Some(matrices.to_vec());
    }

    /// Says of a layer that is no chain that each number of the whole matrix that it stands for is a sum of `terms` products
    /// of one number of each of these factors, which are applied in this order. Rules that look at the size of the whole
    /// matrix's numbers, or for what is applied last, need to know.
    pub fn product(&mut self, factors: &[ParameterId], terms: f64) {
        self.product = Some((factors.to_vec(), terms));
    }

    /// The rank, for kinds that have one: it goes into the tables.
    pub fn rank(&mut self, rank: usize) {
        self.rank = Some(rank);
    }

    /// Floating-point operations a token in the forward pass. Unless said: 2 for each number of a declared matrix that is a
    /// factor.
    pub fn flops(&mut self, flops: usize) {
        self.flops = Some(flops);
    }

    /// What the trained layer needs where that is not what training needs: numbers, and floating-point operations a token.
    pub fn deploy(&mut self, parameters: usize, flops: usize) {
        self.deploy = Some((parameters, flops));
    }

    pub(crate) fn cost(&self) -> Cost {
        // Sizes that no machine holds are counted, too, before they are refused.
        let sum = |counts: &mut dyn Iterator<Item = usize>| counts.fold(0, usize::saturating_add);
        let parameters = sum(&mut self.trained.iter().map(|declared| declared.size.count()));
        let is_factor =
            |declared: &&Declared| declared.role == Role::Factor && matches!(declared.size, Size::Matrix(..));
        let products = sum(&mut self.trained.iter().filter(is_factor).map(|declared| declared.size.count()));
        // A shared matrix is multiplied with by each layer that shares it.
        let shared = sum(&mut self.borrowed().map(Size::count));
        let flops = self.flops.unwrap_or(products.saturating_add(shared).saturating_mul(2));
        let (deploy_parameters, deploy_flops) = self.deploy.unwrap_or((parameters, flops));
        Cost { parameters, flops, deploy_parameters, deploy_flops }
    }

    /// Matrices of the chain that another layer has declared.
    fn borrowed(&self) -> impl Iterator<Item = Size> + '_ {
        let chain = self.chain.iter().flatten().filter(|id| !self.ids.contains(id));
        chain.filter_map(|id| self.known.iter().find(|(.., known)| known == id).map(|(_, size, _)| *size))
    }

    /// The places of the chain's matrices among the declared ones, if the layer is a chain and all are its own.
    pub(crate) fn own_chain(&self) -> Option<Vec<usize>> {
        let chain = self.chain.as_ref()?;
        chain.iter().map(|id| self.ids.iter().position(|own| own == id)).collect()
    }

    /// The same of the factors of a product, and how many terms its numbers have.
    pub(crate) fn own_product(&self) -> Option<Product> {
        let (factors, terms) = match (&self.chain, &self.product) {
            (Some(_), _) => return Some(Product::of_chain(self.own_chain()?, |i| self.trained[i].size.dims().0)),
            (None, Some(product)) => product,
            (None, None) => return None,
        };
        let factors = factors.iter().map(|id| self.ids.iter().position(|own| own == id)).collect::<Option<_>>()?;
        Some(Product { factors, terms: *terms })
    }

    pub(crate) fn ids(&self) -> &[ParameterId] {
        &self.ids
    }

    fn declare(&mut self, name: &str, size: Size, role: Role, start: Start, shared: Option<String>) -> ParameterId {
        let id = ParameterId(self.next);
        self.next += 1;
        self.ids.push(id);
        self.trained.push(Declared { name: name.to_string(), size, role, blocks: 1, start, shared });
        id
    }

    fn declare_fixed(&mut self, name: &str, content: FixedStart) -> FixedId {
        let id = FixedId(self.next_fixed);
        self.next_fixed += 1;
        self.fixed.push(DeclaredFixed { name: name.to_string(), content });
        id
    }
}

/// The standard deviation of GPT-Neo's initial matrices.
pub const GPT_NEO_STD: f32 = 0.02;
