#!/usr/bin/python3
"""Writes bench/RESULTS.md and bench/results.svg from what make bench has
measured and from the table of instructions; without arguments, from the last
run."""

import json
import os
import pathlib
import platform
import re
import statistics
import textwrap

import goals
import instructions
import listings
import micro
import stats

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / 'build/bench/results.json'
PAGE = ROOT / 'bench/RESULTS.md'
PICTURE = ROOT / 'bench/results.svg'

NAMES = {
    'plain': '`proxy_pass` alone', 'hdrs': 'with our headers as constants',
    'xml': 'ours, XML', 'json': 'ours, JSON', 'its-hit': 'cache HIT of nginx',
    'our-hit': 'cache HIT, ours', 'njs': 'njs signs',
    'njs-json': 'njs signs and converts', 'xslt': 'xslt_filter converts'}
DRAWN = {'xml': '#7f9fbf', 'json': '#1f5f9f', 'xslt': '#bf7f3f',
         'njs-json': '#9f3f3f'}

# of the processor time: front, jobs, over what, at most
TIME_GOALS = (('xml', 1, 'plain', 1.06), ('json', 1, 'plain', 1.1),
              ('json', 100, 'plain', 1.0), ('json', 1000, 'plain', 1.0))

# of xslt_filter: jobs, how many times ours in JSON, at least
XSLT_GOALS = ((1, 2.5), (100, 25), (1000, 40))

# before it was made fast, in runs of their own on two busy cores
BEFORE = {
    'xml 1': '1.11', 'json 1': '1.36', 'json 100': '2.39',
    'json 1000': '3.23', 'xslt 1': '2.3', 'xslt 100': '10',
    'xslt 1000': '14', 'sign': '2.05 to 2.6', 'sign_token': '1.43 to 1.7',
    'slow json': '172', 'drip': '0.3', 'worst drip': '3.9', 'long': 'flat'}

# why a goal is missed, if it is
WHY = """
* **JSON of many jobs** is 3 % above its goal.  libxml2 sees nothing of a plain
  listing any more.  An entry of 620 bytes costs 3,390 instructions, 5.5 for
  each byte; three quarters of the whole worker's are two functions, the one
  that walks through an entry and the one that copies its strings, eight bytes
  at a time.  Vector instructions would be the next step, at the price of code
  for one processor.
* **XML of one job** is 15 % above its goal: 3,660 of the 6,872 are the
  signature, outside of hashing; some 900 are nginx's, for values that are
  variables and not constants, some 480 look whether the document is a listing,
  and the rest is checking the arguments, making the cache's key, and AWS's
  request ids.
* **A HIT** reads the first bytes of the document to see that it is a listing:
  the 480 again, without which the goal would be met.
* **Refused arguments** are 20 % above their goal.  They include a connection
  of their own, as nginx closes it after a 400; half of the figure is what
  nginx's own 404 costs, on such a connection too.  5,500 are the random bytes
  of nginx's `$request_id`, by OpenSSL: without it, which would take the id
  from the error, they would be met.  The rest is the argument's message, the
  error document and its headers.
* **A signature** has OpenSSL's calls beside its compressions: three copies of
  a context, each with an allocation, are 1,400 of its 3,600 instructions.

"Before" is older than the short cut past libxml2.  Of an unusual listing,
whose every entry has an unknown container, the code right before the short cut
took 29.42 million instructions, as today's does; the rest of the difference
came with the tables of fields that all documents share.
"""

HEAD = """\
# What it costs, measured

Written by `make bench`; [README.md](README.md) says how things are measured.

MACHINE

{rounds} rounds, each front in turn in each round; the figures
are medians of the ratios within a round, with the 95 % interval of the
median.  Everything is processor time of the one worker process, in user and
system mode, per request; one nginx serves the documents over TLS, with
keepalive.  Another machine gives other microseconds; the ratios are what can
be compared.

To repeat it: `make bench` and `make bench-instructions`, on Debian 12.
"""


def machine():
    cpuinfo = pathlib.Path('/proc/cpuinfo').read_text()
    model = re.search(r'^model name\s*: (.*)', cpuinfo, re.M)
    count = len(re.findall(r'^processor\s*:', cpuinfo, re.M))
    return (f'{model[1] if model else platform.machine()}, {count} cores,'
            f' load {os.getloadavg()[1]:.1f}, Linux {platform.release()}; {instructions.machine()}')


def times(ns):
    head = ['worker per request'] + [
        f'{n:,} job{"s" if n > 1 else ""}, {what}' for n in listings.SIZES
        for what in ('µs', 'x plain')]
    rows = [head]
    for front, name in NAMES.items():
        row = [name]
        for n in listings.SIZES:
            mine = ns[f'{front} {n}']
            row += [f'{statistics.median(mine) / 1000:,.0f}',
                    '' if front == 'plain' else stats.paired(
                        mine, ns[f'plain {n}']).text()]
        rows.append(row)
    return rows


def over_ours(ns):
    rows = [['processor time, x ours in JSON',
             *(f'{n:,} job{"s" if n > 1 else ""}' for n in listings.SIZES)]]
    for front in 'xslt', 'njs-json':
        rows.append([NAMES[front], *(
            stats.paired(ns[f'{front} {n}'], ns[f'json {n}']).text('{:.1f}')
            for n in listings.SIZES)])
    return rows


