"""Arguments and methods, end to end: what is refused, and what goes
upstream."""

import random
import urllib.parse

import pytest

from documents import error, expected_ids, job_ids
from s3control import PATH, STATUSES

UNRESERVED = '-._~'
TOKEN_CHARACTERS = [chr(c) for c in range(128)
                    if 0x23 <= c <= 0x5F or chr(c).islower()]

# argument, query: all that may be wrong with it
INVALID = [
    ('foo', 'foo=1'),
    ('foo', 'foo'),
    ('accountId', 'accountId=123456789012'),
    ('maxresults', 'maxresults=1'),
    ('jobstatuses', 'jobstatuses=Active'),
    ('x', 'maxResults=1&x=1'),
    ('x', 'x=1&maxResults=1'),
    ('', '=1'),
    ('', '='),
    ('%', '%=1'),
    ('a%4', 'a%4=1'),
    ('%00', '%00=1'),
    ('maxResults%00', 'maxResults%00=1'),
    ('amp;maxResults', 'jobStatuses=New&amp;maxResults=1'),

    ('maxResults', 'maxResults'),
    ('maxResults', 'maxResults='),
    ('maxResults', 'maxResults=1001'),
    ('maxResults', 'maxResults=-1'),
    ('maxResults', 'maxResults=%2B1'),
    ('maxResults', 'maxResults=+1'),
    ('maxResults', 'maxResults=01'),
    ('maxResults', 'maxResults=00'),
    ('maxResults', 'maxResults=1.0'),
    ('maxResults', 'maxResults=1e2'),
    ('maxResults', 'maxResults=ten'),
    ('maxResults', 'maxResults=%D9%A1'),
    ('maxResults', 'maxResults=18446744073709551617'),
    ('maxResults', 'maxResults=1%00'),
    ('maxResults', 'maxResults=1%0A'),
    ('maxResults', 'maxResults=1%2'),
    ('maxResults', 'maxResults=1=1'),
    ('maxResults', 'maxResults=1,2'),
    ('maxResults', 'maxResults=1;nextToken=a'),
    ('maxResults', 'maxResults=1&maxResults=1'),
    ('%6daxResults', 'maxResults=1&%6daxResults=2'),

    ('jobStatuses', 'jobStatuses'),
    ('jobStatuses', 'jobStatuses='),
    ('jobStatuses', 'jobStatuses=active'),
    ('jobStatuses', 'jobStatuses=Actives'),
    ('jobStatuses', 'jobStatuses=Activ'),
    ('jobStatuses', 'jobStatuses=Active,'),
    ('jobStatuses', 'jobStatuses=,Active'),
    ('jobStatuses', 'jobStatuses=Active,,New'),
    ('jobStatuses', 'jobStatuses=Active%20'),
    ('jobStatuses', 'jobStatuses=Active+New'),
    ('jobStatuses', 'jobStatuses=Active%00'),
    ('jobStatuses', 'jobStatuses=%2541ctive'),
    ('jobStatuses', 'jobStatuses=Active&jobStatuses=None'),
    ('jobStatuses', 'jobStatuses=%ZZ'),
    ('jobStatuses', 'jobStatuses=\xe4'),

    ('nextToken', 'nextToken'),
    ('nextToken', 'nextToken='),
    ('nextToken', 'nextToken=a&nextToken=b'),
    ('nextToken', 'nextToken=a&nextToken=a'),
    ('nextToken', 'nextToken=a%20b'),
    ('nextToken', 'nextToken=%'),
    ('nextToken', 'nextToken=a%0'),
    ('nextToken', 'nextToken=a%00'),
    ('nextToken', 'nextToken=a%0A'),
    ('nextToken', 'nextToken=%21'),
    ('nextToken', 'nextToken=%22'),
    ('nextToken', 'nextToken=%60'),
    ('nextToken', 'nextToken=~'),
    ('nextToken', 'nextToken={}'),
    ('nextToken', 'nextToken=%7F'),
    ('nextToken', 'nextToken=\xc3\xa9'),
    ('nextToken', 'nextToken=%C3%A9'),
    ('nextToken', 'nextToken=' + 'a' * 1025),
    ('nextToken', 'nextToken=' + '%2B' * 1025),

    ('arg0', '&'.join(f'arg{n}=v%20{n}=' for n in range(60))),
    ('x' * 64, 'x' * 8192),
    ('maxResults', 'maxResults=' + '9' * 8192),
    ('jobStatuses', 'jobStatuses=' + 'Active,' * 1200),
]
LONG = 'large_client_header_buffers 4 64k;'


