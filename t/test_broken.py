"""Documents that are no listings, and hostile ones: a clean 502 while all is
held, else a broken connection; nothing kept, nothing opened, little memory."""

import pathlib
import subprocess

import pytest

from gateway import parses, place, strict_json, told
from nginx import until
from s3control import Reply
from test_listing_botocore import BAD, GOOD, HOSTILE, check
from test_stream import memory

CACHE = ('proxy_cache one; '
         ' proxy_cache_valid 200 1h;'
         ' add_header X-Cache $upstream_cache_status always;')
MODES = {'buffered': '', 'unbuffered': 'proxy_buffering off;',
         'cached': CACHE}
ENTITIES = [file for file in BAD if file.name.startswith((
    'doctype', 'entity', 'billion', 'quadratic', 'xinclude', 'utf', 'latin',
    'encoding', 'shift', 'ebcdic', 'windows'))]


def gateway(nginx, tmp_path, mode, lines='', **options):
    return nginx(location=f's3jobs_json on; {lines} {MODES[mode]}',
                 http=f'proxy_cache_path {tmp_path}/cache keys_zone=one:1m;',
                 **options)


def refused(r):
    assert r.status == 502, r
    assert told(r, json=True)[0] == 'BadUpstreamResponse'


@pytest.mark.parametrize('mode', MODES)
def test_corpus(s3, nginx, tmp_path, mode):
    gw = gateway(nginx, tmp_path, mode, log_format='$status $s3jobs_jobs')
    expected = s3.expected()
    framings = 'length', 'chunked'
    # those of S3 are told by their code, see test_answers.py
    bad = [file for file in BAD if file.name not in ('error', 'error-bare')]
    for n, file in enumerate(bad):
        document = file.read_bytes()
        before = len(gw.log())
        s3.script(Reply(body=document, framing=framings[n % 2], chunks=(n + 1,)))
        r = gw.get(f'/jobs?maxResults={100 + n}')
        assert r.status == 502, file
        refused(r)
        lines = [line for line in gw.log()[before:].splitlines()
                 if s3.requests[-1].request_id in line]
        assert len(lines) == 1 and '[error]' in lines[0], lines
        # nothing was kept
        r = gw.get(f'/jobs?maxResults={100 + n}')
        assert strict_json(r.body) == expected
        if mode == 'cached':
            assert r.header('X-Cache') == 'MISS'
    until(lambda: len(gw.access()) == 2 * len(bad), what='lines')
    assert gw.access()[::2] == ['502 -'] * len(bad)


def beginning(s3):
    """Of a good document, more than the gateway holds."""
    document = b''.join(s3.listing(s3.jobs()))
    return document.partition(b'</Jobs>')[0]


ENDS = {
    'tag': b'</Job>', 'entity': b'<member><A>&x;</A></member></Jobs></ListJob'
    b'sResult>', 'utf-8': b'<member><A>\xff</A></member></Jobs></ListJobsResult>',
    'error': b'</Jobs></ListJobsResult><Error/>', 'rest':
    b'</Jobs></ListJobsResult>x', 'number': b'<member><Priority>x</Priority>'
    b'</member></Jobs></ListJobsResult>', 'second': b'</Jobs><Jobs/></ListJobs'
    b'Result>', 'doctype': b'<!DOCTYPE x>', 'cut': b'</Jobs>', 'nothing': b'',
    'late': b'</Jobs></ListJobsResult>' + b' ' * 20000 + b'x',
    'early': b'</Job>' + b'<member/>' * 10000,
}


@pytest.mark.parametrize('client', ['h1', 'h2'])
@pytest.mark.parametrize('mode', MODES)
def test_streaming(s3, nginx, tmp_path, mode, client):
    gw = gateway(nginx, tmp_path, mode, 's3jobs_json_buffer_size 1k;', h2=True)
    get = gw.get if client == 'h1' else gw.get_h2
    for n, (name, end) in enumerate(ENDS.items()):
        for framing in 'length', 'chunked', 'close':
            target = f'/jobs?maxResults={100 + n}'
            s3.script(Reply(body=beginning(s3) + end, framing=framing))
            r = get(target)
            assert r.status == 200 and not r.complete, name
            assert r.body.startswith(b'{"Jobs":[') and not parses(r.body)
        r = get(target)
        assert r.complete and strict_json(r.body) == s3.expected()
        assert mode != 'cached' or r.header('X-Cache') == 'MISS'


