"""Strangers' methods, by kind: a sound one, and one that breaks each check."""

from steelyard.check import kinds_of

SOUND, BROKEN = {}, {}


def sound(cls):
    (kind,) = kinds_of(cls)
    SOUND[kind.name] = cls
    return cls


def breaks(check):
    def register(cls):
        (kind,) = kinds_of(cls)
        BROKEN[kind.name, check] = cls
        return cls

    return register
