//! A point of a sweep: a config that all points share, and the few keys that this one sets.

use std::path::PathBuf;
use std::rc::Rc;

use toml::{Table, Value};

use crate::error::Place;
use crate::sweep::{DenseBlocks, insert};
use crate::tree::{Origin, Tree, outwards, override_with, remove};

/// A key that a point sets.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// `model.hidden`
    pub(crate) key: String,
    pub(crate) value: Value,
    /// Where the sweep names the key: `sweep.model.hidden`.
    pub(crate) named_at: String,
    /// Where it gives the value: `sweep.model.hidden.2`.
    pub(crate) given_at: String,
}

/// Keys that are set together: one value of a key with a list, or one case.
#[derive(Debug)]
pub(crate) struct Choice {
    /// What they make of the config.
    pub(crate) over: Table,
    /// Each of them, in the order of the file.
    pub(crate) settings: Vec<Setting>,
    /// Which of the sweep's cases it is, from 0.
    pub(crate) case: Option<usize>,
}

/// What a choice does to the config that all points share.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Set(Rc<Choice>),
    /// All layers dense.
    Dense(Rc<DenseBlocks>),
    /// Keys that are taken out, whoever has set them.
    Without(Rc<[String]>),
}

/// A point of a sweep. Cheap to clone, and small.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    /// The config without `[sweep]`, and where everything was written.
    pub(crate) base: Rc<Tree>,
    pub(crate) changes: Vec<Change>,
}

impl Point {
    /// The whole config at this point.
    pub(crate) fn table(&self) -> Table {
        let mut table = self.base.table.clone();
        for change in &self.changes {
            match change {
                Change::Set(choice) => override_with(&mut table, choice.over.clone()),
                Change::Dense(blocks) => blocks.put_into(&mut table),
                Change::Without(keys) => {
                    for key in keys.iter() {
                        remove(&mut table, key);
                    }
                }
            }
        }
        table
    }

    /// The same point without these keys, whoever has set them.
    pub(crate) fn without(&self, keys: impl IntoIterator<Item = String>) -> Self {
        let mut changes = self.changes.clone();
        changes.push(Change::Without(keys.into_iter().collect()));
        Self { base: self.base.clone(), changes }
    }

    /// The same point with values that nobody wrote.
    pub(crate) fn with(&self, values: impl IntoIterator<Item = (String, Value)>) -> Self {
        let mut over = Table::new();
        values.into_iter().for_each(|(key, value)| insert(&mut over, &key, value));
        let mut changes = self.changes.clone();
        changes.push(Change::Set(Rc::new(Choice { over, settings: Vec::new(), case: None })));
        Self { base: self.base.clone(), changes }
    }

    /// The same point with a value that was solved for as `[compare]` says: it is told as one that a sweep sets.
    pub(crate) fn with_solved(&self, key: &str, value: Value, at: &str) -> Self {
        let mut over = Table::new();
        insert(&mut over, key, value.clone());
        let setting = Setting { key: key.into(), value, named_at: at.into(), given_at: at.into() };
        let mut changes = self.changes.clone();
        changes.push(Change::Set(Rc::new(Choice { over, settings: vec![setting], case: None })));
        Self { base: self.base.clone(), changes }
    }

    /// Which of the sweep's cases it is of, from 0. A dense baseline is of none.
    pub(crate) fn case(&self) -> Option<usize> {
        let of = |change: &Change| match change {
            Change::Set(choice) => choice.case,
            Change::Dense(_) | Change::Without(_) => None,
        };
        self.changes.iter().find_map(of).filter(|_| !self.is_baseline())
    }

    /// What the sweep set, in its order.
    pub(crate) fn settings(&self) -> impl Iterator<Item = &Setting> {
        let set = self.changes.iter().flat_map(|change| match change {
            Change::Set(choice) => &choice.settings[..],
            Change::Dense(_) | Change::Without(_) => &[],
        });
        set.filter(|setting| !self.is_without(&setting.key))
    }

    fn is_without(&self, key: &str) -> bool {
        self.changes.iter().any(|change| matches!(change, Change::Without(keys) if keys.iter().any(|it| it == key)))
    }

    /// Whether it is the dense baseline of others.
    pub(crate) fn is_baseline(&self) -> bool {
        self.changes.iter().any(|change| matches!(change, Change::Dense(_)))
    }

    /// Where the value of a key was written, or the innermost table around it that was.
    pub(crate) fn value_place(&self, path: &str) -> Option<Place> {
        self.origin(path).map(|origin| origin.value)
    }

    /// Where the key was written, or the innermost table around it that was.
    pub(crate) fn key_place(&self, path: &str) -> Option<Place> {
        self.origin(path).map(|origin| origin.key)
    }

    /// Where `written`, the value of the key at `path`, lies: relative to the file that it stands in.
    pub(crate) fn locate(&self, path: &str, written: &str) -> PathBuf {
        self.origin(path).map_or_else(|| written.into(), |origin| origin.folder.join(written))
    }

    fn origin(&self, path: &str) -> Option<Origin> {
        outwards(path).find_map(|path| self.origin_of(path))
    }

    /// The origin of exactly this key.
    fn origin_of(&self, path: &str) -> Option<Origin> {
        let inside = |outer: &str, key: &str| key.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'));
        let settings = || self.settings().collect::<Vec<_>>().into_iter().rev();
        for setting in settings() {
            if setting.key == path {
                let given = self.base.origin(&setting.given_at)?.clone();
                let named = self.base.origin(&setting.named_at).unwrap_or(&given).key.clone();
                return Some(Origin { key: named, ..given });
            }
            if inside(&setting.key, path) {
                // An element of a list that the sweep gave; nothing is left of what it replaced.
                return self.base.origin(&format!("{}{}", setting.given_at, &path[setting.key.len()..])).cloned();
            }
        }
        if let Some(origin) = self.base.origin(path) {
            return Some(origin.clone());
        }
        // A table that was not written anywhere, around a key that the sweep sets.
        settings().find(|setting| inside(path, &setting.key)).and_then(|setting| self.origin_of(&setting.key))
    }
}
