"""s3jobs_max_pages: all pages of a listing in one answer.

S3JOBS_LONG=1 for 200 clients at once instead of 30."""

import concurrent.futures
import gzip
import os
import socket
import subprocess
import urllib.parse
import zlib

import pytest

from gateway import place, strict_json, told
from jobs import Many
from nginx import until
from s3control import ACCOUNT, REGION, Reply
from troubles import STALL, THROTTLES, at_page, share

OTHER = '210987654321'
JOBS, SIZE = 95, 10         # ten pages, the last one of 5

# what is bytes upon bytes, and no listing
BROKEN = b'<ListJobsResult><Jobs><member><JobId>x</JobId></member>'
BIG = BROKEN + b'<member><JobId>y</JobId></member>' * 10000
FAILURES = {
    'refused': (Reply(error='InternalError'), 502, 'InternalError'),
    'denied': (Reply(error='AccessDenied'), 403, 'AccessDenied'),
    'redirect': (Reply(status=301, body=b'', headers=(
        ('Location', 'http://elsewhere/'),)), 502, 'BadUpstreamResponse'),
    'cut': (Reply(cut=200), 502, 'BadUpstreamResponse'),
    'cut-chunked': (Reply(cut=200, framing='chunked'), 502,
                    'BadUpstreamResponse'),
    'cut-close': (Reply(cut=200, framing='close'), 502,
                  'BadUpstreamResponse'),
    'reset': (Reply(cut=200, reset=True), 502, 'BadUpstreamResponse'),
    'broken': (Reply(body=BROKEN), 502, 'BadUpstreamResponse'),
    'broken-big': (Reply(body=BIG), 502, 'BadUpstreamResponse'),
    'doctype': (Reply(body=b'<!DOCTYPE x><ListJobsResult/>'), 502,
                'BadUpstreamResponse'),
    'empty': (Reply(body=b''), 502, 'BadUpstreamResponse'),
    'chunk': (Reply(raw=b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n'
                    b'\r\n5\r\n<List\r\nzzz\r\n'), 502,
              'BadUpstreamResponse'),
    'no-header': (Reply(raw=b'nonsense\r\n\r\n'), 502, 'BadUpstreamResponse'),
    'no-answer': (Reply(raw=b''), 502, 'BadGateway'),
    'stalled': (Reply(never=True), 504, 'GatewayTimeout'),
    'stalled-in-body': (Reply(body_delay=60), 502, 'BadUpstreamResponse'),
    'stalled-in-entry': (STALL, 502, 'BadUpstreamResponse'),
}


@pytest.fixture
def paged(s3, nginx):
    """nginx() that takes up to so many pages."""
    def start(pages=100, size=SIZE, jobs=JOBS, location='', server='',
              **options):
        s3.page = size
        s3.set_jobs(ACCOUNT, Many(ACCOUNT, REGION, jobs))
        return nginx(location=f's3jobs_json on; s3jobs_max_pages {pages};'
                     + location, server=place('= /plain', 's3jobs_json on;')
                     + server, **options)
    return start


def patience(kind):
    """A busy machine may be slow, too: long enough not to give it up."""
    return 'proxy_read_timeout 3s;' if 'stalled' in kind else ''


def listing(r):
    assert r.status == 200 and r.complete, r
    assert r.header('Content-Type') == 'application/json', r
    return strict_json(r.body)


def expected(s3, start=0, end=None):
    return {'Jobs': s3.jobs()[start:end]}


def follow(gw, document):
    """The jobs of this answer and of those that its NextToken leads to."""
    jobs = document['Jobs']
    while 'NextToken' in document:
        document = listing(gw.get('/jobs?' + urllib.parse.urlencode(
            {'nextToken': document['NextToken']})))
        jobs += document['Jobs']
    assert 'Incomplete' not in document
    return jobs


