"""s3jobs_merge: several listings in one answer.

S3JOBS_LONG=1 for listings of 100,000 jobs to a slow client, not 1,000."""

import gzip
import os
import re
import socket
import threading
import time
import urllib.parse
import zlib

import pytest

from gateway import place, strict_json, told
from jobs import Many
from nginx import until
from s3control import Reply
from test_stream import memory
from troubles import STALL, at_page

ACCOUNTS = {'prod': '123456789012', 'dev': '210987654321',
            'lab': '000000000042'}
REGIONS = ('eu-west-1', 'us-east-1', 'ap-south-1', 'us-west-2')
ALL = [(who, where) for who in ACCOUNTS for where in REGIONS]
HTTP = 'map $who $account { %s }' % ' '.join(
    f'{name} {account};' for name, account in ACCOUNTS.items())
SIZE = 10


def uri(who, where):
    return f'/of/{who}/{where}'


@pytest.fixture
def merged(s3, nginx, tmp_path):
    """nginx() that merges these listings, each of so many jobs."""
    def start(listings=ALL, jobs=35, pages=100, size=SIZE, lines='',
              location='', server='', http='', credentials='ops', **options):
        s3.page = size
        for n, (who, where) in enumerate(listings):
            s3.set_jobs(ACCOUNTS.get(who, who), Many(
                ACCOUNTS.get(who, who), where,
                jobs[n] if isinstance(jobs, list) else jobs), where)
        uris = ' '.join(uri(*w) for w in listings)
        return nginx(
            path=r'~ ^/of/(?<who>\w+)/(?<where>[a-z0-9-]+)$',
            account='$account', region='$where', credentials=credentials,
            location=f'internal; s3jobs_max_pages {pages};{location}',
            http=HTTP + http, server='location = /jobs { s3jobs_merge '
            f'{uris};{lines} }}' + server, **options)
    return start


def listing(r):
    assert r.status == 200 and r.complete, r
    assert r.header('Content-Type') == 'application/json', r
    return strict_json(r.body)


def of(document, who, where):
    """The jobs of one listing, as it alone would give them."""
    whose = {'AccountId': ACCOUNTS[who], 'Region': where}
    mine = [j for j in document['Jobs'] if whose.items() <= j.items()]
    for job in mine:
        assert list(job)[:2] == ['AccountId', 'Region']
    return [{k: v for k, v in job.items() if k not in whose} for job in mine]


def check_whole(s3, document, listings=ALL):
    assert list(document) == ['Jobs']
    check_jobs(s3, document, listings)


def check_jobs(s3, document, listings):
    total = 0
    for who, where in listings:
        expected = s3.jobs(ACCOUNTS[who], where)[:]
        assert of(document, who, where) == expected
        total += len(expected)
    assert len(document['Jobs']) == total


def test_twelve_listings_in_one(s3, merged):
    gw = merged(log_format='$s3jobs_jobs $s3jobs_pages')
    check_whole(s3, listing(gw.get()))
    assert until(gw.access) == [f'{12 * 35} {12 * 4}']
    assert {r.verdict for r in s3.requests} == {None}
    assert len(s3.requests) == 48


def test_entries_are_those_of_the_single_listing(s3, merged):
    who, where = ALL[1]
    gw = merged([(who, where)], server=place(
        '= /one', 's3jobs_json on; s3jobs_max_pages 100;',
        account=ACCOUNTS[who], region=where))
    one, many = gw.get('/one'), gw.get()
    assert many.text.replace(
        f'"AccountId":"{ACCOUNTS[who]}","Region":"{where}",', '') == one.text


def test_side_by_side(s3, merged):
    """All first pages are asked for before one is answered."""
    gw = merged()
    s3.always(lambda request: Reply(never=True) if len(s3.requests) <= 12
              else None)
    with gw.connect() as client:
        client.send('GET /jobs HTTP/1.1\r\nHost: x\r\n\r\n')
        s3.wait_for(12)
        assert {(r.account, r.region) for r in s3.requests} == {
            (ACCOUNTS[who], where) for who, where in ALL}
        client.abort()
    s3.reset()


