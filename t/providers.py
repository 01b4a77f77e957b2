"""Where AWS hands out credentials, as real HTTP servers on 127.0.0.1: the
container agent of ECS and EKS, instance metadata version 2, and STS, which
derives signatures anew with botocore.  botocore's own providers are content
with them.  Every set of credentials that they give out is registered with
the stand-in for S3 Control.

    with Agent(s3, lifetime=6) as agent:
        agent.fault = Fault(status=500)     # for all calls from now on
        agent.faults = [Fault(...), None]   # or for the next ones, in turn
        ...
        agent.calls('credentials')          # what was asked for, in order
        agent.issued                        # what was given out
"""

import contextlib
import dataclasses
import datetime
import http.server
import json
import secrets
import socket
import ssl
import threading
import time
import traceback
import urllib.parse
from xml.sax.saxutils import escape

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from wire import PATIENCE

ROLE = 'arn:aws:iam::123456789012:role/gateway'
STS_NAMESPACE = 'https://sts.amazonaws.com/doc/2011-06-15/'


@dataclasses.dataclass
class Issued:
    key_id: str
    secret: str
    token: str
    expires: float

    @property
    def expiration(self):
        when = datetime.datetime.utcfromtimestamp(self.expires)
        return when.isoformat(timespec='seconds') + 'Z'


@dataclasses.dataclass
class Call:
    kind: str
    method: str
    path: str
    headers: dict                   # names in lower case
    body: bytes
    time: float

    @property
    def form(self):
        return dict(urllib.parse.parse_qsl(self.body.decode(),
                                           keep_blank_values=True))


@dataclasses.dataclass
class Fault:
    """One answer gone wrong; what is left alone stays as it would be."""
    status: int = None
    body: object = None             # bytes, or a function of the good body
    headers: tuple = ()
    delay: float = 0
    cut: int = None                 # close after so many bytes of the body
    never: bool = False             # no answer at all
    kind: str = None                # of call, None: any
    change: object = None           # a function of the Issued


def held(event):
    """The good answer, when the event is set."""
    return Fault(body=lambda body: event.wait(PATIENCE) and body)