def one_by_one(gw):
    """The texts of the entries of all pages, asked for one after another."""
    query = {'maxResults': 1000}
    while True:
        r = gw.get('/plain?' + urllib.parse.urlencode(query))
        entries, token, _ = r.text.removeprefix('{"Jobs":[') \
                                  .partition('],"NextToken":')
        if not token:
            yield entries.removesuffix(']}')
            return
        yield entries
        query['nextToken'] = strict_json(r.body)['NextToken']


def check_whole(s3, r, jobs=JOBS):
    assert listing(r) == expected(s3)
    assert len(r.json()['Jobs']) == jobs


def test_all_pages_in_one_answer(s3, paged):
    gw = paged(log_format='$s3jobs_jobs $s3jobs_pages "$s3jobs_error"')
    r = gw.get()
    check_whole(s3, r)
    assert until(gw.access) == ['95 10 "-"']
    queries = [urllib.parse.parse_qs(q.query) for q in s3.requests]
    assert [q['maxResults'] for q in queries] == [['1000']] * 10
    assert {q.verdict for q in s3.requests} == {None}
    assert r.text == '{"Jobs":[' + ','.join(one_by_one(gw)) + ']}'


def test_one_page_is_as_ever(s3, paged):
    gw = paged(jobs=SIZE, log_format='$s3jobs_jobs $s3jobs_pages')
    r, plain = gw.get(), gw.get('/plain?maxResults=1000')
    assert r.body == plain.body
    assert r.header('Content-Length') == plain.header('Content-Length')
    until(lambda: gw.access() == ['10 1'] * 2)


def test_statuses_are_asked_of_each_page(s3, paged):
    gw = paged(size=2, jobs=100)
    s3.set_jobs(ACCOUNT, [*s3.jobs()])
    r = gw.get('/jobs?jobStatuses=New,Active')
    assert listing(r)['Jobs'] == s3.jobs(statuses=('New', 'Active'))
    assert {tuple(urllib.parse.parse_qs(q.query)['jobStatuses'])
            for q in s3.requests} == {('Active', 'New')}


def test_max_results_is_one_page(s3, paged):
    gw = paged()
    document = listing(gw.get('/jobs?maxResults=3'))
    assert document.pop('NextToken')
    assert document == expected(s3, 0, 3)
    assert [q.query for q in s3.requests] == ['maxResults=3']


def test_stops_at_the_limit(s3, paged):
    gw = paged(pages=3)
    r = gw.get()
    document = listing(r)
    assert list(document) == ['Jobs', 'NextToken']
    assert document['Jobs'] == s3.jobs()[:3 * SIZE]
    assert len(s3.requests) == 3
    assert follow(gw, document) == s3.jobs()[:]
    assert len(s3.requests) == 10


def test_next_token_begins_in_the_middle(s3, paged):
    gw = paged()
    token = [*s3.pages()][1]['NextToken']
    r = gw.get('/jobs?' + urllib.parse.urlencode({'nextToken': token}))
    assert listing(r) == expected(s3, 20)


@pytest.mark.parametrize('position', [2, 6, 10])
@pytest.mark.parametrize('kind', FAILURES)
def test_a_page_that_fails(s3, paged, kind, position):
    reply, status, code = FAILURES[kind]
    gw = paged(location='s3jobs_tries 1;' + patience(kind),
               log_format='"$s3jobs_error"')
    s3.always(at_page(position, reply, reply))
    r = gw.get()
    document = listing(r)
    assert list(document) == ['Jobs', 'Incomplete', 'NextToken']
    [why] = document['Incomplete']
    detail = why.pop('detail')
    assert detail and 'assumed-role' not in detail
    assert why == {'AccountId': ACCOUNT, 'Region': REGION, 'status': status,
                   'code': code}
    assert document['Jobs'] == s3.jobs()[:(position - 1) * SIZE]
    assert until(gw.access) == [f'"{code}"']
    s3.reset()
    assert follow(gw, document) == s3.jobs()[:]


@pytest.mark.parametrize('kind', ['refused', 'denied', 'cut', 'broken',
                                  'doctype', 'stalled'])