def test_invalid_arguments(s3, nginx):
    gw = nginx(server=LONG)
    for name, query in INVALID:
        r = gw.get(f'/jobs?{query}')
        assert r.status == 400, query
        code, message = error(r)
        assert code == 'InvalidRequest', query
        assert f'argument "{name}" ' in message, query
        allowed = {'jobStatuses': 'Active, Cancelled, Cancelling',
                   'maxResults': '0 to 1000',
                   'nextToken': '1 to 1024'}.get(
                       urllib.parse.unquote(name), 'jobStatuses')
        assert allowed in message or 'twice' in message, query
    assert s3.requests == [] and s3.connections == 0
    assert f'argument "nextToken"' in gw.log()


def test_invalid_argument_in_json(s3, nginx):
    gw = nginx(location='s3jobs_json on;')
    for query in 'a"b\\%5C<>=1', 'nextToken=%00':
        r = gw.get(f'/jobs?{query}')
        assert r.status == 400
        assert r.header('Content-Type') == 'application/problem+json'
        assert r.json()['code'] == 'InvalidRequest'
        assert f'argument "{query.partition("=")[0]}"' in r.json()['detail']
    assert s3.requests == []


def test_markup_in_an_argument_is_escaped(s3, nginx):
    r = nginx().get('/jobs?<script>&<b>=1')
    assert r.status == 400
    assert b'<script>' not in r.body
    assert 'argument "<script>" ' in error(r)[1]


@pytest.mark.parametrize('name', ['\xff\xfe', '\xc3', '\xed\xa0\x80', 'a\x80',
                                  '\xc3\xa4', '%FF', ']]>', '"'])
@pytest.mark.parametrize('json', [False, True])
def test_name_that_is_not_text(s3, nginx, name, json):
    """The document is UTF-8, and well-formed, all the same."""
    r = nginx(location='s3jobs_json on;' if json else '').get(
        f'/jobs?{name}=1')
    assert r.status == 400
    message = r.json()['detail'] if json else error(r)[1]
    assert message.startswith('argument "') and 'is unknown' in message
    assert ('\xe4' in message) == (name == '\xc3\xa4')
    assert s3.requests == []


def encode(rnd, text, keep=''):
    """text in one of its many encodings; # must be encoded, & unless kept"""
    return ''.join(
        rnd.choice(['%%%02X', '%%%02x']) % ord(c)
        if c in '#%' or c == '&' not in keep or rnd.random() < 0.3 else c
        for c in text)


def random_query(rnd):
    """(query as a client may send it, the canonical one)"""
    statuses = rnd.choices(STATUSES, k=rnd.choice([0, 1, 2, 5, 40]))
    size = rnd.choice([None, 0, 1, 9, 10, 99, 100, 999, 1000])
    token = ''.join(rnd.choices(TOKEN_CHARACTERS, k=rnd.choice(
        [0, 1, 20, 87, rnd.randrange(1, 1024), 1024])))

    pairs, rest = [], statuses[:]
    while rest:
        n = rnd.randrange(1, len(rest) + 1)
        comma = rnd.choice([',', '%2C', '%2c'])
        pairs.append(('jobStatuses', comma.join(encode(rnd, s)
                                                for s in rest[:n])))
        rest = rest[n:]
    if size is not None:
        pairs.append(('maxResults', encode(rnd, str(size))))
    if token:
        pairs.append(('nextToken', encode(rnd, token)))
    rnd.shuffle(pairs)
    empty = rnd.choice(['', '', '&', '&&'])
    sent = empty + f'&{empty}'.join(
        f'{encode(rnd, n) if rnd.random() < 0.3 else n}={v}'
        for n, v in pairs) + empty

    canonical = [('jobStatuses', s) for s in {*statuses}]
    canonical += [('maxResults', str(size))] if size is not None else []
    canonical += [('nextToken', token)] if token else []
    quoted = sorted((n, urllib.parse.quote(v, safe=UNRESERVED))
                    for n, v in canonical)
    return sent, '&'.join(f'{n}={v}' for n, v in quoted)


