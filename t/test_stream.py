"""Listings of any length, in memory that does not grow with them."""

import os
import pathlib
import socket
import threading
import time

import pytest

from gateway import strict_json
from nginx import until
from s3control import Reply

JOB = ('<member><JobId>%08d-aaaa-bbbb-cccc-dddddddddddd</JobId><Description>'
       'Copy &lt;%d&gt; of the archive</Description><Operation>S3PutObjectCopy'
       '</Operation><Priority>10</Priority><Status>Complete</Status>'
       '<CreationTime>2026-01-02T03:04:05.678Z</CreationTime>'
       '<ProgressSummary><TotalNumberOfTasks>%d</TotalNumberOfTasks>'
       '<Timers><ElapsedTimeInActiveSeconds>7</ElapsedTimeInActiveSeconds>'
       '</Timers></ProgressSummary></member>')
HEAD, TAIL = b'<ListJobsResult><Jobs>', b'</Jobs></ListJobsResult>'
MODES = {
    'buffered': '',
    'unbuffered': 'proxy_buffering off;',
    'cached': 'proxy_cache one; '
              ' proxy_cache_valid 200 1h;',
}


def members(first, last, step=200):
    for i in range(first, last, step):
        yield ''.join(JOB % (n, n, n)
                      for n in range(i, min(i + step, last))).encode()


def document(n):
    yield HEAD
    yield from members(0, n)
    yield TAIL


def check(body, n):
    jobs = strict_json(body)['Jobs']
    assert len(jobs) == n
    for i in 0, n // 2, n - 1:
        assert jobs[i]['JobId'].startswith(f'{i:08}')
        assert jobs[i]['ProgressSummary']['TotalNumberOfTasks'] == i


def memory(gw, what='VmHWM'):
    """kB; the high water mark of the one worker, or VmRSS.  None of it
    where ASan holds back what is freed."""
    if 'ASAN_OPTIONS' in os.environ:
        return 0
    [worker] = gw.workers()
    status = pathlib.Path(f'/proc/{worker}/status').read_text()
    return int(status.partition(what + ':')[2].split()[0])


def window(client, size):
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def gateway(nginx, tmp_path, mode, lines=''):
    return nginx(location=f's3jobs_json on; {MODES[mode]} {lines}',
                 http=f'proxy_cache_path {tmp_path}/cache keys_zone=one:1m;',
                 log_format='$status $s3jobs_jobs')


@pytest.mark.parametrize('mode', MODES)
def test_memory(s3, nginx, tmp_path, mode):
    gw = gateway(nginx, tmp_path, mode)
    for n in 1000, 1000, 100000:
        before = memory(gw)
        s3.script(Reply(body=lambda request: document(n), framing='chunked'))
        r = gw.get(f'/jobs?maxResults={n // 1000}')
        assert r.status == 200 and r.complete
        assert r.header('Content-Length') is None
        check(r.body, n)
        until(lambda: f'200 {n}' in gw.access(), what='line')
        if mode == 'cached':
            # and once more from the file
            check(gw.get(f'/jobs?maxResults={n // 1000}').body, n)
    assert memory(gw) - before < 1024
    assert len(s3.requests) == (2 if mode == 'cached' else 3)


@pytest.mark.parametrize('mode', MODES)
def test_memory_with_a_client_that_waits(s3, nginx, tmp_path, mode):
    """What it does not take stays in S3's connection, or in nginx's file:
    not as JSON in memory."""
    n = 60000
    gw = gateway(nginx, tmp_path, mode, 'send_timeout 60s;')
    s3.script(Reply(body=lambda request: document(1000)))
    gw.get('/jobs?maxResults=1')
    for cached in range(2 if mode == 'cached' else 1):
        # the second time the whole of it is there from the start
        before = memory(gw)
        done = threading.Event()

        def body(request):
            yield from document(n)
            done.set()

        s3.script(Reply(body=body, framing='chunked'))
        with gw.connect() as client:
            window(client, 1 << 15)
            client.send('GET /jobs HTTP/1.1\r\nHost: x\r\n\r\n')
            r = client.head()
            assert r.status == 200
            # buffered: S3 can write all of it; else it is held back
            if mode == 'buffered' or mode == 'cached' and not cached:
                assert done.wait(30)
            time.sleep(0.3)
            if mode == 'unbuffered':
                assert not done.is_set()
            window(client, 1 << 21)
            client.body(r)
            assert r.complete
            check(r.body, n)
        assert memory(gw) - before < 1024


@pytest.mark.parametrize('version', ['HTTP/1.0', 'HTTP/1.1'])
@pytest.mark.parametrize('mode', MODES)
def test_first_byte_before_the_last(s3, nginx, tmp_path, mode, version):
    """S3 holds the end of its document until the client has the beginning of
    ours."""
    gw = gateway(nginx, tmp_path, mode, 's3jobs_json_buffer_size 16k;')
    seen = threading.Event()

    def body(request):
        yield HEAD
        yield from members(0, 400)
        if seen.wait(20):
            yield from members(400, 500)
            yield TAIL

    s3.script(Reply(body=body, framing='chunked', chunks=(4096,)))
    with gw.connect() as client:
        client.send(f'GET /jobs {version}\r\nHost: x\r\n\r\n')
        r = client.head()
        assert r.status == 200 and not r.all('Content-Length')
        if version == 'HTTP/1.1':
            size = int(client.wire.until(b'\r\n'), 16)
            client.wire.take(r.body, size)
            client.wire.until(b'\r\n')
        else:
            client.wire.take(r.body, 1000)
        assert r.body.startswith(b'{"Jobs":[{"JobId":"00000000')
        seen.set()
        client.body(r)
    assert r.complete
    check(r.body, 500)
