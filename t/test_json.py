"""A listing in JSON: what it says, what its header says, and how it gets on
with the rest of nginx."""

import gzip
import json
import socket
import time

import pytest

from gateway import botocore, place, strict_json, told
from s3control import ACCOUNT, REGION, Reply, as_cli, make_jobs

HOST = '123456789012.s3-control.us-east-1.amazonaws.com'
CACHE = ('proxy_cache one; '
         ' proxy_cache_valid 200 1h;'
         ' add_header X-Cache $upstream_cache_status always;')
VALIDATORS = (('ETag', '"right"'), ('Accept-Ranges', 'bytes'),
              ('Last-Modified', 'Wed, 21 Oct 2015 07:28:00 GMT'))


def zone(tmp_path):
    return f'proxy_cache_path {tmp_path}/cache keys_zone=one:1m;'


def listing(r, s3, held=True):
    """A whole listing of all that s3 holds."""
    assert r.status == 200 and r.complete, r
    assert r.header('Content-Type') == 'application/json'
    for name in 'ETag', 'Last-Modified', 'Accept-Ranges', 'Content-Encoding':
        assert not r.all(name), r
    assert r.header('Content-Length') == (str(len(r.body)) if held else None)
    assert strict_json(r.body) == s3.expected()
    assert list(strict_json(r.body))[0] == 'Jobs'


@pytest.mark.parametrize('framing', ['length', 'chunked', 'close'])
@pytest.mark.parametrize('token_first', [False, True])
def test_what_botocore_reads(s3, nginx, framing, token_first):
    """Page by page, the JSON is what botocore parses of the XML."""
    gw = nginx(location='s3jobs_json on;', server=place('= /xml'))
    s3.framing, s3.token_first, s3.page = framing, token_first, 10
    target, pages = '', 0
    while target is not None:
        xml, r = gw.get('/xml' + target), gw.get('/jobs' + target)
        assert xml.status == r.status == 200
        parsed = botocore(xml)
        del parsed['ResponseMetadata']
        read = strict_json(r.body)
        assert as_cli(read) == printed(parsed)
        assert r.body == compact(read)
        pages += 1
        token = read.get('NextToken')
        target = token and '?nextToken=' + ''.join(
            f'%{c:02X}' for c in token.encode())
    assert pages == 3


def printed(value):
    if isinstance(value, dict):
        return {k: printed(v) for k, v in value.items()}
    if isinstance(value, list):
        return [printed(v) for v in value]
    return value.isoformat() if hasattr(value, 'isoformat') else value


def compact(value):
    return json.dumps(value, ensure_ascii=False,
                      separators=(',', ':')).encode()


def test_header(s3, nginx, tmp_path):
    """What described S3's document goes; the rest stays."""
    gw = nginx(location=f's3jobs_json on; {CACHE} add_header X-Ours 1;',
               http=zone(tmp_path), h2=True)
    s3.always(Reply(headers=(*VALIDATORS, ('X-Other', 'kept'),
                             ('Content-Type', 'text/xml; charset=x'))))
    for state in 'MISS', 'HIT', 'HIT':
        r = gw.get()
        listing(r, s3)
        assert r.header('X-Cache') == state
        assert (r.header('X-Ours'), r.header('X-Other')) == ('1', 'kept')
        assert not r.all('Vary')
    r = gw.get_h2()
    listing(r, s3)
    assert len(s3.requests) == 1


@pytest.mark.parametrize('cache', [False, True])
@pytest.mark.parametrize('size', ['64k', '1k'])
def test_head(s3, nginx, tmp_path, cache, size):
    """The status and header of a GET, and what goes upstream is a GET."""
    gw = nginx(location=f's3jobs_json on; s3jobs_json_buffer_size {size};'
                        f'{CACHE if cache else ""}',
               http=zone(tmp_path), h2=True)
    client = gw.connect()
    for _ in range(3):
        head = client.request('/jobs', method='HEAD')
        assert (head.status, bytes(head.body), head.complete) == (200, b'',
                                                                  True)
        r = client.request('/jobs')
        listing(r, s3, held=size == '64k')
        for name in 'Content-Type', 'Content-Length':
            assert head.header(name) == r.header(name)
        assert gw.get_h2(method='HEAD').complete
    assert {r.method for r in s3.requests} == {'GET'}
    assert len(s3.requests) == (1 if cache else 9)


