//! The size of a model that is left open, such that a figure comes as near as possible to a target without exceeding it.

use lrx_layers::{OptionError, Place, Registry, deserialize};
use lrx_model::{Known, ModelConfig, ModelSpec, Positions};
use schemars::JsonSchema;
use serde::Deserialize;
use toml::{Table, Value};

/// What all configurations have as much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    Parameters,
    Body,
    Flops,
}

/// What is solved for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Solve {
    /// The sizes of the kinds that have none: one `budget` for all of them.
    Budget,
    /// Features of a token: multiples of the heads, of twice the heads with rotary positions.
    Hidden,
    /// Features inside the MLP.
    Inner,
}

/// A model whose size was found.
#[derive(Clone)]
pub(crate) struct Found {
    /// What of `[model]` was solved for, with its values.
    pub(crate) set: Vec<(String, Value)>,
    /// In words: `hidden 44`.
    pub(crate) how: String,
    pub(crate) figure: usize,
}

/// Why none was.
#[derive(Clone)]
pub(crate) enum Unsolved {
    /// The config is wrong, whatever the size; a size that may stand in it so that this can be told.
    Wrong(Vec<(String, Value)>),
    /// All sizes are given. Where the kind stands that has them, if there is one.
    NothingOpen(Option<String>),
    /// Each size takes more: what the smallest is, and takes.
    TooMuch(String, usize),
    /// What stands there has no size that fits its slots.
    NoneFits(String),
    /// No size can be: what, and why.
    Unfit(String, String),
}

const BUDGET: &str = "budget";
const DENSE: &str = "dense";
/// Shares of a budget are told apart as far as this.
const SHARES: usize = 1 << 24;
/// As of `hidden` and of the features in a slot.
const MOST_FEATURES: usize = 1 << 20;
/// Sizes are looked at so far beyond one that does not fit the kinds: common divisors are nearer.
const NEAR: usize = 128;

impl Figure {
    pub(crate) fn of(self, model: &ModelSpec, vocabulary: usize) -> usize {
        match self {
            Figure::Parameters => model.embedding_parameters(vocabulary) + model.body_parameters(),
            Figure::Body => model.body_parameters(),
            Figure::Flops => model.flops_per_token(vocabulary),
        }
    }

    /// As tables call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Figure::Parameters => "parameters",
            Figure::Body => "body parameters",
            Figure::Flops => "FLOPs per token",
        }
    }
}

/// `[model]` without the weights that it starts from, which say nothing about sizes, and what it is to come to.
pub(crate) struct Problem<'r> {
    registry: &'r Registry,
    known: Known,
    table: Table,
    vocabulary: usize,
    figure: Figure,
}

impl<'r> Problem<'r> {
    pub(crate) fn new(registry: &'r Registry, mut table: Table, vocabulary: usize, figure: Figure) -> Self {
        table.remove("init_from");
        Self { registry, known: Known::default(), table, vocabulary, figure }
    }

    /// The model as it is written.
    fn as_written(&self) -> Result<ModelSpec, OptionError> {
        self.model(self.table.clone())
    }

    /// The figure of the model as it is written.
    pub(crate) fn written(&self) -> Result<usize, OptionError> {
        Ok(self.figure.of(&self.as_written()?, self.vocabulary))
    }

    fn model(&self, table: Table) -> Result<ModelSpec, OptionError> {
        let config: ModelConfig = deserialize(table)?;
        config.resolve_beside(self.registry, &|_, written| Ok(written.into()), &self.known)
    }

    fn figure_of(&self, table: Table) -> Option<usize> {
        Some(self.figure.of(&self.model(table).ok()?, self.vocabulary))
    }

    /// The size that comes nearest to `target` from below. What is solved for is what is asked for, else the sizes of kinds
    /// that have none, or the features of a dense model.
    pub(crate) fn solve(&self, asked: Option<Solve>, target: f64) -> Result<Found, Unsolved> {
        let structured = self.structured();
        match asked {
            Some(Solve::Hidden) => self.hidden(target),
            Some(Solve::Inner) => self.inner(target),
            None if structured.is_empty() => self.hidden(target),
            None | Some(Solve::Budget) => self.budget(structured, target),
        }
    }

