//! The kinds that a config can name.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::Schema;
use toml::{Table, Value};

use crate::blocks::{standard_attention, standard_mlp, take_kind};
use crate::schema::options_schema;
use crate::{
    About, Block, BlockKind, BlockShape, BlockSpec, Builder, Linear, LinearKind, LinearShape, LinearSpec, OptionError,
    Place, deserialize, kinds, known_names,
};

/// The registered kinds, by name.
pub struct Registry {
    kinds: BTreeMap<&'static str, Kind>,
}

enum Kind {
    Linear(Arc<dyn ErasedLinear>),
    Block(Arc<dyn ErasedBlock>),
}

/// Two kinds of one name.
#[derive(Debug, thiserror::Error)]
#[error("a layer kind `{0}` is already registered; names must be unique")]
pub struct DuplicateKind(&'static str);

impl Registry {
    /// No kinds.
    pub fn empty() -> Self {
        Self { kinds: BTreeMap::new() }
    }

    /// The kinds that lrx brings.
    pub fn builtin() -> Self {
        let mut registry = Self::empty();
        registry.register(kinds::Dense).expect("unique names");
        registry.register(kinds::LowRank).expect("unique names");
        registry
    }

    /// Adds a linear kind.
    ///
    /// # Errors
    /// When a kind of that name is registered.
    pub fn register(&mut self, kind: impl LinearKind) -> Result<(), DuplicateKind> {
        self.add(kind.about().name, Kind::Linear(Arc::new(kind)))
    }

    /// Adds a block kind.
    ///
    /// # Errors
    /// When a kind of that name is registered.
    pub fn register_block(&mut self, kind: impl BlockKind) -> Result<(), DuplicateKind> {
        self.add(kind.about().name, Kind::Block(Arc::new(kind)))
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
            Kind::Linear(kind) => (kind.about(), None),
            Kind::Block(kind) => (kind.about(), Some(kind.place())),
        })
    }

    /// How the kind `name` presents itself, and the JSON schema of its options.
    ///
    /// # Errors
    /// When there is none: the known names and the nearest.
    pub fn describe(&self, name: &str) -> Result<(About, Schema), OptionError> {
        match self.find(name)? {
            Kind::Linear(kind) => Ok((kind.about(), kind.schema())),
            Kind::Block(kind) => Ok((kind.about(), kind.schema())),
        }
    }

    /// The linear kind `name` with `options` in a slot.
    ///
    /// # Errors
    /// An unknown kind, a block kind, or wrong options; keys are relative to the table of the options.
    pub fn linear(&self, name: &str, options: Table, shape: LinearShape) -> Result<LinearSpec, OptionError> {
        match self.find(name)? {
            Kind::Linear(kind) => kind.clone().resolve(options, shape).map_err(|error| self.with_owner(error)),
            Kind::Block(_) => {
                let message = format!("`{name}` replaces a whole block; a slot takes a kind that replaces one matrix");
                Err(OptionError::new("kind", message))
            }
        }
    }

    /// The attention or MLP of one layer, from its table in the config (see [`layer_table`](crate::layer_table)).
    ///
    /// # Errors
    /// As for [`linear`](Self::linear); keys are relative to the block's table.
    pub fn block(&self, place: Place, mut table: Table, shape: BlockShape) -> Result<BlockSpec, OptionError> {
        let kind = take_kind(&mut table)?.unwrap_or_else(|| "dense".to_string());
        match self.find(&kind)? {
            Kind::Linear(_) => match place {
                Place::Attention => standard_attention(self, &kind, table, &shape),
                Place::Mlp => standard_mlp(self, &kind, table, &shape),
            },
            Kind::Block(block) if block.place() == place => block.clone().resolve(table, shape),
            Kind::Block(_) => {
                Err(OptionError::new("kind", format!("`{kind}` stands in for the other of the two blocks")))
            }
        }
    }

    /// The error about an unknown option, with the linear kind that does have it.
    fn with_owner(&self, error: OptionError) -> OptionError {
        let has = |kind: &Kind, option: &str| match kind {
            Kind::Linear(kind) => !kind.schema().as_value()["properties"][option].is_null(),
            Kind::Block(_) => false,
        };
        let Some(option) = error.unknown_name().filter(|name| *name == error.key) else { return error };
        let owners = self.kinds.iter().filter(|(_, kind)| has(kind, option)).map(|(name, _)| format!("`{name}`"));
        let owners = owners.collect::<Vec<_>>().join(", ");
        if owners.is_empty() {
            return error;
        }
        let message = format!("unknown key `{option}`: an option of {owners}, which is not the `kind` here");
        OptionError::new(error.key, message)
    }

    fn find(&self, name: &str) -> Result<&Kind, OptionError> {
        self.kinds.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.kinds.keys().copied().collect();
            OptionError::new("kind", format!("unknown layer kind \"{name}\"{}", known_names(name, &known)))
        })
    }
}

/// [`LinearKind`] without its options' type.
trait ErasedLinear: Send + Sync {
    fn about(&self) -> About;
    fn schema(&self) -> Schema;
    fn resolve(self: Arc<Self>, options: Table, shape: LinearShape) -> Result<LinearSpec, OptionError>;
}

impl<K: LinearKind> ErasedLinear for K {
    fn about(&self) -> About {
        LinearKind::about(self)
    }

    fn schema(&self) -> Schema {
        options_schema::<K::Options>()
    }

    fn resolve(self: Arc<Self>, options: Table, shape: LinearShape) -> Result<LinearSpec, OptionError> {
        let name = LinearKind::about(&*self).name;
        let options: K::Options = deserialize(options).map_err(|error| error.wanted_by(name))?;
        self.check(&options, &shape).map_err(OptionError::about_sizes)?;
        Ok(LinearSpec {
            kind: name,
            shape,
            cost: self.cost(&options, &shape),
            rank: self.rank(&options),
            options: to_table(&options),
            build: Arc::new(move |builder: &mut Builder<'_>| -> Box<dyn Linear> {
                self.build(&options, &shape, builder)
            }),
        })
    }
}

/// [`BlockKind`] without its options' type.
trait ErasedBlock: Send + Sync {
    fn about(&self) -> About;
    fn place(&self) -> Place;
    fn schema(&self) -> Schema;
    fn resolve(self: Arc<Self>, options: Table, shape: BlockShape) -> Result<BlockSpec, OptionError>;
}

impl<K: BlockKind> ErasedBlock for K {
    fn about(&self) -> About {
        BlockKind::about(self)
    }

    fn place(&self) -> Place {
        BlockKind::place(self)
    }

    fn schema(&self) -> Schema {
        options_schema::<K::Options>()
    }

    fn resolve(self: Arc<Self>, options: Table, shape: BlockShape) -> Result<BlockSpec, OptionError> {
        let name = BlockKind::about(&*self).name;
        let options: K::Options = deserialize(options).map_err(|error| error.wanted_by(name))?;
        self.check(&options, &shape).map_err(OptionError::about_sizes)?;
        let mut table = to_table(&options);
        table.insert("kind".into(), name.into());
        Ok(BlockSpec {
            kind: name.to_string(),
            rank: self.rank(&options).map(|rank| rank.to_string()).unwrap_or_default(),
            options: table,
            cost: self.cost(&options, &shape),
            build: Arc::new(move |builder: &mut Builder<'_>| -> Box<dyn Block> {
                self.build(&options, &shape, builder)
            }),
        })
    }
}

fn to_table(options: &impl serde::Serialize) -> Table {
    match Value::try_from(options) {
        Ok(Value::Table(table)) => table,
        other => panic!("options are a struct that TOML can hold, not {other:?}"),
    }
}
