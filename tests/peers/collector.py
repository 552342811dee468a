"""A collector of OpenTelemetry's traces out of its own definitions for Python.

Prints the port that it listens on, then one line of JSON per span that it has read: name, id, parent.
What has a field that the definitions do not know is refused with 400 and said. Ends when stdin does.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


def unknown(message):
    """How many fields of a message, and of those within it, the definitions do not know."""
    count = len(UnknownFieldSet(message))
    for field, value in message.ListFields():
        if field.message_type is not None:
            values = [value] if hasattr(value, "ListFields") else value
            count += sum(unknown(one) for one in values)
    return count


class Collector(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            request = ExportTraceServiceRequest.FromString(body)
            strange = unknown(request)
        except DecodeError:
            strange = -1
        is_right = (
            strange == 0
            and self.path == "/v1/traces"
            and self.headers["content-type"] == "application/x-protobuf"
        )
        if is_right:
            self.tell(request)
        else:
            print(json.dumps({"refused": self.path, "unknown": strange}), flush=True)
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200 if is_right else 400)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def tell(self, request):
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    line = {
                        "name": span.name,
                        "id": span.span_id.hex(),
                        "parent": span.parent_span_id.hex(),
                        "is_whole": len(span.trace_id) == 16
                        and len(span.span_id) == 8
                        and span.start_time_unix_nano <= span.end_time_unix_nano,
                    }
                    print(json.dumps(line), flush=True)

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Collector)
print(server.server_port, flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
