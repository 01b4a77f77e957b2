"""s3jobs_tries: throttling, expired credentials, clocks that differ.

S3JOBS_LONG=1 for 500 throttled listings of each kind instead of 30."""

import collections
import concurrent.futures
import gzip
import itertools
import os
import re
import threading
import time
import urllib.parse
from email.utils import formatdate

import pytest

from gateway import strict_json, told
from jobs import Many
from nginx import until
from providers import Agent, Fault
from s3control import ACCOUNT, REGION, STATUSES, Reply
from troubles import THROTTLES, at_page, share

BUSY = {'SlowDown': Reply(error='SlowDown'),
        'ServiceUnavailable': Reply(error='ServiceUnavailable'),
        'TooManyRequests': Reply(error='TooManyRequestsException'),
        '429': Reply(status=429, body=b''),
        '503': Reply(status=503, body=b''),
        'InternalError': Reply(error='InternalError'),
        '500': Reply(status=500, body=b'')}
MODES = {'json': 's3jobs_json on;', 'xml': 's3jobs_json off;',
         'pages': 's3jobs_json on; s3jobs_max_pages 100;'}


@pytest.fixture
def gateway(nginx):
    def start(location='', **options):
        return nginx(location=location, log_format='$status $s3jobs_tries'
                     ' "$s3jobs_error" $s3jobs_request_id', **options)
    return start


def entries(r):
    """The ids, in either mode."""
    assert r.status == 200 and r.complete, r
    return re.findall(r'"JobId":"([^"]*)"|<JobId>([^<]*)<', r.text)


def check(s3, r):
    assert 'Incomplete' not in r.text
    assert [a or b for a, b in entries(r)] == [
        job['JobId'] for job in s3.jobs()]


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('kind', BUSY)
def test_it_is_asked_again(s3, gateway, kind, mode):
    gw = gateway(MODES[mode])
    s3.script(BUSY[kind], BUSY[kind])
    r = gw.get()
    check(s3, r)
    assert len(s3.requests) == 3
    assert {q.verdict for q in s3.requests} == {None}
    assert r.header('x-amz-request-id') == s3.requests[2].request_id
    assert until(gw.access) == [f'200 3 "-" {s3.requests[2].request_id}']
    assert '[warn]' not in gw.log() and '[error]' not in gw.log()
    assert len(gw.wait_log('asked again', count=2)) == 2
    plain = gw.get()
    assert plain.body == r.body
    if mode != 'pages':
        assert plain.header('Content-Length') == r.header('Content-Length')
    assert [n for n, v in plain.headers if n not in
            ('Content-Length', 'Transfer-Encoding')] == [
        n for n, v in r.headers if n not in
        ('Content-Length', 'Transfer-Encoding')]


@pytest.mark.parametrize('mode', MODES)
def test_the_last_try_is_the_answer(s3, gateway, mode):
    gw = gateway(MODES[mode])
    s3.always(Reply(error='SlowDown', headers=(('Retry-After', '0'),)))
    r = gw.get()
    assert r.status == 503 and r.header('Retry-After') == '0'
    code, _, request_id = told(r, mode != 'xml')
    assert code == 'SlowDown'
    assert len(s3.requests) == 3
    assert request_id == s3.requests[2].request_id
    assert until(gw.access) == [f'503 3 "SlowDown" {request_id}']


@pytest.mark.parametrize('mode', MODES)
def test_one_try_is_as_before(s3, gateway, mode):
    gw = gateway(MODES[mode] + 's3jobs_tries 1;')
    s3.script(Reply(error='SlowDown'))
    r = gw.get()
    assert r.status == 503 and told(r, mode != 'xml')[0] == 'SlowDown'
    assert len(s3.requests) == 1


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('reply, status', [
    (Reply(error='AccessDenied'), 403), (Reply(error='InvalidRequest'), 400),
    (Reply(status=301, body=b''), 502), (Reply(raw=b''), 502),
    (Reply(status=404, body=b''), 502)])