def test_the_first_page_fails_as_ever(s3, paged, kind):
    reply, status, code = FAILURES[kind]
    gw = paged(location='s3jobs_tries 1;' + patience(kind))
    s3.always(at_page(1, reply, last=reply))
    r = gw.get()
    assert r.status == status
    assert told(r, json=True)[0] == code
    assert len(s3.requests) == 1


def test_credentials_that_are_gone(s3, paged, tmp_path, nginx):
    """In the middle: the file is replaced by one of nobody."""
    path = nginx.credentials(tmp_path / 'credentials', '[default]\n'
                             'aws_access_key_id = AKIDEXAMPLE\n'
                             f'aws_secret_access_key = {[*s3.secrets][0]}\n')
    gw = paged(sources=f's3jobs_credentials_source ops file path={path};',
               location='s3jobs_tries 1;')

    def gone(request):
        if request.page == 4:
            s3.keys.clear()
    s3.on_request = gone
    document = listing(gw.get())
    assert document['Jobs'] == s3.jobs()[:4 * SIZE]
    assert document['Incomplete'][0]['code'] == 'InvalidAccessKeyId'
    assert document['Incomplete'][0]['status'] == 502
    assert document['NextToken']


@pytest.mark.parametrize('circle', [1, 3])
def test_a_token_that_comes_back(s3, paged, circle):
    gw = paged()
    pages = [*s3.pages()]
    first = pages[0]['NextToken']

    def send_back(request):
        if request.page == circle + 1:
            jobs = pages[circle]['Jobs']
            return Reply(body=b''.join(s3.listing(jobs, first)))
    s3.always(send_back)
    document = listing(gw.get())
    assert list(document) == ['Jobs', 'Incomplete']
    assert document['Jobs'] == s3.jobs()[:(circle + 1) * SIZE]
    assert document['Incomplete'][0]['code'] == 'BadUpstreamResponse'
    assert document['Incomplete'][0]['status'] == 502
    assert len(s3.requests) == circle + 1
    assert 'for the second time' in gw.log()


def test_the_token_of_the_client_comes_back(s3, paged):
    gw = paged()
    token = [*s3.pages()][0]['NextToken']
    s3.always(Reply(body=b''.join(s3.listing(s3.jobs()[10:20], token))))
    document = listing(gw.get('/jobs?' + urllib.parse.urlencode(
        {'nextToken': token})))
    assert document['Jobs'] == s3.jobs()[10:20]
    assert document['Incomplete'][0]['code'] == 'BadUpstreamResponse'
    assert 'NextToken' not in document
    assert len(s3.requests) == 1


@pytest.mark.parametrize('empty', [{1}, {2, 3}, {1, 2, 10}, {*range(1, 11)}])
def test_pages_without_entries_go_on(s3, paged, empty):
    gw = paged()
    pages = [*s3.pages()]
    s3.always(lambda request: Reply(body=b''.join(s3.listing(
        (), pages[request.page - 1].get('NextToken'))))
        if request.page in empty else None)
    r = gw.get()
    assert listing(r) == {'Jobs': [
        job for n, page in enumerate(pages, 1) if n not in empty
        for job in page['Jobs']]}
    assert len(s3.requests) == 10


def test_unknown_elements_are_those_of_the_last_page(s3, paged):
    gw = paged(jobs=30)
    s3.always(lambda request: Reply(body=b''.join(
        s3.listing(s3.jobs()[:2], None if request.page == 3
                   else [*s3.pages()][request.page - 1]['NextToken']))
        .replace(b'<Jobs>', b'<Page>%d</Page><Jobs>' % request.page)))
    r = gw.get()
    assert list(listing(r)) == ['Jobs', 'Page']
    assert r.json()['Page'] == '3'


