"""Words for the counting and reversing tasks. Invented words are mixed in so that spelling, not a word list, is learned."""
import random

REAL = """able about above acorn actor after again alarm album alert alley almond alpha amber anchor angle animal ankle answer apple apron
arch arena arrow artist aspen atlas attic august autumn avocado award bacon badge bakery ball balloon bamboo banana bandit banjo bank barn barrel
basil basket battery beach bean bear beetle belt bench berry bicycle bird biscuit blanket blossom board boat bonfire book boot bottle boulder bowl
branch brass bread breeze brick bridge broccoli broom brother bubble bucket buffalo bullet button butter cabbage cabin cactus cake camel camera
candle canoe canyon captain caravan carbon card carpet carrot cart castle cave cello cement cereal chair chalk channel cheese cherry chess chicken
chimney circle city clarinet clever cliff clock cloud clover coal coast cobra cocoa coconut coffee collar comet compass copper coral corner cotton
couch cousin crab cradle crane crayon creek cricket crow crown crystal cup curtain daisy dancer deer desert diamond dinner dog dollar dolphin donkey
door dragon drawer dream drum duck eagle earth east echo eel effort eight elbow elephant elm ember engine error evening fabric falcon family fan
farmer feather fence fern ferry fiddle field finger fire fish flag flame flute fog forest fork fossil fountain fox frame freckle friend frog frost
fruit galaxy garage garden garlic gate ghost ginger giraffe glacier glass glove goat gold goose gorilla grape grass gravel guitar hammer hamster
harbor harvest hat hazel heart hedge helmet hen heron hill hollow honey hood hook horse hotel house hummus hunter ice igloo indigo insect iris
iron island ivory jacket jaguar jam jar jasmine jelly jewel jigsaw judge juice jungle juniper kayak kettle key king kitchen kite kitten kiwi knee
knife ladder lagoon lake lamp lantern laptop lavender lawn leaf lemon leopard letter lettuce level lily linen lion lizard llama lobster lotus
lumber lunch magnet mango maple marble market meadow melon mill mirror mississippi mitten monkey moon moose morning moss moth motor mountain mouse
mud muffin museum mushroom music mustard napkin narrow needle nest noodle north novel nut oak oasis oat ocean octopus olive onion orange orbit
orchard otter oven owl oyster paddle paint palace palm pancake panda paper parade parrot parsley party pasta peach peanut pear pebble pelican
pencil penguin pepper piano pickle picnic pigeon pillow pilot pine pirate pizza planet plate plum pocket poem pony pool poppy potato powder prairie
pretzel pumpkin puppy puzzle quarry queen quiet quilt rabbit raccoon radio radish rain rainbow raven ribbon rice ring river robin robot rocket roof
root rope rose ruby rudder sail salad salmon salt sand satin school science scooter sea seed sesame shadow sheep shell shelf ship shoe silver sister
sketch sky sled sleep slipper smoke snail snow soap soccer sofa spark sparrow spider spinach spoon spring squash squirrel stable star statue
steam stone storm stove strawberry stream street sugar summer sun sunset swan sweater swing table tea teacher tennis tent theater thunder ticket
tiger timber toast tomato tooth torch tower train tree trumpet tulip tunnel turkey turtle umbrella uncle valley vanilla velvet village violet
violin volcano wagon walnut water wave weather west whale wheat wheel whisper willow wind window winter wizard wolf wood wool yacht yarn yellow
yogurt zebra zero zipper""".split()

_ONSET = ["", "b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "x", "y", "z", "qu", "st", "tr", "pl", "sh", "ch",
          "th", "gr", "br", "cl", "wh", "sp"]
_VOWEL = ["a", "e", "i", "o", "u", "a", "e", "i", "o", "ee", "oo", "ai", "ea", "ou"]
_CODA = ["", "", "", "n", "r", "l", "t", "s", "m", "p", "ck", "ll", "ss", "nd", "st", "x", "ng", "rt", "b", "d", "g", "ff"]


def invented(rng: random.Random, longest: int) -> str:
    """A pronounceable word of at least 3 letters; one in eight is a plain random string."""
    while True:
        if rng.random() < 0.125:
            word = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(3, 7)))
        else:
            word = "".join(rng.choice(_ONSET) + rng.choice(_VOWEL) + rng.choice(_CODA) for _ in range(rng.choice((1, 2, 2, 3) if longest < 10 else (2, 3, 3, 4))))
        if 3 <= len(word) <= longest:
            return word


def pick(rng: random.Random, longest: int = 9) -> str:
    """A word; 9 letters at most where a position in it has to be one digit."""
    if rng.random() < 0.5:
        return invented(rng, longest)
    while True:
        word = rng.choice(REAL)
        if len(word) <= longest:
            return word
