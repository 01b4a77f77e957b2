"""s3jobs_status: what it tells is what the stand-in and the clients counted,
over workers, a reload and a worker that is killed."""

import collections
import contextlib
import os
import random
import re
import shutil
import subprocess
import threading
import time
import urllib.parse

import pytest

from credentials import locations, source
from gateway import place
from nginx import BINARY, until
from providers import Agent, Fault, held
from s3control import CODES, KEY, SECRET, Reply

PLACES = ''.join(f'location = /{kind} {{ s3jobs_status {kind}; }}\n'
                 for kind in ('json', 'prometheus', 'ready'))
SAMPLE = re.compile(r'nginx_s3jobs_(\w+)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
COUNTERS = ('requests_total', 'upstream_responses_total', 'retries_total',
            'signatures_total', 'wait_timeouts_total', 'jobs_total',
            'document_bytes_total', 'credentials_refreshes_total')
GAUGES = ('build_info', 'credentials_usable',
          'credentials_expiration_timestamp_seconds',
          'credentials_last_success_timestamp_seconds')


def metrics(gw):
    """{name: {labels: value}}, labels as values in the order that they come,
    or the value alone."""
    r = gw.get('/prometheus')
    assert r.status == 200 and r.complete
    assert r.header('Content-Type') \
        == 'text/plain; version=0.0.4; charset=utf-8'
    found = {}
    for line in r.text.splitlines():
        if line.startswith('#'):
            continue
        name, labels, value = SAMPLE.fullmatch(line).groups()
        key = tuple(v for _, v in LABEL.findall(labels or ''))
        family = found.setdefault(name, {})
        assert key not in family
        family[key] = int(value)
    return {name: family.get((), family) for name, family in found.items()}


def pairs(told):
    """of the JSON, as of the metrics"""
    return {(str(it['status']), it['code']): it['count'] for it in told}


def test_promtool(s3, nginx):
    if not shutil.which('promtool'):
        pytest.skip('promtool is not here: Debian has it in "prometheus"')
    gw = nginx(server=PLACES, sources='s3jobs_credentials_source ops env;\n'
               r"s3jobs_credentials_source 'a \"b\\\\ é' env;")
    for target in '/jobs', '/jobs?foo':
        gw.get(target)
    text = gw.get('/prometheus').text
    checked = subprocess.run(['promtool', 'check', 'metrics'], input=text,
                             text=True, capture_output=True)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, '', '')
    types = dict(re.findall(r'# TYPE nginx_s3jobs_(\w+) (\w+)', text))
    assert types == {**dict.fromkeys(COUNTERS, 'counter'),
                     **dict.fromkeys(GAUGES, 'gauge')}
    # and it can find fault
    checked = subprocess.run(
        ['promtool', 'check', 'metrics'], text=True, capture_output=True,
        input=text.replace('jobs_total ', 'jobs_total x'))
    assert checked.returncode


def test_the_first_of_all(s3, nginx):
    gw = nginx(server=PLACES)
    told = gw.get('/json').json()
    binary = subprocess.run([BINARY, '-v'], text=True, capture_output=True)
    [ops] = told.pop('sources')
    assert told.pop('version')
    assert binary.stderr.strip().endswith(f'nginx/{told.pop("nginx")}')
    assert told == {
        'ready': True, 'requests': [], 'upstreamResponses': [],
        'retries': {'throttled': 0, 'failed': 0, 'credentials': 0,
                    'clock': 0},
        'jobs': 0, 'documentBytes': {'xml': 0, 'json': 0}}
    assert ops.pop('lastSuccess').endswith('Z')
    assert ops == {
        'name': 'ops', 'type': 'env', 'usable': True, 'keyIdEnd': KEY[-4:],
        'expires': None, 'lastFailure': None, 'nextRefresh': None,
        'refreshes': 1, 'failures': 0, 'signatures': 0, 'waitTimeouts': 0}


class Tally:
    """What clients saw, by status and code, and of the bodies."""

    def __init__(self):
        self.lock = threading.Lock()
        self.answers = collections.Counter()
        self.jobs = self.json = self.n = 0

    def add(self, r):
        assert r.complete, r
        answer = r.json()
        code = answer.get('code') or ''.join(
            gap.get('code', '') for gap in answer.get('Incomplete', ()))
        with self.lock:
            self.n += 1
            self.answers[str(r.status), KNOWN.get(code, code)] += 1
            if r.status == 200:
                self.jobs += len(r.json()['Jobs'])
                self.json += len(r.body)


