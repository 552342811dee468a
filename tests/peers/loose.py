"""Stands between an asker and a server of chat completions, and lets numbers out of their bounds.

Every question goes on with the bounds of its schema fifteen times as wide, so that a model that is held
to a grammar says what one says that is not. Serves on loopback; prints its address.

usage: loose.py URL
"""
import http.server
import json
import sys
import urllib.error
import urllib.request

TIMES = 15


def loosened(part):
    if isinstance(part, list):
        return [loosened(item) for item in part]
    if not isinstance(part, dict):
        return part
    part = {name: loosened(value) for name, value in part.items()}
    if part.get("type") == "integer":
        part["maximum"] *= TIMES
        part["minimum"] *= TIMES if part["minimum"] < 0 else 1
    return part


class Loose(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def passed_on(self, body=None):
        headers = {"authorization": self.headers.get("authorization", "")}
        if body is not None:
            headers["content-type"] = "application/json"
        request = urllib.request.Request(sys.argv[1] + self.path, body, headers)
        try:
            reply = urllib.request.urlopen(request)
        except urllib.error.HTTPError as error:
            reply = error
        with reply:
            told = reply.read()
        self.send_response(reply.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def do_GET(self):
        self.passed_on()

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if "response_format" in asked:
            asked["response_format"] = loosened(asked["response_format"])
        self.passed_on(json.dumps(asked).encode())

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Loose)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
