"""ClickHouse's engine (PyPI: chdb) behind as much of ClickHouse's HTTP interface as ingest uses, for tests: clickhouse_http.py PORT FOLDER.

One statement at a time. Parameters and settings of a request are set for the session before its statement. There is no KILL QUERY: a statement ends with
the process.
"""
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from chdb import session

port, folder = int(sys.argv[1]), sys.argv[2]
engine = session.Session(os.path.join(folder, "data"))
lock = threading.Lock()
# What is set in the session now.
now = {}
of_http = {"query", "query_id", "database", "wait_end_of_query", "default_format"}


def quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def run(parameters, body):
    if "query" in parameters:
        head, _, format_ = parameters["query"].rpartition(" FORMAT ")
        path = os.path.join(folder, "body.bin")
        with open(path, "wb") as file:
            file.write(body)
        statement = f"{head} FROM INFILE {quoted(path)} FORMAT {format_}"
    else:
        statement = body.decode()
    if statement.startswith("KILL QUERY"):
        return b""
    if statement.startswith(("CREATE DATABASE", "DROP DATABASE")):
        now.pop("database", None)
    database = parameters.get("database", "default")
    if now.get("database") != database:
        engine.query(f'USE "{database}"')
        now["database"] = database
    settings = {"insert_deduplication_token": ""}
    settings.update({name: value for name, value in parameters.items() if name not in of_http})
    changed = {name: value for name, value in settings.items() if now.get(name) != value}
    if changed:
        engine.query("SET " + ", ".join(f"{name} = {quoted(value)}" for name, value in changed.items()))
        now.update(changed)
    return engine.query(statement, "TabSeparated").bytes()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        self.answer(200, b"Ok.\n")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parameters = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        try:
            with lock:
                text = run(parameters, body)
        except Exception as error:  # the engine's errors have no class of their own
            self.answer(500, str(error).encode())
            return
        self.answer(200, text)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
