//! The kinds and rules that a config can name.

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use schemars::Schema;
use toml::Table;

use crate::block::{MakeBlock, ResolveSlot};
use crate::budget::{BUDGET, within_budget};
use crate::linear::{Depth, MakeLinear};
use crate::options::{known_names, without_defaults};
use crate::rules::{DecayRule, InitRule, LearningRateRule, RuleSet, Target, WrittenRules};
use crate::schema::{OptionKeys, options_schema};
use crate::{
    About, Block, BlockKind, BlockPlan, BlockShape, BlockSpec, Cost, LinearKind, LinearShape, LinearSpec, OptionError,
    Place, Plan, blocks, deserialize, kinds, to_table,
};

/// What one layer may have at most: more than any machine holds, and few enough for sums over a model.
const MOST_NUMBERS: usize = 1 << 48;

/// The registered kinds and rules, by name.
#[derive(Clone)]
pub struct Registry {
    kinds: BTreeMap<&'static str, Kind>,
    rules: Arc<RuleSet>,
    extensions: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

#[derive(Clone)]
pub(crate) enum Kind {
    Linear(Arc<RegisteredLinear>),
    Block(Arc<RegisteredBlock>),
}

/// Two kinds, or two rules of one sort, of one name.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is already registered; names must be unique")]
pub struct DuplicateKind(pub &'static str);

impl Registry {
    /// No kinds but the standard blocks with their default, `dense`, and the built-in rules: for tests of one's own kinds.
    pub fn empty() -> Self {
        let rules = Arc::new(RuleSet::builtin());
        let mut registry = Self { kinds: BTreeMap::new(), rules, extensions: HashMap::new() };
        registry.register(kinds::Dense).expect("unique names");
        registry.register_block(blocks::StandardAttention).expect("unique names");
        registry.register_block(blocks::StandardMlp).expect("unique names");
        registry
    }

    /// The kinds and rules that lrx brings.
    pub fn builtin() -> Self {
        let mut registry = Self::empty();
        let known = "unique names";
        registry.register(kinds::LowRank).expect(known);
        registry.register(kinds::SiluLowRank).expect(known);
        registry.register(kinds::DiagonalLowRank).expect(known);
        registry.register(kinds::SparseLowRank).expect(known);
        registry.register(kinds::BlockDiagonal).expect(known);
        registry.register(kinds::BlockShuffle).expect(known);
        registry.register(kinds::BlockDense).expect(known);
        registry.register(kinds::TensorTrain).expect(known);
        registry.register(kinds::Kronecker).expect(known);
        registry.register(kinds::Blast).expect(known);
        registry.register(kinds::SelfGuided).expect(known);
        registry.register(kinds::DenseThenSvd).expect(known);
        registry.register(kinds::SharedBasis).expect(known);
        registry.register_block(blocks::GatedMlp).expect("unique names");
        registry.register_block(blocks::LatentAttention).expect("unique names");
        registry
    }

    /// Adds a linear kind.
    ///
    /// # Errors
    /// When a kind of that name is registered.
    pub fn register<K: LinearKind>(&mut self, kind: K) -> Result<(), DuplicateKind> {
        let about = kind.about();
        self.add(about.name, Kind::Linear(Arc::new(RegisteredLinear::new(about, kind))))
    }

    /// Adds a block kind.
    ///
    /// # Errors
    /// When a kind of that name is registered.
    pub fn register_block<K: BlockKind>(&mut self, kind: K) -> Result<(), DuplicateKind> {
        let about = kind.about();
        self.add(about.name, Kind::Block(Arc::new(RegisteredBlock::new(about, kind))))
    }

    /// Adds a rule of how parameters start.
    ///
    /// # Errors
    /// When an init rule of that name is registered.
    pub fn register_init(&mut self, rule: impl InitRule) -> Result<(), DuplicateKind> {
        Arc::make_mut(&mut self.rules).add_init(rule)
    }

    /// Adds a rule of how fast parameters learn.
    ///
    /// # Errors
    /// When a learning-rate rule of that name is registered.
    pub fn register_learning_rate(&mut self, rule: impl LearningRateRule) -> Result<(), DuplicateKind> {
        Arc::make_mut(&mut self.rules).add_learning_rate(rule)
    }

    /// Adds a rule of how parameters decay.
    ///
    /// # Errors
    /// When a decay rule of that name is registered.
    pub fn register_decay(&mut self, rule: impl DecayRule) -> Result<(), DuplicateKind> {
        Arc::make_mut(&mut self.rules).add_decay(rule)
    }

    /// What another crate has registered here beside kinds and rules, such as optimizers; `None` before the first.
    pub fn extension<T: Any>(&self) -> Option<&T> {
        self.extensions.get(&TypeId::of::<T>()).and_then(|extension| extension.downcast_ref())
    }

    /// The same for writing; it starts from its default.
    pub fn extension_mut<T: Any + Clone + Default + Send + Sync>(&mut self) -> &mut T {
        let extension = self.extensions.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(T::default()));
        if Arc::get_mut(extension).is_none() {
            // Another registry, of which this one is a clone, has it too.
            let own: T = extension.downcast_ref::<T>().cloned().unwrap_or_default();
            *extension = Arc::new(own);
        }
        Arc::get_mut(extension).and_then(|extension| extension.downcast_mut()).expect("one owner, of its own type")
    }

    fn add(&mut self, name: &'static str, kind: Kind) -> Result<(), DuplicateKind> {
        if self.kinds.contains_key(name) {
            return Err(DuplicateKind(name));
        }
        self.kinds.insert(name, kind);
        Ok(())
    }

    /// All kinds, by name; `None` for a linear kind, else the block that it stands in for.
    pub fn iter(&self) -> impl Iterator<Item = (About, Option<Place>)> {
        self.kinds.values().map(|kind| match kind {
            Kind::Linear(kind) => (kind.about, None),
            Kind::Block(kind) => (kind.about, Some(kind.place)),
        })
    }

    /// All rules.
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// How the kind `name` presents itself, the block that it stands in for if it is a block kind, and the JSON schema of its
    /// options.
    ///
    /// # Errors
    /// When there is none: the known names and the nearest.
    pub fn describe(&self, name: &str) -> Result<(About, Option<Place>, &Schema), OptionError> {
        match self.find(name)? {
            Kind::Linear(kind) => Ok((kind.about, None, &kind.keys.schema)),
            Kind::Block(kind) => Ok((kind.about, Some(kind.place), &kind.keys.schema)),
        }
    }

    /// The slots of a block kind, as a config names them; none for a linear kind.
    pub fn slots(&self, name: &str) -> &'static [&'static str] {
        match self.kinds.get(name) {
            Some(Kind::Block(kind)) => kind.slots,
            _ => &[],
        }
    }

