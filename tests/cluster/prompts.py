"""Prompts and sampling settings that the scenarios share."""

PROMPTS = [
    "What is 48 + 77?",
    "523 - 288",
    "What is 7 times 8?",
    "Which is larger, 913 or 931?",
    "Sort 5, 3, 9, 1.",
    "hello",
    "who are you",
    "what can you do",
    "Reverse the letters of stone.",
    "How many r in strawberry?",
    "Add 905 and 96.",
    "What is 6 * 12?",
]

GREEDY = {"temperature": 0, "max_tokens": 48}


def seeded(seed):
    return {"temperature": 1.0, "top_p": 0.95, "seed": seed, "max_tokens": 48}


# (prompt, settings): every prompt greedily and with two seeds.
CASES = [(p, s) for p in PROMPTS for s in (GREEDY, seeded(11), seeded(2026))]
