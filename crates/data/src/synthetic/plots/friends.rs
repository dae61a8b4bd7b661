//! Somebody quarrels, needs help or has to say sorry.

use super::{CHARACTER, FRIENDS, OPENING};
use crate::synthetic::Plot;

/// Two want the same thing.
pub(super) const SHARED: Plot = Plot {
    slots: &[
        (
            "thing",
            &[
                "swing",
                "shovel",
                "bucket",
                "ball",
                "jump rope",
                "tricycle",
                "drum",
                "toy boat",
                "puzzle",
                "sled",
                "wagon",
            ],
        ),
        (
            "treat",
            &["an apple", "a cookie", "a muffin", "a pear", "some nuts", "a slice of bread", "some grapes", "a peach"],
        ),
    ],
    paragraphs: &[
        &[
            OPENING,
            CHARACTER,
            &[
                "One {day}, {they} went {to} to play.",
                "One {day}, {hero} was playing {at}.",
                "One {day}, {their} {adult} took {them} {to}.",
            ],
            &[
                "There {they} saw a {colour} {thing}. \"[I want to play with it|That looks like fun]!\" {they} said.",
                "{They} found a {colour} {thing} there and [was very happy|clapped with joy].",
                "The best thing there was a {colour} {thing}.",
            ],
        ],
        &[
            &[
                "But {friend_intro} wanted the {thing}, too.",
                "Then {friend_intro} came and wanted to play with the {thing}, too.",
                "At the same time, {friend_intro} ran to the {colour} {thing}.",
            ],
            &[
                "\"It is mine! I saw it first!\" said {hero}. \"No, I saw it first!\" said {friend}.",
                "\"Give it to me!\" {friend} shouted. \"No!\" {hero} shouted back.",
                "\"I want the {thing}!\" said {hero}. \"I want it, too!\" said {friend}.",
            ],
            &[
                "They [pulled and pushed|shouted louder and louder|were both very angry], and nobody had any fun.",
                "{Hero} pushed {friend}, and {friend} fell down and cried.",
                "They would not look at each other.",
            ],
        ],
        &[
            &[
                "{Their} {adult} [heard|saw] them and came over. \"Why do you not take turns?\" {a.they} asked.",
                "After a while, {hero} felt [bad|sorry|sad]. It was no fun to play alone.",
                "{Hero} saw that {friend} was sad. {They} thought about it for a while.",
            ],
            &[
                "\"I am sorry,\" said {hero}. \"You can have the {thing} first.\"",
                "\"Let us share the {thing},\" {hero} said. \"You go first, and then it is my turn.\"",
                "\"I am sorry I was mean,\" {hero} said. \"Do you want to play with the {thing} with me?\"",
            ],
            &[
                "{Friend} smiled. \"I am sorry, too,\" {f.they} said.",
                "\"[Yes|Good idea], let us play together!\" said {friend}.",
                "{Friend} was so glad that {f.they} gave {hero} {treat}.",
            ],
        ],
        &[
            &[
                "They took turns with the {colour} {thing}, and it was [much more|twice as much] fun.",
                "Now they both played with the {thing} and [laughed a lot|had a great time].",
                "First {friend} had the {thing}, then {hero}, then {friend} again.",
            ],
            &[
                "{Hero} learned that sharing is [fun|good|better than fighting].",
                "\"Sharing makes everything better,\" said {hero}.",
                "{Their} {adult} was proud of {them}.",
            ],
            FRIENDS,
        ],
    ],
};

/// A young animal has lost its mother.
pub(super) const STRAYED: Plot = Plot {
    slots: &[
        (
            "baby",
            &[
                "baby bird",
                "lamb",
                "duckling",
                "fawn",
                "baby squirrel",
                "chick",
                "little hedgehog",
                "baby rabbit",
                "kitten",
                "baby owl",
            ],
        ),
        (
            "spot",
            &[
                "under a bush",
                "behind a tree",
                "next to a big stone",
                "in the tall grass",
                "on a tree stump",
                "between the flowers",
            ],
        ),
        (
            "clue",
            &[
                "small tracks on the ground",
                "a [soft|faint] call",
                "the sound of running water",
                "a feather on the path",
                "a [strange|sweet] smell",
            ],
        ),
        (
            "nest",
            &[
                "by an old oak tree",
                "near a little stream",
                "behind a red barn",
                "on the other side of a hill",
                "next to a stone wall",
            ],
        ),
    ],
    paragraphs: &[
        &[
            OPENING,
            CHARACTER,
            &[
                "One {day}, {hero} went for a walk {to}.",
                "One {day}, {hero} was {at}, looking for [berries|flowers|pretty leaves].",
                "One {day}, {their} {adult} sent {them} {to} to pick some [berries|flowers|herbs].",
            ],
        ],
        &[
            &[
                "{They} heard somebody cry. {Spot}, {they} found a {baby}.",
                "Suddenly, {they} saw a {baby} {spot}. It was all alone.",
                "There was a little sound. {Hero} looked around and found a {baby} {spot}.",
            ],
            &[
                "\"What is wrong?\" {they} asked. \"I lost my mother,\" said the {baby}.",
                "\"I want to go home,\" said the {baby}, \"but I do not know the way.\"",
                "The {baby} was [cold|tired|scared] and wanted its mother.",
            ],
            &[
                "\"Do not be afraid,\" said {hero}. \"I will help you find her.\"",
                "\"I will take you home,\" {hero} promised.",
                "{Hero} felt sorry for the {baby} and wanted to help.",
            ],
        ],
        &[
            &[
                "{They} gave the {baby} [some water|a berry|a warm hug] and thought about what to do.",
                "{They} carried the {baby} very gently.",
                "The {baby} came along with small steps.",
            ],
            &[
                "First {they} asked [an old crow|a busy bee|a sleepy snail|a fat toad], who had not seen the mother.",
                "They went left and they went right, but they did not find her.",
                "It got late, and the {baby} began to cry.",
            ],
            &[
                "Then {hero} noticed {clue}. \"This way!\" {they} said.",
                "Then there was {clue}, and {hero} followed it.",
            ],
            &["And there, {nest}, was the mother of the {baby}!", "At last they found the mother {nest}."],
        ],
        &[
            &[
                "\"Mama!\" cried the {baby} and ran to her.",
                "The mother held the {baby} close. \"I was so worried!\" she said.",
                "The {baby} was so happy that it [danced|jumped up and down|laughed].",
            ],
            &[
                "\"Thank you, {hero},\" said the mother. \"You have a good heart.\"",
                "The mother thanked {hero} and gave {them} a {colour} [flower|feather|stone|leaf].",
            ],
            &[
                "{Hero} went home and told {their} {adult} about the {baby}.",
                "When {hero} came home, {their} {adult} gave {them} a [kiss|hug] and said, \"I am proud of you.\"",
                "From then on, {hero} often went {to} to play with the {baby}.",
            ],
        ],
    ],
};

