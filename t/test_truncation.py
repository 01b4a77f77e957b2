"""A listing that is cut short, at every byte: a clean 502 while all of it is
held, and otherwise a broken connection; never JSON that parses, never an
empty reply, and nothing of it in the cache."""

import itertools
import ssl
import threading

import pytest

from gateway import parses, place, strict_json, told
from nginx import until
from s3control import Reply
from wire import PATIENCE, Client

# small, with both kinds of text, so that every byte can be the last
DOCUMENT = ('<?xml version="1.0"?>\n<ListJobsResult xmlns="u:r"><Jobs><member>'
            '<JobId>a&amp;é</JobId><Priority>10</Priority></member></Jobs>'
            '<NextToken>t</NextToken></ListJobsResult>\n').encode()
LISTING = {'Jobs': [{'JobId': 'a&é', 'Priority': 10}], 'NextToken': 't'}
FRAMINGS = 'length', 'chunked', 'close'

# where the root has closed and the end of the message is only announced
ROOT_CLOSED = len(DOCUMENT.rstrip())

MODES = {
    'buffered': '',
    'unbuffered': 'proxy_buffering off;',
    'cached': 'proxy_cache one; '
              ' proxy_cache_valid any 1h;'
              ' add_header X-Cache $upstream_cache_status always;',
}


def gateway(nginx, tmp_path, mode='buffered', lines='', **options):
    return nginx(location=f's3jobs_json on; {lines} {MODES[mode]}',
                 http=f'proxy_cache_path {tmp_path}/cache keys_zone=one:1m;',
                 **options)


def cuts(framing):
    """Of what was announced, a part is missing at each of these; without an
    announcement all that is missing is seen only up to the root's end."""
    return range({'length': len(DOCUMENT), 'chunked': len(DOCUMENT) + 1,
                  'close': ROOT_CLOSED}[framing])


def cut_off(r):
    assert r.status == 502, r
    assert told(r, json=True)[0] == 'BadUpstreamResponse'


def whole(r):
    assert r.status == 200 and r.complete, r
    assert strict_json(r.body) == LISTING


@pytest.mark.parametrize('client', ['h1', 'h2'])
@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('framing', FRAMINGS)
def test_every_byte(s3, nginx, tmp_path, framing, mode, client):
    gw = gateway(nginx, tmp_path, mode, h2=True)
    get = gw.get if client == 'h1' else gw.get_h2
    s3.always(Reply(body=DOCUMENT, framing=framing))
    for cut in cuts(framing):
        # another key each time, 0 to 1000
        target = f'/jobs?maxResults={cut}'
        s3.script(Reply(body=DOCUMENT, framing=framing, cut=cut))
        cut_off(get(target))

        if mode == 'cached':
            r = get(target)
            whole(r)
            assert r.header('X-Cache') == 'MISS'
            r = get(target)
            whole(r)
            # without a length nobody knows whether it is all: not kept
            assert r.header('X-Cache') == ('MISS' if framing == 'close'
                                           else 'HIT')
        elif cut % 16 == 0:
            whole(get(target))
    whole(get('/jobs'))
    for r in s3.requests:
        assert r.verdict is None


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('framing', FRAMINGS)
def test_reset(s3, nginx, tmp_path, framing, mode):
    gw = gateway(nginx, tmp_path, mode)
    s3.always(Reply(body=DOCUMENT, framing=framing))
    for cut in [*cuts(framing)[::29], cuts(framing)[-1]]:
        target = f'/jobs?maxResults={cut}'
        s3.script(Reply(body=DOCUMENT, framing=framing, cut=cut, reset=True))
        cut_off(gw.get(target))
        whole(gw.get(target))


@pytest.mark.parametrize('mode', MODES)
def test_reset_after_the_end(s3, nginx, tmp_path, mode):
    """The root is closed, but a reset is no end of a message."""
    gw = gateway(nginx, tmp_path, mode)
    s3.script(Reply(body=DOCUMENT, framing='close', cut=len(DOCUMENT),
                    reset=True))
    cut_off(gw.get())


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('framing', FRAMINGS)
def test_http10(s3, nginx, tmp_path, framing, mode):
    gw = gateway(nginx, tmp_path, mode)
    s3.always(Reply(body=DOCUMENT, framing=framing))
    for cut in cuts(framing)[::7]:
        target = f'/jobs?maxResults={cut}'
        s3.script(Reply(body=DOCUMENT, framing=framing, cut=cut))
        for expected in cut_off, whole:
            with gw.connect() as client:
                client.send(f'GET {target} HTTP/1.0\r\n\r\n')
                expected(client.response())


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('framing', FRAMINGS)
def test_tls(stand_in, certificates, nginx, tmp_path, framing, mode):
    """With and without TLS's own notice of the end."""
    host = '123456789012.s3-control.us-east-1.amazonaws.com'
    tls = certificates(host)
    s3 = stand_in(tls=tls)
    gw = gateway(nginx, tmp_path, mode, s3=s3, proxy_pass='https://s3control',
                 lines=f'proxy_ssl_trusted_certificate {tls.ca};', h2=True)
    s3.always(Reply(body=DOCUMENT, framing=framing))
    for cut in cuts(framing)[::11]:
        for reset in False, True:
            if reset and cut % 3:
                continue
            target = f'/jobs?maxResults={cut + 500 * reset}'
            s3.script(Reply(body=DOCUMENT, framing=framing, cut=cut,
                            reset=reset))
            cut_off((gw.get, gw.get_h2)[cut % 2](target))
            whole(gw.get(target))
    assert {r.sni for r in s3.requests} == {host}


