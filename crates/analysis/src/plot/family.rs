//! The families of the seed's notation, with their colours and markers.

use super::canvas::{Key, Shape};
use plotters::style::RGBColor;

const SQUARE: &[(i32, i32)] = &[(-4, -4), (4, -4), (4, 4), (-4, 4)];
const DIAMOND: &[(i32, i32)] = &[(0, -5), (5, 0), (0, 5), (-5, 0)];
const UP: &[(i32, i32)] = &[(-5, 4), (5, 4), (0, -5)];
const DOWN: &[(i32, i32)] = &[(-5, -4), (5, -4), (0, 5)];

/// Markers on the lines of the configurations of one family, one after the other.
const ON_LINES: [Shape; 10] = [
    Shape::Dot,
    Shape::Circle,
    Shape::Polygon(SQUARE),
    Shape::Outline(SQUARE),
    Shape::Polygon(UP),
    Shape::Outline(UP),
    Shape::Polygon(DIAMOND),
    Shape::Outline(DIAMOND),
    Shape::Polygon(DOWN),
    Shape::Outline(DOWN),
];

/// How the lines of configurations are drawn: the colour is the family's, the marker tells its members apart.
pub(super) fn line_keys<'a>(configurations: impl IntoIterator<Item = (Family, &'a str)>) -> Vec<Key<'a>> {
    let mut seen = Vec::new();
    let key = |(family, name): (Family, &'a str)| {
        let number = seen.iter().filter(|other| **other == family).count();
        seen.push(family);
        Key { name, color: family.color(), shape: ON_LINES[number % ON_LINES.len()] }
    };
    configurations.into_iter().map(key).collect()
}

/// What a label of the seed's notation substitutes: `MedSA-FullMLP-4L` belongs to [`Family::Med`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Nothing: all matrices are dense.
    Full,
    /// By a large rank.
    Lg,
    /// By a medium rank.
    Med,
    /// By ranks that rise through the layers.
    Inc,
    /// By ranks that fall through the layers.
    Dec,
    /// The label is in another notation.
    Other,
}

impl Family {
    /// All families, in the order of a legend.
    pub const ALL: [Self; 6] = [Self::Full, Self::Lg, Self::Med, Self::Inc, Self::Dec, Self::Other];

    /// The family of a label: that of its first part, attention or MLP, that is not `Full`.
    ///
    /// ```
    /// use lrx_analysis::plot::Family;
    /// assert_eq!(Family::of_label("FullSA-DecMLP-4L"), Family::Dec);
    /// assert_eq!(Family::of_label("my idea"), Family::Other);
    /// ```
    pub fn of_label(label: &str) -> Self {
        let parts = label.split('-').filter_map(|part| part.strip_suffix("SA").or_else(|| part.strip_suffix("MLP")));
        let mut families = parts.map(|prefix| Self::ALL.into_iter().find(|one| one.name() == prefix)).peekable();
        if families.peek().is_none() {
            return Self::Other;
        }
        families.find(|one| *one != Some(Self::Full)).unwrap_or(Some(Self::Full)).unwrap_or(Self::Other)
    }

    /// Its name, as in labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "Full",
            Self::Lg => "Lg",
            Self::Med => "Med",
            Self::Inc => "Inc",
            Self::Dec => "Dec",
            Self::Other => "other",
        }
    }

    /// Its colour, of the palette of Okabe and Ito, which the colour-blind can tell apart.
    pub(crate) fn color(self) -> RGBColor {
        match self {
            Self::Full => RGBColor(0x00, 0x72, 0xB2),
            Self::Lg => RGBColor(0x00, 0x9E, 0x73),
            Self::Med => RGBColor(0xD5, 0x5E, 0x00),
            Self::Inc => RGBColor(0xCC, 0x79, 0xA7),
            Self::Dec => RGBColor(0xE6, 0x9F, 0x00),
            Self::Other => RGBColor(0x7A, 0x82, 0x8C),
        }
    }

    /// Its entry in legends, and its marker.
    pub(super) fn key(self) -> Key<'static> {
        let shape = match self {
            Self::Full => Shape::Disc,
            Self::Lg => Shape::Polygon(&[(-5, -5), (5, -5), (5, 5), (-5, 5)]),
            Self::Med => Shape::Polygon(&[(0, -7), (7, 0), (0, 7), (-7, 0)]),
            Self::Inc => Shape::Polygon(&[(-7, 5), (7, 5), (0, -7)]),
            Self::Dec => Shape::Polygon(&[(-7, -5), (7, -5), (0, 7)]),
            Self::Other => Shape::Polygon(&[(-6, -3), (-3, -6), (3, -6), (6, -3), (6, 3), (3, 6), (-3, 6), (-6, 3)]),
        };
        Key { name: self.name(), color: self.color(), shape }
    }

    /// The entries of the families that occur, in their order.
    pub(super) fn keys(families: impl Iterator<Item = Self>) -> Vec<Key<'static>> {
        let mut families: Vec<Self> = families.collect();
        families.sort();
        families.dedup();
        families.into_iter().map(Self::key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_substituted_part_gives_the_family() {
        for (label, family) in [
            ("FullSA-FullMLP-4L", Family::Full),
            ("LgSA-LgMLP-4L", Family::Lg),
            ("MedSA-FullMLP-4L", Family::Med),
            ("FullSA-IncMLP-8L", Family::Inc),
            ("DecSA-FullMLP-4L", Family::Dec),
            ("TinySA-FullMLP-4L", Family::Other),
            ("dense", Family::Other),
        ] {
            assert_eq!(Family::of_label(label), family, "{label}");
        }
    }
}