def test_head_is_the_first_page(s3, paged):
    gw = paged()
    with gw.connect() as client:
        for _ in range(2):
            r = client.request('/jobs', method='HEAD')
            assert r.status == 200
            assert r.header('Content-Type') == 'application/json'
            assert r.header('Content-Length') is None
        s3.always(Reply(error='AccessDenied'))
        assert client.request('/jobs', method='HEAD').status == 403
    assert {q.query for q in s3.requests} == {'maxResults=1000'}
    assert len(s3.requests) == 3


def test_xml_clients_get_one_page(s3, nginx):
    s3.page = SIZE
    gw = nginx(location='s3jobs_json accept; s3jobs_max_pages 100;')
    r = gw.get()
    assert r.header('Content-Type') == 'application/xml'
    assert [q.query for q in s3.requests] == ['']
    document = listing(gw.get(headers={'Accept': 'application/json'}))
    assert document == s3.expected()


@pytest.mark.parametrize('framing', ['length', 'chunked', 'close'])
@pytest.mark.parametrize('location', [
    '', 'proxy_buffering off;', 'proxy_max_temp_file_size 0;',
    's3jobs_json_buffer_size 1k;', 's3jobs_json_buffer_size 8m;',
    'sendfile on;', 'sendfile on; s3jobs_json_buffer_size 1k;',
    'limit_rate 500k;', 'limit_rate 500k; proxy_buffering off;',
    'send_timeout 100ms;', 'postpone_output 4000;', 'aio threads;'
    ' s3jobs_json_buffer_size 1k;', 'output_buffers 1 1k;'
    ' s3jobs_json_buffer_size 1k;', 'chunked_transfer_encoding off;'])
def test_large_pages(s3, paged, location, framing):
    gw = paged(size=1000, jobs=3500, location=location)
    s3.framing = framing
    with gw.connect() as client:
        check_whole(s3, client.request('/jobs'), 3500)
        if 'encoding off' not in location:
            assert client.request('/jobs?maxResults=1').status == 200
    assert len(s3.requests) in (4, 5)


def test_pages_are_not_kept_as_xml(s3, paged):
    """In nginx's buffers there is no room for it."""
    gw = paged(size=1000, jobs=3500, location='s3jobs_json_buffer_size 8m;'
               'proxy_buffer_size 4k; proxy_buffers 4 4k;')
    check_whole(s3, gw.get(), 3500)
    assert 'temporary file' not in gw.log()


def test_http_1_0(s3, paged):
    gw = paged()
    with gw.connect() as client:
        client.send('GET /jobs HTTP/1.0\r\n\r\n')
        check_whole(s3, client.response())


@pytest.mark.parametrize('jobs, size', [(JOBS, SIZE), (3500, 1000)])
def test_http_2(s3, paged, jobs, size):
    gw = paged(jobs=jobs, size=size, h2=True)
    for _ in range(3):
        check_whole(s3, gw.get_h2(), jobs)


def unzipped(r):
    assert r.header('Content-Encoding') == 'gzip', r
    r.body = gzip.decompress(bytes(r.body))
    return r


@pytest.mark.parametrize('jobs, size', [(JOBS, SIZE), (3500, 1000)])
@pytest.mark.parametrize('h2', [False, True])
def test_gzip(s3, paged, jobs, size, h2):
    gw = paged(jobs=jobs, size=size, h2=True, location='gzip on;'
               'gzip_types application/json; gzip_min_length 0;')
    accept = {'Accept-Encoding': 'gzip'}
    r = gw.get_h2(headers=accept.items()) if h2 else gw.get(headers=accept)
    check_whole(s3, unzipped(r), jobs)


@pytest.mark.parametrize('location', ['', 'gzip on; gzip_min_length 0;'
                                      'gzip_types application/json;'])