def test_pages_go_on_side_by_side(s3, merged):
    """One listing that never ends its first page holds up no other one."""
    gw = merged()
    slow = ACCOUNTS['dev']
    s3.always(lambda request: Reply(never=True) if request.account == slow
              else None)
    with gw.connect() as client:
        client.send('GET /jobs HTTP/1.1\r\nHost: x\r\n\r\n')
        s3.wait_for(4 + 8 * 4)
        client.abort()
    s3.reset()


@pytest.mark.parametrize('lines', ['', 'gzip on; gzip_min_length 0;'
                                   'gzip_types application/json;'])
def test_a_page_goes_out_when_it_is_there(s3, merged, lines):
    """Less than postpone_output, and the other listings never come."""
    gw = merged(ALL[:3], jobs=1, lines=lines)
    s3.always(lambda request: None if request.region == 'us-east-1'
              else Reply(never=True))
    with gw.connect() as client:
        client.send('GET /jobs HTTP/1.1\r\nHost: x\r\n'
                    'Accept-Encoding: gzip\r\n\r\n')
        r = client.head()
        unzip = zlib.decompressobj(31).decompress \
            if r.header('Content-Encoding') else bytes
        body = b''
        while not body.endswith(b'}}'):
            data = bytearray()
            size = int(client.wire.until(b'\r\n'), 16)
            client.wire.take(data, size + 2)
            body += unzip(bytes(data[:-2]))
        assert body.count(b'"JobId"') == 1
    s3.reset()


def test_arguments(s3, merged):
    gw = merged()
    document = listing(gw.get('/jobs?jobStatuses=New,Active&maxResults=2'))
    assert {r.query for r in s3.requests} == {
        'jobStatuses=Active&jobStatuses=New&maxResults=2'}
    assert len(s3.requests) == 12
    assert {j['Status'] for j in document['Jobs']} == {'New', 'Active'}
    assert len(document['Jobs']) == 24
    assert len(document['Incomplete']) == 12
    for whole in document['Incomplete']:
        assert list(whole) == ['AccountId', 'Region', 'NextToken']


@pytest.mark.parametrize('query, message', [
    ('nextToken=abc', 'argument "nextToken" belongs to one listing'),
    ('foo=1', 'argument "foo"'), ('maxResults=1001', 'argument "maxResults"')])
def test_arguments_that_are_refused(s3, merged, query, message):
    r = merged().get('/jobs?' + query)
    assert r.status == 400
    code, detail, _ = told(r, True)
    assert code == 'InvalidRequest' and detail.startswith(message)
    assert s3.requests == []


def test_argument_that_is_shown(s3, merged):
    """Nothing that turns text around."""
    gw = merged(ALL[:1])
    r = gw.get('/jobs?' + '\u202eabc=1'.encode().decode('latin-1'))
    [line] = re.findall('client sent .*?, client', gw.log())
    assert r.status == 400 and '\u202e' not in r.text + line
    assert 'abc" is unknown' in told(r, True)[1]


def test_limit_of_pages(s3, merged):
    listings = ALL[:3]
    gw = merged(listings, pages=2, jobs=[15, 25, 35], server=''.join(
        place(f'= /{where}', 's3jobs_json on; s3jobs_max_pages 100;',
              account=ACCOUNTS[who], region=where)
        for who, where in listings))
    document = listing(gw.get())
    assert [w['Region'] for w in document['Incomplete']] == [
        where for who, where in listings[1:]]
    for left in document['Incomplete']:
        rest = listing(gw.get(f'/{left["Region"]}?' + urllib.parse.urlencode(
            {'nextToken': left['NextToken']})))
        document['Jobs'] += [{'AccountId': left['AccountId'],
                              'Region': left['Region'], **job}
                             for job in rest['Jobs']]
    check_jobs(s3, document, listings)