def test_bodiless(s3, nginx):
    """A 2xx without a listing is none."""
    gw = nginx(location='s3jobs_json on;', server=place('= /xml'))
    for status in 204, 200, 202:
        for method in 'GET', 'HEAD':
            s3.always(Reply(status=status, body=b''))
            r = gw.get(method=method)
            assert r.status == 502 and r.complete
            assert method == 'HEAD' \
                or told(r, json=True)[0] == 'BadUpstreamResponse'
            assert gw.get('/xml', method=method).status == 502


@pytest.mark.parametrize('cache', [False, True])
def test_conditional(s3, nginx, tmp_path, cache):
    """The JSON has no validators, and S3's are not its own."""
    gw = nginx(location=f's3jobs_json accept; {CACHE if cache else ""}',
               http=zone(tmp_path))
    s3.always(Reply(headers=VALIDATORS))
    date = 'Wed, 21 Oct 2015 07:28:00 GMT'
    client = gw.connect()
    client.request('/jobs')
    for header in [('If-None-Match', '"right"'), ('If-None-Match', '*'),
                   ('If-None-Match', '"wrong"'), ('If-Modified-Since', date),
                   ('Range', 'bytes=0-9'), ('Range', 'bytes=-1'),
                   ('If-Range', '"right"'), ('If-Match', '"right"')]:
        for method in 'GET', 'HEAD':
            r = client.request('/jobs', [('Accept', 'application/json'),
                                         header], method)
            if method == 'GET':
                listing(r, s3)
            assert r.status == 200 and r.header('Content-Length') != '0'
            assert r.header('Content-Type') == 'application/json'
    # XML is S3's own document, which nginx has validated
    xml = client.request('/jobs', [('If-None-Match', '"right"')])
    assert xml.status == (304 if cache else 200)
    assert xml.header('Vary') == 'Accept'
    assert len(s3.requests) == (1 if cache else 18)


def test_gzip(s3, nginx):
    gw = nginx(location='s3jobs_json on; gzip on; gzip_proxied any;'
                        'gzip_types application/json;'
                        'gzip_min_length 1; gzip_http_version 1.0;', h2=True)
    for get in gw.get, gw.get_h2:
        r = get(headers={'Accept-Encoding': 'gzip'}.items())
        assert r.complete and r.header('Content-Encoding') == 'gzip'
        assert strict_json(gzip.decompress(r.body)) == s3.expected()
        listing(get(), s3)


def test_gzip_from_s3(s3, nginx, tmp_path):
    """Not asked for, and not understood: 502, and not kept."""
    gw = nginx(location=f's3jobs_json on; {CACHE}', http=zone(tmp_path),
               server=place('= /xml'))
    for status in 200, 200, 403:
        s3.script(Reply(gzip=True, **(
            {'error': 'AccessDenied'} if status == 403 else {})))
        r = gw.get()
        assert r.status == 502
        assert told(r, json=True)[0] == 'BadUpstreamResponse'
    s3.script(Reply(gzip=True))
    assert gw.get('/xml').status == 502
    listing(gw.get(), s3)


def test_ssi_and_addition(s3, nginx, tmp_path):
    """Listings within pages, and pages behind listings."""
    (tmp_path / 'pages').mkdir(mode=0o755)
    (tmp_path / 'pages/page.html').write_text(
        'A<!--# include virtual="/jobs" wait="yes" -->B'
        '<!--# include virtual="/broken?maxResults=77" -->C'
        '<!--# include virtual="/xml" -->'
        'D<!--# include virtual="/jobs?maxResults=1" -->E')
    (tmp_path / 'pages/after').write_text('AFTER')
    size = 's3jobs_json_buffer_size'
    gw = nginx(location=f's3jobs_json on; {size} 64k;', server=f"""
        location /page {{ alias {tmp_path}/pages/page; ssi on; }}
        location = /after {{ alias {tmp_path}/pages/after; }}
        {place('= /xml')}
        {place('= /broken', 's3jobs_json on;')}
        {place('= /added', 's3jobs_json on; add_after_body /after;'
               'addition_types application/json application/problem+json;')}
        {place('= /small', f's3jobs_json on; {size} 1k;'
               'addition_types application/json; add_before_body /after;'
               'add_after_body /jobs;')}
        {place('= /mirrored', 's3jobs_json on; mirror /mirror;')}
        {place('= /mirror', 's3jobs_json on;')}""")

    plain = gw.get().text
    one = gw.get('/jobs?maxResults=1').text
    xml = gw.get('/xml').text

    def answer(request):
        return Reply(body=b'<ListJobsResult><Jobs>') \
            if request.query == 'maxResults=77' else None

    s3.always(answer)
    r = gw.get('/page.html')
    assert r.status == 200 and r.complete
    head, _, rest = r.text.partition('B')
    assert head == 'A' + plain
    error, _, rest = r.text[len(head) + 1:].partition('C<?xml')
    assert strict_json(error.encode())['code'] == 'BadUpstreamResponse'
    assert '<?xml' + rest == f'{xml}D{one}E'
    s3.reset()

    r = gw.get('/added')
    assert r.complete and r.text == plain + 'AFTER'
    r = gw.get('/added?x')
    assert told(r, json=True)[0] == 'InvalidRequest'
    r = gw.get('/small')
    assert r.complete and r.text == 'AFTER' + plain + plain

    asked = len(s3.requests)
    listing(gw.get('/mirrored'), s3)
    s3.wait_for(asked + 2)
    assert all(r.verdict is None for r in s3.requests)


