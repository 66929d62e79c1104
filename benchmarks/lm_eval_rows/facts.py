"""Sentences, questions and stories of our own, from which the columns of many data sets are made. None is copied from any."""

from typing import Any

QUESTIONS: list[tuple[str, str, str, str, str, str]] = [
    ("What do bees carry from flower to flower?", "pollen", "sand", "coal", "paper", "Bees visit flowers and carry pollen between them."),
    ("Which of these melts in the sun?", "ice", "a brick", "a spoon", "a shoe", "Ice turns into water when it is warm."),
    ("What does a tailor work with?", "cloth", "bread", "bricks", "oil", "A tailor cuts cloth and sews it."),
    ("Where do otters like to swim?", "in rivers", "in ovens", "in trees", "in drawers", "Otters hunt for fish in rivers."),
    ("What is needed to light a candle?", "a flame", "a fork", "a pillow", "a map", "A candle burns once a flame has touched its wick."),
    ("Which animal carries its house along?", "a snail", "a horse", "an eagle", "a salmon", "The snail lives in a shell that it carries."),
    ("What falls from the sky in winter?", "snow", "gravel", "butter", "ink", "In winter clouds let fall snow."),
    ("Who bakes the bread of a village?", "the baker", "the barber", "the pilot", "the diver", "The baker gets up at night and heats the oven."),
    ("What do plants take up with their roots?", "water", "light", "music", "smoke", "Roots drink water from the soil."),
    ("What keeps a boat in its place?", "an anchor", "a ladder", "a bell", "a coat", "Sailors drop an anchor to stay where they are."),
    ("Which tool tells the time at night?", "a clock", "a sundial", "a spade", "a comb", "A clock goes on when the sun has set."),
    ("What do cows eat on the meadow?", "grass", "glass", "soap", "nails", "Cows graze; they live on grass."),
    ("What helps to see a distant star?", "a telescope", "a thermos", "a hammer", "a glove", "A telescope gathers the light of distant stars."),
    ("What makes a kite rise?", "the wind", "the rain", "a stamp", "a fence", "Kites rise where the wind blows."),
    ("What is stored in a library?", "books", "fish", "tyres", "hay", "In a library books stand on shelves."),
    ("Which of these is heaviest?", "an elephant", "a feather", "a coin", "a leaf", "An elephant weighs several tonnes."),
]
"""A question, its right answer, three wrong ones, and a sentence that helps."""

SENTENCES: list[tuple[str, int]] = [
    ("the film is warm , funny and never too long", 1), ("a dull story that goes nowhere", 0),
    ("what a lovely evening this was !", 1), ("i would not see it again for money", 0),
    ("the actors play with great joy", 1), ("noisy , grey and without a single idea", 0),
    ("it moved me to tears , in the best way", 1), ("the jokes are old and badly told", 0),
    ("a small miracle of a picture", 1), ("two hours that nobody gives back to me", 0),
    ("bright colours , brave people , a good end", 1), ("the plot has more holes than a net", 0),
    ("everyone should see this once", 1), ("even the music is wrong", 0),
    ("clever from the first scene to the last", 1), ("it falls asleep before its audience does", 0),
]  # fmt: skip
"""A sentence, and whether it praises."""

PAIRS: list[tuple[str, str, int]] = [
    ("The dog sleeps under the table.", "The dog is asleep", 0), ("Anna bought three apples.", "Anna bought pears", 1),
    ("The train left at noon.", "The train was full", 2), ("Nobody came to the meeting.", "The meeting was crowded", 1),
    ("All the windows are open.", "A window is open", 0), ("Tom reads in the garden.", "Tom reads a novel", 2),
    ("The soup is still hot.", "The soup is not cold", 0), ("She never drinks coffee.", "She likes her coffee black", 1),
    ("The bridge was built of stone.", "The bridge is very old", 2), ("Both brothers play chess.", "One brother plays chess", 0),
    ("The shop is closed on Sundays.", "The shop opens on Sunday", 1), ("A boy feeds the ducks.", "The ducks are white", 2),
    ("It rained the whole night.", "The night was dry", 1), ("The nurse smiled at him.", "Somebody smiled", 0),
    ("He lost his keys again.", "He had lost them before", 0), ("The letter came from Oslo.", "The letter is long", 2),
]  # fmt: skip
"""A premise, a hypothesis, and whether that follows (0), contradicts (1) or neither (2)."""