    fn budget(&self, structured: Vec<String>, target: f64) -> Result<Found, Unsolved> {
        let kind = structured.first().map(|path| format!("{path}.kind"));
        let tables = self.open(structured)?;
        if tables.is_empty() {
            return Err(Unsolved::NothingOpen(kind));
        }
        let figure_at = |share: f64| self.figure_of(self.with_budget(&tables, share));
        let share = |part: usize| part as f64 / SHARES as f64;
        let found = |share: f64, figure: usize| Found {
            set: self.blocks(&self.with_budget(&tables, share)),
            how: format!("{BUDGET} {share}"),
            figure,
        };
        if let Some(figure) = figure_at(1.0).filter(|figure| *figure as f64 <= target) {
            return Ok(found(1.0, figure));
        }
        let (mut below, mut above, mut best) = (0, SHARES, None);
        while above - below > 1 {
            let middle = below.midpoint(above);
            match figure_at(share(middle)) {
                Some(figure) if figure as f64 > target => above = middle,
                // What is too small for some slot is below, too.
                figure => (below, best) = (middle, figure.or(best)),
            }
        }
        let Some(best) = best else {
            let least = figure_at(share(above)).unwrap_or_default();
            return Err(Unsolved::TooMuch(format!("{BUDGET} {}", rounded_up(share(above))), least));
        };
        // Of the shares that come to the same, one that a person would write.
        let written = (2..8).map(|digits| rounded_down(share(below), digits));
        let written = written.into_iter().find(|share| *share > 0.0 && figure_at(*share) == Some(best));
        Ok(found(written.unwrap_or(share(below)), best))
    }

    fn hidden(&self, target: f64) -> Result<Found, Unsolved> {
        let wrong = || Unsolved::Wrong(Vec::new());
        let config: ModelConfig = deserialize(self.table.clone()).map_err(|_| wrong())?;
        let unit = config.heads * if config.positions == Positions::Rotary { 2 } else { 1 };
        if unit == 0 {
            return Err(wrong());
        }
        self.whole("hidden", unit, target)
    }

    fn inner(&self, target: f64) -> Result<Found, Unsolved> {
        self.whole("mlp.inner", 1, target)
    }

    /// The largest multiple of `unit` at the dotted `key` that the target allows.
    fn whole(&self, key: &str, unit: usize, target: f64) -> Result<Found, Unsolved> {
        let with = |times: usize| {
            let mut table = self.table.clone();
            crate::sweep::insert(&mut table, key, Value::Integer((times * unit) as i64));
            table
        };
        let how = |times: usize| format!("{} {}", key.rsplit('.').next().unwrap_or(key), times * unit);
        match largest(MOST_FEATURES / unit, target, |times| self.figure_of(with(times))) {
            Ok((times, figure)) => {
                let value = Value::Integer((times * unit) as i64);
                Ok(Found { set: vec![(format!("model.{key}"), value)], how: how(times), figure })
            }
            Err(Some((times, figure))) => Err(Unsolved::TooMuch(how(times), figure)),
            Err(None) => Err(match (self.as_written(), self.model(with(1))) {
                (Ok(_), Err(error)) => Unsolved::Unfit(key.rsplit('.').next().unwrap_or(key).into(), error.message),
                _ => Unsolved::Wrong(Vec::new()),
            }),
        }
    }

    /// Whether nothing but dense layers stands in the blocks.
    pub(crate) fn is_dense(&self) -> bool {
        self.structured().is_empty()
    }

