//! A thing is out of reach, lost or broken, and somebody helps.

use super::{CHARACTER, FRIENDS, OPENING, THANKS};
use crate::synthetic::Plot;

/// The wind takes a thing to where it cannot be reached.
pub(super) const STUCK: Plot = Plot {
    slots: &[
        ("thing", &["kite", "ball", "balloon", "hat", "scarf", "paper plane", "toy plane", "umbrella"]),
        (
            "spot",
            &["in a tall tree", "on the roof of a barn", "on a high wall", "on top of a lamp post", "in a thorny bush"],
        ),
        ("tool", &["a long stick", "a ladder", "a broom", "a fishing rod", "a rope", "a rake"]),
    ],
    paragraphs: &[
        &[
            OPENING,
            CHARACTER,
            &[
                "{They} had a {colour} {thing} that {they} [liked very much|took everywhere|was very proud of].",
                "For {their} birthday, {their} {adult} gave {them} a {colour} {thing}.",
                "{Their} {adult} had made {them} a {colour} {thing}.",
            ],
        ],
        &[
            &[
                "One {day}, {hero} took the {thing} {to}.",
                "One {day}, {they} went {to} to play with the {thing}.",
                "One {day}, {hero} was {at} with {their} {colour} {thing}.",
            ],
            &[
                "Suddenly, a [strong|big|cold] wind [came|blew], and the {thing} [flew|went] up, up, up. It got stuck {spot}.",
                "{They} was having so much fun! But then the wind blew the {thing} away, and it got stuck {spot}.",
                "The wind was strong. It pulled the {thing} away from {them}, and the {thing} landed {spot}.",
            ],
            &[
                "\"Oh no! My {thing}!\" {they} cried.",
                "\"Come back, {thing}!\" {hero} shouted, but it did not come back.",
                "{Hero} [felt very sad|wanted to cry|did not know what to do].",
            ],
            &[
                "{They} jumped as high as {they} could, but {they} could not reach it.",
                "{They} [jumped and jumped|jumped three times], but the {thing} was too high.",
                "{Hero} was too small to reach it.",
            ],
        ],
        &[
            &[
                "Just then, {friend_intro} [came by|walked by|came along].",
                "{Friend_intro} heard {them} and came to look.",
                "Soon {they} met {friend_intro}.",
            ],
            &[
                "\"Why are you so sad?\" asked {friend}. \"My {colour} {thing} is stuck {spot},\" said {hero}.",
                "\"What is wrong?\" {friend} asked. {Hero} pointed up. \"The wind took my {thing},\" {they} said.",
                "{Hero} told {friend} about the {thing}.",
            ],
            &[
                "\"Do not [worry|cry],\" said {friend}. \"I know what to do.\"",
                "{Friend} thought for a [moment|while]. \"I have an idea,\" {f.they} said.",
                "{Friend} wanted to help.",
            ],
            &[
                "{Friend} ran to get {tool}, and with it {f.they} got the {thing} down.",
                "{Friend} came back with {tool}. Slowly and carefully, {f.they} used it to get the {thing} down.",
                "Together they found {tool}. {Hero} held it still, and {friend} used it to get the {thing} down.",
            ],
        ],
        &[
            &[
                "{Hero} [held|hugged] {their} {colour} {thing} and [smiled|laughed].",
                "{Hero} was so happy to have {their} {colour} {thing} back!",
                "\"My {thing}!\" {hero} shouted [happily|with joy].",
            ],
            THANKS,
            FRIENDS,
        ],
    ],
};

