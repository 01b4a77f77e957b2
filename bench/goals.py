"""The goals, and where a table of instructions stands to them."""

# what, how it comes of the table, the goal if there is one, how both are
# printed; where more is better the goal is negative.  Of documents that only
# libxml2 takes it is 3 % more than before.
GOALS = (
    ('a signature, outside of SHA-256',
     lambda t: t['sign'].instructions, None, '{:,.0f}'),
    ('the same, with a token of 800 bytes',
     lambda t: t['sign_token'].instructions, None, '{:,.0f}'),
    ('XML, 1 job: over hdrs, outside of SHA-256',
     lambda t: t['XML 1'].instructions - t['hdrs 1'].instructions,
     6000, '{:+,.0f}'),
    ("cache HIT over nginx's own HIT, %",
     lambda t: percent(t['our hit 1'], t['hit 1']), 5, '{:+.1f}'),
    ('refused argument, XML',
     lambda t: t['refused XML'].instructions, 18000, '{:,.0f}'),
    ('refused argument, JSON',
     lambda t: t['refused JSON'].instructions, 18000, '{:,.0f}'),
    ('JSON, 1 job', lambda t: t['JSON 1'].all, 60000, '{:,.0f}'),
    ('JSON, 100 jobs', lambda t: t['JSON 100'].all, 400000, '{:,.0f}'),
    ('JSON, 1,000 jobs', lambda t: t['JSON 1000'].all, 3500000, '{:,.0f}'),
    ('conversion alone, 1,000 jobs',
     lambda t: t['convert 1000'].all, 3500000, '{:,.0f}'),
    ('the same, times as fast as libxml2',
     lambda t: t['libxml2 1000'].all / t['convert 1000'].all, -5, '{:.2f}'),
    ('an entry of 10,000 over one of 1,000, %',
     lambda t: 100 * (entry(t, 1000, 10000) / entry(t, 100, 1000) - 1),
     1, '{:+.2f}'),
    ('1,000 jobs, with a container that is unknown',
     lambda t: t['convert container 1000'].all, 29466058, '{:,.0f}'),
    ('the same, with attributes',
     lambda t: t['convert attributes 1000'].all, 25807783, '{:,.0f}'),
    ('the same, with character references',
     lambda t: t['convert references 1000'].all, 26093914, '{:,.0f}'),
    ('allocations per entry',
     lambda t: (t['convert 1000'].allocations
                - t['convert 100'].allocations) / 900, 0, '{:.3f}'),
    ('locks taken by a signed request, over hdrs',
     lambda t: t['XML 1'].locks - t['hdrs 1'].locks, 0, '{:+.1f}'),
    ('the same, JSON',
     lambda t: t['JSON 100'].locks - t['hdrs 1'].locks, 0, '{:+.1f}'),
    ('a plain location beside ours, %',
     lambda t: percent(t['beside 1'], t['plain 1']), 1, '{:+.1f}'),
)


def percent(row, base):
    return 100 * (row.all / base.all - 1)


def entry(t, few, many):
    """Instructions of an entry between these."""
    return (t[f'convert {many}'].all - t[f'convert {few}'].all) / (many - few)


def rows(now, before):
    """Of text, for stats.table() and stats.markdown()."""
    made = [('what', 'before', 'now', 'goal', '')]
    for what, figure, goal, form in GOALS:
        value = figure(now)
        made.append((what, form.format(figure(before)), form.format(value),
                     *verdict(value, goal, form)))
    return made


def verdict(value, goal, form):
    """(goal, whether it is met), as text."""
    if goal is None:
        return '', ''
    met = value >= -goal if goal < 0 else round(value, 3) <= goal
    sign = '>=' if goal < 0 else '<='
    return (f'{sign} {form.format(abs(goal)).replace("+", "")}',
            'met' if met else 'missed')