    /// The tables in `[model]` that name a kind which is not dense.
    fn structured(&self) -> Vec<String> {
        let mut found = Vec::new();
        for place in [Place::Attention, Place::Mlp] {
            let Some(Value::Table(block)) = self.table.get(place.key()) else { continue };
            let mut look = |table: &Table, path: String| {
                if table.get("kind").is_some_and(|kind| self.is_structured(kind)) {
                    found.push(path);
                }
            };
            look(block, place.key().to_string());
            for (key, value) in block {
                let path = format!("{}.{key}", place.key());
                match value {
                    Value::Table(slot) => look(slot, path),
                    Value::Array(tables) => {
                        let tables = tables.iter().enumerate().filter_map(|(i, one)| Some((i, one.as_table()?)));
                        tables.for_each(|(i, table)| look(table, format!("{path}.{i}")));
                    }
                    _ => {}
                }
            }
        }
        found
    }

    fn is_structured(&self, kind: &Value) -> bool {
        match kind {
            Value::String(kind) => {
                let is_block = matches!(self.registry.describe(kind), Ok((_, Some(_), _)));
                !kind.is_empty() && kind != DENSE && !is_block
            }
            Value::Array(kinds) => kinds.iter().any(|kind| self.is_structured(kind)),
            _ => false,
        }
    }

    /// Those of the tables whose kinds have sizes that are not given.
    fn open(&self, tables: Vec<String>) -> Result<Vec<String>, Unsolved> {
        let has_none = |path: &String| table_at(&self.table, path).is_some_and(|table| !table.contains_key(BUDGET));
        let mut open: Vec<String> = tables.into_iter().filter(has_none).collect();
        let mut refused: Vec<String> = Vec::new();
        loop {
            let with = self.with_budget(&open, 1.0);
            let Err(error) = self.model(with.clone()) else { return Ok(open) };
            // A budget is refused where there is nothing left for it to choose: all sizes are given, or none fits.
            match open.iter().position(|path| error.key == format!("{path}.{BUDGET}")) {
                Some(given) => {
                    let given = open.remove(given);
                    // Where one slot's sizes are given in a table of its own, those of the others are still open.
                    open.extend(self.slots_apart(&given));
                    refused.push(given);
                }
                None if refused.contains(&error.key) => return Err(Unsolved::NoneFits(format!("{}.kind", error.key))),
                None => return Err(Unsolved::Wrong(self.blocks(&with))),
            }
        }
    }

    /// The slots that a block's kind stands in, where some have tables of their own that say no other kind.
    fn slots_apart(&self, block: &str) -> Vec<String> {
        let Some(place) = [Place::Attention, Place::Mlp].into_iter().find(|place| place.key() == block) else {
            return Vec::new();
        };
        let Some(Value::Table(table)) = self.table.get(block) else { return Vec::new() };
        let name = table.get("block").and_then(Value::as_str).unwrap_or(place.standard());
        let is_meant = |slot: &str| match table.get("slots") {
            None => true,
            Some(Value::String(names)) => names.split([' ', ',']).any(|name| name == slot),
            Some(Value::Array(names)) => names.iter().any(|name| name.as_str() == Some(slot)),
            Some(_) => false,
        };
        let says_no_kind = |slot: &str| match table.get(slot) {
            None => true,
            Some(own) => own.as_table().is_some_and(|own| !own.contains_key("kind") && !own.contains_key(BUDGET)),
        };
        let slots = self.registry.slots(name);
        if !slots.iter().any(|slot| table.contains_key(*slot) && says_no_kind(slot)) {
            return Vec::new();
        }
        let apart = slots.iter().filter(|slot| is_meant(slot) && says_no_kind(slot));
        apart.map(|slot| format!("{block}.{slot}")).collect()
    }

    fn with_budget(&self, tables: &[String], share: f64) -> Table {
        let mut with = self.table.clone();
        let budget = match self.figure {
            Figure::Flops => Value::Table(Table::from_iter([("flops".to_string(), Value::Float(share))])),
            Figure::Parameters | Figure::Body => Value::Float(share),
        };
        for path in tables {
            match table_at_mut(&mut with, path) {
                Some(table) => drop(table.insert(BUDGET.into(), budget.clone())),
                None => crate::sweep::insert(&mut with, &format!("{path}.{BUDGET}"), budget.clone()),
            }
        }
        with
    }