def test_random_valid_queries(s3, nginx):
    """What goes upstream is the canonical query, byte for byte, and botocore
    derives the same signature from it."""
    rnd = random.Random(20180820)
    gw = nginx(server=LONG + 'keepalive_requests 2000;')
    s3.verify = False                   # tokens are not the stand-in's
    queries = [('', ''), ('&', ''), ('&&&', ''),
               (f'nextToken={"a" * 1024}',) * 2,
               ('nextToken=a+b', 'nextToken=a%2Bb'),
               ('nextToken=a=b==', 'nextToken=a%3Db%3D%3D'),
               ('nextToken=%2541', 'nextToken=%2541')]
    queries += [random_query(rnd) for _ in range(1000)]
    with gw.connect() as client:
        for sent, canonical in queries:
            assert client.request(f'/jobs?{sent}').status == 200, sent
    requests = s3.requests
    assert len(requests) == len(queries)
    for request, (sent, canonical) in zip(requests, queries):
        assert request.target == PATH + (f'?{canonical}' if canonical else '')
        assert request.verdict == ('InvalidNextToken' if 'nextToken='
                                   in canonical else None), sent


def test_sixty_arguments(s3, nginx):
    query = '&'.join(f'jobStatuses={STATUSES[n % 13]}' for n in range(60))
    assert nginx(server=LONG).get(f'/jobs?{query}').status == 200
    [request] = s3.requests
    assert request.query == '&'.join(f'jobStatuses={s}' for s in STATUSES)
    assert request.verdict is None


def test_pages(s3, nginx):
    """All pages, by the tokens that the client got."""
    s3.page = 7
    gw, ids, query = nginx(), [], ''
    for page in s3.pages():
        r = gw.get(f'/jobs{query}')
        ids += job_ids(r)
        if 'NextToken' in page:
            query = '?nextToken=' + urllib.parse.quote(page['NextToken'], '')
    assert ids == expected_ids(s3)
    assert [r.verdict for r in s3.requests] == [None] * 4


METHODS = ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND', 'MKCOL',
           'LOCK', 'BREW']


@pytest.mark.parametrize('json', [False, True])
def test_other_methods(s3, nginx, json):
    gw = nginx(location='s3jobs_json on;' if json else '')
    with gw.connect() as client:
        for method in METHODS:
            for body in b'', b'{"a": 1}':
                r = client.request('/jobs', method=method, body=body)
                assert r.status == 405, method
                assert r.header('Allow') == 'GET, HEAD', method
                assert (r.json()['code'] if json else error(r)[0]) \
                    == 'MethodNotAllowed'
        assert s3.requests == []
        assert client.request('/jobs').status == 200


CACHE = 'proxy_cache_path {cache} keys_zone=c:1m;'
CACHED = ('proxy_cache c; '
          'proxy_cache_valid 200 1h; add_header X-Cache'
          ' $upstream_cache_status;')


@pytest.mark.parametrize('framing', ['length', 'chunked'])
@pytest.mark.parametrize('cached', [False, True])
def test_head(s3, nginx, tmp_path, cached, framing):
    """S3 Control has no HEAD: it gets GET, with or without a cache."""
    s3.framing = framing
    gw = nginx(http=CACHE.format(cache=tmp_path / 'cache'),
               location=CACHED if cached else '')
    with gw.connect() as client:
        head = client.request('/jobs?maxResults=3', method='HEAD')
        assert (head.status, head.body) == (200, b'')
        get = client.request('/jobs?maxResults=3')      # still in step
        again = client.request('/jobs?maxResults=3', method='HEAD')
        assert (again.status, again.body) == (200, b'')
    assert job_ids(get) == expected_ids(s3)[:3]
    assert head.header('Content-Type') == get.header('Content-Type') \
        == 'application/xml'
    assert head.header('Content-Length') == get.header('Content-Length')
    assert [(r.method, r.verdict) for r in s3.requests] \
        == [('GET', None)] * (1 if cached else 3)
    if cached:
        assert [r.header('X-Cache') for r in (head, get, again)] \
            == ['MISS', 'HIT', 'HIT']


def test_head_is_refused_like_get(s3, nginx):
    gw = nginx()
    get, head = (gw.get('/jobs?foo=1', method=m) for m in ('GET', 'HEAD'))
    assert (get.status, head.status, head.body) == (400, 400, b'')
    assert head.closed                  # nothing came behind the header
    for name in 'Content-Type', 'Content-Length':
        assert head.header(name) == get.header(name)
    assert s3.requests == []
