"""Runs tests of test.test_socket and prints a line as each begins and ends.

usage: cpython.py --list | cpython.py FILE     FILE holds the names of the tests to run, one to a line
"""

import os
import sys
import unittest
import warnings

from test import support, test_socket

MODULE = "test.test_socket."
# Another family, and on a kernel without a transport for it the test waits for ever.
LEFT_OUT = "VSOCK"


def name_of(test):
    return test.id().removeprefix(MODULE)


def flatten(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flatten(test)
        elif LEFT_OUT not in name_of(test):
            yield test


def say(*fields):
    print("\t".join(fields), file=sys.__stdout__, flush=True)


class Result(unittest.TestResult):
    """Prints verdicts; the first one that is not good is the test's."""

    def startTest(self, test):
        super().startTest(test)
        self.verdict = ("pass", "")
        say("begin", name_of(test))

    def stopTest(self, test):
        super().stopTest(test)
        say(self.verdict[0], name_of(test), self.verdict[1])

    def note(self, verdict, why):
        if self.verdict[0] in ("pass", "skip"):
            self.verdict = (verdict, " ".join(why.split()))

    def because(self, error):
        self.note("fail", f"{error[0].__name__}: {error[1]}")

    def addError(self, test, error):
        super().addError(test, error)
        self.because(error)

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.because(error)

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error is not None:
            self.because(error)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.note("skip", reason)

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.note("fail", "it was expected to fail")


def main():
    # Nothing outside this machine.
    support.use_resources = []
    warnings.simplefilter("ignore")
    tests = list(flatten(unittest.defaultTestLoader.loadTestsFromModule(test_socket)))
    if sys.argv[1] == "--list":
        print("\n".join(map(name_of, tests)))
        return
    with open(sys.argv[1]) as chosen:
        chosen = set(chosen.read().split("\n"))
    unittest.TestSuite(test for test in tests if name_of(test) in chosen).run(Result())
    sys.__stdout__.flush()
    # A thread that a failed test has left behind must not keep the process.
    os._exit(0)


main()
