#!/usr/bin/python3
"""A stand-in for S3 Control's ListJobs and DescribeJob: a real HTTP/1.1
server that derives every signature anew with botocore, refuses what AWS
refuses, holds jobs for any account and region (jobs.py), and answers as a test
scripts it (troubles.py has scripts).

    with S3Control(jobs=25) as s3:          # 127.0.0.1:s3.port, threads
        s3.key('AKIDROTATED', 'secret', token='t', expires=time.time() + 60)
        s3.page = 10                        # at most 10 jobs in a page
        s3.script(Reply(error='SlowDown'), Reply(cut=100))   # the next two
        ...
        [request] = s3.wait_for(1)
        assert request.verdict is None      # or 'SignatureDoesNotMatch' ...

From the command line: see s3control.py --help.
"""

import argparse
import base64
import collections
import contextlib
import dataclasses
import datetime
import email.utils
import gzip
import hashlib
import hmac
import http
import itertools
import pathlib
import re
import secrets
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse
from xml.sax.saxutils import escape

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from describe import description, document
from jobs import STATUSES, Many, as_cli, make_jobs, stamp
from wire import PATIENCE, Message, Wire, abort

KEY = 'AKIDEXAMPLE'
SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'
ACCOUNT = '123456789012'
REGION = 'us-east-1'

PATH = '/v20180820/jobs'
JOB_PATH = re.compile(PATH + r'/([A-Za-z0-9_-]{5,36})', re.A)
NAMESPACE = 'http://awss3control.amazonaws.com/doc/2018-08-20/'

# of every error in s3-control's tables: its status
CODES = {
    'InvalidRequest': 400, 'InvalidRequestException': 400,
    'InvalidNextToken': 400, 'InvalidNextTokenException': 400,
    'InvalidArgument': 400, 'InvalidURI': 400, 'InvalidHostHeader': 400,
    'ExpiredToken': 400, 'InvalidToken': 400, 'TokenRefreshRequired': 400,
    'AuthorizationHeaderMalformed': 400, 'MissingSecurityHeader': 400,
    'XAmzContentSHA256Mismatch': 400, 'TooManyRequestsException': 400,
    'MethodNotAllowed': 405, 'NoSuchJob': 404,
    'PermanentRedirectControlError': 301,
    'SlowDown': 503, 'ServiceUnavailable': 503,
    'InternalError': 500, 'InternalServiceException': 500,
}                                           # all others: 403

SUFFIXES = (('cn-', 'amazonaws.com.cn'), ('us-isob-', 'sc2s.sgov.gov'),
            ('us-isof-', 'csp.hci.ic.gov'), ('us-iso-', 'c2s.ic.gov'),
            ('eu-isoe-', 'cloud.adc-e.uk'), ('eusc-de-', 'amazonaws.eu'),
            ('', 'amazonaws.com'))
HOST = re.compile(r'(\d{12})\.s3-control(?:-fips)?(?:\.dualstack)?'
                  r'\.([a-z0-9-]+)\.([a-z0-9.-]+?)(?::\d+)?', re.A)
VPCE_HOST = re.compile(r'(\d{12})\.control\.vpce-[a-z0-9-]+\.s3'
                       r'\.([a-z0-9-]+)\.vpce\.amazonaws\.com(?::\d+)?', re.A)
AUTHORIZATION = re.compile(
    r'AWS4-HMAC-SHA256 Credential=([^/, ]+)/(\d{8})/([^/, ]*)/([^/, ]*)'
    r'/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=[0-9a-f]{64}',
    re.A)
MAX_RESULTS = re.compile(r'\d{1,3}|1000', re.A)
NEXT_TOKEN = re.compile(r'[A-Za-z0-9\+\:\/\=\?\#-_]{1,1024}')
TOKEN_FRINGE = "+/=:?#&<>%$'()*,-.;@[\\]^_"     # what a token may contain
SKEW = 900


@dataclasses.dataclass
class Key:
    secret: str
    token: str = None
    expires: float = None           # seconds of the epoch
    accounts: tuple = None          # that it may list; None is all


