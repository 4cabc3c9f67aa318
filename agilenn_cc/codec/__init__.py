"""Payload codecs: the `Codec` protocol and the registry of entry points."""

from .registry import Codec, Fragment, get_codec, list_codecs

__all__ = ["Codec", "Fragment", "get_codec", "list_codecs"]
