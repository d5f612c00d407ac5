"""ClickHouse's engine (PyPI: chdb) behind as much of ClickHouse's HTTP interface as ingest and agent use, for tests: clickhouse_http.py PORT FOLDER.

One statement at a time. Parameters and settings of a request are set for the session before its statement. There is no KILL QUERY: a statement ends with
the process.
"""
import hashlib
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from chdb import session

of_http = {"query", "query_id", "database", "wait_end_of_query", "default_format"}


def quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Engine:
    def __init__(self, folder):
        self.folder = folder
        self.session = session.Session(os.path.join(folder, "data"))
        self.lock = threading.Lock()
        # What is set in the session now.
        self.now = {}

    def run(self, parameters, body):
        with self.lock:
            return self.run_alone(parameters, body)

    def run_alone(self, parameters, body):
        if "query" in parameters:
            head, _, format_ = parameters["query"].rpartition(" FORMAT ")
            path = os.path.join(self.folder, "body.bin")
            with open(path, "wb") as file:
                file.write(body)
            statement = f"{head} FROM INFILE {quoted(path)} FORMAT {format_}"
        else:
            statement = body.decode()
        if statement.startswith("KILL QUERY"):
            return b""
        now = self.now
        if statement.startswith(("CREATE DATABASE", "DROP DATABASE")):
            now.pop("database", None)
        database = parameters.get("database", "default")
        if now.get("database") != database:
            self.session.query(f'USE "{database}"')
            now["database"] = database
        settings = {"insert_deduplication_token": ""}
        settings.update({name: value for name, value in parameters.items() if name not in of_http})
        changed = {name: value for name, value in settings.items() if now.get(name) != value}
        if changed:
            self.session.query("SET " + ", ".join(f"{name} = {quoted(value)}" for name, value in changed.items()))
            now.update(changed)
        return self.session.query(statement, "TabSeparated").bytes()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine = None
    # Name → SHA-256 of the password and the user's settings; None: whoever comes is let in.
    users = None

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
        name = self.headers.get("X-ClickHouse-User", "default")
        hash_ = hashlib.sha256(self.headers.get("X-ClickHouse-Key", "").encode()).hexdigest()
        known, settings = (hash_, {}) if self.users is None else self.users.get(name, ("", {}))
        if known != hash_:
            self.answer(403, f"Code: 516. DB::Exception: {name}: Authentication failed: password is incorrect, or there is no such user.\n".encode())
            return
        try:
            text = self.engine.run({**settings, **parameters}, body)
        except Exception as error:  # the engine's errors have no class of their own
            self.answer(500, str(error).encode())
            return
        self.answer(200, text)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    Handler.engine = Engine(sys.argv[2])
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
