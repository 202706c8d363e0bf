"""Problems with worked answers. A problem is held out when the hash of its content says so, so training and evaluation can never share one."""
import hashlib
import random
from dataclasses import dataclass, field

import phrases
import reason
import words

TASKS = ("add", "subtract", "multiply", "compare", "count", "reverse", "sort", "chat")
HELD_OUT_IN = 12  # one problem in so many is never trained on


@dataclass
class Problem:
    task: str
    key: str      # what decides the split: the content, not the phrasing (for chat: the sentence)
    prompt: str
    think: str
    answer: str
    system: str = ""
    history: list = field(default_factory=list)  # earlier (question, answer) turns

    def is_right(self, reply: str) -> bool:
        return reply.strip() == self.answer


def held_out(key: str) -> bool:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "little") % HELD_OUT_IN == 0


def _number(rng, digits):
    return rng.randint(0 if digits == 1 else 10 ** (digits - 1), 10 ** digits - 1)


def _digits(rng):
    return rng.choices((1, 2, 3, 4), (15, 38, 28, 19))[0]


def _ask(rng, templates, **values):
    text = rng.choice(templates).format(**values)
    if rng.random() < 0.12:
        text = text[0].lower() + text[1:]
    if rng.random() < 0.10 and text[-1] in ".?" and " = ?" not in text:
        text = text[:-1]
    return text


def _add(rng):
    a, b = _number(rng, _digits(rng)), _number(rng, _digits(rng))
    steps, answer = reason.add(a, b)
    return f"{min(a, b)}+{max(a, b)}", _ask(rng, phrases.ADD, a=a, b=b), steps, answer


def _subtract(rng):
    a, b = _number(rng, _digits(rng)), _number(rng, _digits(rng))
    if a < b and (b > 999 or rng.random() < 0.45):
        a, b = b, a
    templates = phrases.SUBTRACT if a >= b else phrases.SUBTRACT[:-1]
    steps, answer = reason.subtract(a, b)
    return f"{a}-{b}", _ask(rng, templates, a=a, b=b), steps, answer


def _multiply(rng):
    da, db = rng.choices(((1, 1), (2, 1), (1, 2), (3, 1), (1, 3), (2, 2)), (12, 18, 12, 13, 7, 38))[0]
    a, b = _number(rng, da), _number(rng, db)
    steps, answer = reason.multiply(a, b)
    return f"{min(a, b)}*{max(a, b)}", _ask(rng, phrases.MULTIPLY, a=a, b=b), steps, answer


def _compare(rng):
    digits = rng.choices((1, 2, 3, 4, 5), (10, 30, 30, 20, 10))[0]
    a = _number(rng, digits)
    if rng.random() < 0.3:
        b = _number(rng, rng.choices((1, 2, 3, 4, 5), (10, 30, 30, 20, 10))[0])
    elif rng.random() < 0.5:
        b = _number(rng, digits)
    else:  # a shared beginning, so that later digits decide
        text, keep = str(a), rng.randint(1, digits)
        b = int(text[:keep] + "".join(rng.choice("0123456789") for _ in text[keep:]))
    steps, verdict = reason.compare(a, b)
    key = f"{min(a, b)}?{max(a, b)}"
    kind = rng.choices(("larger", "smaller", "greater?", "less?", "compare"), (34, 26, 18, 12, 10))[0]
    both = dict(a=a, b=b)
    if kind == "larger":
        return key, _ask(rng, phrases.LARGER, **both), steps, str(max(a, b)) if a != b else "They are equal."
    if kind == "smaller":
        return key, _ask(rng, phrases.SMALLER, **both), steps, str(min(a, b)) if a != b else "They are equal."
    if kind == "greater?":
        return key, _ask(rng, phrases.IS_GREATER, **both), steps, "Yes" if a > b else "No"
    if kind == "less?":
        return key, _ask(rng, phrases.IS_LESS, **both), steps, "Yes" if a < b else "No"
    return key, _ask(rng, phrases.COMPARE, **both), steps, verdict


