//! Who and what the stories are about.

/// A name and whose it is.
pub(super) struct Name {
    pub(super) name: &'static str,
    pub(super) pronouns: &'static Pronouns,
}

/// How a character is spoken of.
pub(super) struct Pronouns {
    pub(super) they: &'static str,
    pub(super) them: &'static str,
    pub(super) their: &'static str,
    /// What a child of these pronouns is.
    pub(super) child: &'static str,
}

pub(super) static SHE: Pronouns = Pronouns { they: "she", them: "her", their: "her", child: "girl" };
pub(super) static HE: Pronouns = Pronouns { they: "he", them: "him", their: "his", child: "boy" };

macro_rules! names {
    ($($pronouns:ident: $($name:literal)*;)*) => {
        &[$($(Name { name: $name, pronouns: &$pronouns }),*),*]
    };
}

/// Names of children and animals.
pub(super) const NAMES: &[Name] = names! {
    SHE: "Anna" "Bella" "Clara" "Daisy" "Ella" "Fay" "Grace" "Hannah" "Ivy" "Jane" "Kate" "Lily" "Lucy" "Mia" "Molly"
        "Nina" "Nora" "Olive" "Poppy" "Rosie" "Ruby" "Sally" "Sophie" "Sue" "Tina" "Wendy" "Zoe";
    HE: "Adam" "Ben" "Bobby" "Charlie" "Dan" "Eddie" "Finn" "George" "Henry" "Hugo" "Jack" "Leo" "Max" "Milo" "Ned"
        "Oscar" "Otto" "Paul" "Peter" "Pip" "Ralph" "Sam" "Teddy" "Tim" "Toby" "Tom" "Will";
};

/// Animals that talk, and what sets them apart from people is of no matter to any plot.
pub(super) const ANIMALS: &[&str] = &[
    "bear", "beaver", "bunny", "cat", "dog", "duck", "elephant", "fox", "frog", "goat", "hedgehog", "kitten", "mole",
    "monkey", "mouse", "otter", "owl", "panda", "pig", "puppy", "rabbit", "raccoon", "sheep", "squirrel", "turtle",
];

/// What a character is like.
pub(super) const TRAITS: &[&str] = &[
    "brave", "cheerful", "clever", "curious", "friendly", "funny", "gentle", "happy", "kind", "little", "lively",
    "nice", "playful", "polite", "quiet", "shy", "silly", "small", "smart", "sweet", "young",
];

/// Grown-ups of a family.
pub(super) const ADULTS: &[Name] = names! {
    SHE: "mom" "grandma" "aunt";
    HE: "dad" "grandpa" "uncle";
};

/// Where a story happens: `at` it, on the way `to` it.
pub(super) struct Place {
    pub(super) at: &'static str,
    pub(super) to: &'static str,
    pub(super) name: &'static str,
}

macro_rules! places {
    ($($at:literal $to:literal $name:literal;)*) => { &[$(Place {
        at: concat!($at, " the ", $name), to: concat!($to, " the ", $name), name: concat!("the ", $name)
    }),*] };
}

/// Places outside where one may play, walk and meet.
pub(super) const PLACES: &[Place] = places! {
    "in" "to" "park"; "in" "to" "garden"; "in" "into" "forest"; "in" "to" "meadow"; "at" "to" "playground";
    "in" "to" "big field"; "near" "to" "old mill"; "by" "to" "river"; "by" "to" "pond"; "on" "to" "green hill";
    "on" "to" "farm"; "in" "to" "village square"; "by" "to" "lake"; "in" "to" "apple orchard";
};

pub(super) const COLOURS: &[&str] =
    &["red", "blue", "green", "yellow", "orange", "purple", "pink", "white", "brown", "gray", "golden", "silver"];

/// What anybody may like to do.
pub(super) const HOBBIES: &[&str] = &[
    "sing songs",
    "dance in the rain",
    "look at the clouds",
    "play outside",
    "tell stories",
    "count the stars",
    "collect leaves",
    "draw pictures",
    "run and jump",
    "listen to the birds",
    "pick flowers",
    "make new friends",
    "splash in puddles",
    "build little houses",
    "read books",
    "play hide and seek",
    "eat berries",
    "ask questions",
];

/// Kinds of days.
pub(super) const DAYS: &[&str] = &[
    "sunny day",
    "warm day",
    "bright morning",
    "windy day",
    "cloudy morning",
    "quiet afternoon",
    "spring day",
    "summer morning",
    "cool morning",
    "fine day",
    "Saturday",
    "Sunday",
    "autumn day",
    "lovely afternoon",
];