def test_what_is_not_asked_again(s3, gateway, reply, status, mode):
    gw = gateway(MODES[mode])
    s3.always(reply)
    assert gw.get().status == status
    assert len(s3.requests) == 1


def test_number_of_tries(s3, gateway):
    gw = gateway('s3jobs_tries 5 1m;')
    s3.script(*[Reply(error='SlowDown')] * 4)
    check(s3, gw.get())
    assert len(s3.requests) == 5


@pytest.mark.parametrize('mode, page', [*((mode, 1) for mode in MODES),
                                        ('pages', 3)])
def test_retry_after_is_honoured(s3, gateway, mode, page):
    gw = gateway(MODES[mode])
    s3.page = 25 if page == 1 else 5
    times = []
    s3.on_request = lambda request: times.append(time.monotonic())
    s3.always(at_page(page, Reply(error='SlowDown', headers=(
        ('Retry-After', '1'),))))
    check(s3, gw.get())
    assert times[page] - times[page - 1] >= 0.99


@pytest.mark.parametrize('seconds', ['11', '120', '3600'])
def test_retry_after_that_is_long(s3, gateway, seconds):
    """The client is told instead."""
    gw = gateway()
    s3.script(Reply(error='SlowDown', headers=(('Retry-After', seconds),)))
    r = gw.get()
    assert r.status == 503 and r.header('Retry-After') == seconds
    assert len(s3.requests) == 1


@pytest.mark.parametrize('value', ['3601', '9' * 30, '-1', '1.5', 'soon', ''])
def test_retry_after_that_is_nonsense(s3, gateway, value):
    s3.script(Reply(error='SlowDown', headers=(('Retry-After', value),)))
    check(s3, gateway().get())
    assert len(s3.requests) == 2


def test_time_is_up(s3, gateway):
    gw = gateway('s3jobs_tries 100 300ms;')
    s3.always(Reply(error='SlowDown', delay=0.12))
    assert gw.get().status == 503
    assert 1 < len(s3.requests) <= 4


# so many listings, each of other statuses, so that their requests can be told
# from one another
LISTINGS = [','.join(some) for n in (1, 2, 3, 4) for some
            in itertools.combinations(STATUSES, n)][
    :500 if os.environ.get('S3JOBS_LONG') else 30]


class Throttle:
    """Refuses a part of the requests, and knows what became of each page of
    a listing: True for a refusal."""

    def __init__(self, part):
        self.refuse = share(part, *THROTTLES)
        self.lock = threading.Lock()
        self.asked = collections.defaultdict(list)

    def __call__(self, request):
        reply = self.refuse(request)
        query = urllib.parse.parse_qs(request.query)
        with self.lock:
            self.asked[','.join(query['jobStatuses']), request.page].append(
                reply is not None)
        return reply

    def pages(self, statuses):
        return [self.asked[statuses, page] for page in itertools.takewhile(
            lambda page: (statuses, page) in self.asked, itertools.count(1))]


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('tries', [1, 2, 3, 40])
@pytest.mark.parametrize('part', [.1, .5])
def test_throttled_share(s3, gateway, mode, part, tries):
    """None fails while tries are left, and none has more of them."""
    gw = gateway(MODES[mode] + f's3jobs_tries {tries} 10m;', workers=2)
    s3.page = 2
    throttle = Throttle(part)
    s3.always(throttle)

    def ask(statuses):
        return gw.get(f'/jobs?jobStatuses={statuses}')
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        answers = [*pool.map(ask, LISTINGS)]

    failed = 0
    for statuses, r in zip(LISTINGS, answers):
        pages = throttle.pages(statuses)
        assert pages
        for refused in pages:
            assert all(refused[:-1]) and len(refused) <= tries
            assert not refused[-1] or len(refused) == tries
        failed += check_throttled(s3, r, mode, statuses, pages)
    assert failed == 0 if tries == 40 else failed > 0 or part < .5


