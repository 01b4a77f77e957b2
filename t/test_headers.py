"""What goes upstream is exactly the module's header set, once, whatever the
client sends, and the connection stays in step."""

import hmac
import re
import time

import pytest

from documents import expected_ids, job_ids
from gateway import HOST, assert_ours
from s3control import ACCOUNT, KEY, PATH, REGION, SECRET, Reply

LONG = 'large_client_header_buffers 8 64k;'


def test_long_term_key(s3, nginx):
    assert nginx().get().status == 200
    assert_ours(*s3.requests)


@pytest.mark.parametrize('length', [1, 356, 1431, 4096, 8192])
def test_session_token(s3, nginx, length):
    token = ('IQoJb3JpZ2luX2VjE+/=' * 500)[-length:]
    s3.key(KEY, SECRET, token=token)
    assert nginx(env={'AWS_SESSION_TOKEN': token}).get().status == 200
    assert_ours(*s3.requests, token)


X_AMZ = [('x-amz-account-id', '999999999999'), ('X-AMZ-DATE', '20200101T0Z'),
         ('x-amz-content-sha256', 'UNSIGNED-PAYLOAD'),
         ('x-amz-security-token', 'theirs'), ('x-amz-acl', 'public-read'),
         ('x-amz-expected-bucket-owner', '999999999999'),
         ('x-amz-meta-a', 'b')]
OURS = 'Host', 'X-Amz-Account-Id', 'X-Amz-Content-Sha256', 'X-Amz-Date', \
    'Authorization'

# headers of the client that must do nothing
HEADERS = {
    'x-amz-*': X_AMZ,
    'every one twice': X_AMZ + X_AMZ,
    'Authorization': [('Authorization', 'AWS4-HMAC-SHA256 Credential=a')],
    'Basic and Bearer': [('Authorization', 'Basic dXNlcjpwYXNz'),
                         ('Proxy-Authorization', 'Bearer x')],
    'underscores': [('X_Amz_Date', '1'), ('X-Amz_Date', '1')],
    'TE': [('TE', 'trailers, chunked;q=0.5'), ('Trailer', 'X-Amz-Date')],
    'Upgrade': [('Connection', 'Upgrade, HTTP2-Settings'),
                ('Upgrade', 'h2c'), ('HTTP2-Settings', 'AAMAAABk')],
    'Expect': [('Expect', '100-continue')],
    'Range and conditions': [
        ('Range', 'bytes=0-5'), ('If-Range', '"a"'), ('If-Match', '*'),
        ('If-Modified-Since', 'Thu, 01 Jan 1970 00:00:00 GMT'),
        ('Accept', 'text/html'), ('Accept-Encoding', 'gzip, br')],
    'forwarded': [('X-Forwarded-For', '10.0.0.1'), ('Forwarded', 'for=a'),
                  ('X-Forwarded-Host', 'evil.example'), ('Via', '1.1 a')],
    'override': [('X-HTTP-Method-Override', 'DELETE'),
                 ('X-Original-URL', '/v20180820/jobs/1'),
                 ('X-Accel-Redirect', '/x')],
    'cookies': [('Cookie', 'a=b'), ('Referer', 'http://localhost/')],
    'latin-1': [('X-Name', '\xe4\xff'), ('X-Empty', '')],
    'one hundred': [(f'X-Filler-{n}', 'x' * n) for n in range(100)],
    'a long one': [('X-Long', 'y' * 20000)],
} | {f'Connection: {name}': [('Connection', f'keep-alive, {name}')]
     for name in OURS}


@pytest.mark.parametrize('cached', [False, True])
def test_client_headers_do_nothing(s3, nginx, tmp_path, cached):
    gw = nginx(server=LONG, http=f'proxy_cache_path {tmp_path}/c'
               ' keys_zone=c:1m;', location='proxy_cache c;' if cached else '')
    ids = expected_ids(s3)
    with gw.connect() as client:
        for n, (case, headers) in enumerate(HEADERS.items()):
            unwanted = ('if-match', 'range') if cached else ()
            r = client.request('/jobs', [('X-Case', n), *(
                h for h in headers if h[0].lower() not in unwanted)])
            assert r.status == 200 and job_ids(r) == ids, (case, r)
            [request] = s3.wait_for(1)
            assert_ours(request)
            s3.clear()


def test_underscores_in_headers(s3, nginx):
    gw = nginx(server='underscores_in_headers on; ignore_invalid_headers off;')
    assert gw.get('/jobs', [('x_amz_date', '1'), ('X_Amz_Account_Id', '2'),
                            ('x.amz.date', '3')]).status == 200
    assert_ours(*s3.requests)


BODIES = {
    'length': 'Content-Length: 5\r\n\r\nhello',
    'a request': 'Content-Length: 37\r\n\r\n'
                 'GET /jobs?foo HTTP/1.1\r\nHost: evil\r\n\r\n'[:59],
    'zero': 'Content-Length: 0\r\n\r\n',
    'chunked': 'Transfer-Encoding: chunked\r\n\r\n'
               '5\r\nhello\r\n0\r\n\r\n',
    'chunked request': 'Transfer-Encoding: chunked\r\n\r\n28\r\n'
                       'GET /jobs?foo=1 HTTP/1.1\r\nHost: evil\r\n\r\n'
                       '\r\n0\r\n\r\n',
    'trailer': 'Transfer-Encoding: chunked\r\nTrailer: X-Amz-Date\r\n\r\n'
               '1\r\nh\r\n0\r\nX-Amz-Date: 20200101T000000Z\r\n\r\n',
    'expect': 'Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello',
    'named by Connection': 'Content-Length: 5\r\n'
                           'Connection: Content-Length\r\n\r\nhello',
}