def test_some_fail(s3, merged):
    """One denied, one broken, one cut later, one whose credentials are none:
    the rest is there, and each of them is named."""
    gw = merged(http='map $where $credentials { ap-south-1 nobody;'
                ' default ops; }', credentials='$credentials')
    bad = {(ACCOUNTS['prod'], 'us-east-1'): Reply(error='AccessDenied'),
           (ACCOUNTS['dev'], 'us-east-1'): Reply(body=b'<html>'),
           (ACCOUNTS['lab'], 'us-east-1'): Reply(cut=300)}

    def reply(request):
        answer = bad.get((request.account, request.region))
        return answer if request.page == (
            3 if request.account == ACCOUNTS['lab'] else 1) else None
    s3.always(reply)
    document = listing(gw.get())
    why = {(w['AccountId'], w['Region']): w for w in document['Incomplete']}
    assert {where: (w['status'], w['code'], 'NextToken' in w)
            for where, w in why.items()} == {
        (ACCOUNTS['prod'], 'us-east-1'): (403, 'AccessDenied', False),
        (ACCOUNTS['dev'], 'us-east-1'): (502, 'BadUpstreamResponse', False),
        (ACCOUNTS['lab'], 'us-east-1'): (502, 'BadUpstreamResponse', True),
        **{(account, 'ap-south-1'): (503, 'CredentialsUnavailable', False)
           for account in ACCOUNTS.values()}}
    for who, where in ALL:
        if (ACCOUNTS[who], where) not in why:
            assert of(document, who, where) == s3.jobs(ACCOUNTS[who], where)[:]
    assert of(document, 'lab', 'us-east-1') == \
        s3.jobs(ACCOUNTS['lab'], 'us-east-1')[:2 * SIZE]


def test_stall_in_the_middle_of_a_page(s3, merged):
    """It is given up, and holds up nobody."""
    gw = merged(location='proxy_read_timeout 5s; s3jobs_tries 1;')
    stalled = ACCOUNTS['dev'], 'us-east-1'
    s3.always(lambda request: STALL if request.page == 3 and stalled == (
        request.account, request.region) else None)
    document = listing(gw.get())
    [left] = document['Incomplete']
    assert (left['AccountId'], left['Region']) == stalled
    assert (left['status'], left['code']) == (502, 'BadUpstreamResponse')
    assert left['NextToken'] == [*s3.pages(*stalled)][1]['NextToken']
    assert of(document, 'dev', 'us-east-1') == s3.jobs(*stalled)[:2 * SIZE]
    check_jobs(s3, {'Jobs': [
        job for job in document['Jobs'] if stalled != (
            job['AccountId'], job['Region'])]},
        [w for w in ALL if w != ('dev', 'us-east-1')])


def test_account_that_is_unknown(s3, merged):
    gw = merged([('prod', 'eu-west-1'), ('nobody', 'eu-west-1')])
    document = listing(gw.get())
    assert document['Incomplete'] == [{
        'URI': '/of/nobody/eu-west-1', 'status': 403, 'code': 'AccessDenied',
        'detail': 'No such account is served here.'}]
    check_jobs(s3, document, [('prod', 'eu-west-1')])


def test_region_that_is_unknown(s3, nginx):
    gw = nginx(path='~ ^/of/(?<where>.*)$', region='$region',
               http='map $where $region { us-east-1 us-east-1; }',
               server='location = /jobs { s3jobs_merge /of/us-east-1 /of/x'
               ' /of/y; }')
    document = listing(gw.get())
    assert [(it['URI'], it['status']) for it in document['Incomplete']] \
        == [('/of/x', 403), ('/of/y', 403)]
    assert len(document['Jobs']) == 25


@pytest.mark.parametrize('replies, status, code', [
    (['AccessDenied'], 403, 'AccessDenied'),
    (['SlowDown'], 503, 'SlowDown'),
    (['SlowDown', 'ServiceUnavailable'], 503, 'ServiceUnavailable'),
    (['SlowDown', 'AccessDenied'], 502, 'BadGateway')])
