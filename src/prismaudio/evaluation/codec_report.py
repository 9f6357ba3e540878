"""What a codec alone does to held-out recordings: how far they come back, and whether from the same place.

Shapes: N samples.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from prismaudio.evaluation.metrics.bootstrap import bootstrap
from prismaudio.evaluation.metrics.reconstruction import (
    DirectionShift,
    direction_shift,
    loudest_crop,
    spectral_distance,
)
from prismaudio.evaluation.report import ReconstructionReport
from prismaudio.models.codec import Codec
from prismaudio.stage.corpus import Corpus, Split, read_sound
from prismaudio.stage.mix import pan
from prismaudio.types import Audio

PANNED = 50  # recordings whose direction is checked
WIDEST = 0.9  # azimuth


def codec_report(codec: Codec, corpus: Corpus, split: Split, most: int) -> ReconstructionReport:
    """Encode and decode the loudest 0.74 s of up to `most` recordings, evenly chosen from those of `split`."""
    paths = [r.path for r in corpus.recordings if r.split == split]
    chosen = [paths[i] for i in np.unique(np.linspace(0, len(paths) - 1, min(most, len(paths))).astype(int))]
    crops = [loudest_crop(read_sound(path), codec.hop) for path in tqdm(chosen, desc="reading recordings")]
    long_enough = [crop for crop in crops if crop is not None]
    distances = [_distances(codec, crop) for crop in tqdm(long_enough, desc="codec: spectrum")]
    azimuths = np.random.default_rng(0).uniform(-WIDEST, WIDEST, PANNED)
    shifts = [
        _shift_of_panned(codec, crop, azimuth)
        for crop, azimuth in zip(tqdm(long_enough[:PANNED], desc="codec: direction"), azimuths, strict=False)
    ]
    return ReconstructionReport(
        distance=bootstrap([distance for distance, _ in distances], _mean),
        distance_of_silence=_mean([silent for _, silent in distances]),
        recordings=len(long_enough),
        too_short=len(crops) - len(long_enough),
        panned=len(shifts),
        delay_error_ms=bootstrap([abs(shift.delay_ms) for shift in shifts], _mean),
        level_error_db=bootstrap([abs(shift.level_db) for shift in shifts], _mean),
        share_within=bootstrap([float(shift.is_small) for shift in shifts], _mean),
    )


@torch.no_grad()
def round_trip(codec: Codec, samples: Tensor) -> Tensor:
    """samples: (2, N) -> (2, N), encoded and decoded wherever the codec's weights are."""
    parameters = codec.parameters() if isinstance(codec, nn.Module) else ()
    device = next((parameter.device for parameter in parameters), samples.device)
    decoded = codec.decode(codec.encode(samples[None].to(device)))
    return decoded[0, :, : samples.shape[-1]].to(samples)


def _distances(codec: Codec, crop: NDArray[np.float32]) -> tuple[float, float]:
    """Of the decoded crop, and of silence in its place; both of the mono mix."""
    samples = torch.from_numpy(crop)
    mono = samples.mean(dim=0)
    decoded = round_trip(codec, samples).mean(dim=0)
    return spectral_distance(mono, decoded), spectral_distance(mono, torch.zeros_like(mono))


def _shift_of_panned(codec: Codec, crop: NDArray[np.float32], azimuth: float) -> DirectionShift:
    panned = torch.from_numpy(pan(crop.mean(axis=0), np.array([azimuth], dtype=np.float32)))
    before, after = (Audio(x, codec.sample_rate) for x in (panned, round_trip(codec, panned)))
    return direction_shift(before, after)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
