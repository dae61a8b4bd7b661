//! What happens in the stories.
//!
//! Slots of every plot: `hero`, `hero_kind`, `hero_intro` ("a shy fox named Tim"), `they`, `them`, `their`; the same of
//! the `friend` with `f.` before the pronouns, and of one of the hero's family, the `adult` ("mom"), with `a.`; `place`
//! ("the park"), `at` and `to` it; `colour`, `hobby` ("sing songs") and `day` ("sunny day"). Only the past is told, so
//! that no verb depends on who does it.

mod friends;
mod growing;
mod things;

use super::{Beat, Plot};

/// All that may happen, each as likely.
pub(super) const PLOTS: &[Plot] = &[
    things::STUCK,
    things::LOST,
    things::BROKEN,
    friends::SHARED,
    friends::STRAYED,
    friends::TAKEN,
    growing::BAKED,
    growing::AFRAID,
    growing::LEARNED,
    growing::PLANTED,
];

const OPENING: Beat = &[
    "[Once upon a time|Long ago|Once], there was {hero_intro}.",
    "There once was {hero_intro}.",
    "[Once upon a time|Long ago], {hero_intro} lived [in a small house|in a little town|near a forest|at the end of a \
     road] with {their} {adult}.",
    "{Hero_intro} lived [in a cozy home|in a quiet village|next to a hill|not far from a lake].",
    "[This is the story of|Let me tell you about] {hero_intro}.",
];

const CHARACTER: Beat = &[
    "{Hero} [liked|loved] to {hobby}.",
    "{They} [liked|loved] to {hobby} [every day|all day long|when the sun was out|with {their} {adult}].",
    "More than anything, {hero} [liked|loved] to {hobby}.",
    "Every morning, {they} would {hobby}.",
    "",
];

const THANKS: Beat = &[
    "\"Thank you, {friend}!\" said {hero}.",
    "{Hero} gave {friend} a big hug and said, \"Thank you!\"",
    "\"You are [so kind|a good friend|the best], {friend},\" {they} said.",
    "\"Thank you for helping me,\" {hero} said to {friend} with a [big|happy|wide] smile.",
];

const FRIENDS: Beat = &[
    "From that day on, {hero} and {friend} were [good|best|the best of] friends.",
    "{Hero} and {friend} played together until [the sun went down|it was time for dinner|the stars came out].",
    "After that, {hero} and {friend} met {at} [every day|every week|again].",
    "The two friends laughed and went home [together|hand in hand|for some warm milk].",
    "{Hero} told {their} {adult} all about {friend}, and {their} {adult} [smiled|was glad|was happy for {them}].",
];
