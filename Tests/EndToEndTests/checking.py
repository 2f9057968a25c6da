"""What the checks of clients share: the first one that fails ends the script."""

import sys

checked = 0


def check(name, got, wanted):
    global checked
    if got != wanted:
        sys.exit(f"{name}: {got!r} instead of {wanted!r}")
    checked += 1


def check_raises(name, kind, call):
    global checked
    try:
        got = call()
    except kind:
        checked += 1
        return
    sys.exit(f"{name}: {got!r} instead of {kind.__name__}")


def tell_count():
    print(f"{checked} checks passed")