def test_all_fail(s3, merged, replies, status, code):
    gw = merged(location='s3jobs_tries 1;')
    s3.always(lambda request: Reply(error=replies[
        (request.region == 'us-east-1') % len(replies)]))
    with gw.connect() as client:
        for _ in range(2):
            r = client.request('/jobs')
            assert r.status == status
            assert told(r, True)[0] == code
            assert (r.header('Retry-After') == '1') == (status == 503)


def test_the_listings_are_empty(s3, merged):
    gw = merged(jobs=0)
    assert gw.get().text == '{"Jobs":[]}'


def test_some_listings_are_empty(s3, merged):
    gw = merged(jobs=[0, 5, 0, 0, 25, 0, 1, 0, 0, 0, 10, 0])
    check_whole(s3, listing(gw.get()))


def test_head(s3, merged):
    gw = merged()
    with gw.connect() as client:
        for _ in range(2):
            r = client.request('/jobs', method='HEAD')
            assert r.status == 200
            assert r.header('Content-Type') == 'application/json'
        check_whole(s3, listing(client.request('/jobs')))


def test_head_of_what_cannot_be_read(s3, merged):
    gw = merged()
    s3.always(Reply(error='AccessDenied'))
    with gw.connect() as client:
        for method in 'HEAD', 'GET', 'HEAD':
            r = client.request('/jobs', method=method)
            assert r.status == 403 and r.complete
            assert bool(r.body) == (method == 'GET')


@pytest.mark.parametrize('accept, status', [
    ('application/xml', 406), ('text/xml;q=0.5', 406),
    ('application/xml, application/json;q=0', 406), ('application/json', 200),
    ('*/*', 200), (None, 200), ('text/html,application/xhtml+xml,'
                                'application/xml;q=0.9,*/*;q=0.8', 200)])
def test_xml_is_not_to_be_had(s3, merged, accept, status):
    gw = merged(ALL[:2])
    r = gw.get(headers={'Accept': accept} if accept else {})
    assert r.status == status
    if status == 406:
        assert told(r, False)[0] == 'NotAcceptable'
        assert s3.requests == []


def test_other_methods(s3, merged):
    gw = merged()
    r = gw.get(method='POST', body=b'x' * 100000)
    assert r.status == 405 and r.header('Allow') == 'GET, HEAD'
    assert told(r, True)[0] == 'MethodNotAllowed'
    assert s3.requests == []
    with gw.connect() as client:
        check_whole(s3, listing(client.request('/jobs', body=b'x' * 10000)))
        check_whole(s3, listing(client.request('/jobs')))


def test_errors_of_nginx_have_our_shape(s3, merged):
    r = merged(lines='deny all;').get()
    assert r.status == 403 and told(r, True)[0] == 'Forbidden'


@pytest.mark.parametrize('location', [
    '', 'proxy_buffering off;', 's3jobs_json_buffer_size 1k;',
    'proxy_cache c; proxy_cache_valid 200 1h;'])
@pytest.mark.parametrize('lines', [
    '', 'gzip on; gzip_types application/json; gzip_min_length 0;',
    'limit_rate 8m;'])
def test_large_listings(s3, merged, tmp_path, location, lines):
    s3.framing = 'chunked'
    gw = merged(ALL[:5], jobs=2500, size=1000, location=location, lines=lines,
                http=f'proxy_cache_path {tmp_path}/cache keys_zone=c:1m;')
    with gw.connect() as client:
        for _ in range(2):
            r = client.request('/jobs', {'Accept-Encoding': 'gzip'}
                               if 'gzip' in lines else {})
            if 'gzip' in lines:
                r.body = gzip.decompress(bytes(r.body))
            check_whole(s3, listing(r), ALL[:5])


def test_http_2(s3, merged):
    gw = merged(h2=True)
    for _ in range(3):
        check_whole(s3, listing(gw.get_h2()))
    r = gw.get_h2(method='HEAD')
    assert r.status == 200 and r.header('Content-Type') == 'application/json'
    assert r.complete and not r.body