/// A thing is taken without asking, and brought back.
pub(super) const TAKEN: Plot = Plot {
    slots: &[
        (
            "thing",
            &[
                "hat",
                "bell",
                "necklace",
                "flute",
                "cup",
                "paintbrush",
                "basket",
                "lantern",
                "spinning top",
                "mirror",
                "blanket",
                "music box",
            ],
        ),
        (
            "hiding",
            &[
                "under the bed",
                "behind the curtain",
                "under {their} pillow",
                "behind the door",
                "under a pile of socks",
            ],
        ),
    ],
    paragraphs: &[
        &[
            OPENING,
            CHARACTER,
            &[
                "{They} had a friend, a {f.kind} named {friend}, who had a {colour} {thing}.",
                "Next door lived a {f.kind} named {friend}. {F.they} had a [beautiful|lovely|fine] {colour} {thing}.",
            ],
            &[
                "{Hero} wished for a {thing} like that.",
                "It was the nicest {thing} that {hero} had ever seen.",
                "{Hero} wanted to have it so much!",
            ],
        ],
        &[
            &[
                "One {day}, {friend} left the {thing} [on the grass|by the door|on a bench] and went inside.",
                "One {day}, {hero} came to visit, but {friend} was not there. Only the {colour} {thing} was.",
                "One {day}, {hero} and {friend} played {at}. When {friend} was not looking, {hero} saw the {thing}.",
            ],
            &[
                "{Hero} took the {thing} without asking and hid it {hiding} at home.",
                "{They} looked left and right, took the {thing}, and ran home with it. {They} hid it {hiding}.",
            ],
            &[
                "Soon {friend} came. \"My {thing} is gone,\" {f.they} said [sadly|with tears in {f.their} eyes]. \"Have you seen \
                 it?\"",
                "The next day, {friend} was very sad. \"Somebody took my {colour} {thing},\" {f.they} said.",
                "{Friend} looked everywhere for the {thing} and cried.",
            ],
            &[
                "\"No,\" said {hero}, but {their} face got hot.",
                "{Hero} did not say a word.",
                "\"I do not know where it is,\" {hero} lied.",
            ],
        ],
        &[
            &[
                "That night, {hero} could not sleep. The {thing} was not fun at all.",
                "{Hero} had a bad feeling in {their} tummy all day.",
                "{Their} {adult} asked, \"What is the matter, {hero}?\" Then {hero} told {a.them} everything. \"You know what to \
                 do,\" said {their} {adult}.",
            ],
            &[
                "In the morning, {hero} took the {thing} from {hiding} and went to {friend}.",
                "So {hero} got the {colour} {thing} and brought it back to {friend}.",
                "{Hero} ran to {friend} with the {thing} as fast as {they} could.",
            ],
            &[
                "\"I took your {thing}. I am so sorry,\" {they} said.",
                "\"I am sorry, {friend}. I should have asked,\" said {hero}.",
                "\"Here is your {thing},\" {hero} said in a small voice. \"It was wrong to take it.\"",
            ],
        ],
        &[
            &[
                "{Friend} was [quiet for a moment|surprised]. Then {f.they} said, \"Thank you for telling me the truth.\"",
                "{Friend} was a little angry, but then {f.they} smiled. \"I forgive you,\" {f.they} said.",
                "\"It is all right,\" said {friend}. \"Next time, just ask. We can share it.\"",
            ],
            &[
                "{Hero} felt [light|happy|much better] again and never took anything without asking.",
                "{Hero} learned [to ask first|to tell the truth|that it is never too late to say sorry].",
            ],
            FRIENDS,
        ],
    ],
};