STORIES: list[tuple[str, str, str, str, str]] = [
    ("Baking: A man kneads the dough. He", "puts it into the oven.", "throws it at the moon.", "reads it aloud.", "plants it in snow."),
    ("Gardening: The girl digs a hole. She", "sets a young tree in it.", "boils it for tea.", "sings it to sleep.", "sends it by mail."),
    ("Sailing: The wind grows stronger. The crew", "takes in the sails.", "paints the wind blue.", "buys a piano.", "peels the sea."),
    ("Painting: She mixes yellow and blue. The colour", "turns into green.", "starts to bark.", "asks for the way.", "climbs a hill."),
    ("Cooking: The water begins to boil. He", "adds the noodles.", "adds a bicycle.", "folds the water.", "counts to the river."),
    ("Repair: The tyre is flat. The driver", "fetches the pump.", "waters the tyre.", "whistles to it.", "sows some corn."),
    ("Skating: The ice is thin. The children", "stay on the shore.", "order more ice.", "salt their shoes.", "fold the lake."),
    ("Reading: The last page is torn. The reader", "wonders about the end.", "bakes the page.", "sells the moon.", "mows the book."),
    ("Camping: Night falls in the forest. They", "light a small fire.", "call the forest back.", "iron the trees.", "eat the tent."),
    ("Music: The string of the violin snaps. She", "puts on a new one.", "waters the violin.", "sweeps the sound.", "dials a tune."),
    ("Letters: The stamp is missing. The clerk", "sells him a stamp.", "licks the door.", "plants the letter.", "rows the desk."),
    ("Football: The ball rolls over the line. The team", "cheers for the goal.", "feeds the ball.", "peels the grass.", "prints a lake."),
    ("Market: The scale shows one kilo. The woman", "pays for the plums.", "kisses the scale.", "sinks the market.", "tunes a plum."),
    ("Train: The signal turns red. The train", "comes to a halt.", "eats the signal.", "laughs in French.", "melts the rails."),
    ("School: The bell rings. The pupils", "close their books.", "close the sky.", "bury the bell.", "wash the minutes."),
    ("Farm: The hen has laid an egg. The farmer", "takes it to the kitchen.", "teaches it to read.", "hangs it up to dry.", "asks it in."),
]
"""What happens first, how it goes on, and three ways in which it does not."""

RIDDLES: list[tuple[str, str, str, str]] = [
    ("The cup does not fit into the box because the _ is too big.", "cup", "box", "1"),
    ("The cup does not fit into the box because the _ is too small.", "cup", "box", "2"),
    ("Maria thanked Ida because _ had helped her.", "Maria", "Ida", "2"),
    ("Maria helped Ida, so _ was thanked.", "Maria", "Ida", "1"),
    ("The fox fled from the dog since the _ was faster.", "fox", "dog", "2"),
    ("The lamp stood on the shelf until the _ fell over.", "lamp", "shelf", "1"),
    ("Paul lent Erik money, and now _ owes him.", "Paul", "Erik", "2"),
    ("The rope held the boat although the _ was heavy.", "rope", "boat", "2"),
    ("Lena taught Mia to swim because _ knew how.", "Lena", "Mia", "1"),
    ("The key broke in the lock as the _ was made of tin.", "key", "lock", "1"),
    ("The cat watched the bird until the _ flew away.", "cat", "bird", "2"),
    ("Oskar envied Hugo because _ had won.", "Oskar", "Hugo", "2"),
    ("The jug filled the glass until the _ was empty.", "jug", "glass", "1"),
    ("The tree shaded the bench, so the _ stayed cool.", "tree", "bench", "2"),
    ("Nora carried the baby because _ was tired of walking.", "Nora", "the baby", "2"),
    ("The coat hid the shirt since the _ was longer.", "coat", "shirt", "1"),
]
"""A sentence with a gap, two words for it, and which of them (1 or 2) it is."""

