"""A real browser: Debian's chromium, driven by chromedriver.

    browser.open(url)                   # and waits until the page has asked
    browser.js('return ...', args)
    browser.until('return ...')         # the first value that is true
    browser.key('/'), browser.click(css), browser.type(css, text),
    browser.choose(css, value)
    browser.shape(width, height, dark=False)
    browser.shot(name)                  # build/page/name.png
    browser.axe()                       # what axe-core complains about

After each test: nothing on the console at level SEVERE, no violation of the
Content-Security-Policy, no request to another origin, unless it was announced
with browser.expect(regex)."""

import json
import os
import re
import shutil
import urllib.parse

import pytest

from nginx import BUILD, until

# where it is absent, those who import this are skipped
Keys = pytest.importorskip(
    'selenium.webdriver.common.keys',
    reason='the browser tests need python3-selenium: make deps').Keys

SHOTS = BUILD / 'page'
FLAGS = ('--headless=new', '--disable-gpu', '--disable-quic',
         '--no-first-run', '--disable-background-networking',
         '--disable-component-update', '--disable-sync', '--hide-scrollbars',
         '--force-device-scale-factor=1', '--lang=en-US')
VIOLATIONS = '''
window.violations = [];
document.addEventListener('securitypolicyviolation', e =>
    violations.push(`${e.violatedDirective}: ${e.blockedURI} ${e.sample}`));
'''
INSIDE = ('data:', 'blob:', 'about:', 'chrome:', 'devtools:')


def missing():
    """Why there is no browser here, or None."""
    for program in 'chromium', 'chromedriver':
        if not shutil.which(program):
            return f'the browser tests need {program}: make deps'
    return None


def start(profile):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which('chromium')
    for flag in (*FLAGS, f'--user-data-dir={profile}',
                 *(['--no-sandbox'] if os.geteuid() == 0 else [])):
        options.add_argument(flag)
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL',
                                                 'performance': 'ALL'})
    driver = webdriver.Chrome(options=options, service=Service(
        shutil.which('chromedriver')))
    driver.execute_cdp_cmd('Page.addScriptToEvaluateOnNewDocument',
                           {'source': VIOLATIONS})
    driver.execute_cdp_cmd('Emulation.setTimezoneOverride',
                           {'timezoneId': 'UTC'})
    return driver


class Browser:

    def __init__(self, driver):
        self.driver = driver
        self.expected, self.origins, self.past = [], set(), []
        self.shape()
        self.complaints()
        self.past = []

    def cdp(self, command, **parameters):
        return self.driver.execute_cdp_cmd(command, parameters)

    def expect(self, pattern):
        self.expected.append(pattern)

    def shape(self, width=1280, height=800, dark=False, **media):
        self.cdp('Emulation.setDeviceMetricsOverride', width=width,
                 height=height, deviceScaleFactor=1, mobile=False)
        media['prefers-color-scheme'] = 'dark' if dark else 'light'
        media.setdefault('prefers-reduced-motion', 'reduce')
        self.cdp('Emulation.setEmulatedMedia', features=[
            {'name': n, 'value': v} for n, v in media.items()])

    def leave(self):
        """From the page, with what it has done until then on record."""
        if not self.driver.current_url.startswith('about:'):
            self.past += self.js('return window.violations || []')
            self.driver.get('about:blank')

    def open(self, url, busy=False):
        parts = urllib.parse.urlsplit(url)
        self.origins.add(f'{parts.scheme}://{parts.netloc}')
        self.driver.get(url)
        if not busy:
            self.settled()

    def settled(self):
        self.until('return document.querySelector("#jobs").ariaBusy'
                   ' === "false"')

    def js(self, code, *args):
        return self.driver.execute_script(code, *args)

    def until(self, code, *args):
        return until(lambda: self.js(code, *args), code)

    def text(self, css):
        return self.js('return document.querySelector(arguments[0])'
                       '.innerText', css)

    def texts(self, css):
        return self.js('return [...document.querySelectorAll(arguments[0])]'
                       '.map(e => e.innerText)', css)

    def find(self, css):
        return self.driver.find_element('css selector', css)

    def click(self, css):
        self.find(css).click()

    def type(self, css, text):
        self.find(css).send_keys(text)

    def choose(self, css, value):
        from selenium.webdriver.support.ui import Select
        Select(self.find(css)).select_by_value(value)

    def key(self, *keys):
        from selenium.webdriver import ActionChains
        ActionChains(self.driver).send_keys(*keys).perform()

    def shot(self, name):
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(SHOTS / f'{name}.png'))

    def axe(self, source):
        """Of all rules, those of the highest level included."""
        self.js(source)
        result = self.driver.execute_async_script('''
            const done = arguments[0], rules = {};
            for (const rule of axe.getRules()) {
                rules[rule.ruleId] = {enabled: true};
            }
            axe.run(document, {rules}).then(done,
                                            e => done({error: String(e)}));
        ''')
        assert 'error' not in result, result['error']
        assert len(result['passes']) > 20
        return [f'{v["id"]} ({v["impact"]}): {v["help"]}:'
                f' {[n["html"][:200] for n in v["nodes"][:3]]}'
                for v in result['violations']]

    def complaints(self):
        found = [f'{entry["level"]} {entry["message"]}'
                 for entry in self.driver.get_log('browser')
                 if entry['level'] == 'SEVERE'
                 or 'Content Security' in entry['message']]
        self.leave()
        found += self.past
        found += [f'request to {url}' for url in self._requests()
                  if not url.startswith((*INSIDE, *self.origins))]
        return [text for text in found
                if not any(re.search(p, text) for p in self.expected)]

    def _requests(self):
        for entry in self.driver.get_log('performance'):
            message = json.loads(entry['message'])['message']
            if message['method'] == 'Network.requestWillBeSent':
                yield message['params']['request']['url']


@pytest.fixture
def browser(chromium):
    browser = Browser(chromium)
    yield browser
    complaints = browser.complaints()
    assert not complaints, '\n'.join(complaints)
