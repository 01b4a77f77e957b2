#!/usr/bin/python3
"""What the page costs with 10,000 jobs, measured in the browser; prints a
table.  For a person who changes it: nothing here passes or fails."""

import pathlib
import statistics
import tempfile

import browser as chromium
from browser import Browser
from nginx import Nginx
from page_api import PageApi
from test_page import A, configuration, job

JOBS, RUNS, REFRESHES, CHANGED = 10_000, 5, 200, 10

# when the first row is there, when a listing has arrived and is shown
WATCH = '''
window.figures = {};
new MutationObserver((records, observer) => {
    if (document.querySelector('#jobs tbody tr')) {
        observer.disconnect();
        requestAnimationFrame(() => setTimeout(() => {
            figures.rows = performance.now();
        }));
    }
}).observe(document, {subtree: true, childList: true});
const text = Response.prototype.text;
Response.prototype.text = async function () {
    const answer = await text.call(this);
    figures.arrived = performance.now();
    return answer;
};
'''
REFRESH = '''
const done = arguments[0], table = document.querySelector('#jobs');
new MutationObserver((records, observer) => {
    if (table.ariaBusy === 'false') {
        observer.disconnect();
        const script = performance.now();
        requestAnimationFrame(() => setTimeout(() => done([
            script - figures.arrived, performance.now() - figures.arrived])));
    }
}).observe(table, {attributes: true});
document.querySelector('#now').click();
'''
TYPE = '''
const done = arguments[1], input = document.querySelector('#search');
input.value = arguments[0];
const start = performance.now();
input.dispatchEvent(new Event('input'));
const script = performance.now() - start;
requestAnimationFrame(() => setTimeout(() => done([
    script, performance.now() - start])));
'''


def jobs():
    return [job(n, ('Active', 'Complete', 'Failed')[n % 3],
                total=10 ** 6, succeeded=n) for n in range(JOBS)]


def first_rows(page, url):
    figures = []
    for _ in range(RUNS):
        page.cdp('Network.clearBrowserCache')
        page.open(url)
        page.until('return figures.rows')
        timing = page.js('''
            const [listing] = performance.getEntriesByType('resource').filter(
                r => r.name.endsWith('/jobs'));
            return [figures.rows, listing.responseStart, figures.arrived,
                    listing.decodedBodySize]''')
        figures.append(timing)
    return [statistics.median(column) for column in zip(*figures)]


def refreshes(page, api, listing):
    figures = []
    for n in range(REFRESHES):
        for i in range(CHANGED):
            listing[i] = job(i, 'Active', total=10 ** 6, succeeded=n * 97 + i)
        figures.append(page.driver.execute_async_script(REFRESH))
    return [statistics.median(column) for column in zip(*figures)]


def memory(page):
    page.cdp('HeapProfiler.collectGarbage')
    return (page.cdp('Runtime.getHeapUsage')['usedSize'] / 1e6,
            page.cdp('Memory.getDOMCounters')['nodes'])


def main():
    with PageApi() as api, tempfile.TemporaryDirectory(
            ignore_cleanup_errors=True) as directory:
        directory = pathlib.Path(directory)
        directory.chmod(0o755)
        listing = jobs()
        api.put(A, 'eu-west-1', listing)
        api.page = JOBS
        nginx = Nginx(directory / 'nginx', conf=configuration(api))
        driver = chromium.start(directory / 'profile')
        try:
            page = Browser(driver)
            page.cdp('Page.addScriptToEvaluateOnNewDocument', source=WATCH)
            page.cdp('HeapProfiler.enable')
            url = f'http://127.0.0.1:{nginx.port}/?refresh=off&sort=-created'
            rows, byte, arrived, size = first_rows(page, url)
            before = memory(page)
            script, frame = refreshes(page, api, listing)
            after = memory(page)
            typed = [driver.execute_async_script(TYPE, 'job 9876'[:n + 1])
                     for n in range(8) for _ in range(RUNS)]
        finally:
            driver.quit()
            nginx.stop()

    print(f'''
{JOBS:,} jobs, {size / 1e6:.1f} MB of JSON; medians, ms

first byte of the listing after navigation   {byte:8.0f}
all of it                                    {arrived:8.0f}
first rows on the screen                     {rows:8.0f}
refresh with {CHANGED} changed rows, arrival to script's end {script:6.1f}
                         arrival to frame        {frame:6.1f}
a key in the search, script                  {statistics.median(
    t[0] for t in typed):8.1f}   most {max(t[0] for t in typed):.1f}
                     to frame                {statistics.median(
    t[1] for t in typed):8.1f}   most {max(t[1] for t in typed):.1f}
heap before, after {REFRESHES} refreshes, MB  {before[0]:12.1f} {after[0]:8.1f}
nodes                                    {before[1]:12} {after[1]:8}''')


if __name__ == '__main__':
    main()