def check_throttled(s3, r, mode, statuses, pages):
    """Did it fail for the last time?"""
    jobs = s3.jobs(statuses=statuses.split(','))
    good = sum(not refused[-1] for refused in pages)
    if not good:
        assert r.status == 503 and told(r, mode != 'xml') and len(pages) == 1
        return True
    if mode != 'pages':
        jobs = jobs[:2]
    elif good < len(pages):
        document = strict_json(r.body)
        assert document['Incomplete'][0]['status'] == 503
        assert document['NextToken']
    assert [a or b for a, b in entries(r)] == [
        job['JobId'] for job in jobs[:2 * good]]
    return good < len(pages)


def test_head(s3, gateway):
    for mode in MODES.values():
        gw = gateway(mode)
        s3.script(Reply(error='SlowDown'))
        with gw.connect() as client:
            assert client.request('/jobs', method='HEAD').status == 200
            assert client.request('/jobs', method='HEAD').status == 200


@pytest.mark.parametrize('mode', MODES)
def test_http_2_and_gzip(s3, gateway, mode):
    gw = gateway(MODES[mode] + 'gzip on; gzip_types application/json'
                 ' application/xml; gzip_min_length 0;', h2=True)
    for get in gw.get, gw.get_h2:
        s3.script(Reply(error='SlowDown'))
        r = get(headers=[('Accept-Encoding', 'gzip')])
        assert r.header('Content-Encoding') == 'gzip'
        r.body = gzip.decompress(bytes(r.body))
        check(s3, r)


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('lines', ['', 'proxy_buffering off;',
                                   's3jobs_json_buffer_size 1k;'])
def test_large_answers(s3, gateway, mode, lines):
    gw = gateway(MODES[mode] + lines)
    s3.set_jobs(ACCOUNT, Many(ACCOUNT, REGION, 2500))
    for _ in range(2):
        s3.script(Reply(error='SlowDown'))
        r = gw.get()
        assert len(entries(r)) == (2500 if mode == 'pages' else 1000)


def test_page_of_pages(s3, gateway):
    """In the middle, and at the end."""
    gw = gateway(MODES['pages'])
    s3.page = 5
    for page in 2, 3, 5:
        s3.clear()
        s3.always(at_page(page, Reply(error='SlowDown'),
                          Reply(error='InternalError')))
        check(s3, gw.get())
        assert len(s3.requests) == 7


def test_in_ssi(s3, gateway):
    gw = gateway(MODES['pages'], server='location /ssi { ssi on; ssi_types *;'
                 ' return 200 \'[<!--# include virtual="/jobs" -->,'
                 '<!--# include virtual="/jobs" -->]\'; }')
    s3.script(Reply(error='SlowDown'), Reply(error='SlowDown'))
    r = gw.get('/ssi')
    assert strict_json(r.body) == [s3.expected()] * 2


def test_a_job(s3, nginx):
    gw = nginx(path='~ /jobs/(?<id>.+)', location='s3jobs_json on;'
               's3jobs_job $id;')
    job_id = s3.jobs()[3]['JobId']
    s3.script(Reply(error='SlowDown'))
    assert gw.get(f'/jobs/{job_id}').json()['Job']['JobId'] == job_id
    assert len(s3.requests) == 2


@pytest.mark.parametrize('mode', MODES)
def test_errors_are_not_cached_where_tries_are_left(s3, gateway, tmp_path,
                                                    mode):
    gw = gateway(MODES[mode] + 'proxy_cache c; proxy_cache_valid any 1h;',
                 http=f'proxy_cache_path {tmp_path}/cache keys_zone=c:1m;')
    s3.script(Reply(error='SlowDown'))
    for _ in range(3):
        check(s3, gw.get())
    assert len(s3.requests) == 2


