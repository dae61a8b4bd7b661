//! Which entry of a legend each configuration belongs to.

use super::canvas::Key;
use super::styles::{Look, Styles};

/// The legend of some looks.
pub(super) struct Legend<'k> {
    pub(super) keys: Vec<Key<'k>>,
    classes: Vec<usize>,
    /// Entries for where kinds stand, behind those of the classes.
    places: Vec<usize>,
}

impl<'k> Legend<'k> {
    /// That of the classes, and of the places where markers tell these, that occur among looks.
    pub(super) fn of(styles: &'k Styles, looks: &[&'k Look]) -> Self {
        let occurring = |look: &dyn Fn(&Look) -> Option<usize>, all: usize| -> Vec<usize> {
            (0..all).filter(|number| looks.iter().any(|own| look(own) == Some(*number))).collect()
        };
        let classes = occurring(&|look| Some(look.class()), styles.classes().len());
        let places = occurring(&|look| look.place(), Styles::PLACES.len());
        let of_class = |class: &usize| {
            let look = looks.iter().find(|look| look.class() == *class).expect("it occurs");
            Key { name: &styles.classes()[*class], ..look.class_key() }
        };
        let keys = classes.iter().map(of_class).chain(places.iter().map(|place| Styles::place_key(*place)));
        Self { keys: keys.collect(), places, classes }
    }

    /// The numbers of the entries that a look belongs to, separated by spaces.
    pub(super) fn families(&self, look: &Look) -> String {
        let class = self.classes.iter().position(|class| *class == look.class());
        let place = self.places.iter().position(|place| Some(*place) == look.place());
        let numbers = class.into_iter().chain(place.map(|place| self.classes.len() + place));
        numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(" ")
    }
}
