//! Something is hard at first, and works out in the end.

use super::{CHARACTER, FRIENDS, OPENING, THANKS};
use crate::synthetic::Plot;

/// A treat for somebody goes wrong, and the second try does not.
pub(super) const BAKED: Plot = Plot {
    slots: &[
        (
            "food",
            &[
                "apple pie",
                "carrot cake",
                "plum tart",
                "honey cake",
                "cherry pie",
                "lemon cake",
                "nut cake",
                "berry pie",
                "pear tart",
                "cheese pie",
                "chocolate cake",
            ],
        ),
        (
            "mishap",
            &[
                "put in far too much salt",
                "dropped the bowl on the floor",
                "forgot the time, and the {food} burned",
                "spilled everything on the floor",
                "sneezed, and the flour flew all over the kitchen",
            ],
        ),
        (
            "reason",
            &["had a birthday", "was sick in bed", "felt lonely", "had hurt {f.their} foot", "had lost a tooth"],
        ),
    ],
    paragraphs: &[
        &[
            OPENING,
            CHARACTER,
            &[
                "{They} had a friend, a {f.kind} named {friend}. One {day}, {friend} {reason}.",
                "{Their} best friend was a {f.kind} named {friend}. One {day}, {friend} {reason}.",
            ],
            &[
                "\"I will make a {food} for {friend},\" said {hero}.",
                "{Hero} wanted to make {f.them} happy. \"{Friend} loves {food},\" {they} thought. \"I will make some!\"",
                "So {hero} asked {their} {adult}, \"May I make a {food} for {friend}?\" \"Yes,\" {a.they} said.",
            ],
        ],
        &[
            &[
                "{They} put on a {colour} apron and got to work.",
                "{They} took a big {colour} bowl and a spoon and began.",
                "{Hero} [washed {their} hands|looked at the recipe|hummed a song] and took out a {colour} bowl.",
            ],
            &[
                "But then {they} {mishap}. [What a mess!|Oh no!|Oh dear!]",
                "Everything went well until {they} {mishap}.",
                "But {hero} was in a hurry, and {they} {mishap}.",
            ],
            &[
                "\"It is ruined!\" {hero} cried.",
                "{Hero} sat down and [cried|was very sad].",
                "\"Now I have nothing to give to {friend},\" {they} said [sadly|with a sigh].",
            ],
        ],
        &[
            &[
                "{Their} {adult} came into the kitchen. \"That happens to all of us,\" {a.they} said. \"Let us try again.\"",
                "\"Do not give up,\" said {their} {adult}. \"I will help you.\"",
                "{Their} {adult} [hugged {them}|dried {their} tears] and said, \"The second one is always better.\"",
            ],
            &[
                "They cleaned the kitchen and started again. This time, {hero} was very careful.",
                "So they made another {food}, step by step.",
                "This time they worked [slowly|together], and nothing went wrong.",
            ],
            &[
                "Soon the {food} was ready, and it smelled [wonderful|so good|great].",
                "The new {food} was [perfect|just right|even better].",
            ],
        ],
        &[
            &[
                "{Hero} took the {food} to {friend}. \"This is for you!\" {they} said.",
                "{They} carried the {food} to the house of {friend} and knocked on the door.",
            ],
            &[
                "\"{Food}! That is my favorite!\" said {friend}.",
                "{Friend} took a bite. \"Yum! This is the best {food} in the world!\" {f.they} said.",
                "{Friend} was so happy that {f.they} [danced|clapped|laughed out loud].",
            ],
            &[
                "They ate the {food} together and [laughed about the mess|talked all afternoon|were happy].",
                "{Hero} told {f.them} about the mess in the kitchen, and they both laughed.",
            ],
            &[
                "{Hero} learned that it is all right to make mistakes.",
                "{Hero} was glad that {they} did not give up.",
                "",
            ],
        ],
    ],
};