@pytest.mark.parametrize('mode', MODES)
def test_errors_from_the_cache_are_the_answer(s3, gateway, tmp_path, mode):
    gw = gateway(MODES[mode] + 'proxy_cache c; proxy_cache_valid any 1h;',
                 http=f'proxy_cache_path {tmp_path}/cache keys_zone=c:1m;')
    s3.always(Reply(error='SlowDown'))
    assert [(gw.get().status, len(s3.requests)) for _ in range(3)] \
        == [(503, 3)] * 3
    until(lambda: len(gw.access()) == 3, 'access log')
    assert [line.split()[1] for line in gw.access()] == ['3', '1', '1']


def test_slow_retry_and_send_timeout(s3, gateway):
    gw = gateway('send_timeout 200ms;')
    s3.script(Reply(error='SlowDown', headers=(('Retry-After', '1'),)))
    check(s3, gw.get())


@pytest.mark.parametrize('reply', [Reply(error='SlowDown', headers=(
    ('Retry-After', '9'),))])
def test_client_that_leaves(s3, gateway, reply):
    gw = gateway()
    s3.always(reply)
    with gw.connect() as client:
        client.send('GET /jobs HTTP/1.1\r\nHost: x\r\n\r\n')
        s3.wait_for(1)
        gw.wait_log('asked again')
        client.abort()
    [request] = s3.requests
    assert until(gw.access) == [f'499 1 "SlowDown" {request.request_id}']


def test_tries_elsewhere_do_not_count(s3, gateway, stand_in):
    other = stand_in()
    other.verify = False
    other.unsigned_expected = 2
    other.always(Reply(status=500, body=b''))
    gw = gateway(server='location = /x { proxy_pass http://two;'
                 'proxy_next_upstream http_500; proxy_intercept_errors on;'
                 'error_page 500 = /jobs; }',
                 http=f'upstream two {{ server 127.0.0.1:{other.port};'
                 f' server 127.0.0.1:{other.port}; }}')
    s3.script(*[Reply(error='SlowDown')] * 2)
    check(s3, gw.get('/x'))
    assert len(s3.requests) == 3 and len(other.requests) == 2


def test_error_that_is_broken(s3, gateway):
    """It ends the request: it is told, and no try is said to follow."""
    gw = gateway('s3jobs_json on;',
                 server='location = /m { s3jobs_status prometheus; }')
    s3.script(Reply(raw=b'HTTP/1.1 503 Slow\r\n'
                    b'Transfer-Encoding: chunked\r\n\r\nzz\r\n'))
    assert gw.get().status == 503 and len(s3.requests) == 1
    gw.wait_log(r'\[warn\] .*S3 Control answered 503')
    assert 'asked again' not in gw.log()
    assert not re.search('retries_total{.*} [1-9]', gw.get('/m').text)


def test_tries_of_nginx_count_too(s3, gateway):
    """Of more servers than tries, that do not answer or that throttle."""
    gw = gateway('s3jobs_tries 2;', servers='upstream s3control {'
                 + 'server UPSTREAM;' * 5 + '}')
    s3.always(Reply(raw=b''))
    assert gw.get().status == 502
    assert len(s3.requests) == 2
    s3.always(None)
    s3.clear()
    gw = gateway('s3jobs_tries 2; proxy_next_upstream error http_503;',
                 servers='upstream s3control {' + 'server UPSTREAM;' * 5
                 + '}')
    s3.always(Reply(error='SlowDown'))
    assert gw.get().status == 503
    assert len(s3.requests) == 2


def test_tries_of_nginx_after_ours(s3, gateway):
    """What is left of them, and not all of them once more."""
    gw = gateway('s3jobs_tries 3;', servers='upstream s3control {'
                 + 'server UPSTREAM;' * 5 + '}')
    s3.script(Reply(error='SlowDown'))
    s3.always(Reply(raw=b''))
    assert gw.get().status == 502
    assert len(s3.requests) == 3