/// A thing is lost, looked for and found.
pub(super) const LOST: Plot = Plot {
    slots: &[
        (
            "thing",
            &[
                "teddy bear",
                "doll",
                "mitten",
                "ring",
                "button",
                "key",
                "whistle",
                "marble",
                "toy car",
                "book",
                "shell",
                "bell",
            ],
        ),
        (
            "spot",
            &[
                "under a bush",
                "behind a big rock",
                "in the tall grass",
                "inside a hollow log",
                "under a pile of leaves",
                "beside an old fence",
                "between two roots",
            ],
        ),
        (
            "wrong",
            &[
                "in a basket",
                "under a bench",
                "behind a door",
                "in a wagon",
                "under a bridge",
                "in an empty nest",
                "behind a barrel",
            ],
        ),
    ],
    paragraphs: &[
        &[
            OPENING,
            CHARACTER,
            &[
                "{They} had a [small|special|pretty] {colour} {thing}.",
                "{Their} favorite thing in the world was a {colour} {thing}.",
                "{They} always carried a {colour} {thing}, a gift from {their} {adult}.",
            ],
        ],
        &[
            &[
                "One {day}, {hero} came home from {place}, and the {thing} was gone!",
                "One {day}, {they} played {at} for a long time. When {they} wanted to go home, {they} could not find the {thing}.",
                "One {day}, {hero} looked for the {thing} and could not find it anywhere.",
            ],
            &[
                "\"Where is my {thing}?\" {they} asked.",
                "\"I lost my {colour} {thing}!\" {they} cried.",
                "{Hero} [felt very sad|started to cry|was worried].",
            ],
            &[
                "{They} told {their} {adult} about it. \"When did you last see it?\" {a.they} asked. \"{At},\" said {hero}.",
                "{Their} {adult} said, \"Let us think. You were {at} today. Go and look there.\"",
                "\"Maybe I left it {at},\" {they} thought.",
            ],
        ],
        &[
            &[
                "So {hero} went back {to}, and there {they} met {friend_intro}.",
                "{Hero} ran {to}. {Friend_intro} was there, too.",
                "On the way {to}, {they} met {friend_intro}.",
            ],
            &[
                "\"Have you seen a {colour} {thing}?\" {hero} asked. \"No,\" said {friend}, \"but I will help you look.\"",
                "\"Can you help me find my {thing}?\" {they} asked. \"Of course I can,\" said {friend}.",
                "{Friend} saw that {hero} was sad and said, \"I will help you.\"",
            ],
            &[
                "They looked {wrong}, but the {thing} was not there.",
                "First they looked {wrong}. There was no {thing}.",
                "{Friend} looked {wrong}. {F.they} found [an old shoe|a spoon|only dust|nothing], but no {thing}.",
            ],
            &[
                "Then {hero} looked {spot}, and there it was!",
                "Then {friend} saw something {colour} {spot}. It was the {thing}!",
                "At last, {friend} looked {spot}. \"Is this your {thing}?\" {f.they} asked. It was!",
            ],
        ],
        &[
            &[
                "{Hero} [picked up|held] the {thing} and [jumped for joy|laughed|smiled].",
                "\"Yes! My {thing}!\" {hero} shouted.",
                "{Hero} was so glad to see {their} {thing} again.",
            ],
            THANKS,
            &[
                "From then on, {they} always kept the {thing} [safe|in a safe place|close].",
                "{Hero} took the {thing} home and never lost it again.",
                "That night, {hero} went to bed with the {colour} {thing} next to {them}.",
            ],
        ],
    ],
};

/// A thing breaks and is mended.
pub(super) const BROKEN: Plot = Plot {
    slots: &[
        (
            "thing",
            &[
                "wagon",
                "toy boat",
                "toy train",
                "toy truck",
                "sled",
                "scooter",
                "wooden horse",
                "toy car",
                "doll house",
            ],
        ),
        (
            "cause",
            &[
                "hit a big stone",
                "bumped into a wall",
                "fell down the stairs",
                "fell into a ditch",
                "tipped over",
                "bumped into a tree",
            ],
        ),
        (
            "tool",
            &["some glue", "a hammer", "a piece of string", "some tape", "a screw", "a bit of wire", "a piece of wood"],
        ),
    ],
    paragraphs: &[
        &[
            OPENING,
            CHARACTER,
            &[
                "{They} had a {colour} {thing}.",
                "{Their} {adult} gave {them} a [new|shiny|lovely] {colour} {thing}. \"[Be careful with it|Take good care of it],\" \
                 {a.they} said.",
                "{Hero} had a {colour} {thing} that once belonged to {their} {adult}.",
            ],
        ],
        &[
            &[
                "One {day}, {hero} wanted to show the {thing} to {friend_intro}.",
                "One {day}, {hero} was playing with the {thing} when {friend_intro} came to visit.",
                "One {day}, {friend_intro} came by and asked, \"May I see your {thing}?\" \"Yes,\" said {hero}.",
            ],
            &[
                "But then the {thing} {cause}. [Crack!|Crash!|Bang!] It was broken.",
                "They were having a good time until the {thing} {cause} and broke.",
                "[Oh no!|Oh dear!] The {thing} {cause}, and a [piece|part] of it came off.",
            ],
            &[
                "{Hero} looked at the broken {thing} and began to cry.",
                "\"My {thing} is broken!\" {they} cried.",
                "{Hero} was afraid that {their} {adult} would be [angry|sad|upset].",
            ],
        ],
        &[
            &[
                "\"Do not cry,\" said {friend}. \"Maybe we can fix it.\"",
                "{Friend} looked at the {thing}, too. \"I think we can mend it,\" {f.they} said.",
                "\"We should tell your {adult},\" said {friend}. So they did, and {their} {adult} was not angry at all. \"We \
                 can fix it,\" {a.they} said.",
            ],
            &[
                "They needed {tool}. {Friend} went home to get it.",
                "\"All we need is {tool},\" said {friend}.",
                "{Hero} looked in a [drawer|box|cupboard] and found {tool}.",
            ],
            &[
                "They worked [all afternoon|for an hour|slowly and carefully]. {Hero} held the {thing}, and {friend} put the \
                 pieces together.",
                "{Friend} showed {them} how to use it, and {hero} did the rest.",
                "It was hard, and the first try did not work. But they tried again.",
            ],
            &[
                "When they were done, the {colour} {thing} was as good as new.",
                "Soon the {thing} [worked again|was whole again|looked like new].",
                "In the end, the {thing} was even better than before!",
            ],
        ],
        &[
            THANKS,
            FRIENDS,
            &[
                "{Hero} learned that [broken things can be fixed|a problem is smaller with a friend|it is good to ask for help].",
                "And {they} was always careful with the {colour} {thing}.",
                "",
            ],
        ],
    ],
};