def test_http_2_and_gzip(s3, merged):
    gw = merged(h2=True, lines='gzip on; gzip_types application/json;'
                'gzip_min_length 0;')
    for _ in range(3):
        r = gw.get_h2(headers=[('Accept-Encoding', 'gzip')])
        assert r.header('Content-Encoding') == 'gzip'
        r.body = gzip.decompress(bytes(r.body))
        check_whole(s3, listing(r))


def test_in_ssi(s3, merged):
    gw = merged(server='location /ssi { ssi on; ssi_types *; return 200'
                ' \'[<!--# include virtual="/jobs" -->,'
                '<!--# include virtual="/jobs" -->,1]\'; }')
    r = gw.get('/ssi')
    assert r.status == 200 and r.complete
    one, two, end = strict_json(r.body)
    check_whole(s3, one)
    check_whole(s3, two)


def test_in_memory(s3, merged):
    gw = merged(ALL[:3], lines='subrequest_output_buffer_size 1m;',
                server='location = /page { ssi on; ssi_types *; return 200 \''
                '<!--# include virtual="/jobs" set="x" -->'
                '<!--# echo var="x" encoding="none" -->\'; }')
    r = gw.get('/page')
    assert r.status == 200 and r.complete
    check_whole(s3, strict_json(r.body), ALL[:3])


@pytest.mark.parametrize('json', ['', 's3jobs_json on;'])
def test_if_in_the_location(s3, merged, json):
    gw = merged(ALL[:2], lines=json
                + 'if ($http_x_if) { add_header X-If yes; }'
                'limit_except GET { deny all; }')
    for headers in [], [('X-If', '1')]:
        r = gw.get('/jobs', headers)
        check_whole(s3, listing(r), ALL[:2])
        assert r.header('X-If') == ('yes' if headers else None)


def test_limit_req_of_a_listing(s3, merged):
    """The timer of the client's connection, by which nginx delays it, is
    another request's."""
    gw = merged(ALL[:3], location='limit_req zone=z burst=10;',
                http='limit_req_zone $binary_remote_addr zone=z:1m rate=5r/s;')
    for _ in range(3):
        check_whole(s3, listing(gw.get()), ALL[:3])
    assert 'delaying request' in gw.log()


@pytest.mark.parametrize('target', ['/jobs', '/pages'])
def test_threads_and_limit_rate(s3, merged, tmp_path, target):
    cache = 'proxy_cache c; proxy_cache_valid 200 1h;'
    gw = merged(ALL[:2], jobs=200, size=100, location=cache,
                lines='limit_rate 100k;', http='aio threads;'
                f'proxy_cache_path {tmp_path}/cache keys_zone=c:1m;',
                server=place('= /pages', 's3jobs_json on; s3jobs_max_pages 9;'
                             'limit_rate 100k;' + cache, region='eu-west-1'))
    first = gw.get(target)
    assert first.status == 200 and first.complete
    s3.clear()
    again = gw.get(target)
    assert again.status == 200 and again.complete
    assert len(again.body) == len(first.body) and s3.requests == []


def test_mirror_of_listings_that_fail(s3, merged, stand_in):
    """All at once, while the request around them is at work."""
    other = stand_in()
    other.verify = False
    other.unsigned_expected = 3
    other.always(Reply(body=b'from the other', delay=0.3))
    gw = merged(ALL[:4], credentials='$nothing', server='location = /n {'
                f' mirror /jobs; proxy_pass http://127.0.0.1:{other.port}; }}',
                http='map $uri $nothing { default nothing; }')
    worker = gw.workers()
    for _ in range(3):
        assert gw.get('/n').text == 'from the other'
    assert gw.workers() == worker


def test_hits_ask_nothing(s3, merged, tmp_path):
    gw = merged(http=f'proxy_cache_path {tmp_path}/cache keys_zone=c:1m;',
                location='proxy_cache c; proxy_cache_valid 200 1h;')
    for _ in range(3):
        check_whole(s3, listing(gw.get()))
    assert len(s3.requests) == 48


