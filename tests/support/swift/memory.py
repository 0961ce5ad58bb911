"""Replaces memcached inside Swift's proxy: holds tokens, and cached facts about accounts and containers."""

import json


class Memory:
    """The part of Swift's memcached client that its proxy uses. Values are converted to JSON and back."""

    def __init__(self):
        self.values = {}

    def get(self, key, raise_on_error=False):
        value = self.values.get(key)
        return None if value is None else json.loads(value)

    def set(self, key, value, **how):
        self.values[key] = json.dumps(value)

    def incr(self, key, delta=1, time=0):
        self.set(key, max(0, (self.get(key) or 0) + delta))
        return self.get(key)

    def decr(self, key, delta=1, time=0):
        return self.incr(key, -delta)

    def delete(self, key, server_key=None):
        self.values.pop(key, None)

    def get_multi(self, keys, server_key):
        return [self.get(key) for key in keys]

    def set_multi(self, mapping, server_key, **how):
        for key, value in mapping.items():
            self.set(key, value)


def filter_factory(global_conf, **conf):
    memory = Memory()

    def wrapped(app):
        def answer(environment, start_response):
            environment["swift.cache"] = memory
            return app(environment, start_response)

        return answer

    return wrapped
