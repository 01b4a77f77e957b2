"""proxy_cache in front of S3 Control: a hit costs no signature, a refresh is
signed, and nobody gets what is another's."""

import itertools
import random
import subprocess
import threading

import pytest

from credentials import STATUS, writing
from documents import error, expected_ids, job_ids
from nginx import ROOT, until
from s3control import ACCOUNT, Reply
from wire import PATIENCE

CACHE = ('proxy_cache c;'
         'proxy_cache_valid 200 1h;'
         'add_header X-Cache $upstream_cache_status always;')


@pytest.fixture
def cached(nginx, tmp_path):
    """nginx() with a cache below tmp_path."""
    def start(location='', http='', **options):
        return nginx(http=f'proxy_cache_path {tmp_path}/cache keys_zone=c:1m'
                     f' inactive=1d; {http}', location=CACHE + location,
                     **options)
    return start


@pytest.fixture
def digests(tmp_path):
    """(environment for nginx, a function that tells the count)"""
    library, counter = tmp_path / 'count_digests.so', tmp_path / 'digests'
    subprocess.run(['cc', '-shared', '-fPIC', '-o', library,
                    ROOT / 't/preload/count_digests.c', '-ldl'], check=True)
    counter.write_bytes(bytes(8))
    counter.chmod(0o666)
    return ({'LD_PRELOAD': str(library), 'COUNT_DIGESTS': str(counter)},
            lambda: int.from_bytes(counter.read_bytes(), 'little'))


def state(response):
    assert response.status == 200 and response.complete, response
    return response.header('X-Cache')


def test_hit_signs_nothing(s3, cached, digests):
    env, count = digests
    gw = cached(env=env)
    before = count()
    assert state(gw.get('/jobs?maxResults=3')) == 'MISS'
    first = count() - before            # with the key derived
    assert first > 0
    with gw.connect() as client:
        for spelling in 'maxResults=3', 'maxResults=%33', '&maxResults=3&':
            for method in 'GET', 'HEAD':
                assert state(client.request(f'/jobs?{spelling}',
                                            method=method)) == 'HIT'
    assert count() - before == first
    assert state(gw.get('/jobs?maxResults=4')) == 'MISS'
    assert 0 < count() - before - first < first
    assert len(s3.requests) == 2


def test_refused_requests_sign_nothing(s3, nginx, digests):
    env, count = digests
    gw = nginx(env=env, server='location = /denied { deny all; }')
    assert gw.get().status == 200       # the key is derived
    before = count()
    assert gw.get('/jobs?foo').status == 400
    assert gw.get('/jobs', method='POST').status == 405
    assert gw.get('/denied').status == 403
    assert count() == before
    assert gw.get().status == 200
    assert count() > before


def test_background_update_is_signed(s3, cached, clock):
    """It skips the phase in which we prepare what is sent."""
    gw = cached(clock=clock, location='proxy_cache_use_stale updating;'
                'proxy_cache_background_update on;')
    assert state(gw.get('/jobs?maxResults=3')) == 'MISS'
    old = expected_ids(s3)[:3]
    s3.set_jobs(ACCOUNT, list(reversed(s3.jobs())))
    assert state(gw.get('/jobs?maxResults=3')) == 'HIT'
    clock.advance(3700)
    r = gw.get('/jobs?maxResults=3')
    assert state(r) == 'STALE' and job_ids(r) == old

    def refreshed():
        r = gw.get('/jobs?maxResults=3')
        return state(r) == 'HIT' and job_ids(r)

    assert until(refreshed, 'refreshed answer') == expected_ids(s3)[:3]
    for request in s3.requests:
        assert request.verdict is None
        assert (request.method, request.query) == ('GET', 'maxResults=3')
    assert len(s3.requests) == 2
    assert '[crit]' not in gw.log()


def test_stale_while_s3_is_down(s3, cached, clock):
    gw = cached(clock=clock, location='proxy_cache_use_stale error timeout'
                ' http_500 http_503;')
    ids = job_ids(gw.get())
    for reply in Reply(error='InternalError'), Reply(error='SlowDown'), \
            Reply(raw=b''):
        s3.always(reply)
        clock.advance(3700)
        r = gw.get()
        assert state(r) == 'STALE' and job_ids(r) == ids
    s3.reset()
    assert state(gw.get()) == 'EXPIRED'
    assert {r.verdict for r in s3.requests} == {None}


def test_head_is_cached_as_get(s3, cached, tmp_path):
    gw = cached()
    assert state(gw.get(method='HEAD')) == 'MISS'
    # the client has its answer before the document has come
    until(lambda: [*tmp_path.glob('cache/' + '[0-9a-f]' * 32)], what='file')
    assert state(gw.get()) == 'HIT'
    [request] = s3.requests
    assert (request.method, request.verdict) == ('GET', None)


def test_head_refreshes_too(s3, cached, clock):
    gw = cached(clock=clock)
    assert gw.get().status == 200
    clock.advance(3700)
    assert state(gw.get(method='HEAD')) == 'EXPIRED'
    s3.wait_for(2)
    assert {(r.method, r.verdict) for r in s3.requests} == {('GET', None)}


ACCOUNTS = '''
    map $account $listed {
        default       "";
        000000000001  $account;
        000000000002  $account;
    }
'''
BY_PATH = {'path': '~ ^/(?<account>[^/]+)/(?<region>[^/]+)/jobs$',
           'account': '$listed', 'region': '$region'}