@pytest.mark.parametrize('client', ['h1', 'h2'])
@pytest.mark.parametrize('mode', MODES)
def test_head(s3, nginx, tmp_path, mode, client):
    """As of a GET: it is not answered before the document is read."""
    gw = gateway(nginx, tmp_path, mode, h2=True)
    get = gw.get if client == 'h1' else gw.get_h2
    n = itertools.count()
    for framing in FRAMINGS:
        for cut in cuts(framing)[::17]:
            target = f'/jobs?maxResults={next(n)}'
            s3.script(Reply(body=DOCUMENT, framing=framing, cut=cut))
            r = get(target, method='HEAD')
            assert (r.status, r.complete, bytes(r.body)) == (502, True, b'')
            assert r.header('Content-Type') == 'application/problem+json'
            s3.script(Reply(body=DOCUMENT, framing=framing))
            r = get(target, method='HEAD')
            assert (r.status, r.complete, bytes(r.body)) == (200, True, b'')
            assert r.header('Content-Type') == 'application/json'


@pytest.mark.parametrize('mode', MODES)
def test_timeout(s3, nginx, tmp_path, mode):
    """S3 stops in the middle without closing."""
    lines = f's3jobs_json on; {MODES[mode]}'
    gw = gateway(nginx, tmp_path, mode, server=place(
        '= /impatient', lines + 'proxy_read_timeout 100ms;'))
    numbers = itertools.count()
    end = threading.Event()

    def body(request):
        yield DOCUMENT[:100]
        end.wait(PATIENCE)

    def stopped():
        """What the client gets, and the query; a machine that was busy may
        have kept the header too."""
        query = f'?maxResults={next(numbers)}'
        s3.script(Reply(body=body, framing=framing, chunks=(100,))
                  if framing == 'chunked' else
                  Reply(body=DOCUMENT, framing=framing, drip=(100, PATIENCE)))
        r = gw.get('/impatient' + query)
        return r.status != 504 and (r, query)

    for framing in FRAMINGS:
        r, query = until(stopped)
        cut_off(r)
        s3.script(Reply(body=DOCUMENT, framing=framing))
        whole(gw.get('/jobs' + query))
    end.set()


@pytest.mark.parametrize('mode', MODES)
def test_invalid_chunks(s3, nginx, tmp_path, mode):
    """nginx gives up reading S3's answer in another way than at a cut."""
    gw = gateway(nginx, tmp_path, mode, h2=True)
    head = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
    for body in (b'ZZ\r\n', b'5\r\n<List\r\nZ\r\n', b'%x\r\n%s\r\n-1\r\n' % (
            len(DOCUMENT), DOCUMENT), b'5\r\n<ListXX'):
        for get in gw.get, gw.get_h2:
            s3.script(Reply(raw=head + body))
            cut_off(get())
            s3.script(Reply(body=DOCUMENT, framing='close'))
            whole(get())


@pytest.mark.parametrize('client', ['HTTP/1.0', 'HTTP/1.1', 'HTTP/2'])
@pytest.mark.parametrize('mode', MODES)
def test_streaming(s3, nginx, tmp_path, mode, client):
    """The header is out: what cannot be told any more breaks the connection,
    and what went out is the beginning of a listing, not one."""
    gw = gateway(nginx, tmp_path, mode, h2=True,
                 lines='s3jobs_json_buffer_size 1k; proxy_buffers 8 1k;'
                       ' proxy_buffer_size 1k; proxy_busy_buffers_size 2k;')
    document = b''.join(s3.listing(s3.jobs()))
    listing = s3.expected()

    def get(target):
        if client == 'HTTP/2':
            return gw.get_h2(target)
        with Client(gw.port) as connection:
            connection.send(f'GET {target} {client}\r\nHost: x\r\n\r\n')
            return connection.response()

    n = itertools.count()
    for framing in FRAMINGS:
        end = len(document)
        for cut in (end // 2, end * 2 // 3, end - 40, end - 1):
            for reset in False, True:
                target = f'/jobs?maxResults={next(n)}'
                s3.script(Reply(body=document, framing=framing, cut=cut,
                                reset=reset))
                r = get(target)
                assert r.status == 200 and r.body.startswith(b'{"Jobs":[{'), r
                assert r.header('Content-Length') is None
                assert not parses(r.body), r
                assert r.closed and (not r.complete or client == 'HTTP/1.0')

                s3.script(Reply(body=document))
                r = get(target)
                assert r.complete and strict_json(r.body) == listing
                if mode == 'cached':
                    assert r.header('X-Cache') == 'MISS'
    # one that ends with the connection, cut after its own end, is whole
    s3.script(Reply(body=document, framing='close', cut=end))
    assert strict_json(get('/jobs').body) == listing


@pytest.mark.parametrize('mode', MODES)
def test_xml_is_nginx_own_affair(s3, nginx, tmp_path, mode):
    """In XML mode a 2xx passes as it comes, and breaks as it breaks."""
    gw = nginx(location=MODES[mode], http=f'proxy_cache_path {tmp_path}/cache'
                                          ' keys_zone=one:1m;')
    for framing in 'length', 'chunked':
        s3.script(Reply(body=DOCUMENT, framing=framing, cut=100))
        r = gw.get()
        assert r.status == 200 and not r.complete
    s3.script(Reply(body=DOCUMENT, framing='close', cut=100))
    gw.get()
    # nothing of it was kept
    s3.script(Reply(body=DOCUMENT))
    r = gw.get()
    assert r.complete and r.body == DOCUMENT
