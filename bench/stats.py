"""Medians and how sure they are, and tables of them."""

import math
import statistics

# an interval wider than this part of its median tells nothing
NOISE = 0.1


class Figure:
    """The median of some values, and the 95 % interval of that median: from
    order statistics, so nothing is assumed about how the values are spread,
    and outliers weigh nothing."""

    def __init__(self, values):
        values = sorted(values)
        self.n = len(values)
        self.median = statistics.median(values)
        k = below(self.n)
        self.low, self.high = values[k], values[-1 - k]

    @property
    def noisy(self):
        return self.high - self.low > NOISE * abs(self.median)

    def text(self, form='{:.2f}'):
        text = (f'{form} ({form} to {form})'.format(
            self.median, self.low, self.high))
        return text + (' too noisy to tell' if self.noisy else '')


def below(n):
    """The most values that may be left out at each end of n sorted ones, so
    that the median is still within with a probability of 95 %."""
    k, tail = -1, 0
    while True:
        tail += math.comb(n, k + 1) / 2 ** n
        if 2 * tail > 0.05 or 2 * (k + 1) >= n:
            return max(k, 0)
        k += 1


def paired(values, base):
    """Of ratios, each within one round."""
    return Figure([a / b for a, b in zip(values, base, strict=True)])


def table(rows):
    """Rows of text as plain columns, the first one to the left."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return '\n'.join(''.join(
        [row[0].ljust(widths[0]), *('  ' + cell.rjust(width) for cell, width
                                    in zip(row[1:], widths[1:]))])
        for row in rows)


def markdown(rows):
    head, *body = rows
    rule = ['---'] + ['--:'] * (len(head) - 1)
    return '\n'.join('| ' + ' | '.join(row) + ' |'
                     for row in (head, rule, *body))