def test_a_page_goes_out_when_it_is_there(s3, paged, location):
    """And not when the next one comes: that is never."""
    gw = paged(location=location)
    s3.always(at_page(3, Reply(never=True)))
    with gw.connect() as client:
        client.send('GET /jobs HTTP/1.1\r\nHost: x\r\n'
                    'Accept-Encoding: gzip\r\n\r\n')
        r = client.head()
        assert r.status == 200
        unzip = zlib.decompressobj(31).decompress \
            if r.header('Content-Encoding') else bytes
        body = b''
        while body.count(b'"JobId"') < 2 * SIZE:
            data = bytearray()
            size = int(client.wire.until(b'\r\n'), 16)
            client.wire.take(data, size + 2)
            body += unzip(bytes(data[:-2]))
        s3.wait_for(3)


def test_slow_s3_is_no_slow_client(s3, paged):
    """send_timeout is for what the client does not take."""
    gw = paged(size=30, location='send_timeout 200ms;')
    s3.always(Reply(delay=0.5))
    check_whole(s3, gw.get())


@pytest.mark.parametrize('lines', ['', 'gzip on; gzip_min_length 0;'
                                   'gzip_types application/json;',
                                   'proxy_buffering off;'])
def test_slow_client(s3, paged, lines):
    """It holds up S3: a page is asked for when the one before is taken."""
    gw = paged(jobs=20000, size=1000, location=lines)
    with gw.connect() as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.send('GET /jobs HTTP/1.1\r\nHost: x\r\n\r\n')
        r = client.head()
        s3.wait_for(2)
        assert len(s3.requests) < 20
        r = client.body(r)
    check_whole(s3, r, 20000)


def test_client_that_does_not_read_is_timed_out(s3, paged):
    gw = paged(jobs=20000, size=1000, location='send_timeout 200ms;')
    with gw.connect() as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.send('GET /jobs HTTP/1.1\r\nHost: x\r\n\r\n')
        gw.wait_log('client timed out')
        assert not client.response().complete
    assert len(s3.requests) < 20


@pytest.mark.parametrize('page', [2, 5])
@pytest.mark.parametrize('reply', [Reply(never=True),
                                   Reply(body_delay=30)])
def test_client_that_leaves(s3, paged, page, reply):
    """No further page is asked for, and nothing is left behind."""
    gw = paged()
    s3.always(at_page(page, reply))
    with gw.connect() as client:
        client.send('GET /jobs HTTP/1.1\r\nHost: x\r\n\r\n')
        s3.wait_for(page)
        client.abort()
    until(lambda: gw.access(), what='end of the request')
    s3.reset()
    assert len(s3.requests) == page
    check_whole(s3, gw.get())


def test_cache(s3, paged, tmp_path):
    gw = paged(http=f'proxy_cache_path {tmp_path}/cache keys_zone=c:1m;',
               location='proxy_cache c; proxy_cache_valid 200 1h;'
               'add_header X-Cache $upstream_cache_status;')
    first = gw.get()
    check_whole(s3, first)
    assert first.header('X-Cache') == 'MISS'
    assert len(s3.requests) == 10
    for _ in range(2):
        again = gw.get()
        assert again.header('X-Cache') == 'HIT'
        assert again.body == first.body
    assert len(s3.requests) == 10
    assert len([*tmp_path.glob('cache/' + '[0-9a-f]' * 32)]) == 10


def test_cache_and_large_pages(s3, paged, tmp_path):
    gw = paged(http=f'proxy_cache_path {tmp_path}/cache keys_zone=c:1m;',
               location='proxy_cache c; proxy_cache_valid 200 1h;', jobs=3500,
               size=1000)
    for _ in range(3):
        check_whole(s3, gw.get(), 3500)
    assert len(s3.requests) == 4


def test_broken_page_is_not_cached(s3, paged, tmp_path):
    gw = paged(http=f'proxy_cache_path {tmp_path}/cache keys_zone=c:1m;',
               location='proxy_cache c; proxy_cache_valid any 1h;')
    for reply in Reply(body=BROKEN), Reply(body=BIG), Reply(cut=100), \
            Reply(body=b'<!DOCTYPE x><ListJobsResult/>'):
        s3.always(at_page(3, reply))
        assert listing(gw.get())['Incomplete']
    s3.reset()
    check_whole(s3, gw.get())


