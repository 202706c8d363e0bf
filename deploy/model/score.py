"""Held-out problems and the table of right answers; shared by the local and the served evaluation."""
import random

import generate


def held_out_problems(per_task, seed):
    rng = random.Random(f"held out {seed}")
    problems = []
    for task in generate.TASKS:
        seen = set()
        for _ in range(per_task * 50):  # the chat task has few held-out sentences
            p = generate.problem(rng, task, held=True)
            if p.prompt not in seen:
                seen.add(p.prompt)
                problems.append(p)
            if len(seen) == per_task:
                break
    return problems


def split_reply(text):
    """(steps, answer) of raw model text; a reply without </think> has no answer."""
    steps, mark, answer = text.partition("</think>")
    return (steps.replace("<think>", "", 1).strip(), answer.strip()) if mark else (text, "")


def tally(problems, replies):
    """replies are raw texts with <think>...</think>; a reply counts if it has steps and exactly the right answer."""
    table = {task: [0, 0] for task in generate.TASKS}
    for p, reply in zip(problems, replies):
        table[p.task][0] += p.is_right(split_reply(reply)[1])
        table[p.task][1] += 1
    rows = {t: dict(right=r, total=n, percent=round(100 * r / n, 1)) for t, (r, n) in table.items() if n}
    right, total = sum(v["right"] for v in rows.values()), sum(v["total"] for v in rows.values())
    rows["all"] = dict(right=right, total=total, percent=round(100 * right / max(total, 1), 2))
    return rows


def print_table(rows):
    print(f"{'task':<10}{'right':>7}{'total':>7}{'%':>8}")
    for task, v in rows.items():
        print(f"{task:<10}{v['right']:>7}{v['total']:>7}{v['percent']:>8.1f}")