def test_stale_pages_are_refreshed(s3, merged, tmp_path):
    gw = merged(ALL[:3], http=f'proxy_cache_path {tmp_path}/cache'
                ' keys_zone=c:1m;', location='proxy_cache c;'
                'proxy_cache_valid 200 1s; proxy_cache_background_update on;'
                'proxy_cache_use_stale updating;')
    check_whole(s3, listing(gw.get()), ALL[:3])
    for who, where in ALL[:3]:
        s3.set_jobs(ACCOUNTS[who], [{**job, 'Priority': 77} for job in
                                    s3.jobs(ACCOUNTS[who], where)], where)

    def refreshed():
        document = listing(gw.get())
        assert len(document['Jobs']) == 3 * 35
        return {job['Priority'] for job in document['Jobs']} == {77}
    until(refreshed, what='refreshed listings')
    check_whole(s3, listing(gw.get()), ALL[:3])
    assert {r.verdict for r in s3.requests} == {None}


def test_slow_s3_is_no_slow_client(s3, merged):
    gw = merged(ALL[:3], lines='send_timeout 200ms;',
                location='send_timeout 200ms;')
    s3.always(Reply(delay=0.4))
    check_whole(s3, listing(gw.get()), ALL[:3])


@pytest.mark.parametrize('location', ['', 'proxy_buffering off;'])
def test_client_that_leaves(s3, merged, location):
    gw = merged(location=location)
    s3.always(at_page(2, *[Reply(never=True)] * 12))
    for n in 1, 2:
        with gw.connect() as client:
            client.send('GET /jobs HTTP/1.1\r\nHost: x\r\n\r\n')
            s3.wait_for(24 * n)
            client.abort()
        until(lambda: len(gw.access()) == n, what='end of the request')
        s3.always(at_page(2, *[Reply(never=True)] * 12))
    s3.reset()
    check_whole(s3, listing(gw.get()))


def test_memory_and_a_slow_client(s3, merged):
    """24 listings: it is the same from their first pages to the last."""
    many = [(who, where) for who in ACCOUNTS for where in REGIONS + (
        'eu-west-2', 'eu-north-1', 'sa-east-1', 'ca-west-1')]
    n = 100000 if os.environ.get('S3JOBS_LONG') else 1000
    gw = merged(many, jobs=n, size=n // 20 if n < 20000 else 1000,
                pages=1000, log_format='$status $s3jobs_jobs $s3jobs_pages')
    seen, jobs, next_look, tail = [], 0, 0, b''
    with gw.connect() as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.send('GET /jobs HTTP/1.1\r\nHost: x\r\n\r\n')
        client.head()
        s3.wait_for(24)
        while size := int(client.wire.until(b'\r\n'), 16):
            data = bytearray(tail)
            client.wire.take(data, size + 2)
            jobs += data.count(b'"JobId"')
            tail = bytes(data[-8:-2])
            time.sleep(0.0005)
            if jobs >= next_look:
                next_look = jobs + n // 2
                seen.append((jobs, memory(gw, 'VmRSS')))
                s3.clear()
    assert jobs == 24 * n and tail.endswith(b'}]}')
    assert until(gw.access) == [f'200 {24 * n} {24 * (n // s3.page)}']
    early = max(rss for jobs, rss in seen if jobs < 6 * n)
    late = max(rss for jobs, rss in seen if jobs >= 6 * n)
    print(f'{jobs} jobs, {early} kB in the first quarter, {late} kB later')
    assert late - early < 1024


