#!/usr/bin/python3
"""The style rules that a machine can check, on the *.c and *.h files of the
directories, or the files, that are given."""

import pathlib
import re
import sys

COLUMNS = 79

# folders of the sources, each may include those before it
ROOMS = ['formats', 'aws', 'credentials', 'http']
PURE = ROOMS[:2]

# the parts of a file in which // or { mean nothing
OPAQUE = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"'
                    r"|'(?:\\.|[^'\\\n])*'", re.S)
INCLUDE = re.compile(r'\s*#\s*include\s*[<"]([^">]+)[">]')
IMPURE = re.compile(r'ngx_(?:http|event)\w*\.h')
FUNCTION = re.compile(r'^\w[^;{}#=]*?(\w+)\([^;{}#]*\)(\s*)\{.*?\n\}',
                      re.M | re.S)


def blank(match):
    """As long as the match, with its lines, but of nothing."""
    return re.sub(r'[^\n]', 'x', match[0])


def of_lines(lines, code):
    for n, (line, bare) in enumerate(zip(lines, code), 1):
        if len(line) > COLUMNS:
            yield n, f'line of {len(line)} columns'
        if '\t' in line:
            yield n, 'tab'
        if line != line.rstrip():
            yield n, 'trailing blank'
        if '//' in bare:
            yield n, '// comment'


def of_includes(path, lines, homes):
    room = path.parent.name
    for n, line in enumerate(lines, 1):
        m = INCLUDE.match(line)
        if not m:
            continue
        name = m[1].rsplit('/', 1)[-1]
        home = homes.get(name, room)
        if {room, home} <= set(ROOMS) and \
                ROOMS.index(home) > ROOMS.index(room):
            yield n, f'file of {room}/ includes {name} of {home}/, above it'
        elif room in PURE and IMPURE.fullmatch(name):
            yield n, f'file of {room}/ includes {name} of nginx'


def of_functions(code):
    for m in FUNCTION.finditer(code):
        n = code.count('\n', 0, m.start(1)) + 1
        if m.start(1) and code[m.start(1) - 1] != '\n':
            yield n, f'return type and {m[1]}() on one line'
        if m[2] != '\n':
            yield n, f'opening brace of {m[1]}() not on its own line'


def check(path, homes):
    text = path.read_text()
    code = OPAQUE.sub(blank, text)
    lines = text.removesuffix('\n').split('\n')
    yield from of_lines(lines, code.split('\n'))
    yield from of_includes(path, lines, homes)
    yield from of_functions(code)


def main():
    paths = [p for given in map(pathlib.Path, sys.argv[1:]) for p in
             (sorted(given.rglob('*.[ch]')) if given.is_dir() else [given])]
    homes = {path.name: path.parent.name for path in paths}
    found = [f'{path}:{n}: {text}' for path in paths
             for n, text in sorted(check(path, homes))]
    print(*found, sep='\n', end='\n' if found else '')
    sys.exit(bool(found))


if __name__ == '__main__':
    main()
