import types
import unittest

import handler


class HandlerTest(unittest.TestCase):
    def test_it_greets(self):
        event = types.SimpleNamespace(method="POST", path="/", query={}, headers={}, body=b"you")
        self.assertEqual(handler.handle(event, None)["body"], "Hello, you!\n")
