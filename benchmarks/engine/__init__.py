"""The engine by itself, with an operation of known length in place of the conversation with Microsoft.

    python -m benchmarks.engine            the whole report
    python -m benchmarks.engine worker     one engine, as in a worker, without HTTP
    python -m benchmarks.engine client     reads a JSON object a line, and answers each with one

Worker and client are told by the environment: `BENCH_DIR` (folder of the store), `BENCH_LOG` (file to which
every operation appends a line when it starts and one when it ends), `BENCH_SLOTS`, `BENCH_SLEEP_MS`, and for
PostgreSQL `BENCH_PG_DSN`.
"""
