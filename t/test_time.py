"""The clock: midnight UTC under faketime, where the date in the scope, the
derived key and x-amz-date change together."""

import datetime
import threading

import pytest

from nginx import until
from s3control import KEY, SECRET

NEW, NEW_SECRET = 'AKIDNEW', 'newSecret/9876543210+zyxwvutsrqponmlk'
MIDNIGHT = datetime.datetime(2026, 1, 3, tzinfo=datetime.timezone.utc)
YEAR = datetime.datetime(2027, 1, 1, tzinfo=datetime.timezone.utc)


HOUR, SECOND = datetime.timedelta(hours=1), datetime.timedelta(seconds=1)


def test_worked_signatures(s3, nginx):
    """Those that were worked out by hand, for this second."""
    s3.clock = lambda: datetime.datetime(
        2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc).timestamp()
    s3.verify = False                   # the token is not the stand-in's
    gw = nginx(wrapper=['faketime', '-m', '--exclude-monotonic', '-f',
                        '2026-01-02 03:04:05'], env={'TZ': 'UTC'})
    worked = {
        '': '0c587a1f6eae9027e2a6093eb63e5da2'
            'e64e54a8e7af9d53c8eb956f70a8263e',
        'jobStatuses=Active&jobStatuses=Complete&maxResults=1000':
            'f4c257e4cfbe5aad0cab6d8def51e0c0'
            '4229e5c5f1aa3682c0df87bd8ffce179',
        'nextToken=Ab0%2B%2F%3D%3A%3F%23%24%25%26%27%28%29%2A%2C-.%3B%3C%3E'
        '%40%5B%5C%5D%5E_':
            'cbc55820955c50dae0b255aa0a6a9acb'
            'f645d6f40b4003a71fec3bfeac852b5b'}
    for query, signature in worked.items():
        assert gw.get(f'/jobs?{query}').status == 200
        request = s3.requests[-1]
        assert request.query == query
        assert request.header('x-amz-date') == '20260102T030405Z'
        assert request.header('Authorization') == (
            'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/s3'
            '/aws4_request, SignedHeaders=host;x-amz-account-id;'
            f'x-amz-content-sha256;x-amz-date, Signature={signature}')


def test_crossing_midnight(s3, nginx, clock):
    """At the end of a year, in two workers and two regions: no bad
    signature."""
    clock.set(YEAR - HOUR)
    gw = nginx(clock=clock, workers=2, region='$http_x_region')
    statuses = set()

    def both_days():
        for region in 'us-east-1', 'eu-west-1':
            statuses.add(gw.get('/jobs?maxResults=1',
                                [('X-Region', region)]).status)
        return clock() > YEAR.timestamp() + 1.5

    both_days()
    clock.set(YEAR - SECOND)
    until(both_days, 'midnight')
    assert statuses == {200}
    assert {r.verdict for r in s3.requests} == {None}
    assert {r.header('x-amz-date')[:8] for r in s3.requests} \
        == {'20261231', '20270101'}
    assert all(f'/{r.header("x-amz-date")[:8]}/' in r.header('Authorization')
               for r in s3.requests)


def test_one_clock_reading(s3, nginx, clock):
    """The whole second 23:59:59: date and scope from one reading, and what
    is in the log is what was sent."""
    clock.set(MIDNIGHT - HOUR)
    gw = nginx(clock=clock, workers=2,
               log_format='$s3jobs_date|$s3jobs_authorization')
    assert gw.get('/jobs?maxResults=1').status == 200
    clock.set(MIDNIGHT - SECOND)
    threads = [threading.Thread(target=lambda: until(
        lambda: gw.get('/jobs?maxResults=1').status == 200
        and clock() > MIDNIGHT.timestamp() + 1)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {r.verdict for r in s3.requests} == {None}
    assert len({r.header('x-amz-date')[:8] for r in s3.requests}) == 2
    logged = sorted(gw.access())
    assert logged == sorted(f'{r.header("x-amz-date")}|'
                            f'{r.header("Authorization")}'
                            for r in s3.requests)


def test_rotation_before_midnight(s3, nginx, clock, tmp_path):
    """Neither the day's key of the old secret nor the secret's key of the
    old day."""
    path = tmp_path / 'credentials'

    def write(key, secret):
        new = nginx.credentials(
            tmp_path / 'new', f'[default]\naws_access_key_id = {key}\n'
            f'aws_secret_access_key = {secret}\n')
        new.chmod(0o640)
        new.rename(path)

    s3.key(NEW, NEW_SECRET)
    write(KEY, SECRET)
    clock.set(MIDNIGHT - HOUR)
    gw = nginx(clock=clock,
               sources=f's3jobs_credentials_source ops file path={path};')
    assert gw.get().status == 200
    write(NEW, NEW_SECRET)
    until(lambda: gw.get().status == 200
          and s3.requests[-1].key_id == NEW, 'new key')
    clock.set(MIDNIGHT - SECOND)
    until(lambda: gw.get().status == 200
          and clock() > MIDNIGHT.timestamp() + 1, 'midnight')
    assert {r.verdict for r in s3.requests} == {None}
    assert {(r.key_id, r.header('x-amz-date')[:8]) for r in s3.requests} \
        >= {(KEY, '20260102'), (NEW, '20260102'), (NEW, '20260103')}


@pytest.mark.parametrize('minutes', [-20, 20])
def test_wrong_clock(s3, nginx, minutes):
    """The stand-in does refuse it: the gateway's fault."""
    gw = nginx(wrapper=['faketime', '-m', '--exclude-monotonic', '-f',
                        f'{60 * minutes:+d}s'], location='s3jobs_tries 1;')
    r = gw.get()
    assert r.status == 502 and b'RequestTimeTooSkewed' in r.body
    assert s3.requests[0].verdict == 'RequestTimeTooSkewed'
