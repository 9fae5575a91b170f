"""Sync tokens: opaque, kept in a cache of limited size, lost in many ways."""

import os
from collections import OrderedDict

from . import ids
from .wire import Error


def lost(sim):
    """The error that the switch sync_lost asks for."""
    status, _, code = sim.switches["sync_lost"].partition(" ")
    return Error(int(status), code, "The sync state is not found; restart.")


class Tokens:
    """What a token stands for is kept here; the token itself says nothing."""

    def __init__(self):
        self.states = {}              # address -> OrderedDict

    def make(self, sim, state, long=False):
        token = ids._b64(os.urandom(1600 if long else 330))
        cache = self.states.setdefault(state["box"], OrderedDict())
        cache[token] = state
        while len(cache) > int(sim.switches["sync_tokens"]):
            cache.popitem(last=False)
        return token

    def take(self, token, sim):
        for cache in self.states.values():
            if token in cache:
                cache.move_to_end(token)
                return cache[token]
        raise lost(sim)
