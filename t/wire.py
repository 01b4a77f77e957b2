"""HTTP as bytes on a socket: what the stand-in reads requests with, and a
client that sends exactly what a test says and hides nothing of the answer."""

import contextlib
import json
import socket
import struct

# seconds until what hangs is given up; no test is about it, and a machine
# that is busy does not come near it
PATIENCE = 120


class Wire:
    """A socket with a buffer.  EOFError if the peer ends too early; what
    came before it is in the buffer, or in the bytearray that was given."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = bytearray()

    def fill(self):
        data = self.sock.recv(65536)
        if not data:
            raise EOFError
        self.buffer += data

    def until(self, mark, limit=1 << 20):
        """All up to and with mark."""
        start = 0
        while (end := self.buffer.find(mark, start)) < 0:
            if len(self.buffer) > limit:
                raise ValueError(f'{limit} bytes without {mark}')
            start = max(len(self.buffer) - len(mark) + 1, 0)
            self.fill()
        return self._cut(end + len(mark))

    def head(self):
        """First line, and headers as (name, value) in order."""
        first, *lines = self.until(b'\r\n\r\n')[:-4].decode('latin-1') \
                            .split('\r\n')
        headers = []
        for line in lines:
            name, colon, value = line.partition(':')
            if not colon or not name or name != name.strip():
                raise ValueError(f'malformed header {line!r}')
            headers.append((name, value.strip(' \t')))
        return first, headers

    def take(self, into, n=None):
        """n bytes, or all until the peer ends."""
        while n is None or n > 0:
            if not self.buffer:
                self.fill()
            data = self._cut(len(self.buffer) if n is None else n)
            into += data
            if n is not None:
                n -= len(data)

    def chunked(self, into):
        while size := int(self.until(b'\r\n').split(b';')[0], 16):
            self.take(into, size)
            if self.until(b'\r\n') != b'\r\n':
                raise ValueError('chunk longer than its size')
        while self.until(b'\r\n') != b'\r\n':
            pass

    def _cut(self, n):
        data = bytes(self.buffer[:n])
        del self.buffer[:n]
        return data


def abort(sock):
    """Close with RST."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        struct.pack('ii', 1, 0))
    sock.close()


class Message:
    """Headers and body, of a request or a response."""

    headers = ()
    body = b''

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def header(self, name):
        """The value, None if there is none; it must not be there twice."""
        values = self.all(name)
        assert len(values) < 2, f'{name} more than once: {values}'
        return values[0] if values else None

    @property
    def text(self):
        return bytes(self.body).decode()


class Response(Message):
    """status is None where no complete header arrived (an empty reply).
    complete: the body ended as announced; for a body that ends with the
    connection: by FIN, not by RST.  closed: the server has closed."""

    def __init__(self):
        self.status = self.version = self.reason = self.framing = None
        self.headers = []
        self.body = bytearray()
        self.complete = self.closed = False

    def __repr__(self):
        return (f'<{self.status} {self.reason} {self.headers}'
                f' {bytes(self.body[:2000])}'
                f'{"" if self.complete else " INCOMPLETE"}>')

    def json(self):
        return json.loads(self.body)


class Client:
    """One connection.  send() and response(), or request() for both;
    head() and body() take an answer in two steps."""

    def __init__(self, port, timeout=PATIENCE, tls=None, name=None):
        sock = socket.create_connection(('127.0.0.1', port), timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = tls.wrap_socket(sock, server_hostname=name) if tls \
            else sock
        self.wire = Wire(self.sock)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self.sock.close()

    def abort(self):
        abort(self.sock)

    def send(self, data):
        self.sock.sendall(data.encode('latin-1') if isinstance(data, str)
                          else data)

    def request(self, target, headers=(), method='GET', body=b''):
        """headers: a mapping or pairs; Host is added if it is missing."""
        headers = list(getattr(headers, 'items', lambda: headers)())
        names = [name.lower() for name, value in headers]
        if 'host' not in names:
            headers.insert(0, ('Host', 'localhost'))
        if body and not {'content-length', 'transfer-encoding'} & {*names}:
            headers.append(('Content-Length', len(body)))
        self.send(f'{method} {target} HTTP/1.1\r\n'.encode('latin-1')
                  + b''.join(f'{n}: {v}\r\n'.encode('latin-1')
                             for n, v in headers) + b'\r\n' + body)
        return self.response(method)

    def response(self, method='GET'):
        return self.body(self.head(), method)

    def head(self):
        """The next answer without its body; 100 Continue is skipped."""
        r = Response()
        try:
            first, r.headers = self.wire.head()
            r.version, status, r.reason = (first + ' ').split(' ', 2)
            r.status = int(status)
        except (EOFError, ConnectionError):
            r.closed = True
        return self.head() if r.status == 100 else r

    def body(self, r, method='GET'):
        length = r.header('Content-Length')
        coding = r.header('Transfer-Encoding')
        assert not (length and coding), r.headers

        try:
            if r.status is None:
                return r
            if method == 'HEAD' or r.status in (204, 304):
                r.framing = 'none'
            elif coding:
                r.framing = 'chunked'
                self.wire.chunked(r.body)
            elif length:
                r.framing = 'length'
                self.wire.take(r.body, int(length))
            else:
                r.framing = 'close'
                self.wire.take(r.body)
            r.complete = True
        except (EOFError, ConnectionError) as e:
            r.closed = True
            r.complete = r.framing == 'close' and isinstance(e, EOFError)
        if 'close' in r.all('Connection') and r.complete:
            r.closed = self.ended()
        return r

    def ended(self):
        """True once the server has closed, with nothing more sent."""
        try:
            self.wire.fill()
        except (EOFError, ConnectionError):
            return True
        return False


def h2(port, path, headers=(), method='GET', timeout=PATIENCE):
    """One request over HTTP/2 with prior knowledge (python3-h2)."""
    from h2.connection import H2Connection
    from h2 import events

    r = Response()
    with socket.create_connection(('127.0.0.1', port), timeout) as sock:
        conn = H2Connection()
        conn.initiate_connection()
        conn.send_headers(1, [(':method', method), (':path', path),
                              (':scheme', 'http'),
                              (':authority', 'localhost'),
                              *((n.lower(), v) for n, v in headers)],
                          end_stream=True)
        sock.sendall(conn.data_to_send())
        while not r.closed:
            data = sock.recv(65536)
            for event in conn.receive_data(data) if data else ():
                if isinstance(event, events.ResponseReceived):
                    r.headers = [(n.decode(), v.decode('latin-1'))
                                 for n, v in event.headers]
                    r.status = int(r.header(':status'))
                elif isinstance(event, events.DataReceived):
                    r.body += event.data
                    conn.acknowledge_received_data(
                        event.flow_controlled_length, 1)
                elif isinstance(event, events.StreamEnded):
                    r.closed = r.complete = True
                elif isinstance(event, (events.StreamReset,
                                        events.ConnectionTerminated)):
                    r.closed = True
            r.closed = r.closed or not data
            sock.sendall(conn.data_to_send())
    r.version, r.framing = 'HTTP/2', 'h2'
    return r