SUMS: list[tuple[str, str, int]] = [
    ("Ben has 3 pens and gets 4 more. How many pens has he?", "Ben has 3 + 4 = 7 pens.", 7),
    ("A box holds 6 eggs. How many eggs are in 5 boxes?", "There are 6 * 5 = 30 eggs.", 30),
    ("Ina had 12 plums and ate 5. How many are left?", "There are 12 - 5 = 7 plums.", 7),
    ("Four friends share 20 nuts. How many does each get?", "Each gets 20 / 4 = 5 nuts.", 5),
    ("A bus has 31 seats, 9 are free. How many are taken?", "There are 31 - 9 = 22 people.", 22),
    ("Tea costs 2 dollars. What do 8 cups cost?", "They cost 2 * 8 = 16 dollars.", 16),
    ("A rope of 18 metres is cut into 3 parts. How long is each?", "Each is 18 / 3 = 6 metres long.", 6),
    ("There are 14 hens and 8 geese. How many birds are there?", "There are 14 + 8 = 22 birds.", 22),
    ("A book has 90 pages; 60 are read. How many are not?", "There are 90 - 60 = 30 pages.", 30),
    ("Every day Jo runs 5 miles. How many in a week?", "Jo runs 5 * 7 = 35 miles.", 35),
    ("Of 1,200 bricks 200 are broken. How many are whole?", "There are 1,200 - 200 = 1,000 bricks.", 1000),
    ("A farmer plants 9 rows of 4 trees. How many trees?", "There are 9 * 4 = 36 trees.", 36),
    ("Sam is 11, his sister is 3 years older. How old is she?", "She is 11 + 3 = 14 years old.", 14),
    ("A cake is cut into 16 pieces for 8 guests. How many each?", "Each gets 16 / 8 = 2 pieces.", 2),
    ("From 50 stamps 15 are used. How many remain?", "There remain 50 - 15 = 35 stamps.", 35),
    ("Two jars hold 21 sweets each. How many in all?", "There are 21 * 2 = 42 sweets.", 42),
]
"""A question, the reckoning, and the number."""

PASSAGES: list[tuple[str, str, str, str]] = [
    ("The mill at Orlen was built in 1804. It ground rye for four villages.", "When was the mill built?", "1804", "in 1804"),
    ("Clara keeps eleven goats. Their milk is made into cheese.", "How many goats does Clara keep?", "eleven", "11"),
    ("The ferry to the island leaves from pier 7 at dawn.", "From which pier does the ferry leave?", "pier 7", "7"),
    ("Mount Arvik is 2140 metres high; snow stays there until June.", "Until when does the snow stay?", "June", "until June"),
    ("The painter Holm used only red and white in his last years.", "Who used only red and white?", "Holm", "the painter Holm"),
    ("In Tessel, tulips are sold by weight on the old square.", "What is sold by weight?", "tulips", "the tulips"),
    ("The bell of Sorna weighs 300 kilos and is rung once a year.", "How often is the bell rung?", "once a year", "once"),
    ("Lake Mirren froze in 1963, and people walked across it.", "Which lake froze in 1963?", "Lake Mirren", "Mirren"),
    ("Dr. Bao found the beetle under a stone near Halvik.", "Where was the beetle found?", "under a stone", "near Halvik"),
    ("The tower has 88 steps; a guard once lived at the top.", "How many steps has the tower?", "88", "88 steps"),
    ("Two bakers, Finn and Rosa, opened the shop in spring.", "In which season did the shop open?", "spring", "in spring"),
    ("The library of Kern owns a map drawn on goat skin.", "What is the map drawn on?", "goat skin", "skin"),
    ("Wind turns the nine wheels of the salt works at Brask.", "What turns the wheels?", "wind", "the wind"),
    ("On Fridays the market of Lund sells smoked eel.", "On which day is eel sold?", "Fridays", "on Fridays"),
    ("The old road to Perrin is closed; carts take the valley.", "Which road is closed?", "the old road", "the road to Perrin"),
    ("A lynx was seen near the quarry three times in March.", "What was seen near the quarry?", "a lynx", "lynx"),
]
"""A passage, a question about it, its answer, and another wording of that."""