@pytest.mark.parametrize('method', ['GET', 'HEAD'])
@pytest.mark.parametrize('case', BODIES)
def test_body(s3, nginx, case, method):
    """Nothing of it goes upstream; the next request is read from its end."""
    gw = nginx()
    with gw.connect() as client:
        for _ in range(2):
            client.send(f'{method} /jobs HTTP/1.1\r\nHost: a\r\n'
                        + BODIES[case])
            assert client.response(method).status == 200
        last = client.request('/jobs?maxResults=1')
        assert job_ids(last) == expected_ids(s3)[:1]
    *requests, last = s3.requests
    assert len(requests) == 2 and last.query == 'maxResults=1'
    for request in requests:
        assert_ours(request)


def test_body_in_pieces(s3, nginx):
    """nginx reads it, and drops it, whenever it comes."""
    with nginx().connect() as client:
        for piece in ('GET /jobs HTTP/1.1\r\nHost: a\r\n',
                      'Content-Length: 12\r\n\r', '\nGET / HT', 'TP/1'):
            client.send(piece)
            time.sleep(0.02)
        assert client.response().status == 200
        assert client.request('/jobs?maxResults=1').status == 200
    first, last = s3.requests
    assert_ours(first)
    assert last.verdict is None and last.query == 'maxResults=1'


# what nginx itself refuses
REFUSED = {
    'two hosts': ('Host: a\r\nHost: b\r\n\r\n', 400),
    'no host': ('\r\n', 400),
    'two lengths': ('Host: a\r\nContent-Length: 5\r\nContent-Length: 6'
                    '\r\n\r\nhello', 400),
    'negative length': ('Host: a\r\nContent-Length: -1\r\n\r\n', 400),
    'length and chunked': ('Host: a\r\nContent-Length: 5\r\n'
                           'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400),
    'unknown coding': ('Host: a\r\nTransfer-Encoding: gzip, chunked'
                       '\r\n\r\n0\r\n\r\n', 501),
    'two codings': ('Host: a\r\nTransfer-Encoding: chunked\r\n'
                    'Transfer-Encoding: identity\r\n\r\n0\r\n\r\n', 400),
    'NUL': ('Host: a\r\nX-A: \0\r\n\r\n', 400),
    'host with a path': ('Host: a/b\r\n\r\n', 400),
}


@pytest.mark.parametrize('case', REFUSED)
def test_refused(s3, nginx, case):
    text, status = REFUSED[case]
    with nginx().connect() as client:
        client.send(f'GET /jobs HTTP/1.1\r\n{text}')
        assert client.response().status == status
        assert client.ended()
    assert s3.requests == [] and s3.connections == 0


def test_request_lines(s3, nginx):
    """HTTP/1.0, absolute form, pipelining."""
    gw = nginx()
    with gw.connect() as client:
        client.send('GET /jobs HTTP/1.0\r\n\r\n')
        assert client.response().status == 200
    with gw.connect() as client:
        client.send('GET http://evil.example/jobs HTTP/1.1\r\n'
                    'Host: other.example\r\n\r\n'
                    'GET /jobs HTTP/1.1\r\nHost: a\r\n\r\n')
        assert client.response().status == 200
        assert client.response().status == 200
    assert len(s3.requests) == 3
    for request in s3.requests:
        assert_ours(request)


def test_http2(s3, nginx):
    gw = nginx(h2=True)
    r = gw.get_h2('/jobs', [*X_AMZ, ('authorization', 'Basic YTpi'),
                            ('te', 'trailers'), ('content-length', '0')])
    assert r.status == 200
    assert_ours(*s3.requests)


def test_upstream_connection_is_kept(s3, nginx):
    gw = nginx()
    with gw.connect() as client:
        for _ in range(20):
            assert client.request('/jobs', X_AMZ, body=b'12345').status == 200
    assert s3.connections == 1
    for request in s3.requests:
        assert_ours(request)


def test_next_upstream(s3, stand_in, nginx):
    """The same bytes again: the signature stays good."""
    broken = stand_in()
    broken.always(Reply(raw=b''))
    gw = nginx(http=f'upstream two {{ server 127.0.0.1:{broken.port};'
               f'server 127.0.0.1:{s3.port} backup; }}',
               proxy_pass='http://two')
    assert gw.get('/jobs').status == 200
    [first], [second] = broken.requests, s3.requests
    assert first.headers == second.headers
    assert_ours(first)
    assert_ours(second)


def test_nothing_secret_in_the_debug_log(s3, nginx):
    """Not the key (the fixture looks for it), not what is derived from it;
    the token in nginx's own lines only."""
    token = 'IQoJb3JpZ2luX2VjE+/=' * 5
    s3.key(KEY, SECRET, token=token)
    gw = nginx(level='debug', env={'AWS_SESSION_TOKEN': token})
    assert gw.get().status == 200
    log = gw.log()
    assert '[debug]' in log and s3.requests[0].header('x-amz-date') in log
    key = ('AWS4' + SECRET).encode()
    for part in s3.requests[0].header('x-amz-date')[:8], REGION, 's3', \
            'aws4_request':
        key = hmac.digest(key, part.encode(), 'sha256')
        assert key.hex() not in log.lower()
    ours = [line for line in log.splitlines() if token in line
            and re.search(r's3jobs(?!_security_token)', line)]
    assert ours == []
