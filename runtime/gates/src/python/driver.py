"""Runs a suite under pytest or unittest and writes one sealed record a line.

The nonce of the seals comes on standard input and is read before any code of the project is
loaded. Descriptor 1 of the tests is standard error; the records go to a private descriptor.
"""
import hashlib
import json
import os
import sys
import time

MODE, ARGS, ROOT = sys.argv[1], sys.argv[2:], os.getcwd()


def sealer():
    """Returns a function that writes a record; the nonce lives in its closure alone."""
    nonce = bytes.fromhex(sys.stdin.readline().strip())
    only = json.loads(sys.stdin.readline())
    out = os.dup(1)
    os.dup2(2, 1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    owner, place, dumps, sha256 = os.getpid(), 0, json.dumps, hashlib.sha256
    write, getpid = os.write, os.getpid

    def emit(**record):
        nonlocal place
        if getpid() != owner:  # a forked child does not speak for the suite
            return
        body = dumps(record).encode()
        mac = sha256(nonce + place.to_bytes(8, "big") + body + nonce).hexdigest()
        line = mac.encode() + b" " + body + b"\n"
        place += 1
        while line:
            line = line[write(out, line):]

    return emit, only


def relative(path):
    """A path below the root, relative to it; otherwise None."""
    path = os.path.realpath(os.path.join(ROOT, path))
    root = os.path.realpath(ROOT) + os.sep
    return path[len(root):] if path.startswith(root) else None


def blamed(error):
    """The file below the root that an import error points at."""
    if isinstance(error, SyntaxError) and error.filename:
        return relative(error.filename)
    found, trace = None, error.__traceback__
    while trace is not None:
        found = relative(trace.tb_frame.f_code.co_filename) or found
        trace = trace.tb_next
    return found


def run_pytest(emit, only):
    try:
        import pytest
    except ImportError:
        emit(t="env", message="pytest cannot be imported; install it (`python3 -m pip install pytest`) or choose the unittest adapter")
        return
    sys.path.insert(0, ROOT)

    def place(node):  # `path` came with pytest 7
        return str(getattr(node, "path", None) or node.fspath)

    class Seal:
        def __init__(self):
            self.open = {}

        def pytest_collection_finish(self, session):
            if only is not None:
                wanted = set(only)
                session.items[:] = [item for item in session.items if item.nodeid in wanted]
            tests = [(item.nodeid, relative(place(item))) for item in session.items]
            emit(t="collected", tests=tests)

        def pytest_exception_interact(self, node, call, report):
            if isinstance(node, pytest.Item):
                return
            error = call.excinfo.value
            file = blamed(error.__cause__ or error) or relative(place(node))
            emit(t="broken", file=file, message=str(report.longrepr)[:4000])

        def pytest_runtest_logstart(self, nodeid, location):
            self.open[nodeid] = ["skipped", 0.0, None]
            emit(t="start", id=nodeid)

        def pytest_runtest_logreport(self, report):
            state = self.open.setdefault(report.nodeid, ["skipped", 0.0, None])
            state[1] += report.duration
            if report.failed:
                state[0] = "failed"
                state[2] = state[2] or report.longreprtext[:4000]
            elif report.when == "call" and report.passed and state[0] != "failed":
                state[0] = "passed"

        def pytest_runtest_logfinish(self, nodeid, location):
            status, seconds, message = self.open.pop(nodeid)
            emit(t="result", id=nodeid, status=status, millis=int(seconds * 1000), message=message)

    options = ["-p", "no:cacheprovider", "--continue-on-collection-errors"]
    code = pytest.main(ARGS + options, plugins=[Seal()])
    if code == 4:
        return
    emit(t="end")


def run_unittest(emit, only):
    import unittest

    sys.path.insert(0, ROOT)

    def flatten(suite):
        for test in suite:
            if isinstance(test, unittest.TestSuite):
                yield from flatten(test)
            else:
                yield test

    def file_of(test):
        module = sys.modules.get(type(test).__module__)
        path = getattr(module, "__file__", None)
        return relative(path) if path else None

    def broken_file(test, message):
        found = None
        for line in message.splitlines():
            line = line.strip()
            if line.startswith('File "'):
                found = relative(line.split('"')[1]) or found
        name = test._testMethodName.replace(".", "/")
        candidates = (name + ".py", name + "/__init__.py")
        return found or next((c for c in candidates if os.path.isfile(os.path.join(ROOT, c))), None)

    class Result(unittest.TestResult):
        def startTest(self, test):
            super().startTest(test)
            self.state, self.began = ["passed", None], time.monotonic()
            emit(t="start", id=test.id())

        def stopTest(self, test):
            super().stopTest(test)
            millis = int((time.monotonic() - self.began) * 1000)
            emit(t="result", id=test.id(), status=self.state[0], millis=millis, message=self.state[1])

        def fail(self, test, text):
            if hasattr(test, "_testMethodName"):
                self.state = ["failed", self.state[1] or text[:4000]]
            else:
                self.spread(test, "failed", text[:4000])

        def spread(self, holder, status, message):
            """setUpClass, setUpModule and their like speak for all their tests."""
            scope = holder.id().partition("(")[2].rstrip(")") + "."
            for test in self.collected:
                if test.id().startswith(scope):
                    emit(t="result", id=test.id(), status=status, millis=0, message=message)

        def addError(self, test, err):
            super().addError(test, err)
            self.fail(test, self._exc_info_to_string(err, test))

        def addFailure(self, test, err):
            super().addFailure(test, err)
            self.fail(test, self._exc_info_to_string(err, test))

        def addSubTest(self, test, subtest, err):
            super().addSubTest(test, subtest, err)
            if err is not None:
                self.fail(test, self._exc_info_to_string(err, test))

        def addSkip(self, test, reason):
            super().addSkip(test, reason)
            if hasattr(test, "_testMethodName"):
                self.state = ["skipped", None]
            else:
                self.spread(test, "skipped", None)

        def addExpectedFailure(self, test, err):
            super().addExpectedFailure(test, err)
            self.state = ["skipped", None]

        def addUnexpectedSuccess(self, test):
            super().addUnexpectedSuccess(test)
            self.fail(test, "unexpected success")

    class Runner:
        def run(self, suite):
            tests, seen = [], set()
            for test in flatten(suite):
                if isinstance(test, unittest.loader._FailedTest):
                    message = str(test._exception)
                    emit(t="broken", file=broken_file(test, message), message=message[:4000])
                elif (only is None or test.id() in only) and test.id() not in seen:
                    seen.add(test.id())
                    tests.append(test)
            emit(t="collected", tests=[(test.id(), file_of(test)) for test in tests])
            result = Result()
            result.collected = tests
            unittest.TestSuite(tests).run(result)
            return result

    unittest.main(module=None, argv=["unittest"] + ARGS, testRunner=Runner(), exit=False)
    emit(t="end")


def main():
    emit, only = sealer()
    emit(t="begin")
    sys.argv = [MODE] + ARGS
    {"pytest": run_pytest, "unittest": run_unittest}[MODE](emit, only)


main()