class Provider:

    prefix = 'ASIA'

    def __init__(self, s3=None, lifetime=3600, tls=None):
        self.s3, self.lifetime = s3, lifetime
        self.fault, self.faults = None, []
        self.hold = None            # the same credentials, while it is set
        self.issued = []
        self.errors = []            # of this server itself
        self._calls = []
        self._lock = threading.Condition()
        self._stop = threading.Event()
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'
            timeout = PATIENCE

            def log_message(self, *args):
                pass

            def handle(self):
                with contextlib.suppress(OSError, ValueError):
                    super().handle()

            def do_GET(self):
                provider._serve(self)

            do_PUT = do_POST = do_GET

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 256
            daemon_threads = True

            def handle_error(self, request, address):
                provider.errors.append(traceback.format_exc())

        self.server = Server(('127.0.0.1', 0), Handler)
        self.port = self.server.server_address[1]
        self.scheme = 'https' if tls else 'http'
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(tls.certificate, tls.key)
            self.server.socket = self.context.wrap_socket(
                self.server.socket, server_side=True,
                do_handshake_on_connect=False)
        self._thread = threading.Thread(
            target=self.server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self):
        return f'{self.scheme}://127.0.0.1:{self.port}'

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self._stop.set()
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()
        assert not self.errors, self.errors[0]

    # what a test sees

    def calls(self, kind='credentials'):
        with self._lock:
            return [call for call in self._calls
                    if kind is None or call.kind == kind]

    def wait_for(self, n, kind='credentials'):
        with self._lock:
            assert self._lock.wait_for(
                lambda: sum(kind in (None, c.kind) for c in self._calls) >= n,
                PATIENCE), f'no {n} calls for {kind} after {PATIENCE} s'
        return self.calls(kind)

    def clock(self):
        return self.s3.clock() if self.s3 else time.time()

    def release(self):
        """Answers that never come end."""
        self._stop.set()
        self._stop = threading.Event()

    # what it does

    def issue(self, change=None):
        if self.hold:
            return self.hold
        n = len(self.issued) + 1
        it = Issued(f'{self.prefix}{secrets.token_hex(4).upper()}{n:04}',
                    secrets.token_urlsafe(30), secrets.token_urlsafe(840),
                    int(self.clock()) + self.lifetime)
        if change:
            change(it)
        if self.s3:
            self.s3.key(it.key_id, it.secret, it.token, it.expires)
        self.issued.append(it)
        return it

    def _serve(self, request):
        length = int(request.headers.get('Content-Length') or 0)
        body = request.rfile.read(length)
        kind = self.kind(request)
        call = Call(kind, request.command, request.path, {
            name.lower(): value for name, value in request.headers.items()},
            body, time.time())
        with self._lock:
            fault = self.fault
            if self.faults and (self.faults[0] is None
                                or self.faults[0].kind in (None, kind)):
                fault = self.faults.pop(0)
            if not fault or fault.kind not in (None, kind):
                fault = Fault()
            stop = self._stop
            self._calls.append(call)
            self._lock.notify_all()
        if fault.never:
            stop.wait(PATIENCE)
            request.close_connection = True
            return
        stop.wait(fault.delay)
        with self._lock:
            before = len(self.issued)
            status, kind_of, body = self.answer(call, fault)
            if fault.status or isinstance(fault.body, bytes):
                del self.issued[before:]
        if callable(fault.body):
            body = fault.body(body)
        elif fault.body is not None:
            body = fault.body
        request.send_response(fault.status or status)
        names = [name.lower() for name, _ in fault.headers]
        for name, value in (*fault.headers, ('Content-Type', kind_of),
                            ('Content-Length', str(len(body)))):
            if (name, value) in fault.headers or name.lower() not in names:
                request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body if fault.cut is None else body[:fault.cut])
        if fault.cut is not None:
            request.close_connection = True

    @staticmethod
    def document(it, **more):
        return json.dumps({**more, 'AccessKeyId': it.key_id,
                           'SecretAccessKey': it.secret, 'Token': it.token,
                           'Expiration': it.expiration}).encode()


class Agent(Provider):
    """ECS; with authorization, which may be a function, EKS Pod Identity."""

    prefix = 'ASIAECS'
    path = '/v2/credentials/0f1e2d3c'
    authorization = None

    @property
    def uri(self):
        return self.url + self.path

    def kind(self, request):
        return 'credentials'

    def answer(self, call, fault):
        expected = self.authorization
        if callable(expected):
            expected = expected()
        if call.path != self.path:
            return 404, 'application/json', \
                b'{"code":"NotFound","message":"no such id"}'
        if call.headers.get('authorization') != expected:
            return 401, 'application/json', \
                b'{"code":"Unauthorized","message":"wrong token"}'
        return 200, 'application/json', self.document(
            self.issue(fault.change), RoleArn=ROLE)


class Imds(Provider):

    prefix = 'ASIAIMDS'
    role = 'gateway-role'
    listing = '/latest/meta-data/iam/security-credentials/'

    def __init__(self, *args, **options):
        self.tokens = set()
        super().__init__(*args, **options)

    def revoke(self):
        with self._lock:
            self.tokens.clear()

    def kind(self, request):
        if request.path == '/latest/api/token':
            return 'token'
        return 'role' if request.path == self.listing else 'credentials'

    def answer(self, call, fault):
        text = 'text/plain'
        if call.kind == 'token':
            ttl = call.headers.get('x-aws-ec2-metadata-token-ttl-seconds')
            if call.method != 'PUT' or not 1 <= int(ttl or 0) <= 21600:
                return 400, text, b''
            token = secrets.token_urlsafe(40) + '=='
            self.tokens.add(token)
            return 200, text, token.encode()
        token = call.headers.get('x-aws-ec2-metadata-token')
        if token not in self.tokens or call.method != 'GET':
            return 401, text, b''
        if call.kind == 'role':
            return 200, text, self.role.encode()
        if urllib.parse.unquote(call.path) != self.listing + self.role:
            return 404, text, b''
        return 200, text, self.document(
            self.issue(fault.change), Code='Success', Type='AWS-HMAC',
            LastUpdated='2026-01-02T03:04:05Z')