/// What frightens in the night turns out to be harmless.
pub(super) const AFRAID: Plot = Plot {
    slots: &[
        ("fear", &["the dark", "thunder", "monsters", "ghosts", "the wind at night", "strange noises", "shadows"]),
        ("noise", &["a tapping", "a scratching", "a squeaking", "a rustling", "a knocking", "a thumping"]),
        (
            "cause",
            &[
                "a branch at the window",
                "a little mouse with a nut",
                "an open door in the wind",
                "a cat that wanted to come in",
                "an old clock",
                "a loose board",
                "a bird on the roof",
            ],
        ),
        ("comfort", &["small lamp", "soft blanket", "{colour} pillow", "teddy bear", "cup of warm milk", "candle"]),
    ],
    paragraphs: &[
        &[
            OPENING,
            CHARACTER,
            &[
                "But there was one thing {they} did not like: {they} was afraid of {fear}.",
                "{Hero} was [brave|happy] all day, but at night {they} was afraid of {fear}.",
                "Only one thing made {them} shiver, and that was {fear}.",
            ],
        ],
        &[
            &[
                "One night, {hero} lay in bed and heard {noise}.",
                "One night, {friend_intro} came to sleep at {their} house. In the middle of the night, {hero} heard {noise}.",
                "One night, {hero} woke up. There was {noise} in the room!",
            ],
            &[
                "{They} pulled the {colour} blanket over {their} head.",
                "\"Who is there?\" {they} asked in a small voice. Nobody answered.",
                "{Their} heart beat fast. {They} did not dare to move.",
            ],
            &["\"Help!\" {hero} cried.", "\"I am scared!\" {they} called.", "\"Please come!\" {hero} called out."],
        ],
        &[
            &[
                "{Their} {adult} came in with a {comfort}. \"What is the matter?\" {a.they} asked.",
                "The door opened. It was {their} {adult} with a {comfort}.",
            ],
            &[
                "\"There is {noise},\" said {hero}. \"And I am afraid of {fear}.\"",
                "{Hero} told {a.them} about the sound and about {fear}.",
            ],
            &[
                "\"When I was little, I was afraid, too,\" said {their} {adult}. \"Let us look together.\"",
                "\"Shall we find out what it is?\" {a.they} asked and took {hero} by the hand.",
                "{Their} {adult} listened. \"I hear it, too,\" {a.they} said. \"Come, we will look.\"",
            ],
            &[
                "They [walked on their toes|looked around very slowly]. And what did they see? It was only {cause}!",
                "They looked [under the bed|behind the door|in every corner]. Then they found it. It was {cause}, and nothing else.",
            ],
        ],
        &[
            &[
                "{Hero} had to laugh. \"I was afraid of {cause}!\" {they} said.",
                "\"Is that all?\" {hero} asked and began to giggle.",
            ],
            &[
                "{Their} {adult} gave {them} the {comfort} and a kiss. \"Good night, my brave one,\" {a.they} said.",
                "\"You were very brave,\" said {their} {adult} and left the {comfort} next to the bed.",
            ],
            &[
                "Soon {hero} was fast asleep, and {they} dreamed of [the sea|the stars|a big cake|flying].",
                "After that night, {hero} was not so afraid of {fear} anymore.",
                "The next time {they} heard something, {hero} only smiled and thought of {cause}.",
            ],
        ],
    ],
};

/// Practice makes perfect.
pub(super) const LEARNED: Plot = Plot {
    slots: &[
        (
            "skill",
            &[
                "ride a bike",
                "skate",
                "walk on stilts",
                "ski",
                "do a cartwheel",
                "ride a scooter",
                "stand on one leg",
                "dance on tiptoe",
                "climb a rope",
                "walk on a log",
                "jump over a fence",
            ],
        ),
        ("hurt", &["knee", "elbow", "nose", "chin", "back", "foot"]),
        ("prize", &["ribbon", "star", "cap", "medal", "flag", "scarf"]),
    ],
    paragraphs: &[
        &[
            OPENING,
            CHARACTER,
            &[
                "{They} wanted to learn to {skill}.",
                "All the others could {skill}, but {hero} could not.",
                "One {day}, {hero} saw somebody {skill} {at}. \"I want to {skill}, too!\" {they} said.",
            ],
        ],
        &[
            &["So one {day}, {they} went {to} and tried it.", "The next morning, {hero} went {to} to try."],
            &[
                "{They} tried once and fell down. {They} tried again and hurt {their} {hurt}.",
                "It was very hard. {Hero} fell and bumped {their} {hurt}. \"Ouch!\" {they} said.",
                "Plop! {They} fell right on {their} {hurt}.",
            ],
            &[
                "\"I will never learn to {skill},\" {they} said and [sat down|began to cry|wanted to go home].",
                "\"This is too hard!\" {hero} shouted.",
            ],
            &[
                "{Friend_intro} had seen it all. \"I fell many times, too,\" said {friend}. \"I can show you how to {skill}.\"",
                "Then {friend_intro} sat down next to {them}. \"It took me a long time to learn to {skill},\" said {friend}. \"Shall I \
                 help you?\"",
            ],
        ],
        &[
            &[
                "Every day, {hero} and {friend} met {at}.",
                "They practiced {at} for [three days|a whole week|many days].",
            ],
            &[
                "\"[Not so fast|Look ahead|Keep going|Slowly]!\" {friend} would say, and {hero} got a little better each time.",
                "{Hero} still fell, but {they} always got up again.",
                "{Friend} held {their} hand at first, and then {f.they} let go.",
            ],
            &[
                "And then, one [morning|afternoon], {hero} did not fall. {They} could {skill}!",
                "On the last day, it worked. \"Look at me!\" {hero} shouted. \"I can {skill}!\"",
            ],
        ],
        &[
            &[
                "{Friend} clapped and gave {them} a {colour} {prize}.",
                "{Their} {adult} came to watch and gave {them} a {colour} {prize}.",
            ],
            THANKS,
            &[
                "{Hero} learned that {they} only had to [keep trying|try again and again|practice].",
                "{Hero} put the {colour} {prize} on the wall and looked at it every night.",
                "And when somebody younger wanted to learn to {skill}, {hero} said, \"I can show you how.\"",
            ],
            FRIENDS,
        ],
    ],
};

