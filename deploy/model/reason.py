"""The working out: each function returns (steps, answer). Every step is local, so that one token never has to hide a long computation."""


def _columns(a: int, b: int):
    """Digits of a and b from the right, the shorter one padded with zeros."""
    x, y = str(a)[::-1], str(b)[::-1]
    for k in range(max(len(x), len(y))):
        yield k, (int(x[k]) if k < len(x) else 0), (int(y[k]) if k < len(y) else 0)


def add(a: int, b: int):
    lines, carry, done, width = [f"{a}+{b}"], 0, "", max(len(str(a)), len(str(b)))
    for k, x, y in _columns(a, b):
        total = x + y + carry
        done = (str(total) if k == width - 1 else str(total % 10)) + done
        lines.append(f"{x}+{y}{'+1' if carry else ''}={total}->{done}")
        carry = total // 10
    return lines, done


def subtract(a: int, b: int):
    lines, sign = [f"{a}-{b}"], ""
    if a < b:
        a, b, sign = b, a, "-"
        lines = [lines[0] + "<0", f"{a}-{b}"]
    borrow, done = 0, ""
    for _, x, y in _columns(a, b):
        left = x - y - borrow
        done = str(left % 10) + done
        lines.append(f"{x}-{y}{'-1' if borrow else ''}={left}->{done}")
        borrow = 1 if left < 0 else 0
    return lines, sign + (done.lstrip("0") or "0")


def _times_digit(a: int, d: int):
    lines, carry, done, digits = [f"{a}*{d}"], 0, "", str(a)
    if len(digits) == 1:
        return [f"{a}*{d}={a * d}"], str(a * d)
    for k, x in enumerate(reversed(digits)):
        total = int(x) * d + carry
        done = (str(total) if k == len(digits) - 1 else str(total % 10)) + done
        lines.append(f"{x}*{d}{f'+{carry}' if carry else ''}={total}->{done}")
        carry = total // 10
    return lines, done


def multiply(a: int, b: int):
    if len(str(b)) > 1 and len(str(a)) == 1:
        a, b = b, a
    if len(str(b)) == 1:
        lines, done = _times_digit(a, b)
        return lines, str(int(done))
    tens, ones = divmod(b, 10)
    low_lines, low = _times_digit(a, ones)
    high_lines, high = _times_digit(a, tens)
    sum_lines, total = add(int(low), int(high) * 10)
    return [f"{a}*{b}"] + low_lines + high_lines + sum_lines, total


def compare(a: int, b: int):
    x, y = str(a), str(b)
    lines = [f"{a},{b}"]
    sign = lambda p, q: "<" if p < q else ">" if p > q else "="
    lines.append(f"{len(x)},{len(y)}{sign(len(x), len(y))}")  # both sides first, then the sign: nothing is decided before it is seen
    if len(x) == len(y):
        for p, q in zip(x, y):
            lines.append(f"{p},{q}{sign(p, q)}")
            if p != q:
                break
    verdict = f"{a}{sign(a, b)}{b}"
    return lines + [verdict], verdict


def sort(numbers: list, descending: bool):
    """Insertion sort: 'new:' and the sorted list so far."""
    lines, done, sign = [",".join(map(str, numbers))], [], ">" if descending else "<"
    for n in numbers:
        done = sorted(done + [n], reverse=descending)
        lines.append(f"{n}:" + sign.join(map(str, done)))
    return lines, ", ".join(map(str, done))


def count_letter(word: str, letter: str):
    tally, seen = [], 0
    for c in word:
        seen += c == letter
        tally.append(f"{c}{seen}")
    return [f"{letter}: " + " ".join(tally)], str(seen)


def spell(word: str):
    return " ".join(f"{c}{i + 1}" for i, c in enumerate(word))


def length(word: str):
    return [spell(word)], str(len(word))


def reverse(word: str):
    back = " ".join(f"{c}{i + 1}" for i, c in reversed(list(enumerate(word))))
    return [spell(word), back], word[::-1]
