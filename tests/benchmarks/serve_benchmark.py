"""`glueft serve` under load, beside `glueft predict` on the same rows: rows per second, and every answer compared.

    python tests/benchmarks/serve_benchmark.py RUN MRPC/test.tsv --columns '#1 String' '#2 String' --clients 32 --rows 1

Each client keeps a connection and sends its share of the rows, so many a request, as fast as they are answered.
"""

from __future__ import annotations

import argparse
import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("file", type=Path)
    parser.add_argument("--columns", nargs="+", required=True, help="those with the texts of a row")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--rows", type=int, default=1, help="of a request")
    parser.add_argument("--limit", type=int, help="take so many rows of the file")
    parser.add_argument("--options", default="", help="of glueft serve, in one text")
    given = parser.parse_args()
    predicted, rate = predict(given.run, given.file, given.limit)
    result = served(given, predicted)
    answers = result.pop("answers")
    worst, other = 0.0, 0
    for row, answer in zip(predicted, answers, strict=True):
        assert answer["texts"] == [row[name] for name in given.columns], "an answer to another row"
        numbers = answer.get("probabilities") or {"": answer["score"]}
        own = {name: row[f"probability_{name}" if name else "score"] for name in numbers}
        worst = max(worst, *(abs(numbers[name] - own[name]) for name in numbers))
        other += answer.get("label") != row.get("label")
    result |= {"predict_rows_per_second": rate, "ratio": result["rows_per_second"] / rate}
    print(json.dumps(result | {"other_labels": other, "largest_difference": worst}))


def predict(run: str, file: Path, limit: int | None) -> tuple[list[dict[str, Any]], float]:
    """Return the rows with their predictions, and how many `glueft predict` predicts a second, without its start."""
    command = [sys.executable, "-m", "glueft.cli.start", "predict", run, "--input", str(file), "--json"]
    told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout)
    return told["predictions"][:limit], told["rows_per_second"]


def served(given: argparse.Namespace, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what comes of sending all rows to a service."""
    command = [sys.executable, "-m", "glueft.cli.start", "serve", given.run, "--port", "0", "--json"]
    with subprocess.Popen([*command, *given.options.split()], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        try:
            result = load(urlsplit(told["url"]).netloc, rows, given.columns, given.clients, given.rows)
        finally:
            process.send_signal(signal.SIGTERM)
    return result | {"exit": process.returncode}


def load(
    address: str, rows: list[dict[str, Any]], columns: list[str], clients: int, rows_a_request: int
) -> dict[str, Any]:
    """Send all rows from so many clients at once."""
    answers: list[Any] = [None] * len(rows)
    seconds: list[float] = []
    starts = iter(range(0, len(rows), rows_a_request))
    lock = threading.Lock()

    def client() -> None:
        connection = http.client.HTTPConnection(address)
        while True:
            with lock:
                start = next(starts, None)
            if start is None:
                return
            texts = [[row[name] for name in columns] for row in rows[start : start + rows_a_request]]
            begin = time.perf_counter()
            connection.request("POST", "/predict", json.dumps({"texts": texts}))
            response = connection.getresponse()
            content = json.loads(response.read())
            assert response.status == 200, content
            seconds.append(time.perf_counter() - begin)
            answers[start : start + len(texts)] = content["predictions"]

    begin = time.perf_counter()
    with ThreadPoolExecutor(clients) as threads:
        for running in [threads.submit(client) for _ in range(clients)]:
            running.result()
    whole = time.perf_counter() - begin
    seconds.sort()
    return {
        "rows": len(rows),
        "clients": clients,
        "rows_a_request": rows_a_request,
        "rows_per_second": len(rows) / whole,
        "median_seconds": seconds[len(seconds) // 2],
        "p99_seconds": seconds[int(len(seconds) * 0.99)],
        "answers": answers,
    }


if __name__ == "__main__":
    main()
