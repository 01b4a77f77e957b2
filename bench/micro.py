#!/usr/bin/python3
"""make bench-micro: signing beside its bare SHA-256 compressions, converting
beside libxml2's push parser with empty handlers, in turn in one process."""

import argparse
import json
import pathlib
import subprocess

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import listings
import stats
from s3control import ACCOUNT, KEY, REGION, SECRET

ROOT = pathlib.Path(__file__).resolve().parent.parent
MICRO = ROOT / 'build/bench/micro'
DOCUMENTS = ROOT / 'build/bench/documents'

UNUSUAL = 1000                  # entries of the unusual documents
BATCH = 64                      # compressions of "sha256"
DATE = '20260102T030405Z'
TOKENS = {'sign': None, 'sign_token': 'T' * 800}


def run(*args):
    done = subprocess.run([MICRO, *map(str, args)], capture_output=True)
    if done.returncode:
        raise SystemExit(f'bench: {done.stderr.decode()}')
    return done.stdout


def signed(token):
    """What botocore makes of the request in micro.c: (Authorization,
    compressions that no implementation can save).  Those of the two padded
    keys can be kept, the other blocks differ in each request."""
    request = AWSRequest(
        'GET', f'https://{ACCOUNT}.s3-control.{REGION}.amazonaws.com'
        '/v20180820/jobs', params=[('jobStatuses', 'Active'),
                                   ('maxResults', '100')])
    request.headers['X-Amz-Account-Id'] = ACCOUNT
    request.headers['X-Amz-Date'] = DATE
    request.context['timestamp'] = DATE
    auth = S3SigV4Auth(Credentials(KEY, SECRET, token), 's3', REGION)
    auth._modify_request_before_signing(request)
    canonical = auth.canonical_request(request)
    to_sign = auth.string_to_sign(request, canonical)
    auth._inject_signature_to_request(request,
                                      auth.signature(to_sign, request))
    return request.headers['Authorization'], \
        blocks(canonical) + blocks(to_sign) + 1


def blocks(text):
    return (len(text) + 8) // 64 + 1    # a bit and the length behind it


def compressions():
    """By name, once the signatures are known to be botocore's."""
    least = {}
    for name, token in TOKENS.items():
        authorization, least[name] = signed(token)
        ours = run('print', name).decode()
        assert ours == authorization, f'{name}: {ours}\nnot {authorization}'
    return least


def documents():
    """Their paths, once their JSON is known to be right."""
    paths = listings.write(DOCUMENTS, unusual_size=UNUSUAL)
    for path in paths:
        name, n = path.stem.rsplit('-', 1)
        made = json.loads(run('print', 'convert', path))
        assert made == listings.expected(int(n), name), f'{path} went wrong'
    return paths


def measure(rounds):
    """{name: nanoseconds of each round}, least compressions by name, bytes
    by document"""
    least, paths = compressions(), documents()
    names, *lines = run('time', rounds, *paths).decode().splitlines()
    columns = zip(*(map(float, line.split('\t')) for line in lines))
    return (dict(zip(names.split('\t'), columns)), least,
            {path.stem: path.stat().st_size for path in paths})


def ratios(ns, least):
    """{name: Figure of a signature over its compressions}"""
    return {name: stats.paired(ns[name], [t * n / BATCH
                                          for t in ns['sha256']])
            for name, n in least.items()}


def tables(ns, least, sizes):
    block = [t / BATCH for t in ns['sha256']]
    signing = [('signature', 'ns', 'compressions', 'ns of one',
                'x its compressions')]
    for name, n in least.items():
        signing.append((
            name, stats.Figure(ns[name]).text('{:.0f}'), str(n),
            stats.Figure(block).text('{:.1f}'),
            ratios(ns, least)[name].text()))
    converting = [('document', 'bytes', 'MB/s', 'libxml2 MB/s', 'x libxml2')]
    for name, size in sizes.items():
        ours, theirs = (ns[f'{who}:{name}.xml'] for who in
                        ('ours', 'libxml2'))
        converting.append((
            name, str(size),
            *(stats.Figure([size / t * 1000 for t in side]).text('{:.0f}')
              for side in (ours, theirs)),
            stats.paired(theirs, ours).text()))
    return signing, converting


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rounds', type=int, default=301)
    args = parser.parse_args()
    signing, converting = tables(*measure(args.rounds))
    print(f'{args.rounds} rounds, medians with 95 % intervals, processor time'
          f'\n\n{stats.table(signing)}\n\n{stats.table(converting)}')


if __name__ == '__main__':
    main()
