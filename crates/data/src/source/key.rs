//! Under which key, or in which column, a row holds its story.

/// A key as the config gives it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key<'a> {
    /// None is given: the first of those below that holds a story.
    Known,
    /// This one and no other; `a.b` is the key `b` of what stands under `a`, unless there is a key `a.b`.
    Given(&'a str),
}

/// The keys of published stories.
const KNOWN: [&str; 2] = ["text", "story"];
/// So many names are listed in a message.
const LISTED: usize = 12;

impl<'a> Key<'a> {
    pub(crate) fn new(given: Option<&'a str>) -> Self {
        given.map_or(Self::Known, Self::Given)
    }

    /// The names, in the order in which they are looked at.
    pub(super) fn names(&self) -> &[&'a str] {
        match self {
            Self::Known => &KNOWN,
            Self::Given(name) => std::slice::from_ref(name),
        }
    }

    /// What a message calls it: `"text" or "story"`.
    pub(super) fn expected(&self) -> String {
        let names: Vec<String> = self.names().iter().map(|name| format!("{name:?}")).collect();
        names.join(" or ")
    }

    /// The end of a message about a row or table that has `found` instead.
    pub(super) fn nearest<'f>(&self, found: impl IntoIterator<Item = &'f str>) -> String {
        let mut found: Vec<&str> = found.into_iter().collect();
        found.sort_unstable();
        let likeness = |name: &str| {
            let alike = |wanted: &&str| strsim::jaro_winkler(&name.to_lowercase(), &wanted.to_lowercase());
            self.names().iter().map(alike).fold(0.0, f64::max)
        };
        let nearest = found.iter().map(|name| (likeness(name), *name)).max_by(|a, b| a.0.total_cmp(&b.0));
        let more = if found.len() > LISTED { ", …" } else { "" };
        let list: Vec<String> = found.iter().take(LISTED).map(|name| format!("{name:?}")).collect();
        match nearest {
            None => "; it has none at all".to_owned(),
            Some((alike, name)) if alike > 0.7 => format!("; text_key = {name:?}? (there: {}{more})", list.join(", ")),
            Some(_) => format!("; text_key names another (there: {}{more})", list.join(", ")),
        }
    }
}
