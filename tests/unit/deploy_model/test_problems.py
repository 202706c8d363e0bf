"""The generator's answers and working out, checked by other means than the generator's own."""
import pathlib
import random
import re
import sys
import unittest

MODEL = pathlib.Path(__file__).resolve().parents[3] / "deploy" / "model"
sys.path.insert(0, str(MODEL))
import generate
import reason
import score
import vocabulary


class Problems(unittest.TestCase):
    def test_arithmetic(self):
        rng = random.Random(5)
        for _ in range(2000):
            a, b = rng.randint(0, 10 ** rng.randint(1, 5)), rng.randint(0, 10 ** rng.randint(1, 5))
            self.assertEqual(reason.add(a, b)[1], str(a + b))
            self.assertEqual(reason.subtract(a, b)[1], str(a - b))
            a, b = rng.randint(0, 999), rng.randint(0, 99)
            self.assertEqual(reason.multiply(a, b)[1], str(a * b))

    def test_every_written_equation_holds(self):
        rng = random.Random(6)
        for task in ("add", "subtract", "multiply"):
            for _ in range(500):
                for left, right in re.findall(r"(?m)^([-+*0-9]+)=(-?\d+)", generate.problem(rng, task).think):
                    self.assertEqual(eval(re.sub(r"\b0+(\d)", r"\1", left)), int(right))

    def test_words_and_lists(self):
        self.assertEqual(reason.count_letter("strawberry", "r")[1], "3")
        self.assertEqual(reason.reverse("planet")[1], "tenalp")
        self.assertEqual(reason.sort([5, 2, 9], True), (["5,2,9", "5:5", "2:5>2", "9:9>5>2"], "9, 5, 2"))
        self.assertEqual(reason.compare(482, 479)[1], "482>479")

    def test_splits_are_disjoint(self):
        rng = random.Random(7)
        for task in generate.TASKS:
            for held in (False, True):
                for _ in range(50):
                    self.assertEqual(generate.held_out(generate.problem(rng, task, held).key), held)

    def test_score(self):
        problems = score.held_out_problems(3, 1)
        right = score.tally(problems, [f"<think>\n{p.think}\n</think>\n\n{p.answer}" for p in problems])
        self.assertEqual(right["all"]["percent"], 100)
        self.assertEqual(score.tally(problems, [p.answer for p in problems])["all"]["right"], 0)


class Tokens(unittest.TestCase):
    def test_round_trip_and_single_digits(self):
        tokenizer, rng = vocabulary.Tokenizer(), random.Random(8)
        for i in range(400):
            p = generate.conversation(rng, generate.TASKS[i % 8])
            text = vocabulary.render(p) + vocabulary.completion(p)
            self.assertEqual(tokenizer.decode(tokenizer.encode(text)), text)
        self.assertEqual(len(tokenizer.encode("4821")), 4)
        self.assertEqual([tokenizer.added[t] for t in vocabulary.SPECIAL], [0, 1, 2])
        self.assertEqual(len(tokenizer.vocab | tokenizer.added), vocabulary.SIZE)

    def test_same_as_the_tokenizers_library(self):
        try:
            from tokenizers import Tokenizer
        except ImportError:
            self.skipTest("tokenizers is not installed")
        other, mine, rng = Tokenizer.from_file(str(MODEL / "tokenizer.json")), vocabulary.Tokenizer(), random.Random(9)
        for i in range(400):
            text = vocabulary.render(generate.conversation(rng, generate.TASKS[i % 8]))
            self.assertEqual(other.encode(text, add_special_tokens=False).ids, mine.encode(text))


if __name__ == "__main__":
    unittest.main()