/// A seed takes its time.
pub(super) const PLANTED: Plot = Plot {
    slots: &[
        (
            "plant",
            &[
                "sunflower",
                "pumpkin",
                "bean plant",
                "tomato plant",
                "rose",
                "tulip",
                "strawberry plant",
                "melon",
                "pepper plant",
            ],
        ),
        (
            "spot",
            &[
                "behind the house",
                "next to the fence",
                "by the front door",
                "under the kitchen window",
                "near the well",
            ],
        ),
        ("pest", &["hungry snails", "weeds", "ants", "beetles", "caterpillars"]),
    ],
    paragraphs: &[
        &[
            OPENING,
            CHARACTER,
            &[
                "One {day}, {their} {adult} gave {them} a tiny seed. \"It will be a {plant},\" {a.they} said.",
                "One {day}, {hero} found a seed {at}. \"That is the seed of a {plant},\" said {their} {adult}.",
            ],
            &[
                "{Hero} took a {colour} [shovel|pot|spoon] and planted the seed {spot}.",
                "{Hero} made a hole {spot}, put in the seed, and marked it with a {colour} stone.",
            ],
        ],
        &[
            &[
                "{Hero} looked the next day, but there was nothing. {They} looked again and again. Still nothing!",
                "Then {they} waited and waited. Nothing happened.",
            ],
            &[
                "\"Why does it not grow?\" {hero} asked. \"Be patient,\" said {their} {adult}. \"A seed needs time.\"",
                "\"It will never be a {plant},\" {they} said sadly. \"Give it water and wait,\" said {their} {adult}.",
            ],
            &[
                "So {hero} gave it water every [day|morning|evening], and one day there was a small green leaf!",
                "{Hero} watered it and sang to it. And then, after a long time, something green came out of the ground.",
            ],
        ],
        &[
            &[
                "But one [morning|evening], there were {pest} all around the {plant}.",
                "Then came the {pest}. They were all over the little {plant}!",
            ],
            &["\"[Oh no!|Go away!] My {plant}!\" cried {hero}.", "{Hero} did not know what to do about the {pest}."],
            &[
                "{Friend_intro} looked over the fence. \"I can help you,\" said {friend}.",
                "{They} ran to get help and met {friend_intro}. \"Let us go and see,\" said {friend}.",
            ],
            &[
                "They picked off the {pest}, one by one, and carried them far away.",
                "{Friend} knew all about {pest}. They worked together until the last of them was gone.",
            ],
        ],
        &[
            THANKS,
            &[
                "The {plant} grew and grew. By the end of summer, it was bigger than all the others!",
                "All summer the {plant} grew, and in the end it was the finest {plant} in the whole town.",
            ],
            &[
                "{Hero} was very proud. \"It only needed time,\" {they} said.",
                "{Hero} saved the new seeds and gave half of them to {friend}.",
                "\"Now I know how to wait,\" {hero} told {their} {adult}.",
            ],
            FRIENDS,
        ],
    ],
};