def reached(results):
    """Goals of times and memory."""
    ns, slow = results['ns'], results['slow']
    rows = [('what', 'before', 'now', 'goal', '', 'command')]

    def add(what, value, goal, form, before='', command='make bench'):
        rows.append((what, BEFORE.get(before, ''), form.format(value),
                     *goals.verdict(value, goal, form), f'`{command}`'))

    for front, n, base, goal in TIME_GOALS:
        add(f'{NAMES[front]}, {n:,}: processor time x plain',
            stats.paired(ns[f'{front} {n}'], ns[f'{base} {n}']).median,
            goal, '{:.2f}', f'{front} {n}')
    for n, goal in XSLT_GOALS:
        add(f'{NAMES["xslt"]}, {n:,}: processor time x ours, JSON',
            stats.paired(ns[f'xslt {n}'], ns[f'json {n}']).median,
            -goal, '{:.1f}', f'xslt {n}')
    for name, what, goal in (('sign', 'a signature', 1.5),
                             ('sign_token', 'with a token', 1.25)):
        add(f'{what}, x its compressions',
            micro.ratios(*results['micro'][:2])[name].median, goal, '{:.2f}',
            name, 'make bench-micro')
    for front in 'xml', 'json':
        add(f'{NAMES[front]}: memory of a slow client of 1,000 jobs over'
            ' plain, kB', (slow[front] - slow['plain']) / 1024,
            96 if front == 'json' else None, '{:.0f}', f'slow {front}')
    add('first byte of a document that drips, ms, median',
        statistics.median(results['drip']) * 1000, 10, '{:.1f}', 'drip')
    add('the same, the worst', max(results['drip']) * 1000, 10, '{:.1f}',
        'worst drip')
    requests, memory = zip(*results['long'])
    third = max(len(memory) // 3, 1)
    add(f'most memory of the worker in the last third of {requests[-1]:,}'
        ' requests over the most in the first, kB',
        (max(memory[-third:]) - max(memory[:third])) / 1024, 64, '{:+.0f}',
        'long', 'make bench BENCH_ARGS="--requests 300000"')
    return rows


def page(results):
    ns = results['ns']
    signing, converting = micro.tables(*results['micro'])
    table = goals.rows(instructions.read(instructions.TABLE),
                       instructions.read(instructions.BEFORE))
    parts = [
        textwrap.fill(results['machine'] + '.', 79).join(
            HEAD.format(**results).split('MACHINE')),
        '## Side by side\n\n' + stats.markdown(times(ns))
        + '\n\n"njs signs" derives its signing key in each request.  Answers'
        ' were checked first:\nsignatures by botocore, JSON by value, XML byte'
        ' for byte.\n\n' + stats.markdown(over_ours(ns)) + '\n',
        '![processor time over plain proxy_pass](results.svg)\n',
        '## Goals\n\n' + stats.markdown(reached(results))
        + '\n\n"Before" is from other runs.  In instructions of the whole'
        ' worker, from\n[instructions.tsv](instructions.tsv), all by `make'
        ' bench-instructions`\n(`BENCH_ARGS=--long` for 100,000 entries);'
        ' "before" is the code before it was\nmade fast:\n\n' + stats.markdown(table) + '\n',
        '## Where a goal is missed, and why\n' + WHY,
        '## Signing and converting alone\n\n' + stats.markdown(signing)
        + '\n\n"x its compressions" is over those that no implementation can'
        ' save.\n\n' + stats.markdown(converting) + '\n']
    return '\n'.join(parts)


def draw(ns):
    import matplotlib
    matplotlib.use('svg')
    matplotlib.rcParams.update({'svg.hashsalt': 's3jobs', 'font.size': 9})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.5, 3.2))
    width = 0.8 / len(DRAWN)
    for i, (front, color) in enumerate(DRAWN.items()):
        figures = [stats.paired(ns[f'{front} {n}'], ns[f'plain {n}'])
                   for n in listings.SIZES]
        places = [x - 0.4 + (i + 0.5) * width
                  for x in range(len(figures))]
        medians = [f.median for f in figures]
        bars = axes.bar(
            places, medians, width, color=color, label=NAMES[front],
            yerr=[[f.median - f.low for f in figures],
                  [f.high - f.median for f in figures]])
        axes.bar_label(bars, [f'{m:.2f}' if m < 10 else f'{m:.0f}'
                              for m in medians], padding=2, fontsize=8)
    axes.axhline(1, color='black', linewidth=0.8)
    axes.set_yscale('log')
    axes.set_ylim(0.5, 200)
    axes.set_yticks([1, 10, 100], ['1', '10', '100'])
    axes.set_xticks(range(len(listings.SIZES)), [
        f'{n:,} job{"s" if n > 1 else ""}' for n in listings.SIZES])
    axes.set_ylabel('processor time\nover plain proxy_pass')
    axes.legend(frameon=False, loc='upper left')
    axes.spines[['top', 'right']].set_visible(False)
    figure.tight_layout()
    figure.savefig(PICTURE, metadata={'Date': None})


def main():
    results = json.loads(RESULTS.read_text())
    PAGE.write_text(page(results))
    draw(results['ns'])
    for rows in (times(results['ns']), over_ours(results['ns']),
                 reached(results), *micro.tables(*results['micro'])):
        print(f'\n{stats.table(rows)}')
    print(f'\nwritten: {PAGE.relative_to(ROOT)}, {PICTURE.relative_to(ROOT)}')


if __name__ == '__main__':
    main()