@dataclasses.dataclass
class Reply:
    """One scripted answer.  What is left alone stays as S3 would have it."""
    status: int = None
    headers: tuple = ()             # pairs, instead of ours of that name;
                                    # the value None takes ours away
    body: object = None             # bytes, an iterable of bytes, or a
                                    # function of the request
    error: str = None               # a code: S3's error document
    message: str = 'As scripted.'
    fields: dict = dataclasses.field(default_factory=dict)  # more elements
    delay: float = 0                # before the header
    body_delay: float = 0           # between header and body
    drip: tuple = None              # (bytes at a time, pause) of the body
    cut: int = None                 # close after so many bytes of body ...
    reset: bool = False             # ... with RST
    framing: str = None             # length, chunked or close
    chunks: tuple = (16384,)        # sizes in turn
    gzip: bool = False
    close: bool = False             # announce and close
    raw: bytes = None               # the whole answer, then close
    never: bool = False             # no more (than raw) until reset()


class Refusal(Exception):
    def __init__(self, code, message, **fields):
        super().__init__(code)
        self.code, self.message, self.fields = code, message, fields


class Request(Message):
    """As received.  verdict is None or the code of the refusal; a request
    that is none has method '' and the verdict BadRequest."""

    def __init__(self, connection, serial, sni, now):
        self.connection = connection    # from 1, over the server's life
        self.serial = serial            # from 1, on that connection
        self.sni, self.time = sni, now
        self.method = self.target = self.version = ''
        self.body = bytearray()
        self.extra = b''                # bytes behind it, before its answer
        self.verdict = self.message = None
        self.key_id = self.account = self.region = None
        self.page = None                # from 1, of its listing
        self.signed_headers = ()
        self.request_id = secrets.token_hex(8).upper()
        self.host_id = base64.b64encode(secrets.token_bytes(57)).decode()

    def __repr__(self):
        return (f'<{self.connection}.{self.serial} {self.method}'
                f' {self.target} {self.headers}'
                f' {self.verdict or "good"} {self.message or ""}>')

    @property
    def query(self):
        return self.target.partition('?')[2]

    def read(self, wire):
        first, self.headers = wire.head()
        self.method, self.target, self.version = first.split(' ')
        if self.version not in ('HTTP/1.0', 'HTTP/1.1'):
            raise ValueError(first)
        lengths = self.all('Content-Length')
        codings = self.all('Transfer-Encoding')
        if len(lengths + codings) > 1:
            raise ValueError('ambiguous length')
        if codings:
            wire.chunked(self.body)
        elif lengths:
            wire.take(self.body, int(lengths[0]))
        self.extra = bytes(wire.buffer)