def test_many_clients(s3, merged):
    """Of all sorts at once; the short form of a longer run."""
    gw = merged(ALL[:4], workers=2)
    failed = []

    def client(n):
        try:
            with gw.connect() as c:
                for _ in range(3):
                    if n % 7 == 3:
                        c.send('GET /jobs HTTP/1.1\r\nHost: x\r\n\r\n')
                        c.head()
                        c.abort()
                        return
                    check_whole(s3, listing(c.request('/jobs')), ALL[:4])
        except Exception as e:
            failed.append(e)
    threads = [threading.Thread(target=client, args=(n,)) for n in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed, failed


@pytest.mark.parametrize('lines, message', [
    ('s3jobs_merge jobs;', 'must begin with "/"'),
    ('s3jobs_merge /a?x;', 'no arguments'),
    ('s3jobs_merge /nowhere;', 'URI "/nowhere" in "s3jobs_merge" directive is'
     ' not that of a listing'),
    ('s3jobs_merge /m;', 'has no "s3jobs on"'),
    ('s3jobs_merge /one;', 'has "s3jobs_job"'),
    ('s3jobs_merge /jobs; s3jobs_merge /jobs;', 'is duplicate'),
    ('s3jobs_merge;', 'invalid number of arguments'),
    ('return 200; s3jobs_merge /jobs;', None),
    ('proxy_pass http://127.0.0.1:1; s3jobs_merge /jobs;',
     'is for a location with no content handler')])
def test_directive(nginx, lines, message):
    code, output = nginx.check(
        server=f'location = /m {{ {lines} }}'
        + place('= /one', 's3jobs_job abcdef;'))
    assert code == (message is not None), output
    assert message is None or message in output


def test_uris_are_found_as_nginx_finds_them(nginx):
    """Exact, prefixes, ^~, regular expressions, nested ones; some whose
    names begin those of others, wherever they are in nginx's tree."""
    names = ['/' + n * 'q' for n in range(1, 8)]
    on = place('= /exact', '') + place('/prefix/', '') \
        + place('^~ /first/', '') + place('~ ^/re/x', '') \
        + place('= /exact/x', '') \
        + ''.join(place(f'= {name}', '') for name in names)
    code, output = nginx.check(server=on + 'location ~ /x$ { return 404; }'
                               ' location /outer/ { ' + place('/outer/in', '')
                               + ' return 404; } location = /m { s3jobs_merge'
                               ' /exact /prefix/a /first/x /re/x /outer/in/y'
                               ' /jobs /exact/x ' + ' '.join(names) + '; }')
    assert code == 0, output
    code, output = nginx.check(server=on + 'location ~ /x$ { return 404; }'
                               'location = /m { s3jobs_merge /prefix/x; }')
    assert code == 1 and 'URI "/prefix/x"' in output


def test_location_that_turns_out_to_be_another(s3, nginx):
    """By a rewrite, which nobody can know before."""
    gw = nginx(location='rewrite ^ /elsewhere last;',
               server='location = /m { s3jobs_merge /jobs; }'
               'location /elsewhere { return 200 "hello"; }')
    r = gw.get('/m')
    assert r.status == 500 and told(r, True)[0] == 'InternalServerError'
    assert 'URI "/jobs" of "s3jobs_merge" is not that of a location with' \
        ' "s3jobs on"' in gw.log()


def test_listing_behind_try_files(s3, nginx):
    """nginx forgets what modules keep of a request that it redirects."""
    gw = nginx(location='try_files /none /other;',
               server='location = /m { s3jobs_merge /jobs; }'
               + place('= /other', 's3jobs_max_pages 100;',
                       account='210987654321'))
    s3.page = 20
    document = listing(gw.get('/m'))
    assert list(document) == ['Jobs']
    assert len(document['Jobs']) == len(s3.jobs('210987654321')) > 20


@pytest.mark.parametrize('uris', ['/jobs /other', '/other /jobs'])
def test_location_that_turns_out_to_be_another_of_two(s3, nginx, uris):
    """Where nothing can be read, it is what the administrator has to know."""
    gw = nginx(location='rewrite ^ /elsewhere last;',
               server=f'location = /m {{ s3jobs_merge {uris}; }}'
               'location /elsewhere { return 200 "hello"; }'
               + place('= /other', 's3jobs_json on;'))
    s3.always(Reply(error='AccessDenied'))
    r = gw.get('/m')
    assert r.status == 500 and told(r, True)[0] == 'InternalServerError'