    /// The linear kind `name` with `options`, and the rules among them, in a slot.
    ///
    /// # Errors
    /// An unknown kind, a block kind, or wrong options; keys are relative to the table of the options.
    pub fn linear(&self, name: &str, mut options: Table, shape: LinearShape) -> Result<LinearSpec, OptionError> {
        let rules = WrittenRules::take_from(&mut options);
        self.linear_with(name, options, &rules, shape, Depth::ALONE)
    }

    pub(crate) fn linear_with(
        &self,
        name: &str,
        options: Table,
        rules: &WrittenRules,
        shape: LinearShape,
        depth: Depth,
    ) -> Result<LinearSpec, OptionError> {
        let kind = self.find_linear(name)?;
        let planned = (kind.resolve)(options, shape, depth)?;
        let declared: Arc<[_]> = planned.plan.trained.clone().into();
        let numbers = planned.plan.cost().parameters;
        if numbers > MOST_NUMBERS {
            let message = format!("`{name}` would have {numbers} numbers here; expected at most {MOST_NUMBERS}");
            return Err(OptionError::new("kind", message).about_sizes());
        }
        let (chain, product) = (planned.plan.own_chain(), planned.plan.own_product());
        let target = Target { kind: name, shape, declared: &declared, chain, product, only: None, depth };
        let rules = rules.resolve(&self.rules, &target)?;
        Ok(LinearSpec {
            kind: kind.about.name,
            version: kind.about.version,
            shape,
            cost: planned.plan.cost(),
            rank: planned.plan.rank,
            options: planned.options,
            identity: planned.identity,
            rules,
            rule_set: self.rules.clone(),
            depth,
            make: planned.make,
            declared,
        })
    }

    pub(crate) fn block_with(
        &self,
        kind: &RegisteredBlock,
        options: Table,
        shape: BlockShape,
        resolve: &mut ResolveSlot<'_>,
    ) -> Result<BlockSpec, OptionError> {
        (kind.resolve)(options, shape, resolve)
    }

    pub(crate) fn find_linear(&self, name: &str) -> Result<&RegisteredLinear, OptionError> {
        match self.find(name)? {
            Kind::Linear(kind) => Ok(kind),
            Kind::Block(_) => {
                let message = format!("`{name}` replaces a whole block; a slot takes a kind that replaces one matrix");
                Err(OptionError::new("kind", message))
            }
        }
    }

    pub(crate) fn find_block(&self, name: &str, place: Place) -> Result<&RegisteredBlock, OptionError> {
        let known: Vec<&str> = self.iter().filter(|(_, of)| *of == Some(place)).map(|(about, _)| about.name).collect();
        match self.kinds.get(name) {
            Some(Kind::Block(block)) if block.place == place => Ok(block),
            Some(Kind::Block(_)) => {
                Err(OptionError::new("block", format!("`{name}` stands in for the other of the two blocks")))
            }
            Some(Kind::Linear(_)) => {
                let message = format!("`{name}` replaces one matrix: it is a `kind`, not a `block`");
                Err(OptionError::new("block", message))
            }
            None => Err(OptionError::new("block", format!("unknown block \"{name}\"{}", known_names(name, &known)))),
        }
    }