def test_accounts_and_regions_are_never_mixed(s3, cached):
    """One cache, one upstream group, a key of $s3jobs_cache_key."""
    gw = cached(http=ACCOUNTS, **BY_PATH)
    cases = list(itertools.product(('000000000001', '000000000002'),
                                   ('us-east-1', 'eu-west-1'),
                                   ('', 'jobStatuses=New', 'maxResults=2'))) \
        * 4
    random.Random(2).shuffle(cases)
    for account, region, query in cases:
        r = gw.get(f'/{account}/{region}/jobs?{query}')
        ids = expected_ids(s3, account, region,
                           ['New'] if 'New' in query else [])
        assert job_ids(r) == ids[:2 if 'max' in query else None]
    assert len(s3.requests) == 12
    assert len({(r.account, r.region, r.query) for r in s3.requests}) == 12
    for request in s3.requests:
        assert request.verdict is None


@pytest.mark.parametrize('account', ['000000000003', '00000000000', 'x', '*',
                                     '000000000001%0A', '000000000001%20',
                                     '0000000000011', '%2B00000000001'])
def test_account_that_the_map_does_not_list(s3, cached, account):
    """Neither asked for nor found in the cache."""
    gw = cached(http=ACCOUNTS, **BY_PATH)
    assert state(gw.get('/000000000001/us-east-1/jobs')) == 'MISS'
    s3.clear()
    for headers in [], [('X-Amz-Account-Id', '000000000001'),
                        ('Host', '000000000001.s3-control.us-east-1'
                         '.amazonaws.com')]:
        r = gw.get(f'/{account}/us-east-1/jobs', headers)
        assert r.status in (403, 404), r
        if r.status == 403:
            assert error(r)[0] == 'AccessDenied'
        assert b'JobId' not in r.body
    assert gw.get(f'/000000000001/us-east-1/jobs?account={account}').status \
        == 400
    assert s3.requests == []


def test_cache_key(s3, nginx):
    gw = nginx(location='add_header X-Key "<$s3jobs_cache_key>" always;')
    for query, canonical in ('', ''), ('&nextToken=a+b&jobStatuses=New,Active',
                                       'jobStatuses=Active&jobStatuses=New'
                                       '&nextToken=a%2Bb'):
        assert gw.get(f'/jobs?{query}').header('X-Key') \
            == f'<{ACCOUNT}:us-east-1:{canonical}>'


def test_cache_lock(s3, cached):
    gw = cached(location='proxy_cache_lock on; proxy_cache_lock_age 1h;'
                'proxy_cache_lock_timeout 1h;', server=STATUS)
    go_on = threading.Event()
    s3.script(lambda request: go_on.wait(PATIENCE) and Reply())
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(gw.get()))
               for _ in range(20)]
    for thread in threads:
        thread.start()
    writing(gw, 20)
    go_on.set()
    for thread in threads:
        thread.join()
    assert [job_ids(r) for r in answers] == [expected_ids(s3)] * 20
    assert len(s3.requests) == 1 and s3.requests[0].verdict is None


def test_credentials_are_gone(s3, cached):
    """503 even where a cached answer exists: deliberate."""
    gone = {'AWS_ACCESS_KEY_ID': None, 'AWS_SECRET_ACCESS_KEY': None}
    stale = ('proxy_cache_use_stale error timeout updating http_500 http_502'
             ' http_503 http_504;')
    states = []
    for env in {}, {}, gone, {}:
        gw = cached(env=env, location=stale)
        r = gw.get()
        states.append(r.status if env else state(r))
        if env:
            assert error(r)[0] == 'CredentialsUnavailable'
            assert r.header('Retry-After')
        gw.stop()
    assert states == ['MISS', 'HIT', 503, 'HIT']
    assert len(s3.requests) == 1


def test_errors_are_not_cached(s3, cached):
    gw = cached(location='s3jobs_tries 1;')
    s3.script(Reply(error='AccessDenied'), Reply(error='SlowDown'))
    assert [gw.get().status for _ in range(4)] == [403, 503, 200, 200]
    assert len(s3.requests) == 3


def test_close_delimited_answer_is_not_cached(s3, cached):
    """One that is cut looks just like it."""
    gw = cached()
    s3.framing = 'close'
    assert [state(gw.get()) for _ in range(2)] == ['MISS', 'MISS']
    s3.framing = 'length'
    assert [state(gw.get()) for _ in range(2)] == ['MISS', 'HIT']


def test_no_secret_in_the_cache(s3, cached, nginx, tmp_path):
    """Neither the key nor the token nor a signature is in its files."""
    token = 'FwoGZXIvYXdzEXAMPLE' * 10
    s3.key('AKIDTEMPORARY', 'temporarysecretkey0123456789', token=token)
    gw = cached(env={'AWS_ACCESS_KEY_ID': 'AKIDTEMPORARY',
                     'AWS_SECRET_ACCESS_KEY': 'temporarysecretkey0123456789',
                     'AWS_SESSION_TOKEN': token})
    assert state(gw.get()) == 'MISS' and state(gw.get()) == 'HIT'
    [entry] = [p for p in (tmp_path / 'cache').rglob('*') if p.is_file()]
    data = entry.read_bytes()
    assert ACCOUNT.encode() in data     # it is that file
    signature = s3.requests[0].header('Authorization')[-64:]
    for text in 'temporarysecretkey', 'FwoGZXIv', signature, 'AKIDTEMP':
        assert text.encode() not in data