XML, JSON = 'application/xml', 'application/json'


@pytest.mark.parametrize('accept, expected', [
    ([], XML), ([''], XML), (['*/*'], XML), (['application/json'], JSON),
    (['application/xml'], XML), (['text/xml'], XML), (['text/html'], XML),
    (['APPLICATION/JSON'], JSON), (['application/json; charset=utf-8'], JSON),
    (['application/json, */*'], JSON),
    (['application/json, text/plain, */*'], JSON),
    (['application/json;q=0'], XML), (['application/json;q=0, */*'], XML),
    (['application/json; q=0.000'], XML), (['application/json;q=0.001'], JSON),
    (['application/json;q=0.5, application/xml;q=0.4'], JSON),
    (['application/json;q=0.4, application/xml;q=0.5'], XML),
    (['application/json;q=0.5, application/xml;Q=0.5'], XML),
    (['application/xml,application/json'], XML),
    (['application/json,application/xml'], XML),
    (['application/*'], XML), (['application/*;q=0.1'], XML),
    (['application/json;q=0.1, */*;q=0.2'], XML),
    (['application/json;q=0.2, */*;q=0.1'], JSON),
    (['*/*;q=0.5, application/xml;q=0'], JSON),
    (['application/*, application/xml;q=0.1'], JSON),
    (['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'],
     XML),
    (['application/json', '*/*;q=0.5'], JSON),
    (['*/*', 'application/json'], JSON),
    (['text/html', 'application/json;q=0.9', 'application/xml;q=0.8'], JSON),
    (['application/json;q=0.3', 'application/xml;q=0.8'], XML),
    (['application/jsonx'], XML), (['application/problem+json'], XML),
    (['application/js'], XML), ([' ,, application/json ,;q=1,'], JSON),
    (['application/json;v="a,b";q=1'], JSON),
    (['application/json;version="1;q=0"'], JSON),
    (['*/json'], XML), (['json'], XML), ([';q=1'], XML), (['q=' * 500], XML),
    ([', '.join(['text/x'] * 200 + ['application/json'])], JSON),
])
def test_negotiation(s3, nginx, accept, expected):
    gw = nginx(location='s3jobs_json accept;')
    headers = [('Accept', value) for value in accept]
    r = gw.get(headers=headers)
    assert r.status == 200 and r.header('Content-Type') == expected
    assert r.header('Vary') == 'Accept'
    if expected == JSON:
        listing(r, s3)
    r = gw.get('/jobs?x', headers=headers)
    assert r.header('Vary') == 'Accept'
    assert told(r, expected == JSON)[0] == 'InvalidRequest'


def test_one_cache_for_both(s3, nginx, tmp_path):
    gw = nginx(location=f's3jobs_json accept; {CACHE}', http=zone(tmp_path))
    for _ in range(2):
        listing(gw.get(headers={'Accept': JSON}), s3)
        r = gw.get()
        assert botocore(r)['Jobs'] and r.header('Vary') == 'Accept'
    assert len(s3.requests) == 1


SMALL = 'proxy_buffer_size 1k; proxy_buffers 2 1k; proxy_busy_buffers_size 1k;'


@pytest.mark.parametrize('lines', [
    '', SMALL, 'proxy_buffering off;', SMALL + 'proxy_buffering off;',
    SMALL + 'proxy_max_temp_file_size 0;', CACHE, SMALL + CACHE,
    SMALL + 'output_buffers 1 512;' + CACHE, 'sendfile on;' + CACHE,
    SMALL + 'directio 512; aio threads;' + CACHE])
