"""The source "imds": EC2 instance metadata."""

import time

import re
import urllib.parse

import pytest
from botocore.utils import InstanceMetadataFetcher

from credentials import LOG_FORMAT, changes, expires, late, rotate, source
from nginx import until
from providers import Fault, Imds


def test_imds_is_stable(s3, nginx, clock):
    """Served beyond their expiry; S3's refusal asks for new ones, once."""
    with Imds(s3) as imds:
        gw = nginx(clock=clock, workers=2, location='s3jobs_tries 1;',
                   sources=source('ops', 'imds', endpoint=imds.url))
        assert gw.get().status == 200
        imds.fault = Fault(status=500, kind='credentials')
        first = imds.issued[0]
        s3.keys[first.key_id].expires = None
        clock.advance(3700)
        gw.wait_log(r'answered 500, next try in [3-9]\d{5} ms, those in use'
                    ' have expired')
        assert gw.get().status == 200
        calls = len(imds.calls())
        imds.fault = None
        s3.keys[first.key_id].expires = 1
        assert gw.get().status == 502
        until(lambda: len(imds.issued) == 2, 'second set')
        until(lambda: gw.get().status == 200, 'new credentials')
        assert len(imds.calls()) == calls + 1
        # the new ones are refused too: no second one so soon
        s3.keys[imds.issued[1].key_id].expires = 1
        for _ in range(5):
            assert gw.get().status == 502
            time.sleep(0.5)
        assert len(imds.calls()) == calls + 1
        clock.advance(61)
        assert gw.get().status == 502
        until(lambda: len(imds.issued) == 3, 'third set')


def test_imds_serves_expired(s3, nginx):
    with Imds(s3, lifetime=-60) as imds:
        gw = nginx(sources=source('ops', 'imds', endpoint=imds.url),
                   log_format=LOG_FORMAT)
        gw.wait_log('in -\\d+ s')
        s3.keys[imds.issued[0].key_id].expires = None
        assert gw.get().status == 200
        assert expires(gw) == 0
        time.sleep(1.5)
        assert len(imds.calls()) == 1


def test_imds_token(s3, nginx, clock):
    """One token for all; a refused one is renewed once."""
    with Imds(s3) as imds:
        gw = nginx(clock=clock,
                   sources=source('ops', 'imds', endpoint=imds.url))
        assert gw.get().status == 200
        rotate(gw, clock, imds)
        assert len(imds.calls('token')) == 1 + late(gw)
        until(lambda: len(changes(gw, 'ops')) == 2, 'second set')
        imds.revoke()
        rotate(gw, clock, imds)
        assert len(imds.calls('token')) == 2 + late(gw)
        assert gw.get().status == 200
        methods = [(call.kind, call.method) for call in imds.calls(None)]
        assert {*methods} == {('token', 'PUT'), ('role', 'GET'),
                              ('credentials', 'GET')}
        # refused in spite of that: a failure, not a loop
        until(lambda: len(changes(gw, 'ops')) == 3, 'third set')
        imds.fault = Fault(status=401, kind='role')
        clock.advance(3600 - 240)
        gw.wait_log('security-credentials/ answered 401')
        assert len(imds.calls('token')) == 3 + late(gw)


@pytest.mark.parametrize('fault, said', [
    (Fault(status=403, kind='token'), 'latest/api/token answered 403'),
    (Fault(body=b'', kind='token'), 'gave no token'),
    (Fault(body=b'a\nb', kind='token'), 'gave no token'),
    (Fault(status=404, kind='role'), 'the instance has no role'),
    (Fault(body=b'../a', kind='role'), 'gave no name of a role'),
    (Fault(never=True, kind='token'), 'hop limit'),
])
def test_imds_failures(s3, nginx, fault, said):
    with Imds(s3) as imds:
        imds.fault = fault
        gw = nginx(sources=source('ops', 'imds', endpoint=imds.url),
                   location='s3jobs_credentials_timeout 50ms;')
        assert gw.get().status == 503
        gw.wait_log(said)
        assert not imds.calls('credentials')
        assert imds.calls(None)[0].method == 'PUT'
        imds.release()


def test_role_name_has_lines(s3, nginx):
    with Imds(s3) as imds:
        imds.faults = [Fault(body=b'gateway-role\nother\n', kind='role')]
        gw = nginx(sources=source('ops', 'imds', endpoint=imds.url))
        assert gw.get().status == 200


# as the metadata services of others name them, and what is asked for
NAMES = ['team-a/S3Access', 'my role', 'a%20b', 'role+=,.@-_', 'r\xf4le', '~r',
         'a/b/c', 'x' * 512 + '/' + 'y' * 64, ' spaces ', 'a?b', 'a#b', '..a',
         'a..', '...', 'a:b', "it's", '(x)&y=z;']


@pytest.mark.parametrize('name', NAMES)
def test_name_of_the_role(s3, nginx, monkeypatch, name):
    """It is asked for as it came, encoded where a path needs that: as
    botocore does, which takes "?", "#", "%" and ";" for what they are in a
    URL, and what is not ASCII for Latin-1."""
    with Imds(s3) as imds:
        imds.role = name
        gw = nginx(sources=source('ops', 'imds', endpoint=imds.url))
        assert gw.get().status == 200
        asked = imds.calls()[0].path
        assert urllib.parse.unquote(asked) == imds.listing + name
        assert not re.search(r'[^!-~]|[?#]', asked)
        if name.isascii() and not set(name) & set('?#%;'):
            monkeypatch.delenv('AWS_EC2_METADATA_DISABLED', raising=False)
            assert InstanceMetadataFetcher(timeout=30, config={
                'ec2_metadata_service_endpoint': imds.url + '/'
            }).retrieve_iam_role_credentials()
            assert urllib.parse.unquote(imds.calls()[1].path) \
                == urllib.parse.unquote(asked)


@pytest.mark.parametrize('body', [
    b'', b'\n', b'..', b'.', b'a/..', b'a/../b', b'./a', b'a/.', b'a\tb',
    b'a\0b', b'\x7f', b'x' * 1025])
def test_no_name_of_a_role(s3, nginx, body):
    with Imds(s3) as imds:
        imds.fault = Fault(body=body, kind='role')
        gw = nginx(sources=source('ops', 'imds', endpoint=imds.url))
        gw.wait_log('gave no name of a role')
        assert not imds.calls('credentials')