    /// The blocks of a `[model]`, as keys of the config.
    fn blocks(&self, model: &Table) -> Vec<(String, Value)> {
        let block = |place: Place| Some((format!("model.{}", place.key()), model.get(place.key())?.clone()));
        [Place::Attention, Place::Mlp].into_iter().filter_map(block).collect()
    }
}

/// The largest of 1, 2, … `most` at which a figure that grows with it is at most `target`, and the figure; some sizes may have
/// none.
///
/// # Errors
/// The smallest with its figure, where that is more; nothing where no size has one.
fn largest(
    most: usize,
    target: f64,
    figure: impl Fn(usize) -> Option<usize>,
) -> Result<(usize, usize), Option<(usize, usize)>> {
    let next = |size: usize| (size..=most.min(size + NEAR)).find_map(|size| Some((size, figure(size)?)));
    let fits = |found: &(usize, usize)| found.1 as f64 <= target;
    let (mut best, mut least, mut above) = (None, None, 1);
    // Up by doubling, then between what fits and what does not.
    while above <= most {
        match next(above) {
            Some(found) if fits(&found) => (best, above) = (Some(found), 2 * found.0),
            Some(found) => {
                least = Some(found);
                break;
            }
            None => above *= 2,
        }
    }
    let (mut below, mut above) = (best.map_or(0, |(size, _)| size), above.min(most + 1));
    while above - below > 1 {
        let middle = below.midpoint(above);
        match next(middle) {
            Some(found) if fits(&found) => (best, below) = (Some(found), found.0),
            found => (least, above) = (found.or(least), middle),
        }
    }
    best.ok_or(least)
}

/// The table at a dotted path, through lists by their index.
fn table_at<'t>(table: &'t Table, path: &str) -> Option<&'t Table> {
    let mut keys = path.split('.');
    let mut at = table.get(keys.next()?)?;
    for key in keys {
        at = match at {
            Value::Array(list) => list.get(key.parse::<usize>().ok()?)?,
            Value::Table(inner) => inner.get(key)?,
            _ => return None,
        };
    }
    at.as_table()
}

fn table_at_mut<'t>(table: &'t mut Table, path: &str) -> Option<&'t mut Table> {
    let mut keys = path.split('.');
    let mut at = table.get_mut(keys.next()?)?;
    for key in keys {
        at = match at {
            Value::Array(list) => list.get_mut(key.parse::<usize>().ok()?)?,
            Value::Table(inner) => inner.get_mut(key)?,
            _ => return None,
        };
    }
    at.as_table_mut()
}

/// As [`crate::Solved::how`] has it: four digits, and not less.
fn rounded_up(share: f64) -> f64 {
    (share * 1e4).ceil() / 1e4
}

fn rounded_down(share: f64, digits: i32) -> f64 {
    (share * 10_f64.powi(digits)).floor() / 10_f64.powi(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_size_is_found_though_some_do_not_fit() {
        // Multiples of 3 alone have a figure, their square.
        let figure = |size: usize| size.is_multiple_of(3).then_some(size * size);
        assert_eq!(largest(1000, 100.0, figure), Ok((9, 81)));
        assert_eq!(largest(1000, 81.0, figure), Ok((9, 81)));
        assert_eq!(largest(1000, 80.9, figure), Ok((6, 36)));
        assert_eq!(largest(1000, 1e9, figure), Ok((999, 998_001)));
        assert_eq!(largest(1000, 8.0, figure), Err(Some((3, 9))));
        assert_eq!(largest(1000, 8.0, |_| None), Err(None));
        assert_eq!(largest(0, 8.0, figure), Err(None));
        for target in 1..2000 {
            let expected = (1..=50).rev().find(|size| size * size <= target);
            assert_eq!(largest(50, target as f64, |size| Some(size * size)).ok().map(|found| found.0), expected);
        }
    }
}