@pytest.mark.parametrize('size', ['1', '1k', '5k', '16k', '64k', '10m'])
def test_buffers(s3, nginx, tmp_path, lines, size):
    """The same bytes, whatever the buffers; held while they fit."""
    gw = nginx(location=f's3jobs_json on; s3jobs_json_buffer_size {size};'
                        + lines, http=zone(tmp_path), h2=True)
    s3.set_jobs(ACCOUNT, make_jobs(ACCOUNT, REGION, 200))
    length = len(compact(s3.expected()))
    for chunks in (16384,), (1, 1000, 3):
        s3.always(Reply(framing='chunked', chunks=chunks))
        for get in gw.get, gw.get_h2:
            r = get()
            held = bool(r.all('Content-Length'))
            listing(r, s3, held=held)
            assert held or size != '10m'
            assert not held or size not in ('1', '1k', '5k', '16k')
            assert bytes(r.body) == compact(s3.expected())
    assert length > 65536


@pytest.mark.parametrize('lines', ['', 'proxy_buffering off;', CACHE])
@pytest.mark.parametrize('size', ['1k', '64k'])
def test_byte_by_byte(s3, nginx, tmp_path, lines, size):
    """S3 writes one byte at a time, and nginx reads it so."""
    gw = nginx(location=f's3jobs_json on; s3jobs_json_buffer_size {size};'
                        + SMALL + lines, http=zone(tmp_path))
    for framing in 'length', 'chunked', 'close':
        s3.script(Reply(framing=framing, chunks=(1,), drip=(1, 0)))
        listing(gw.get(f'/jobs?maxResults={len(framing) + 100}'), s3,
                held=size == '64k')


@pytest.mark.parametrize('lines', ['', 'proxy_buffering off;', CACHE])
def test_clients(s3, nginx, stand_in, certificates, tmp_path, lines):
    """HTTP/1.0, 1.1 and 2, in clear and over TLS, at both ends."""
    tls = certificates(HOST, 'localhost')
    s3 = stand_in(tls=tls)
    gw = nginx(s3=s3, proxy_pass='https://s3control', h2=True,
               location=f's3jobs_json on; s3jobs_json_buffer_size 4k; {lines}'
                        f'proxy_ssl_trusted_certificate {tls.ca};',
               http=zone(tmp_path),
               server=f'listen unix:{tmp_path}/tls ssl;'
                      f'ssl_certificate {tls.certificate};'
                      f'ssl_certificate_key {tls.key};')
    for version in '1.0', '1.1':
        with gw.connect() as client:
            client.send(f'GET /jobs HTTP/{version}\r\nHost: x\r\n'
                        'Connection: close\r\n\r\n')
            r = client.response()
            listing(r, s3, held=False)
            assert r.framing == ('close' if version == '1.0' else 'chunked')
    listing(gw.get_h2(), s3, held=False)


class Sip:
    """A socket that gives little at a time."""

    def __init__(self, sock):
        self.sock = sock

    def recv(self, size):
        return self.sock.recv(2000)


def test_slow_client(s3, nginx):
    """One that reads a little at a time gets all of it."""
    gw = nginx(location='s3jobs_json on; s3jobs_json_buffer_size 4k;' + SMALL)
    s3.set_jobs(ACCOUNT, make_jobs(ACCOUNT, REGION, 300))
    with gw.connect() as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.send('GET /jobs HTTP/1.1\r\nHost: x\r\n\r\n')
        client.wire.sock = Sip(client.sock)
        r = client.response()
    listing(r, s3, held=False)


def test_slow_client_of_a_page(s3, nginx, tmp_path):
    """A listing within a page is not given up while the client is slow."""
    (tmp_path / 'pages').mkdir(mode=0o755)
    (tmp_path / 'pages/page.html').write_text(
        'A<!--# include virtual="/jobs" -->B')
    gw = nginx(location='s3jobs_json on; s3jobs_json_buffer_size 4k;', server=f"""
        location /page {{ alias {tmp_path}/pages/page; ssi on; }}""")
    s3.set_jobs(ACCOUNT, make_jobs(ACCOUNT, REGION, 20000))
    s3.page = 20000
    with gw.connect() as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        client.send('GET /page.html HTTP/1.1\r\nHost: x\r\n\r\n')
        r = client.head()
        time.sleep(0.5)
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        client.body(r)
    assert r.complete and r.text[:2] == 'A{' and r.text[-2:] == '}B'
    assert strict_json(r.body[1:-1]) == s3.expected()