@pytest.mark.parametrize('size', ['64k', '1k'])
def test_broken_in_the_cache(s3, nginx, tmp_path, size):
    """An XML client gets what S3 sent, and nginx keeps it; the first JSON
    client finds that it is broken, and the next fetch heals."""
    gw = gateway(nginx, tmp_path, 'cached',
                 f's3jobs_json_buffer_size {size};',
                 server=place('= /xml', CACHE))
    for n, (name, end) in enumerate(ENDS.items()):
        query = f'?maxResults={100 + n}'
        s3.script(Reply(body=beginning(s3) + end))
        for state in 'MISS', 'HIT':
            r = gw.get('/xml' + query)
            assert r.header('X-Cache') == state and r.body.endswith(end)
        asked = len(s3.requests)
        r = gw.get('/jobs' + query)
        if size == '64k':
            refused(r)
        else:
            assert not r.complete and not parses(r.body), r
        assert len(s3.requests) == asked
        for state in 'MISS', 'HIT':
            r = gw.get('/jobs' + query)
            assert strict_json(r.body) == s3.expected(), name
            assert r.header('X-Cache') == state
        assert len(s3.requests) == asked + 1


def test_broken_in_the_background(s3, nginx, clock, tmp_path):
    """Nobody reads what a background update fetches."""
    gw = nginx(clock=clock, location='s3jobs_json on; ' + CACHE
               + 'proxy_cache_use_stale updating;'
                 'proxy_cache_background_update on;',
               http=f'proxy_cache_path {tmp_path}/other keys_zone=one:1m'
               ' inactive=1d;')
    good = s3.expected()
    assert strict_json(gw.get().body) == good
    for end in b'</Job>', b'':
        s3.clear()
        s3.script(Reply(body=beginning(s3) + end))
        clock.advance(3700)
        r = gw.get()
        # the stale answer, while a broken one is fetched
        assert r.header('X-Cache') == 'STALE'
        assert strict_json(r.body) == good
        s3.wait_for(1)
        broken = []

        def healed():
            r = gw.get()
            if r.status == 502:
                refused(r)
                broken.append(r)
            else:
                assert strict_json(r.body) == good
            return r.header('X-Cache') == 'MISS'

        until(healed, 'fetch of a good one')
        assert len(broken) <= 1
        assert gw.get().header('X-Cache') == 'HIT'


@pytest.mark.parametrize('mode', MODES)
def test_hostile(s3, nginx, tmp_path, mode):
    """Endless text, depth, names, attributes: the worker stays small."""
    gw = gateway(nginx, tmp_path, mode)
    for _ in range(3):
        gw.get('/jobs?maxResults=1000')
        s3.script(Reply(body=b'<x/>'))
        gw.get('/jobs?maxResults=10')
    before = memory(gw)
    for name, (head, middle, times, tail) in HOSTILE.items():
        # 50 MB of text; where nothing is kept, 4 MB are as good a proof
        if name != 'text':
            times = min(times, (4 << 20) // len(middle))

        def body(request):
            yield head
            for _ in range(0, times, 100):
                yield middle * min(100, times)
            yield tail

        s3.script(Reply(body=body, framing='chunked', chunks=(65536,)))
        r = gw.get()
        if name == 'entry':             # the limit of one is above 64k
            assert r.status == 200 and not r.complete and not parses(r.body)
        else:
            refused(r)
    for file in BAD:
        s3.script(Reply(body=file.read_bytes()))
        gw.get('/jobs?maxResults=20')
    assert memory(gw) - before < 2048


def test_nothing_is_opened(s3, nginx, tmp_path):
    """Whatever the documents refer to: the worker opens no file and connects
    to nobody."""
    gw = nginx(location='s3jobs_json on;')
    [worker] = gw.workers()
    assert gw.get().status == 200

    trace = tmp_path / 'trace'
    strace = subprocess.Popen(
        ['strace', '-f', '-p', str(worker), '-o', trace, '-e',
         'trace=open,openat,openat2,connect,execve,socket'],
        stderr=subprocess.PIPE, text=True)
    try:
        said = strace.stderr.readline()
        if 'attached' not in said:
            pytest.skip(f'strace cannot attach: {said}')
        assert len(ENTITIES) > 30
        for file in ENTITIES:
            s3.script(Reply(body=file.read_bytes()))
            refused(gw.get())
        assert trace.read_text() == ''

        # what it would show
        s3.script(Reply(close=True))
        gw.get()
        gw.get()
        until(lambda: 'connect(' in trace.read_text(), what='connect')
    finally:
        strace.terminate()
        strace.wait(10)
        strace.stderr.close()


@pytest.mark.parametrize('size', ['1k', '64k'])
def test_good_corpus(s3, nginx, size):
    """Byte by byte from S3, through buffers of 1 kB."""
    gw = nginx(location=f's3jobs_json on; s3jobs_json_buffer_size {size};'
                        'proxy_buffer_size 1k; proxy_buffers 2 1k;'
                        'proxy_busy_buffers_size 1k;')
    client = gw.connect()
    for n, file in enumerate(GOOD):
        document = file.read_bytes()
        s3.script(Reply(body=document, drip=(1, 0), chunks=(1,),
                        framing=('length', 'chunked')[n % 2]))
        r = client.request('/jobs')
        assert r.status == 200 and r.complete, file
        check(bytes(r.body), document)