def _show(rng, text):
    return rng.choice(("{}", "{}", "'{}'", '"{}"')).format(text)


def _count(rng):
    word = words.pick(rng)
    if rng.random() < 0.25:
        steps, answer = reason.length(word)
        return f"word {word}", _ask(rng, phrases.LENGTH, w=_show(rng, word)), steps, answer
    if rng.random() < 0.3:
        word = words.pick(rng, 11)
    letter = rng.choice(word) if rng.random() < 0.88 else rng.choice("abcdefghijklmnopqrstuvwxyz")
    steps, answer = reason.count_letter(word, letter)
    shown = letter if rng.random() < 0.75 else f"'{letter}'"
    templates = [t for t in phrases.COUNT if "'" not in shown or "{c}'" not in t and "{c}s" not in t]
    return f"word {word}", _ask(rng, templates, c=shown, w=_show(rng, word)), steps, answer


def _reverse(rng):
    word = words.pick(rng)
    steps, answer = reason.reverse(word)
    return f"word {word}", _ask(rng, phrases.REVERSE, w=_show(rng, word)), steps, answer


def _sort(rng):
    top = rng.choices((9, 99, 999), (20, 70, 10))[0]
    numbers = rng.sample(range(0, top + 1), rng.choices((3, 4, 5), (35, 40, 25))[0])
    descending = rng.random() < 0.3
    parts = list(map(str, numbers))
    listed = rng.choice((", ".join(parts), ", ".join(parts), ",".join(parts), " ".join(parts), ", ".join(parts[:-1]) + " and " + parts[-1], "[" + ", ".join(parts) + "]"))
    steps, answer = reason.sort(numbers, descending)
    return f"sort {numbers}", _ask(rng, phrases.SORT_DOWN if descending else phrases.SORT_UP, l=listed), steps, answer


def _chat(rng):
    if rng.random() < 0.35:
        text = rng.choice(phrases.OTHER).format(x=rng.choice(("", "the ", "a ")) + words.pick(rng))
        think, answer = phrases.OTHER_STEPS, phrases.OTHER_ANSWER
    else:
        asked, think, answer = phrases.CHAT[rng.choices((phrases.HELLO, phrases.HOW, phrases.WHO, phrases.CAN, phrases.THANKS, phrases.BYE), (24, 10, 24, 24, 10, 8))[0]]
        text = rng.choice(asked)
        question = text.split(", ")[-1].split()[0] in ("Who", "What", "How", "Can", "Are", "Which", "What's", "who", "what", "how")
        text += rng.choice(("?", "?", "?", "", "??", " ?") if question else ("!", ".", "", "!", "!!", " :)"))
    roll = rng.random()
    if roll < 0.25:
        text = text.lower()
    elif roll < 0.32:
        text += rng.choice((" Please.", " Thanks!", " Thank you."))
    return f"chat {text}", text, [think], answer


_MAKE = dict(add=_add, subtract=_subtract, multiply=_multiply, compare=_compare, count=_count, reverse=_reverse, sort=_sort, chat=_chat)


def problem(rng: random.Random, task: str, held: bool = False) -> Problem:
    """One problem of the training split (held=False) or of the held-out split."""
    while True:
        key, prompt, steps, answer = _MAKE[task](rng)
        if held_out(key) == held:
            return Problem(task, key, prompt, "\n".join(steps), answer)


def conversation(rng: random.Random, task: str) -> Problem:
    """A training problem with, sometimes, a system prompt and earlier turns whose reasoning was stripped."""
    made = problem(rng, task)
    if rng.random() < 0.2:
        made.system = rng.choice(phrases.SYSTEM)
    if rng.random() < 0.06:
        for _ in range(rng.choice((1, 1, 2))):
            past = problem(rng, rng.choice(TASKS))
            made.history.append((past.prompt, rng.choice(("", "\n\n")) + past.answer))
    return made
