"""Checks of emitted code against the integer reference."""