def test_time_of_nginx_counts_too(s3, gateway):
    gw = gateway('s3jobs_tries 9 300ms;', servers='upstream s3control {'
                 + 'server UPSTREAM;' * 10 + '}')
    s3.always(Reply(raw=b'', delay=0.2))
    assert gw.get().status == 502
    assert len(s3.requests) <= 3


def test_waits_grow(s3, gateway):
    """Up to 3.2 s at the sixth time: they are not all below a tenth."""
    gw = gateway('s3jobs_tries 7 1m;')
    times = []
    s3.on_request = lambda request: times.append(time.monotonic())
    s3.always(Reply(error='SlowDown'))
    assert gw.get().status == 503
    assert max(b - a for a, b in zip(times, times[1:])) > 0.105


@pytest.mark.parametrize('lines, message', [
    ('s3jobs_tries 0;', 'must be between 1 and 100'),
    ('s3jobs_tries x;', 'must be between 1 and 100'),
    ('s3jobs_tries 101;', 'must be between 1 and 100'),
    ('s3jobs_tries 3 x;', 'invalid time "x"'),
    ('s3jobs_tries 3 0;', 'invalid time "0"'),
    ('s3jobs_tries 3; s3jobs_tries 3;', 'is duplicate'),
    ('s3jobs_tries 3 5s;', None), ('s3jobs_tries 100;', None)])
def test_directive(nginx, lines, message):
    code, output = nginx.check(location=lines)
    assert code == (message is not None), output
    assert message is None or message in output


def clock(s3, seconds):
    """S3's, ahead of ours."""
    s3.clock = lambda: time.time() + seconds


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('seconds, where', [(1200, 'behind'),
                                            (-1200, 'ahead of'),
                                            (86400 * 30, 'behind')])
def test_clocks_that_differ(s3, gateway, mode, seconds, where):
    """The first listing costs one request more, the others none; and when
    the clock is right again there is one more, and no circle."""
    gw = gateway(MODES[mode])
    clock(s3, seconds)
    for _ in range(3):
        check(s3, gw.get())
    assert [q.verdict for q in s3.requests] == [
        'RequestTimeTooSkewed', None, None, None]
    [(n, side)] = re.findall(r'\[warn\].* the clock is (\d+) s (.*?) S3 Contro',
                             gw.log())
    assert abs(int(n) - abs(seconds)) <= 1 and side == where
    clock(s3, 0)
    s3.clear()
    for _ in range(3):
        check(s3, gw.get())
    assert [q.verdict for q in s3.requests] == [
        'RequestTimeTooSkewed', None, None, None]


def test_clock_that_jumps(s3, gateway):
    """It is believed once."""
    gw = gateway()
    s3.script(*(Reply(error='RequestTimeTooSkewed', headers=(
        ('Date', formatdate(time.time() + seconds, usegmt=True)),))
        for seconds in (1200, -1200)))
    assert gw.get().status == 502
    assert len(s3.requests) == 2


def test_clock_that_is_set_right_in_time(s3, gateway):
    """A success tells it, too: nothing has to be refused."""
    gw = gateway()
    clock(s3, 1200)
    check(s3, gw.get())
    clock(s3, 0)
    s3.skew = 3600
    check(s3, gw.get())
    assert 'the clock agrees with S3 Control' in gw.log()
    s3.skew = 900
    s3.clear()
    check(s3, gw.get())
    assert [q.verdict for q in s3.requests] == [None]


def test_clock_of_a_cache_on_the_way(s3, gateway):
    """A date with an Age is not that of now."""
    gw = gateway()
    s3.always(Reply(error='RequestTimeTooSkewed', headers=(
        ('Date', 'Fri, 02 Jan 2026 03:04:05 GMT'), ('Age', '10'))))
    assert gw.get().status == 502
    assert len(s3.requests) == 1
    s3.always(Reply(error='AccessDenied', headers=(('Date', 'yesterday'),)))
    assert gw.get().status == 403
    assert len(s3.requests) == 2


