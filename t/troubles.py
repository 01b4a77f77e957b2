"""Scripts for the stand-in: functions of a request for S3Control.always(),
which return what goes wrong with it, or None."""

import random
import threading

from s3control import Reply

THROTTLES = (Reply(error='SlowDown'),
             Reply(status=503, body=b''),
             Reply(status=429, body=b''),
             Reply(error='TooManyRequestsException'))

# an answer that stops in the middle of an entry and does not go on
STALL = Reply(raw=b'HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\n'
              b'Content-Length: 100000\r\n\r\n<ListJobsResult><Jobs><member>'
              b'<JobId>x</JobId></member><member><JobId>y', never=True)


def share(part, *replies, seed=1):
    """One of the replies to this part of the requests, by chance."""
    rnd, lock = random.Random(seed), threading.Lock()

    def reply(request):
        with lock:
            return rnd.choice(replies) if rnd.random() < part else None
    return reply


def at_page(n, *replies, account=None, last=None):
    """The n-th page of a listing (from 1) gets these replies in turn, and
    the last of them ever after; with last = None it is None that follows."""
    lock = threading.Lock()
    left = list(replies)

    def reply(request):
        if request.page != n or account not in (None, request.account):
            return None
        with lock:
            return left.pop(0) if left else last
    return reply


def each(*scripts):
    """The first of these that has a reply."""
    def reply(request):
        return next((r for r in (script(request) for script in scripts)
                     if r is not None), None)
    return reply


def expire_at_page(s3, n, key_id):
    """A key that is good for pages before the n-th."""
    def on_request(request):
        if request.page == n - 1:
            s3.keys[key_id].expires = s3.clock()
    s3.on_request = on_request
