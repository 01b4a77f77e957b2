"""s3jobs_params forgotten, or hidden: nobody gets the answer to an unsigned
request, and the log says why."""

import pytest

from documents import error, expected_ids, job_ids
from nginx import PARAMS

CRIT = r'\[crit\].*without its signature: "s3jobs_params" is not included'
INCLUDE = f'include {PARAMS};'


@pytest.mark.parametrize('json', [False, True])
@pytest.mark.parametrize('options', [
    {'params': ''},
    {'params': 'proxy_method GET; proxy_http_version 1.1;'},
    {'params': 'proxy_set_header X-Trace 1;', 'server': INCLUDE},
    {'params': 'proxy_set_header X-Trace 1;', 'http': INCLUDE},
    {'params': 'proxy_set_header Authorization "";'},
    {'params': 'proxy_set_header Host $s3jobs_host;'},
])
def test_params_are_missing(s3, nginx, options, json):
    s3.verify = False                   # even if somebody answered it
    s3.unsigned_expected = 1
    gw = nginx(location='s3jobs_json on;' if json else '', **options)
    r = gw.get()
    assert r.status == 500 and r.complete
    if json:
        assert r.json()['code'] == 'InternalServerError'
    else:
        assert error(r)[0] == 'InternalServerError'
    assert b'JobId' not in r.body
    gw.wait_log(CRIT)


def test_head_without_params(s3, nginx):
    s3.verify, s3.unsigned_expected = False, 1
    gw = nginx(params='')
    r = gw.get(method='HEAD')
    assert (r.status, r.body) == (500, b'')
    gw.wait_log(CRIT)


@pytest.mark.parametrize('framing', ['length', 'chunked', 'close'])
def test_an_unsigned_answer_is_not_cached(s3, nginx, tmp_path, framing):
    s3.verify, s3.unsigned_expected = False, 2
    s3.framing = framing
    cache = ('proxy_cache c; proxy_cache_key $s3jobs_cache_key;'
             'proxy_cache_valid any 1h;')
    gw = nginx(params='', location=cache,
               http=f'proxy_cache_path {tmp_path}/cache keys_zone=c:1m;')
    assert [gw.get().status for _ in range(2)] == [500, 500]
    gw.wait_log(CRIT, count=2)
    gw.reload(params=INCLUDE)
    assert job_ids(gw.get()) == expected_ids(s3)
    assert len(s3.requests) == 3


@pytest.mark.parametrize('level', ['http', 'server'])
def test_params_of_an_outer_level(s3, nginx, level):
    """Good where the location has no proxy_set_header of its own."""
    gw = nginx(params='', **{level: INCLUDE})
    assert gw.get().status == 200
    [request] = s3.requests
    assert request.verdict is None


def test_more_headers_beside_the_include(s3, nginx):
    gw = nginx(location='proxy_set_header X-Trace 1;')
    assert gw.get().status == 200
    [request] = s3.requests
    assert request.verdict is None and request.header('X-Trace') == '1'


def test_a_refused_answer_without_params(s3, nginx):
    """What S3 said of it does not matter."""
    s3.unsigned_expected = 1
    gw = nginx(params='proxy_set_header Host $s3jobs_host;')
    assert gw.get().status == 500
    assert s3.requests[0].verdict == 'AccessDenied'
    gw.wait_log(CRIT)