    pub(crate) fn is_block(&self, name: &str) -> bool {
        matches!(self.kinds.get(name), Some(Kind::Block(_)))
    }

    /// The linear kinds that have an option.
    pub(crate) fn owners(&self, option: &str) -> Vec<&'static str> {
        let has = |kind: &Kind| matches!(kind, Kind::Linear(kind) if kind.keys.has(option));
        self.kinds.iter().filter(|(_, kind)| has(kind)).map(|(name, _)| *name).collect()
    }

    fn find(&self, name: &str) -> Result<&Kind, OptionError> {
        self.kinds.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.kinds.keys().copied().collect();
            OptionError::new("kind", format!("unknown layer kind \"{name}\"{}", known_names(name, &known)))
        })
    }
}

/// What a linear kind says of one layer.
struct Planned {
    options: Table,
    identity: Table,
    plan: Plan,
    make: Arc<MakeLinear>,
}

type ResolveLinear = dyn Fn(Table, LinearShape, Depth) -> Result<Planned, OptionError> + Send + Sync;

/// [`LinearKind`] without its options' type.
pub(crate) struct RegisteredLinear {
    about: About,
    pub(crate) keys: OptionKeys,
    resolve: Box<ResolveLinear>,
}

impl RegisteredLinear {
    fn new<K: LinearKind>(about: About, kind: K) -> Self {
        let kind = Arc::new(kind);
        let resolve = move |mut table: Table, shape: LinearShape, depth: Depth| {
            let read = |table: Table| {
                let mut options = deserialize::<K::Options>(table)?;
                kind.settle(&mut options, &shape);
                Ok::<_, OptionError>(options)
            };
            let plan = |options: &K::Options| {
                let mut plan = Plan::default().at(depth);
                kind.layer(options, &shape, &mut plan).map_err(OptionError::about_sizes)?;
                Ok::<_, OptionError>(plan)
            };
            if let Some(budget) = table.remove(BUDGET) {
                let cost = |table: &Table| Some(plan(&read(table.clone()).ok()?).ok()?.cost());
                table = within_budget(&budget, table, kind.sizes(&shape), &shape, cost)?;
            }
            let options = read(table).map_err(|error| error.wanted_by(about.name).also_known(&[BUDGET]))?;
            let plan = plan(&options)?;
            let filled = to_table(&options);
            let identity = without_defaults(&filled, |table| Some(to_table(&read(table).ok()?)));
            let kind = kind.clone();
            let make = move |plan: &mut Plan| kind.layer(&options, &shape, plan).expect("options that were accepted");
            Ok(Planned { options: filled, identity, plan, make: Arc::new(make) })
        };
        Self { about, keys: OptionKeys::new(options_schema::<K::Options>()), resolve: Box::new(resolve) }
    }
}

/// [`BlockKind`] without its options' type.
pub(crate) struct RegisteredBlock {
    pub(crate) about: About,
    pub(crate) place: Place,
    pub(crate) slots: &'static [&'static str],
    pub(crate) keys: OptionKeys,
    resolve: Box<ResolveBlock>,
}

type ResolveBlock = dyn Fn(Table, BlockShape, &mut ResolveSlot<'_>) -> Result<BlockSpec, OptionError> + Send + Sync;

impl RegisteredBlock {
    fn new<K: BlockKind>(about: About, kind: K) -> Self {
        let kind = Arc::new(kind);
        let (place, slots) = (kind.place(), kind.slots());
        let resolve = move |table: Table, shape: BlockShape, resolve: &mut ResolveSlot<'_>| {
            let read = |table: Table| {
                let mut options = deserialize::<K::Options>(table)?;
                kind.settle(&mut options, &shape);
                Ok::<_, OptionError>(options)
            };
            let options = read(table).map_err(|error| error.wanted_by(about.name))?;
            let mut own = Plan::default();
            let mut plan = BlockPlan::new(shape, place, resolve, &mut own);
            kind.block(&options, &shape, &mut plan)?;
            let (slots, attends) = (plan.slots, plan.attends);
            let filled = to_table(&options);
            let identity = without_defaults(&filled, |table| Some(to_table(&read(table).ok()?)));
            let kind = kind.clone();
            let make = move |plan: &mut BlockPlan<'_>| -> Box<dyn Block> {
                kind.block(&options, &shape, plan).expect("options that were accepted")
            };
            let make: Arc<MakeBlock> = Arc::new(make);
            let cost = own.cost() + slots.iter().map(|slot| slot.linear.cost).sum::<Cost>();
            let (kind, version) = (about.name, about.version);
            Ok(BlockSpec { kind, version, place, slots, options: filled, identity, cost, attends, shape, make })
        };
        let keys = OptionKeys::new(options_schema::<K::Options>());
        Self { about, place, slots, keys, resolve: Box::new(resolve) }
    }
}