TRANSLATIONS: list[tuple[str, str]] = [
    ("Two men sit on a bench.", "Zwei Männer sitzen auf einer Bank."), ("The child is asleep.", "Das Kind schläft."),
    ("A dog runs across the street.", "Ein Hund läuft über die Straße."), ("She opens the window.", "Sie öffnet das Fenster."),
    ("The bread is fresh.", "Das Brot ist frisch."), ("We walk along the river.", "Wir gehen am Fluss entlang."),
    ("A woman sells green apples.", "Eine Frau verkauft grüne Äpfel."), ("The old house is empty.", "Das alte Haus ist leer."),
    ("He plays the violin.", "Er spielt Geige."), ("Snow lies on the roofs.", "Auf den Dächern liegt Schnee."),
    ("Three girls jump into the lake.", "Drei Mädchen springen in den See."), ("The soup is too hot.", "Die Suppe ist zu heiß."),
    ("A man in a blue coat waits.", "Ein Mann in blauem Mantel wartet."), ("The train is late.", "Der Zug hat Verspätung."),
    ("Birds sing in the morning.", "Am Morgen singen die Vögel."), ("The door is made of wood.", "Die Tür ist aus Holz."),
]  # fmt: skip
"""English and German."""

SCRIPTS: list[str] = ["你好，世界。今天天气很好。", "日本語の文です。", "Наступила зима, и пошёл снег.", "café naïve — 100 € „Zitat“", "🙂 ok"]
"""Letters that few of the other texts have."""


def texts() -> list[str]:
    """All of it, for learning a tokenizer."""
    groups: tuple[list[Any], ...] = (QUESTIONS, SENTENCES, PAIRS, STORIES, RIDDLES, SUMS, PASSAGES, TRANSLATIONS)
    return [" ".join(str(part) for part in item) for group in groups for item in group] + SCRIPTS


def lessons() -> list[str]:
    """Always the same answers, which a small model learns soon: some of them are right, so that figures are not zero."""
    asked = [f"Question: {q}\nAnswer: B\n" for q, *_ in QUESTIONS] + [f"Q: {q}\nA: The answer is (B).\n" for q, *_ in QUESTIONS]
    told = [f"{p} {q}\nAnswer: 7." for p, q, *_ in PASSAGES] + [f"Q: {q}\nA: 7\n" for _, q, *_ in PASSAGES]
    summed = [f"Question: {q}\nAnswer: The answer is 7.\n#### 7\n" for q, *_ in SUMS]
    judged = [f"{s}\nQuestion: Is this sentence positive or negative?\nAnswer: positive\n" for s, _ in SENTENCES]
    followed = [f"{p}\nQuestion: {h}. True, False, or Neither?\nAnswer: True\n" for p, h, _ in PAIRS]
    translated = [f"English phrase: {en}\nGerman phrase: {TRANSLATIONS[i % 2][1]}\n" for i, (en, _) in enumerate(TRANSLATIONS)]
    continued = [f"{context} {right}" for context, right, *_ in STORIES] + [f"{gap.split('_')[0]}is a man" for gap, *_ in RIDDLES]
    return [*asked, *told, *summed, *judged, *followed, *translated, *continued, *(["Response: The best answer is B."] * 8)]
