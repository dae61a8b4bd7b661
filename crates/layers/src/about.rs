//! How kinds and rules present themselves.

/// How a kind or a rule presents itself: `lrx layers` and `lrx rules` print it.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The kebab-case name that configs use.
    pub name: &'static str,
    /// Of its mathematics: 1 at first, one more whenever the same options give other numbers. It is part of what a run is
    /// known by, so runs of changed mathematics are not mistaken for earlier ones.
    pub version: u32,
    /// One line.
    pub summary: &'static str,
    /// The mathematics, shapes, initialisation and source.
    pub description: &'static str,
    /// Options in TOML that are valid at small sizes (8 inputs or outputs): shown as the example, used by the checks.
    pub example: &'static str,
}