def test_stale_pages_are_refreshed(s3, paged, tmp_path):
    gw = paged(http=f'proxy_cache_path {tmp_path}/cache keys_zone=c:1m;',
               location='proxy_cache c; proxy_cache_valid 200 1s;'
               'proxy_cache_use_stale updating error timeout http_503;'
               'proxy_cache_background_update on; s3jobs_tries 1;')
    check_whole(s3, gw.get())
    old = s3.jobs()[:]
    s3.set_jobs(ACCOUNT, [{**job, 'Priority': 77} for job in old])

    def refreshed():
        jobs = listing(gw.get())['Jobs']
        assert [job['JobId'] for job in jobs] == [j['JobId'] for j in old]
        return jobs == s3.jobs()
    until(refreshed, what='refreshed listing')
    s3.always(Reply(error='SlowDown'))
    s3.clear()
    until(lambda: (check_whole(s3, gw.get()), s3.requests)[1],
          what='request for a stale page')
    s3.reset()


def test_accounts_do_not_mix(s3, nginx, tmp_path):
    """Two accounts, one cache, listings at once and in one page of SSI."""
    s3.page = 7
    jobs = 's3jobs_json on; s3jobs_max_pages 100; proxy_cache c;' \
        'proxy_cache_valid 200 1h;'
    gw = nginx(http=f'proxy_cache_path {tmp_path}/cache keys_zone=c:1m;',
               location=jobs, path='/a',
               server='location /ssi { ssi on; ssi_types *; return 200'
               ' \'[<!--# include virtual="/a" -->,'
               '<!--# include virtual="/b" -->,'
               '<!--# include virtual="/a" -->]\'; }'
               + place('/b', jobs, account=OTHER))
    for _ in range(3):
        parts = gw.get('/ssi')
        assert parts.status == 200 and parts.complete
        assert strict_json(parts.body) == [
            s3.expected(ACCOUNT), s3.expected(OTHER), s3.expected(ACCOUNT)]
    assert listing(gw.get('/b')) == s3.expected(OTHER)
    assert {q.verdict for q in s3.requests} == {None}


def test_all_pages_are_of_one_source(s3, nginx):
    """What named the credentials is another text once the URI is S3's."""
    s3.page = SIZE
    s3.set_jobs(ACCOUNT, Many(ACCOUNT, REGION, JOBS))
    gw = nginx(http='map $uri $who { volatile; /jobs ops; default none; }',
               credentials='$who',
               location='s3jobs_json on; s3jobs_max_pages 100;')
    assert listing(gw.get()) == expected(s3)


def test_incomplete_in_ssi(s3, paged):
    gw = paged(server='location /ssi { ssi on; ssi_types *; return 200'
               ' \'[<!--# include virtual="/jobs" -->,'
               '<!--# include virtual="/jobs" wait="yes" -->,1]\'; }',
               location='s3jobs_tries 1;')
    s3.always(at_page(4, Reply(error='AccessDenied'), Reply(body=BIG)))
    r = gw.get('/ssi')
    assert r.status == 200 and r.complete
    one, two, end = strict_json(r.body)
    assert one['Jobs'] == two['Jobs'] == s3.jobs()[:3 * SIZE]
    assert {one['Incomplete'][0]['code'], two['Incomplete'][0]['code']} == \
        {'AccessDenied', 'BadUpstreamResponse'}


def test_variables_of_pages_are_their_own(s3, paged):
    """A map that is evaluated for one page does not point into it later."""
    gw = paged(http='map $s3jobs_cache_key $seen { default'
               ' "$s3jobs_cache_key"; }', location='proxy_set_header X-Seen'
               ' $seen;', log_format='$seen')
    check_whole(s3, gw.get())
    assert until(gw.access)[0].startswith(f'{ACCOUNT}:{REGION}:')


