// How the page words numbers and times: the reader's own locale, no NaN, no
// 100 % before the end, no 0 % where something failed.

export const NONE = 'not available';

const integer = new Intl.NumberFormat();
const short = new Intl.NumberFormat(undefined, {
    notation: 'compact', maximumSignificantDigits: 4, roundingMode: 'trunc'});
const percents = [0, 1, 2].map(digits => new Intl.NumberFormat(undefined, {
    style: 'percent', minimumFractionDigits: digits,
    maximumFractionDigits: digits}));

const thisYear = new Intl.DateTimeFormat(undefined, {
    month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit'});
const otherYear = new Intl.DateTimeFormat(undefined, {
    year: 'numeric', month: 'short', day: 'numeric'});
const exact = new Intl.DateTimeFormat(undefined, {
    dateStyle: 'medium', timeStyle: 'long'});
const clock = new Intl.DateTimeFormat(undefined, {timeStyle: 'medium'});

// value: BigInt, or null
export function count(value)
{
    return value === null ? NONE : integer.format(value);
}

export function brief(value)
{
    return value === null ? NONE
           : value < 1000000n ? integer.format(value) : short.format(value);
}

// Done of a whole: 1 only if all is done.
export function done(ratio)
{
    return ratio === null ? NONE
           : ratio === 1 || ratio === 0 ? percents[0].format(ratio)
           : percents[1].format(Math.floor(ratio * 1000) / 1000);
}

// Failed of the attempted: 0 only if nothing failed.
export function rate(ratio)
{
    return ratio === null ? NONE
           : ratio === 0 || ratio === 1 ? percents[0].format(ratio)
           : ratio < 0.0001 ? `< ${percents[2].format(0.0001)}`
           : percents[ratio < 0.1 ? 2 : 1].format(
               Math.min(ratio, ratio < 0.1 ? ratio : 0.999));
}

const UNITS = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];

// seconds: Number or BigInt, or null; the two largest units of it
export function duration(seconds)
{
    if (seconds === null) {
        return NONE;
    }
    let rest = typeof seconds === 'bigint' ? seconds
               : BigInt(Math.round(seconds));
    const first = UNITS.findIndex(([size]) => rest >= BigInt(size));
    if (first < 0) {
        return '0 s';
    }
    return UNITS.slice(first, first + 2).map(([size, unit]) => {
        const n = rest / BigInt(size);
        rest %= BigInt(size);
        return n || size === UNITS[first][0]
               ? `${integer.format(n)} ${unit}` : '';
    }).join(' ').trim();
}

// The same of a guess, which is no better than its minutes.
export function about(seconds)
{
    return duration(seconds < 600 ? seconds : seconds < 36000
                    ? Math.round(seconds / 60) * 60
                    : Math.round(seconds / 3600) * 3600);
}

// Leaves alone what is so already: somebody may have selected it.
export function put(element, text)
{
    if (element.textContent !== text) {
        element.textContent = text;
    }
}

// Into a <time>: text as S3 sent it, ms what it means or null.
export function setTime(element, text, ms, full)
{
    if (ms === null) {
        put(element, text ?? '');
        element.removeAttribute('datetime');
        element.removeAttribute('title');
        return;
    }
    const at = new Date(ms);
    const near = at.getFullYear() === new Date().getFullYear();
    put(element, (full ? exact : near ? thisYear : otherYear).format(at));
    element.dateTime = at.toISOString();
    element.title = at.toISOString().replace('T', ' ').replace('Z', ' UTC');
}

export function setClock(element, ms)
{
    const at = new Date(ms);
    element.textContent = clock.format(at);
    element.dateTime = at.toISOString();
    element.title = at.toISOString().replace('T', ' ').replace('Z', ' UTC');
}

export function plural(n, one, many = one + 's')
{
    return `${integer.format(n)} ${n === 1 ? one : many}`;
}

// The failed part of a bar can be seen, however small it is.
export function setFailed(bar, job)
{
    bar.style.setProperty('--failed', job.failed > 0n
        ? `max(3px, ${100 * job.failure}%)` : '0px');
}