class Sts(Provider):
    """keys: {key id: (secret, token or None)} besides those of the stand-in;
    identity: the web identity token that is taken, or a function."""

    prefix = 'ASIASTS'
    identity = 'eyJ.web.identity'
    external_id = None
    region = 'us-east-1'

    def kind(self, request):
        return 'credentials'

    def answer(self, call, fault):
        action = call.form.get('Action')
        try:
            assert call.method == 'POST' and call.path == '/', call
            assert call.form.get('Version') == '2011-06-15', call
            assert call.form.get('RoleArn') == ROLE, call
            assert call.form.get('RoleSessionName'), call
            if action == 'AssumeRole':
                self._check_signature(call)
                assert call.form.get('ExternalId') == self.external_id, call
            else:
                assert action == 'AssumeRoleWithWebIdentity', call
                assert 'authorization' not in call.headers, call
                expected = self.identity() if callable(self.identity) \
                    else self.identity
                assert call.form.get('WebIdentityToken') == expected, call
        except AssertionError as e:
            return 403, 'text/xml', self.error('AccessDenied', str(e)[:200])
        return 200, 'text/xml', self.success(action,
                                             self.issue(fault.change))

    @staticmethod
    def success(action, it):
        return (f'<{action}Response xmlns="{STS_NAMESPACE}">\n'
                f'  <{action}Result>\n'
                f'    <AssumedRoleUser><Arn>{ROLE}/s</Arn>'
                f'<AssumedRoleId>AROA:s</AssumedRoleId></AssumedRoleUser>\n'
                f'    <Credentials>\n'
                f'      <Expiration>{it.expiration}</Expiration>\n'
                f'      <SessionToken>{escape(it.token)}</SessionToken>\n'
                f'      <SecretAccessKey>{escape(it.secret)}'
                f'</SecretAccessKey>\n'
                f'      <AccessKeyId>{it.key_id}</AccessKeyId>\n'
                f'    </Credentials>\n  </{action}Result>\n'
                f'  <ResponseMetadata><RequestId>1</RequestId>'
                f'</ResponseMetadata>\n</{action}Response>\n').encode()

    @staticmethod
    def error(code, message):
        return (f'<ErrorResponse xmlns="{STS_NAMESPACE}"><Error>'
                f'<Type>Sender</Type><Code>{code}</Code><Message>'
                f'{escape(message)}</Message></Error><RequestId>1</RequestId>'
                f'</ErrorResponse>').encode()

    def _check_signature(self, call):
        headers = call.headers
        scheme, _, rest = headers['authorization'].partition(' ')
        assert scheme == 'AWS4-HMAC-SHA256', scheme
        fields = dict(part.split('=', 1) for part in rest.split(', '))
        key_id, day, region, service, end = fields['Credential'].split('/')
        assert (region, service, end) == (self.region, 'sts',
                                          'aws4_request'), region
        assert headers['x-amz-date'][:8] == day, day
        signed = fields['SignedHeaders'].split(';')
        assert {'host', 'x-amz-date'} <= {*signed} and all(
            name in signed for name in headers
            if name.startswith('x-amz-')), signed
        key = self.s3.keys[key_id]
        assert headers.get('x-amz-security-token') == key.token, 'token'
        assert key.expires is None or key.expires > self.clock(), 'expired'
        again = AWSRequest('POST', f'http://{headers["host"]}/',
                           data=call.body)
        for name in signed:
            again.headers[name] = headers[name]
        again.context['timestamp'] = headers['x-amz-date']
        again.context['payload_signing_enabled'] = True
        auth = SigV4Auth(Credentials(key_id, key.secret, key.token), 'sts',
                         region)
        to_sign = auth.string_to_sign(again, auth.canonical_request(again))
        assert auth.signature(to_sign, again) == fields['Signature'], \
            'signature'


class Silent:
    """Takes connections and says nothing, to whoever asks."""

    def __init__(self):
        self.sock = socket.create_server(('127.0.0.1', 0), backlog=64)
        self.port = self.sock.getsockname()[1]
        self.url = f'http://127.0.0.1:{self.port}'

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.sock.close()
