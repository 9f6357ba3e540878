"""What the paper's tables say, to stand beside a run and never to be mistaken for one (spec rl.md 4).

The figures are those of digests of the paper; FD is of an embedding that no source names.
"""

from typing import NamedTuple

COLUMNS = ("CLAP", "DeSync", "PQ", "CE", "GCC", "CRW", "FD", "KL", "MOS-Q", "MOS-C")
WARNING = (
    "Published figures: of other clips, by the published judges (MS-CLAP 2023, Synchformer, Audiobox, StereoCRW; "
    "FD and KL of an unnamed embedding). Not comparable with the rows above unless clips and judges are the same."
)


class PublishedRow(NamedTuple):
    """One system on one benchmark; None where the table has a dash."""

    benchmark: str
    system: str
    values: tuple[float | None, ...]  # in the order of `COLUMNS`


ROWS = (
    PublishedRow("VGGSound", "ground truth", (0.46, 0.55, 6.30, 4.40, None, None, None, None, 4.58, 4.65)),
    PublishedRow("VGGSound", "ThinkSound", (0.43, 0.55, 6.15, 3.95, 4.65, 13.47, 1.17, 1.35, 4.05, 4.18)),
    PublishedRow(
        "VGGSound", "PrismAudio w/o CoT-RL", (0.42, 0.51, 6.17, 3.94, 4.06, 10.29, 1.14, 1.43, 4.02, 4.11)
    ),
    PublishedRow("VGGSound", "PrismAudio", (0.47, 0.41, 6.38, 4.29, 3.77, 7.72, 1.08, 1.23, 4.21, 4.22)),
    PublishedRow("AudioCanvas", "ground truth", (0.48, 0.40, 6.47, 4.02, None, None, None, None, 4.65, 4.72)),
    PublishedRow("AudioCanvas", "ThinkSound", (0.48, 0.80, 6.48, 4.10, 4.43, 22.82, 1.95, 2.54, 3.79, 3.80)),
    PublishedRow(
        "AudioCanvas", "PrismAudio w/o CoT-RL", (0.42, 0.44, 6.45, 3.81, 4.11, 15.30, 2.10, 2.17, 3.91, 3.85)
    ),
    PublishedRow("AudioCanvas", "PrismAudio", (0.52, 0.36, 6.68, 4.26, 3.50, 12.87, 1.92, 1.53, 4.12, 4.01)),
)
