"""Recordings of the user's: WAV files by class, each turned into a log-mel spectrogram."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from agilenn_cc.data.folder import ClassFolder
from agilenn_cc.data.melspectrogram import FRAME, MAX_BANDS, fit_clip, log_mel
from agilenn_cc.data.source import Request
from agilenn_cc.data.wav import RATE_HZ, WavError, read_wav
from agilenn_cc.errors import AgilennError, ExitCode

_REPORT_EVERY = 500
_MAX_REPORTED = 20


@dataclass(frozen=True, eq=False)
class WavPixels:
    """Spectrograms of WAV files: one row a frame, one column a mel band (melspectrogram.py)."""

    files: tuple[Path, ...]
    key: str
    """The key of the `dataset` section that named the folder."""

    def load(self, indices: npt.NDArray[np.int64], request: Request) -> npt.NDArray[np.uint8]:
        """Return the chosen spectrograms; reports all unreadable files at once."""
        frames, bands, count = _size(request)
        images = np.empty((len(indices), frames, bands, 1), np.uint8)
        broken: list[tuple[Path, str]] = []
        for place, index in enumerate(indices):
            file = self.files[index]
            try:
                images[place] = log_mel(fit_clip(read_wav(file), count), frames, bands)
            except (OSError, WavError) as error:
                broken.append((file, str(error)))
            if (place + 1) % _REPORT_EVERY == 0 or place + 1 == len(indices):
                request.progress("reading recordings", place + 1, len(indices))
        if broken:
            diagnostics = [
                request.diagnostic(
                    self.key,
                    f"the recording {file} cannot be read: {reason}",
                    "save it as 16-bit PCM WAV, or remove it",
                    "data.corrupt-audio",
                )
                for file, reason in broken[:_MAX_REPORTED]
            ]
            if len(broken) > _MAX_REPORTED:
                rest = len(broken) - _MAX_REPORTED
                message = f"and {rest} more recordings cannot be read"
                diagnostics.append(request.diagnostic(self.key, message, "save them anew too"))
            raise AgilennError(ExitCode.SPEC, diagnostics)
        return images


AUDIO = ClassFolder(
    "audio",
    "recording",
    frozenset((".wav", ".wave")),
    WavPixels,
    frozenset((".mp3", ".m4a", ".aac", ".ogg", ".opus", ".flac", ".wma", ".aif", ".aiff")),
    "turn them into WAV files (`ffmpeg -i in.mp3 -ac 1 -ar 16000 out.wav`), or move them away",
)


def _size(request: Request) -> tuple[int, int, int]:
    """Return (frames, bands, samples of a clip)."""
    frames, bands, channels = request.shape
    count = round(request.config.clip_ms * RATE_HZ / 1000)
    if channels != 1:
        message = "a spectrogram has one channel"
        raise request.error("image", message, f"write `image: {frames}x{bands}x1`")
    if bands > MAX_BANDS:
        message = f"{bands} mel bands are more than the {MAX_BANDS} that 16 kHz give"
        raise request.error("image", message, f"write `image: {frames}x{MAX_BANDS}x1` or less")
    least = FRAME + frames - 1
    if count < least:
        message = f"a clip of {count} samples is too short for {frames} frames"
        hint = f"at 16 kHz `clip` must be {-(-least * 1000 // RATE_HZ)} ms at least"
        raise request.error("clip", message, hint)
    return frames, bands, count