def test_403_beside_another_date(s3, gateway):
    """Whatever S3 calls it."""
    gw = gateway()
    clock(s3, 1200)
    s3.skew = 10**6
    s3.script(Reply(error='AccessDenied'))
    check(s3, gw.get())
    assert len(s3.requests) == 2
    assert 'behind S3 Control' in gw.log()


@pytest.fixture
def agent(s3):
    with Agent(s3, lifetime=3600) as a:
        yield a


def source(agent):
    return f's3jobs_credentials_source ops container uri={agent.uri};'


@pytest.mark.parametrize('mode, name', [
    *((mode, 'ExpiredToken') for mode in MODES), ('json', 'InvalidToken'),
    ('json', 'TokenRefreshRequired')])
def test_expired_credentials(s3, gateway, agent, mode, name):
    gw = gateway(MODES[mode], sources=source(agent))
    check(s3, gw.get())
    s3.clear()
    s3.script(Reply(error=name))
    check(s3, gw.get())
    assert len(s3.requests) == 2
    assert len(agent.issued) == 2
    assert s3.requests[0].key_id != s3.requests[1].key_id


def test_credentials_that_expire_in_a_listing(s3, gateway, agent):
    """Of 20 pages, while there are new ones to be had."""
    gw = gateway(MODES['pages'], sources=source(agent))
    s3.page = 2
    s3.set_jobs(ACCOUNT, list(s3.jobs()) + [
        {**job, 'JobId': job['JobId'][::-1]} for job in s3.jobs()][:15])

    def expire(request):
        if request.page == 9:
            for key in s3.keys.values():
                key.expires = s3.clock()
        s3.on_request = None if request.page == 9 else expire
    s3.on_request = expire
    check(s3, gw.get())
    assert [q.verdict for q in s3.requests].count('ExpiredToken') == 1
    assert len(s3.requests) == 21


@pytest.mark.parametrize('mode', MODES)
def test_credentials_are_renewed_once(s3, gateway, agent, mode):
    """Others that are refused too are no reason for a circle."""
    gw = gateway(MODES[mode] + 's3jobs_tries 9;', sources=source(agent))
    check(s3, gw.get())
    s3.clear()
    s3.always(Reply(error='ExpiredToken'))
    r = gw.get()
    assert r.status == 502 and told(r, mode != 'xml')[0] == 'ExpiredToken'
    assert len(s3.requests) == 2


def test_credentials_that_nobody_renews(s3, gateway):
    """From the environment: told at once."""
    gw = gateway()
    s3.always(Reply(error='ExpiredToken'))
    r = gw.get()
    assert r.status == 502 and told(r, False)[0] == 'ExpiredToken'
    assert len(s3.requests) == 1


def test_credentials_that_do_not_come(s3, gateway, agent):
    gw = gateway(MODES['json'] + 's3jobs_credentials_timeout 500ms;',
                 sources=source(agent))
    check(s3, gw.get())
    agent.fault = Fault(never=True)
    s3.clear()
    s3.always(Reply(error='ExpiredToken'))
    r = gw.get()
    assert r.status == 502 and told(r, True)[0] == 'ExpiredToken'
    assert len(s3.requests) == 1
    agent.fault = None


def test_new_credentials_are_tried_once(s3, gateway, agent):
    """S3 refuses the new ones too, whatever tries are left."""
    gw = gateway(MODES['json'] + 's3jobs_tries 5;', sources=source(agent))
    check(s3, gw.get())
    s3.clear()
    s3.always(Reply(error='ExpiredToken'))
    r = gw.get()
    assert r.status == 502 and told(r, True)[0] == 'ExpiredToken'
    assert len({q.key_id for q in s3.requests}) == len(s3.requests) == 2