# what S3 says to maxResults=N, or nothing out of the ordinary
SCRIPT = {'7': 'InvalidRequest', '8': 'AccessDenied', '9': 'ExpiredToken',
          '10': 'InternalServiceException', '11': 'SlowDown',
          '12': 'SomethingNew', '13': 'SignatureDoesNotMatch'}
TARGETS = ['/jobs', '/jobs?jobStatuses=Active', '/jobs?maxResults=3',
           '/jobs?maxResults=x', '/jobs?foo', '/jobs?nextToken=', '/none',
           *(f'/jobs?maxResults={n}' for n in SCRIPT)]
KNOWN = {'SomethingNew': 'other', 'InternalServiceException':
         'InternalService', 'InternalError': 'InternalError'}


def test_exact(s3, nginx):
    """Eight clients, two workers, a reload in the middle, and then a worker
    is killed; 10,000 requests with S3JOBS_LONG."""
    n = 10000 if os.environ.get('S3JOBS_LONG') else 1600
    seen, xml, tally = collections.Counter(), [0], Tally()

    def reply(request):
        code = SCRIPT.get(urllib.parse.parse_qs(request.query).get(
            'maxResults', [''])[0])
        with tally.lock:
            if code:
                status = CODES.get(code, 418)
                seen[str(status), KNOWN.get(code, code)] += 1
                return Reply(error=code, status=status)
            seen['200', ''] += 1
        return None

    s3.always(reply)
    gw = nginx(workers=2, location='s3jobs_json on;', server=PLACES
               + locations('none', more='s3jobs_credentials_timeout 0;'
                           's3jobs_json on;'),
               sources='s3jobs_credentials_source ops env;'
               's3jobs_credentials_source none container'
               ' uri=http://127.0.0.1:1/;')
    gw.expect('exited on signal 9')

    def ask(seed, count):
        rng = random.Random(seed)
        for _ in range(count):
            tally.add(gw.get(rng.choice(TARGETS)))

    def clients(count):
        threads = [threading.Thread(target=ask, args=(f'{count}.{i}', count))
                   for i in range(8)]
        for thread in threads:
            thread.start()
        return threads

    def told():
        m = metrics(gw)
        return {
            'requests': m['requests_total'],
            'answers': m['upstream_responses_total'],
            'jobs': m['jobs_total'],
            'signatures': m['signatures_total']['ops',],
            'json': m['document_bytes_total']['json',]}

    def counted():
        return {'requests': dict(tally.answers), 'answers': dict(seen),
                'jobs': tally.jobs, 'signatures': len(s3.requests),
                'json': tally.json}

    def agree():
        """A request is counted when it has ended: its client may be ahead."""
        with contextlib.suppress(AssertionError):
            until(lambda: told() == counted())
        assert told() == counted()

    started = clients(n // 16)
    until(lambda: tally.n > n // 16)
    gw.reload()
    for thread in started:
        thread.join()
    agree()

    before = gw.workers()
    gw.signal('KILL', min(before))
    until(lambda: len({*gw.workers()} - {min(before)}) == 2, 'new worker')
    for thread in clients(n // 16):
        thread.join()
    agree()
    assert tally.n == n // 16 * 16
    assert len(tally.answers) > 8 and len(seen) == len(SCRIPT) + 1

    json = gw.get('/json').json()
    assert pairs(json['requests']) == dict(tally.answers)
    assert pairs(json['upstreamResponses']) == dict(seen)
    assert metrics(gw)['document_bytes_total']['xml',] \
        == json['documentBytes']['xml'] > tally.json


def test_pages(s3, nginx):
    """One request of a client, three of ours."""
    s3.page = 10
    gw = nginx(server=PLACES, location='s3jobs_json on; s3jobs_max_pages 9;')
    r = gw.get()
    assert len(r.json()['Jobs']) == 25

    def told():
        m = metrics(gw)
        return (m['requests_total'], m['upstream_responses_total'],
                m['signatures_total'], m['jobs_total'],
                m['document_bytes_total']['json',])

    counted = ({('200', ''): 1}, {('200', ''): 3}, {('ops',): 3}, 25,
               len(r.body))
    with contextlib.suppress(AssertionError):
        until(lambda: told() == counted)
    assert told() == counted


# of accounts whose pages S3 throttles, or fails to make, now and then
MIXED = ['/jobs', '/jobs?maxResults=2', '/jobs?foo', '/pages',
         '/pages?jobStatuses=Failed', '/merged', '/merged?maxResults=3',
         '/merged?nextToken=x', '/half', '/refused']


def test_mixed(s3, nginx):
    """Pages, merged listings and tries, over two workers: one request of a
    client each; and of S3's answers, all that there were."""
    s3.page = 7
    seen, tally = collections.Counter(), Tally()
    rng = random.Random(1)

    def reply(request):
        with tally.lock:
            code, status = '', 200
            if request.account == '000000000002':
                code, status = 'AccessDenied', 403
            elif rng.random() < 0.2:
                code, status = rng.choice([('SlowDown', 503),
                                           ('InternalError', 500)])
            seen[str(status), KNOWN.get(code, code)] += 1
        return Reply(error=code, status=status,
                     headers=(('Retry-After', '0'),)) if code else None

    s3.always(reply)
    pages = 's3jobs_json on; s3jobs_max_pages 9; s3jobs_tries 90 1h;'
    gw = nginx(workers=2, location='s3jobs_json on; s3jobs_tries 90 1h;',
               server=PLACES + place('/pages', pages)
               + place('/one', pages, account='000000000001')
               + place('/no', pages, account='000000000002')
               + 'location /merged { s3jobs_merge /pages /one; }'
               'location /half { s3jobs_merge /pages /no; }'
               'location /refused { s3jobs_merge /no; }')

    def ask(seed):
        chosen = random.Random(seed)
        for _ in range(60):
            tally.add(gw.get(chosen.choice(MIXED)))

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tally.n == 360

    def told():
        m = metrics(gw)
        return {'requests': m['requests_total'],
                'answers': m['upstream_responses_total'],
                'retries': m['retries_total'],
                'signatures': m['signatures_total']['ops',],
                'jobs': m['jobs_total'], 'json':
                m['document_bytes_total']['json',]}

    # each of these answers was followed by another try
    counted = {'requests': dict(tally.answers), 'answers': dict(seen),
               'retries': {('throttled',): seen['503', 'SlowDown'],
                           ('failed',): seen['500', KNOWN['InternalError']],
                           ('credentials',): 0, ('clock',): 0},
               'signatures': len(s3.requests), 'jobs': tally.jobs,
               'json': tally.json}
    with contextlib.suppress(AssertionError):
        until(lambda: told() == counted)
    assert told() == counted
    assert len(seen) == 4 and min(seen.values()) > 9
    assert {status for status, _ in tally.answers} == {'200', '400', '403'}


def test_retries_for_credentials_and_clock(s3, nginx):
    with Agent(s3, lifetime=3600) as agent:
        gw = nginx(sources=source('ops', 'container', uri=agent.uri),
                   server=PLACES)
        s3.script(Reply(error='ExpiredToken'))
        assert gw.get().status == 200
        s3.clock = lambda: time.time() + 3600
        for key in s3.keys.values():
            key.expires = None
        assert gw.get().status == 200
        s3.script(Reply(error='SlowDown', headers=(('Retry-After', '0'),)))
        assert gw.get().status == 200
        retries = metrics(gw)['retries_total']
        assert retries == {('credentials',): 1, ('clock',): 1,
                           ('throttled',): 1, ('failed',): 0}
        told = gw.get('/json').json()['retries']
        assert told == {name: n for (name,), n in retries.items()}


@pytest.mark.parametrize('kind', ['json', 'prometheus', 'ready'])
def test_if_in_the_location(nginx, kind):
    gw = nginx(server=f'location = /it {{ s3jobs_status {kind};'
               ' if ($http_x_if) { add_header X-If yes; } }')
    one, other = gw.get('/it'), gw.get('/it', [('X-If', '1')])
    assert other.header('X-If') == 'yes'
    assert one.header('Content-Type') == other.header('Content-Type')
    assert one.text[:16] == other.text[:16]


def test_ready(s3, nginx, clock):
    """503 when a source has run out, 200 when it is back, without a reload;
    what no location names does not count."""
    with Agent(s3) as agent:
        agent.fault = Fault(status=500)
        gw = nginx(clock=clock, credentials='ops', server=PLACES, sources=(
            source('ops', 'container', uri=agent.uri)
            + source('unused', 'container', uri='http://127.0.0.1:1/')))
        until(lambda: agent.calls())
        r = gw.get('/ready')
        assert (r.status, r.json()) == (503, {'ready': False,
                                              'without': ['ops']})
        assert r.header('Content-Type') == 'application/json'
        agent.fault = None
        until(lambda: gw.get('/ready').status == 200)
        assert gw.get('/ready').json() == {'ready': True}
        assert gw.get('/ready', method='HEAD').status == 200
        assert gw.get('/ready', method='POST').status == 405

        [issued] = agent.issued
        [ops, unused] = gw.get('/json').json()['sources']
        assert ops['usable'] and not unused['usable']
        assert ops['keyIdEnd'] == issued.key_id[-4:]
        assert ops['expires'] == issued.expiration
        m = metrics(gw)
        assert m['credentials_expiration_timestamp_seconds'] \
            == {('ops', 'container'): int(issued.expires)}
        assert m['credentials_usable'] == {('ops', 'container'): 1,
                                           ('unused', 'container'): 0}

        agent.fault = Fault(status=500)
        clock.advance(3601)
        until(lambda: gw.get('/ready').status == 503)
        assert metrics(gw)['credentials_usable']['ops', 'container'] == 0
        agent.fault = None
        until(lambda: gw.get('/ready').status == 200)
        m = metrics(gw)['credentials_refreshes_total']
        assert m['ops', 'success'] == len(agent.issued) == 2
        assert m['ops', 'failure'] == len(agent.calls()) - 2 > 0


def test_file(s3, nginx, tmp_path):
    """A file that is replaced by one that is good, then by one that is not."""
    path = nginx.credentials(
        tmp_path / 'aws', '[default]\naws_access_key_id = AKIDEXAMPLE\n'
        f'aws_secret_access_key = {SECRET}\n')

    def replace(old, new):
        after = nginx.credentials(tmp_path / 'new',
                                  path.read_text().replace(old, new))
        after.rename(path)

    def told():
        [ops] = gw.get('/json').json()['sources']
        return (ops['keyIdEnd'], ops['refreshes'], ops['failures'],
                ops['lastFailure'] is not None, ops['usable'])

    gw = nginx(server=PLACES, sources=source('ops', 'file', path=path))
    assert told() == ('MPLE', 1, 0, False, True)
    replace('AKIDEXAMPLE', 'AKIDNEXT')
    until(lambda: told() == ('NEXT', 2, 0, False, True))
    replace('aws_secret', 'secret')
    until(lambda: told() == ('NEXT', 2, 1, True, True))


def test_no_more_of_a_key_than_its_end(s3, nginx):
    """Nor of a token; what was issued is long."""
    with Agent(s3) as agent:
        gw = nginx(server=PLACES, sources=source('ops', 'container',
                                                 uri=agent.uri))
        assert gw.get().status == 200
        [issued] = agent.issued
        for target in '/json', '/prometheus', '/ready':
            text = gw.get(target).text
            for secret in issued.key_id, issued.secret, issued.token:
                assert not any(secret[i:i + 5] in text
                               for i in range(len(secret) - 4))
        assert issued.key_id[-4:] in gw.get('/json').text


def test_waits_in_vain(s3, nginx):
    """A service that holds its answer back; each of three requests waits."""
    with Agent(s3) as agent:
        hold = threading.Event()
        agent.fault = held(hold)
        gw = nginx(server=PLACES, location='s3jobs_credentials_timeout 100ms;',
                   sources=source('ops', 'container', uri=agent.uri))
        for _ in range(3):
            assert gw.get().status == 503
        assert metrics(gw)['wait_timeouts_total'] == {('ops',): 3}
        hold.set()


@pytest.mark.parametrize('text,message', [
    ('s3jobs_status;', 'invalid number of arguments in "s3jobs_status"'),
    ('s3jobs_status xml;', 'invalid value "xml"'),
    ('s3jobs_status json; s3jobs_status json;', '"s3jobs_status" directive is'
     ' duplicate')])
def test_mistakes(nginx, text, message):
    code, output = nginx.check(server=f'location = /s {{ {text} }}')
    assert code and message in output


def test_alone(nginx):
    """Without a source and without a location that lists jobs."""
    gw = nginx(path='', server=PLACES)
    assert gw.get('/ready').json() == {'ready': True}
    assert gw.get('/json').json()['sources'] == []
    assert metrics(gw)['jobs_total'] == 0
