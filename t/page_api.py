"""The JSON that the gateway gives a page, from Python: a plain or a merged
listing, its further pages, one job, problems.  For the tests of the page that
need what a stand-in for S3 cannot make the gateway say.

    with PageApi() as api:              # 127.0.0.1:api.port
        api.put('123456789012', 'eu-west-1', jobs)
        api.broken['123456789012', 'eu-west-1'] = Problem(403, 'AccessDenied')
        api.script(Problem(503, 'SlowDown', retry_after=2))     # the next
"""

import collections
import contextlib
import dataclasses
import http
import http.server
import json
import threading
import urllib.parse


@dataclasses.dataclass
class Problem:
    status: int
    code: str
    detail: str = 'As scripted.'
    retry_after: int = None

    def document(self):
        return {'type': 'about:blank',
                'title': http.HTTPStatus(self.status).phrase,
                'status': self.status, 'detail': self.detail,
                'code': self.code, 'requestId': 'REQUESTID0123456'}


@dataclasses.dataclass
class Raw:
    """Any other answer."""
    body: bytes
    type: str = 'application/json'
    status: int = 200
    cut: bool = False           # closed before its Content-Length is reached


class PageApi:

    def __init__(self):
        self.page = 1000                # most jobs of a listing in an answer
        self.listings = {}              # (account, region): jobs, or a
                                        # function that gives them
        self.broken = {}                # (account, region): Problem
        self.describe = lambda where, job: \
            {**job, 'Operation': {job['Operation']: {}}}
        self.requests = []              # targets
        self.held = threading.Event()   # answers wait for it
        self.held.set()
        self._script = collections.deque()
        self._server = http.server.ThreadingHTTPServer(
            ('127.0.0.1', 0), self._handler())
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever,
                                        args=(0.01,), daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.held.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def put(self, account, region, jobs):
        self.listings[account, region] = jobs

    def jobs(self, where):
        jobs = self.listings[where]
        return jobs() if callable(jobs) else jobs

    def script(self, *answers):
        self._script.extend(answers)

    def _handler(api):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_GET(self):
                api.requests.append(self.path)
                api.held.wait()
                answer = api._script.popleft() if api._script \
                    else api.answer(self.path)
                with contextlib.suppress(OSError):
                    self.answer(answer)

            def answer(self, answer):
                if isinstance(answer, Problem):
                    raw = Raw(json.dumps(answer.document()).encode(),
                              'application/problem+json', answer.status)
                elif isinstance(answer, Raw):
                    raw = answer
                else:
                    raw = Raw(json.dumps(answer, ensure_ascii=False,
                                         separators=(',', ':')).encode())
                self.send_response(raw.status)
                self.send_header('Content-Type', raw.type)
                self.send_header('Content-Length',
                                 len(raw.body) + (raw.cut and 100))
                if getattr(answer, 'retry_after', None) is not None:
                    self.send_header('Retry-After', answer.retry_after)
                self.end_headers()
                self.wfile.write(raw.body)
                self.close_connection = raw.cut

            def log_message(self, *args):
                pass
        return Handler

    # as the gateway does

    def answer(self, target):
        path, _, query = target.partition('?')
        place = path.removeprefix('/jobs').strip('/').split('/')
        token = dict(urllib.parse.parse_qsl(query)).get('nextToken')
        if place == [''] and len(self.listings) == 1:
            return self._plain(*self.listings, token)
        if place == ['']:
            return Problem(400, 'InvalidRequest') if token else self._merged()
        if len(place) == 2 and tuple(place) in self.listings:
            return self._plain(tuple(place), token)
        return self._job(place)

    def _page(self, where, token):
        start = int(token.removeprefix('token+/=')) if token else 0
        jobs = self.jobs(where)
        end = start + self.page
        return jobs[start:end], \
            f'token+/={end}' if end < len(jobs) else None

    def _plain(self, where, token):
        if where in self.broken:
            return self.broken[where]
        jobs, token = self._page(where, token)
        return {'Jobs': jobs, **({'NextToken': token} if token else {})}

    def _merged(self):
        jobs, incomplete = [], []
        for where in self.listings:
            member = dict(zip(('AccountId', 'Region'), where))
            if problem := self.broken.get(where):
                incomplete.append({
                    **member, 'status': problem.status, 'code': problem.code,
                    'detail': problem.detail})
                continue
            page, token = self._page(where, None)
            jobs += [{**member, **job} for job in page]
            if token:
                incomplete.append({**member, 'NextToken': token})
        if len(self.broken.keys() & self.listings) == len(self.listings):
            return problem
        return {'Jobs': jobs,
                **({'Incomplete': incomplete} if incomplete else {})}

    def _job(self, place):
        where = tuple(place[:-1]) or next(iter(self.listings))
        for job in self.jobs(where) if where in self.listings else ():
            if job['JobId'] == place[-1]:
                told = self.describe(where, job)
                return told if isinstance(told, Problem) else {'Job': told}
        return Problem(404, 'NoSuchJob', 'The job does not exist.')
