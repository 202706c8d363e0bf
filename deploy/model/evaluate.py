"""Accuracy of the served model: held-out problems through an OpenAI-style /v1/chat/completions, greedy. Exits 1 below --min."""
import argparse
import concurrent.futures
import json
import pathlib
import sys
import time
import urllib.error
import urllib.request

from score import held_out_problems, print_table, tally


def ask(url, model, problem, limit, timeout):
    """The raw reply; reasoning that the server hands out apart is put back in front of the answer."""
    messages = [{"role": "system", "content": problem.system}] if problem.system else []
    for question, answer in problem.history:
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    messages.append({"role": "user", "content": problem.prompt})
    body = json.dumps({"model": model, "messages": messages, "temperature": 0, "max_tokens": limit}).encode()
    request = urllib.request.Request(url.rstrip("/") + "/v1/chat/completions", body, {"Content-Type": "application/json"})
    for attempt in range(3):
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                reply = json.load(response)
            break
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            if attempt == 2:
                return f"error: {error}", 0
            time.sleep(1 + attempt)
    message = reply["choices"][0]["message"]
    text = message.get("content") or ""
    if "</think>" not in text and message.get("reasoning_content") is not None:
        text = f"<think>{message['reasoning_content']}</think>{text}"
    return text, reply.get("usage", {}).get("completion_tokens", 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000", type=lambda url: url if "://" in url else "http://" + url)
    parser.add_argument("--model", help="served model name; by default the first of /v1/models")
    parser.add_argument("--per-task", type=int, default=50)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--max-tokens", type=int, default=320)
    parser.add_argument("--timeout", type=float, default=300)
    parser.add_argument("--min", type=float, default=75, help="least percentage over all tasks")
    parser.add_argument("--json", help="write the table to this file ('-' for stdout)")
    parser.add_argument("--show", type=int, default=0, help="print so many wrong replies")
    args = parser.parse_args()
    if not args.model:
        try:
            with urllib.request.urlopen(args.url.rstrip("/") + "/v1/models", timeout=args.timeout) as response:
                args.model = json.load(response)["data"][0]["id"]
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            parser.error(f"no answer from {args.url}: {error}; is the cluster up, and is this its HTTP address?")
    problems = held_out_problems(args.per_task, args.seed)
    began = time.time()
    with concurrent.futures.ThreadPoolExecutor(args.concurrency) as pool:
        results = list(pool.map(lambda p: ask(args.url, args.model, p, args.max_tokens, args.timeout), problems))
    seconds = time.time() - began
    table = tally(problems, [text for text, _ in results])
    for p, (text, _) in zip(problems, results):
        if args.show and not p.is_right(text.partition("</think>")[2]):
            args.show -= 1
            print(f"[{p.task}] {p.prompt!r} -> {text!r}, wanted {p.answer!r}", file=sys.stderr)
    tokens = sum(n for _, n in results)
    report = dict(model=args.model, seed=args.seed, seconds=round(seconds, 1), completion_tokens=tokens, minimum=args.min, tasks=table)
    if args.json == "-":
        print(json.dumps(report, indent=1))
    else:
        print_table(table)
        print(f"{len(problems)} problems, {tokens} tokens in {seconds:.1f} s")
        if args.json:
            pathlib.Path(args.json).write_text(json.dumps(report, indent=1))
    sys.exit(0 if table["all"]["percent"] >= args.min else 1)


if __name__ == "__main__":
    main()