class S3Control:

    def __init__(self, port=0, jobs=25, tls=None):
        """jobs: how many any account has in any region, see set_jobs().
        tls: what make_certificates() returned."""
        self.keys = {}
        self.secrets = set()            # every secret that ever was valid
        self.hosts = {}                 # further hosts: (account, region),
                                        # either may be None: not checked
        self.clock = time.time
        self.skew = SKEW                # seconds that a request's may differ
        self.descriptions = {}          # by job id, instead of our own
        self.verify = True              # False: judge, log, serve anyway
        self.page = 1000                # most jobs in a page

        self.entry = 'member'           # or JobListDescriptor
        self.token_first = False
        self.namespace = NAMESPACE      # or None
        self.declaration = True
        self.indent = 0
        self.framing = 'length'         # chunked, close
        self.error_root = 'ErrorResponse'   # or Error, bare
        self.ids_in_errors = True       # else in the headers only

        self.unsigned = 0               # requests without Authorization
        self.total = 0                  # requests
        self.connections = 0
        self.on_request = None          # called with each logged request

        self._default_jobs = jobs
        self._jobs = {}
        self._log = []
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._open = {}
        self._released = threading.Event()
        self.reset()
        self.key(KEY, SECRET)

        self._tls = None
        if tls:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(tls.certificate, tls.key)
            self._tls.sni_callback = \
                lambda sock, name, context: setattr(sock, 'sni', name)
        self._listener = socket.create_server(('127.0.0.1', port),
                                              backlog=1024)
        self.port = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self._stop.set()
        self._released.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        for thread, sock in list(self._open.items()):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE)

    # what it holds

    def key(self, key_id, secret, token=None, expires=None, accounts=None):
        """A new key, or another secret or token for an old one."""
        self.secrets.add(secret)
        self.keys[key_id] = Key(secret, token, expires, accounts)

    def set_jobs(self, account, jobs, region=REGION):
        self._jobs[account, region] = jobs if isinstance(jobs, Many) \
            else list(jobs)

    def jobs(self, account=ACCOUNT, region=REGION, statuses=()):
        if (account, region) not in self._jobs:
            self.set_jobs(account, make_jobs(account, region,
                                             self._default_jobs), region)
        jobs = self._jobs[account, region]
        return [job for job in jobs if job.get('Status') in statuses] \
            if statuses else jobs

    def expected(self, account=ACCOUNT, region=REGION, statuses=(),
                 cli=False):
        """The whole listing; with cli as the AWS CLI prints it."""
        listing = {'Jobs': self.jobs(account, region, statuses)}
        return as_cli(listing) if cli else listing

    def pages(self, account=ACCOUNT, region=REGION, statuses=(), size=None):
        """The whole listing, page by page, with its tokens."""
        offset = 0
        while offset is not None:
            jobs, after = self._page(account, region, statuses, offset, size)
            token = self._token(account, region, statuses, after)
            yield {'Jobs': jobs, **({'NextToken': token} if token else {})}
            offset = after

    def _page(self, account, region, statuses, offset, size):
        jobs = self.jobs(account, region, statuses)
        end = offset + min(size or self.page, self.page)
        return jobs[offset:end], end if end < len(jobs) else None

    @staticmethod
    def _token(account, region, statuses, offset):
        """Opaque, and different in each query; None at the end."""
        if offset is None:
            return None
        what = f'{account}/{region}/{sorted({*statuses})}/{offset}'
        mac = hmac.digest(b's3control', what.encode(), 'sha256')
        turn = offset % len(TOKEN_FRINGE)
        return (TOKEN_FRINGE[turn:] + TOKEN_FRINGE[:turn]
                + base64.b64encode(mac + offset.to_bytes(4, 'big')).decode())

    # what a test sees and says

    @property
    def requests(self):
        with self._changed:
            return self._log[:]

    def clear(self):
        """Empties the log; unsigned goes on counting."""
        with self._changed:
            self._log = []

    def wait_for(self, n, timeout=PATIENCE):
        """The log, as soon as it has n requests."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._log) >= n,
                                          timeout), \
                f'{len(self._log)} of {n} requests after {timeout} s'
            return self._log[:]

    def script(self, *replies):
        """The answers to the next requests: Reply, None (as S3 would), or
        a function of the request that returns one of these."""
        with self._changed:
            self._script.extend(replies)

    def always(self, reply):
        """The same for all requests that no script is for."""
        self._always = reply

    def reset(self):
        """No script any more; held answers are let go."""
        with self._changed:
            self._released.set()
            self._released = threading.Event()
            self._script = collections.deque()
            self._always = None

    # connections

    def _accept(self):
        while not self._stop.is_set():
            try:
                sock, peer = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._connection, daemon=True,
                                      args=(sock, self.connections))
            self._open[thread] = sock
            thread.start()

    def _connection(self, sock, number):
        try:
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True)
                self._open[threading.current_thread()] = sock
            wire = Wire(sock)
            for serial in itertools.count(1):
                request = Request(number, serial, getattr(sock, 'sni', None),
                                  self.clock())
                try:
                    request.read(wire)
                except (EOFError, ValueError) as e:
                    if not (request.headers or wire.buffer
                            or isinstance(e, ValueError)):
                        break               # the client is done
                    request.verdict = 'BadRequest'
                    request.message = f'{type(e).__name__} {e}'
                    request.extra = bytes(wire.buffer)
                    self._record(request)
                    sock.sendall(b'HTTP/1.1 400 Bad Request\r\n'
                                 b'Connection: close\r\n\r\n')
                    break
                if not self._serve(sock, request):
                    break
            if self._tls:
                sock.settimeout(1)
                sock.unwrap()
        except (OSError, ValueError):       # the peer's, or close()
            pass
        finally:
            sock.close()
            del self._open[threading.current_thread()]

    def _record(self, request):
        with self._changed:
            self.total += 1
            self.unsigned += not request.all('Authorization')
            self._log.append(request)
            reply = self._script.popleft() if self._script else self._always
            released = self._released
            self._changed.notify_all()
        if self.on_request:
            self.on_request(request)
        while callable(reply):
            reply = reply(request)
        return reply or Reply(), released

    # judgement

    def _judge(self, request):
        """The document, in pieces or whole, or raises Refusal."""
        for name in ('authorization', 'host', *(
                n.lower() for n, v in request.headers
                if n.lower().startswith('x-amz-'))):
            if len(request.all(name)) > 1:
                raise Refusal('InvalidRequest', f'{name} more than once')

        host_account, host_region = self._host(request.header('Host') or '')
        request.account = request.header('x-amz-account-id')
        authorization = request.header('Authorization')
        if authorization is None:
            raise Refusal('AccessDenied', 'Access Denied')
        credential = AUTHORIZATION.fullmatch(authorization)
        if not credential:
            raise Refusal('AuthorizationHeaderMalformed',
                          'The authorization header is malformed.')
        request.key_id, day, request.region, service, signed = \
            credential.groups()
        request.signed_headers = tuple(signed.split(';'))

        payload = request.header('x-amz-content-sha256')
        if payload is None:
            raise Refusal('InvalidRequest', 'Missing required header for this'
                          ' request: x-amz-content-sha256')
        if payload != hashlib.sha256(request.body).hexdigest():
            raise Refusal('XAmzContentSHA256Mismatch', "The provided 'x-amz-"
                          "content-sha256' header does not match what was"
                          ' computed.')

        date = request.header('x-amz-date') or ''
        try:
            sent = datetime.datetime.strptime(date, '%Y%m%dT%H%M%SZ')
        except ValueError:
            raise Refusal('AccessDenied', 'AWS authentication requires a'
                          ' valid Date or x-amz-date header') from None
        malformed = 'The authorization header is malformed; '
        if date[:8] != day:
            raise Refusal('AuthorizationHeaderMalformed', malformed
                          + f'Invalid credential date "{day}". This date is'
                          f' not the same as X-Amz-Date: "{date[:8]}".')
        if service != 's3':
            raise Refusal('AuthorizationHeaderMalformed', malformed
                          + f'incorrect service "{service}". This endpoint'
                          ' belongs to "s3".')
        if host_region not in (None, request.region):
            raise Refusal('AuthorizationHeaderMalformed', malformed
                          + f"the region '{request.region}' is wrong;"
                          f" expecting '{host_region}'", Region=host_region)
        unsigned = [n.lower() for n, v in request.headers
                    if (n.lower() == 'host' or n.lower().startswith('x-amz-'))
                    and n.lower() not in request.signed_headers]
        if unsigned:
            raise Refusal('AccessDenied', 'There were headers present in the'
                          ' request which were not signed',
                          HeadersNotSigned=', '.join(unsigned))

        now = datetime.datetime.utcfromtimestamp(self.clock())
        if abs((now - sent).total_seconds()) > self.skew:
            raise Refusal('RequestTimeTooSkewed', 'The difference between the'
                          ' request time and the current time is too large.',
                          RequestTime=date, ServerTime=stamp(now),
                          MaxAllowedSkewMilliseconds=self.skew * 1000)
        self._check_key(request, authorization, date)

        if request.account is None or not re.fullmatch(
                r'\d{12}', request.account, re.A):
            raise Refusal('InvalidRequest', 'Invalid or missing account id')
        if host_account not in (None, request.account):
            raise Refusal('InvalidRequest', f'The account {request.account}'
                          ' is not that of the host')
        allowed = self.keys[request.key_id].accounts
        if allowed is not None and request.account not in allowed:
            raise Refusal('AccessDenied', 'User: arn:aws:sts::'
                          f'{request.account}:assumed-role/gateway/i-0abc12'
                          ' is not authorized to perform: s3:ListJobs')
        return self._result(request)

    def _host(self, host):
        if host in self.hosts:
            return self.hosts[host]
        if match := VPCE_HOST.fullmatch(host):
            return match.groups()
        match = HOST.fullmatch(host)
        if not match or match[3] != next(s for start, s in SUFFIXES
                                         if match[2].startswith(start)):
            raise Refusal('InvalidHostHeader', f'Invalid host "{host}"')
        return match[1], match[2]

    def _check_key(self, request, authorization, date):
        key = self.keys.get(request.key_id)
        token = request.header('x-amz-security-token')
        if key is None or (key.token and not token):
            raise Refusal('InvalidAccessKeyId', 'The AWS Access Key Id you'
                          ' provided does not exist in our records.',
                          AWSAccessKeyId=request.key_id)
        if token != key.token:
            raise Refusal('InvalidToken', 'The provided token is malformed'
                          ' or otherwise invalid.', **{'Token-0': token})
        # where a clock that jumps is allowed for, requests are under way then
        now = self.clock() if self.skew == SKEW else datetime.datetime \
            .strptime(date + '+0000', '%Y%m%dT%H%M%SZ%z').timestamp()
        if key.expires is not None and now >= key.expires:
            raise Refusal('ExpiredToken', 'The provided token has expired.',
                          **{'Token-0': token or ''})

        path, _, query = request.target.partition('?')
        pairs = [tuple(map(urllib.parse.unquote, pair.partition('=')[::2]))
                 for pair in query.split('&') if pair]
        again = AWSRequest(request.method, 'http://' + request.header('Host')
                           + path, params=pairs)
        for name, value in request.headers:
            if name.lower() in request.signed_headers:
                again.headers[name] = value
        again.context['timestamp'] = date
        auth = S3SigV4Auth(Credentials(request.key_id, key.secret, token),
                           's3', request.region)
        canonical = auth.canonical_request(again)
        to_sign = auth.string_to_sign(again, canonical)
        auth._inject_signature_to_request(again,
                                          auth.signature(to_sign, again))
        message = None
        if again.headers['Authorization'] != authorization:
            message = ('The request signature we calculated does not match'
                       ' the signature you provided. Check your key and'
                       ' signing method.')
        elif request.target != path + ('?' if pairs else '') \
                + auth.canonical_query_string(again):
            message = 'The query is not the canonical one.'
        if message:
            raise Refusal(
                'SignatureDoesNotMatch', message,
                AWSAccessKeyId=request.key_id, StringToSign=to_sign,
                SignatureProvided=authorization[-64:],
                StringToSignBytes=to_sign.encode().hex(' '),
                CanonicalRequest=canonical,
                CanonicalRequestBytes=canonical.encode().hex(' '))

    def _result(self, request):
        if request.method != 'GET':
            raise Refusal('MethodNotAllowed', 'The specified method is not'
                          ' allowed against this resource.',
                          Method=request.method, ResourceType='JOBS')
        path, _, query = request.target.partition('?')
        if path == PATH:
            return self.listing(*self._listing(request, query))
        job_id = JOB_PATH.fullmatch(path)
        if not job_id or query:
            raise Refusal('InvalidURI', "Couldn't parse the specified URI.")
        return [self._description(request, job_id[1]).encode()]

    def _description(self, request, job_id):
        where = request.account, request.region
        if job_id in self.descriptions:
            return document(self.descriptions[job_id], self.namespace)
        jobs = self.jobs(*where)
        job = jobs.find(job_id) if isinstance(jobs, Many) else next(
            (job for job in jobs if job['JobId'] == job_id), None)
        if not job:
            raise Refusal('NoSuchJob', 'The specified job does not exist.')
        return document(description(job, *where), self.namespace)

    def _listing(self, request, query):
        given = urllib.parse.parse_qs(query, keep_blank_values=True)
        statuses = given.pop('jobStatuses', [])
        limits = given.pop('maxResults', [])
        tokens = given.pop('nextToken', [])
        if (given or len(limits) > 1 or len(tokens) > 1
                or not {*statuses} <= {*STATUSES}
                or not all(map(MAX_RESULTS.fullmatch, limits))
                or not all(map(NEXT_TOKEN.fullmatch, tokens))):
            raise Refusal('InvalidRequest', 'Invalid parameter')
        where = request.account, request.region, statuses
        offset = 0
        if tokens:
            with contextlib.suppress(ValueError):
                offset = int.from_bytes(base64.b64decode(tokens[0][-8:])[-4:],
                                        'big')
            if tokens[0] != self._token(*where, offset):
                raise Refusal('InvalidNextToken', 'Invalid token')
        size = sum(map(int, limits))
        request.page = offset // min(size or self.page, self.page) + 1
        jobs, after = self._page(*where, offset, size)
        return jobs, self._token(*where, after)

    # answers

    def _serve(self, sock, request):
        """False when the connection is at its end."""
        refusal = None
        try:
            answer = self._judge(request)
        except Refusal as e:
            refusal, answer = e, self.listing(())
            request.verdict, request.message = e.code, e.message
        reply, released = self._record(request)

        if reply.never:
            self._send(sock, reply, reply.raw or b'')
            while not (released.is_set() or self._stop.is_set()):
                sock.settimeout(0.05)
                with contextlib.suppress(TimeoutError):
                    if not sock.recv(1):
                        break
            return False
        self._stop.wait(reply.delay)
        if reply.raw is not None:
            self._send(sock, reply, reply.raw)
            if reply.reset:
                self._abort(sock)
            return False

        if refusal and self.verify:
            status = CODES.get(refusal.code, 403)
            body = self.error(request, refusal.code, refusal.message,
                              refusal.fields)
        elif reply.error:
            status = CODES.get(reply.error, 403)
            body = self.error(request, reply.error, reply.message,
                              reply.fields)
        else:
            status, body = 200, reply.body
            if body is None:
                body = b''.join(answer)
            elif callable(body):
                body = body(request)
        if not refusal or not self.verify:
            status = reply.status or status
        return self._write(sock, request, reply, status, body)

    def listing(self, jobs, token=None):
        """A ListJobsResult in pieces; jobs may be any iterable."""
        def pad(level):
            return '\n' + ' ' * self.indent * level if self.indent else ''

        def element(name, value, level):
            if isinstance(value, dict):
                inner = ''.join(element(n, v, level + 1)
                                for n, v in value.items()) + pad(level)
            else:
                inner = escape(str(value))
            return f'{pad(level)}<{name}>{inner}</{name}>'

        token = element('NextToken', token, 1) if token else ''
        yield ((f'<?xml version="1.0" encoding="UTF-8"?>\n'
                if self.declaration else '') + '<ListJobsResult'
               + (f' xmlns="{self.namespace}"' if self.namespace else '')
               + '>' + (token if self.token_first else '')
               + f'{pad(1)}<Jobs>').encode()
        for job in jobs:
            yield element(self.entry, job, 2).encode()
        yield (f'{pad(1)}</Jobs>' + ('' if self.token_first else token)
               + f'{pad(0)}</ListJobsResult>').encode()

    def error(self, request, code, message, fields={}):
        def text(**elements):
            return ''.join(f'<{n}>{escape(str(v))}</{n}>'
                           for n, v in elements.items())

        inner = text(Code=code, Message=message, **fields)
        ids = text(RequestId=request.request_id, HostId=request.host_id) \
            if self.ids_in_errors else ''
        if self.error_root == 'Error':
            document = f'<Error>{inner}{ids}</Error>'
        else:
            xmlns = f' xmlns="{self.namespace}"' if self.namespace else ''
            document = (f'<ErrorResponse{xmlns}><Error>{inner}</Error>{ids}'
                        '</ErrorResponse>')
        return ('<?xml version="1.0" encoding="UTF-8"?>\n'
                if self.declaration else '').encode() + document.encode()

    def _write(self, sock, request, reply, status, body):
        if reply.gzip:
            body = gzip.compress(body)
        framing = reply.framing or self.framing
        if request.version == 'HTTP/1.0' and framing == 'chunked' \
                or framing == 'length' and not isinstance(body, bytes):
            framing = 'close'
        bodiless = request.method == 'HEAD' or status in (204, 304)
        close = (reply.close or framing == 'close'
                 or request.version == 'HTTP/1.0'
                 or 'close' in request.all('Connection'))

        headers = [('x-amz-id-2', request.host_id),
                   ('x-amz-request-id', request.request_id),
                   ('Date', email.utils.formatdate(self.clock(),
                                                   usegmt=True)),
                   ('Content-Type', 'application/xml'),
                   ('Server', 'AmazonS3')]
        if reply.gzip:
            headers.append(('Content-Encoding', 'gzip'))
        if framing == 'length' and status not in (204, 304):
            headers.append(('Content-Length', len(body)))
        elif framing == 'chunked' and not bodiless:
            headers.append(('Transfer-Encoding', 'chunked'))
        if close:
            headers.append(('Connection', 'close'))
        given = {name.lower() for name, value in reply.headers}
        headers = [h for h in headers if h[0].lower() not in given] \
            + [h for h in reply.headers if h[1] is not None]

        reason = http.HTTPStatus(status).phrase \
            if status in {*http.HTTPStatus} else ''
        sock.sendall(f'HTTP/1.1 {status} {reason}\r\n'.encode()
                     + b''.join(f'{n}: {v}\r\n'.encode() for n, v in headers)
                     + b'\r\n')
        if bodiless:
            return not close
        self._stop.wait(reply.body_delay)

        left = reply.cut
        chunked = framing == 'chunked'
        for piece in pieces(body, reply.chunks if chunked else (65536,)):
            if chunked:
                self._send(sock, reply, b'%x\r\n' % len(piece))
            self._send(sock, reply, piece[:left])
            if left is not None:
                left -= len(piece)
                if left <= 0:
                    break
            if chunked:
                self._send(sock, reply, b'\r\n')
        if reply.cut is not None:
            if reply.reset:
                self._abort(sock)
            return False
        if chunked:
            self._send(sock, reply, b'0\r\n\r\n')
        return not close

    def _send(self, sock, reply, data):
        step, pause = reply.drip or (len(data) or 1, 0)
        for i in range(0, len(data), step):
            sock.sendall(data[i:i + step])
            if pause:
                self._stop.wait(pause)

    def _abort(self, sock):
        self._stop.wait(0.05)           # for the peer to read what it got
        abort(sock)


def pieces(body, sizes):
    """body, bytes or an iterable of them, cut to these sizes in turn."""
    sizes = itertools.cycle(sizes)
    size = next(sizes)
    rest = bytearray()
    for data in (body,) if isinstance(body, bytes) else body:
        rest += data
        start = 0
        while len(rest) - start >= size:
            yield bytes(rest[start:start + size])
            start += size
            size = next(sizes)
        del rest[:start]
    if rest:
        yield bytes(rest)


Certificates = collections.namedtuple('Certificates', 'ca certificate key')


def make_certificates(directory, names):
    """A throwaway CA, and a certificate of it for these host names."""
    directory = pathlib.Path(directory)
    made = Certificates(*(str(directory / f) for f in
                          ('ca.pem', 'server.pem', 'server.key')))

    def openssl(subject, certificate, key, *more):
        subprocess.run(['openssl', 'req', '-x509', '-nodes', '-newkey', 'ec',
                        '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-days',
                        '3650', '-subj', f'/CN={subject}', '-out',
                        certificate, '-keyout', key, *more],
                       check=True, capture_output=True)

    openssl('throwaway CA', made.ca, made.ca + '.key', '-addext',
            'keyUsage=critical,keyCertSign,cRLSign')
    openssl('server', made.certificate, made.key, '-CA', made.ca, '-CAkey',
            made.ca + '.key', '-addext', 'basicConstraints=critical,CA:FALSE',
            '-addext', 'subjectAltName='
            + ','.join(f'DNS:{name}' for name in names))
    return made


def main():
    parser = argparse.ArgumentParser(
        description='A stand-in for S3 Control ListJobs on 127.0.0.1.')
    parser.add_argument('--port', type=int, default=0)
    parser.add_argument('--jobs', type=int, default=25,
                        help='jobs of each account in each region')
    parser.add_argument('--page', type=int, default=1000,
                        help='most jobs in a page')
    parser.add_argument('--key', default=KEY)
    parser.add_argument('--secret', default=SECRET)
    parser.add_argument('--token')
    parser.add_argument('--tls', metavar='DIR',
                        help='https; writes CA and certificate into DIR')
    parser.add_argument('--name', action='append', metavar='HOST',
                        help='host names in the certificate')
    args = parser.parse_args()
    tls = args.tls and make_certificates(args.tls, args.name or [
        f'{ACCOUNT}.s3-control.{REGION}.amazonaws.com'])
    with S3Control(args.port, args.jobs, tls) as server:
        server.page = args.page
        server.key(args.key, args.secret, args.token)
        server.on_request = lambda request: print(request, flush=True)
        print(f's3control: listening on 127.0.0.1:{server.port}', flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == '__main__':
    main()