def test_what_set_has_set_is_so_for_all_pages(s3, paged):
    gw = paged(location='set $mark "a$uri"; proxy_set_header X-Mark $mark;')
    check_whole(s3, gw.get())
    assert [q.all('X-Mark') for q in s3.requests] == [['a/jobs']] * 10


def test_pipelined_requests(s3, paged):
    gw = paged(jobs=30)
    with gw.connect() as client:
        client.send('GET /jobs HTTP/1.1\r\nHost: x\r\n\r\n' * 5)
        for _ in range(5):
            check_whole(s3, client.response(), 30)


def test_reload_while_pages_come(s3, paged):
    gw = paged()
    s3.always(at_page(5, Reply(never=True)))
    with gw.connect() as client:
        client.send('GET /jobs HTTP/1.1\r\nHost: x\r\n\r\n')
        s3.wait_for(5)
        s3.always(None)
        gw.reload()
        client.abort()


def resident(pid):
    return int(subprocess.run(['ps', '-o', 'rss=', '-p', str(pid)],
                              stdout=subprocess.PIPE, text=True).stdout)


@pytest.mark.parametrize('lines', ['', 's3jobs_json_buffer_size 1k;',
                                   'proxy_cache c; proxy_cache_valid 200 1h;'])
def test_memory_does_not_grow_with_pages(s3, paged, tmp_path, lines):
    """What 300 pages take beyond 20 of the same size: next to nothing."""
    gw = paged(pages=10000, size=20, jobs=400, location=lines,
               http=f'proxy_cache_path {tmp_path}/cache keys_zone=c:1m;',
               server=place('= /more', 's3jobs_json on; s3jobs_max_pages'
                            ' 1000;' + lines, account=OTHER))
    [worker] = gw.workers()
    check_whole(s3, gw.get(), 400)
    before = resident(worker)
    s3.set_jobs(OTHER, Many(OTHER, REGION, 6000))
    assert listing(gw.get('/more')) == {'Jobs': s3.jobs(OTHER)[:]}
    assert resident(worker) - before < 500


def test_many_clients_at_once(s3, paged):
    """Of 20 pages each, while S3 throttles; one reads byte by byte, and a
    tenth leave.  What they took is free then."""
    n = 200 if os.environ.get('S3JOBS_LONG') else 30
    gw = paged(size=5, jobs=100, location='s3jobs_tries 20 10m;')
    s3.always(share(.1, *THROTTLES))

    def client(i):
        if i % 10 and i != 1:
            return check_whole(s3, gw.get(), 100)
        with gw.connect() as c:
            c.send('GET /jobs HTTP/1.1\r\nHost: x\r\n\r\n')
            if i != 1:
                c.head()
                return c.abort()
            c.wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            r = c.head()
            while r.body.count(b'"JobId"') < 10:
                size = int(c.wire.until(b'\r\n'), 16)
                for _ in range(size):
                    c.wire.take(r.body, 1)
                c.wire.until(b'\r\n')
            c.body(r)
            check_whole(s3, r, 100)

    [worker] = gw.workers()
    used = []
    for _ in range(3):
        with concurrent.futures.ThreadPoolExecutor(n) as pool:
            assert len([*pool.map(client, range(n))]) == n
        used.append(resident(worker))
    print(f'{n} clients, {used} kB')
    assert used[2] - used[1] < 1024


@pytest.mark.parametrize('value', ['0', '-1', 'all', '100001', '1 2', ''])
def test_limit_that_is_none(nginx, value):
    code, output = nginx.check(location=f's3jobs_max_pages {value};')
    assert code == 1 and 's3jobs_max_pages' in output or 'value' in output


def test_limit_is_inherited(s3, nginx):
    s3.page = 5
    gw = nginx(http='s3jobs_max_pages 2; s3jobs_json on;',
               server=place('= /three', 's3jobs_max_pages 3;'))
    assert len(listing(gw.get())['Jobs']) == 10
    assert len(listing(gw.get('/three'))['Jobs']) == 15
