"""What a model is shown of a clip: a few pictures, a small silent copy of the video, or the file with its sound."""

import io
from fractions import Fraction

import av
from av.video.frame import VideoFrame

from prismaudio.backends.pretrained.asking import Film, Footage
from prismaudio.media.preprocess import View
from prismaudio.planning.base import PlannerFailed, PlanRequest
from prismaudio.types import Frames

SIDE = 512  # pixels that no picture is wider or higher than
PICTURE_FPS, MOST_PICTURES = 4.0, 32
FILM_FPS, MOST_IN_FILM = 8.0, 480
QUALITY = "23"  # constant rate factor of x264
MIMES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".avi": "video/x-msvideo",
    ".mpg": "video/mpeg",
    ".mpeg": "video/mpeg",
}


def shown(request: PlanRequest, footage: Footage, *, listening: bool = False) -> Frames | Film:
    """As `footage`; `listening`: the file as it is."""
    if listening:
        return _file(request)
    return _film(request) if footage == "video" else pictures(request)


def pictures(request: PlanRequest) -> Frames:
    """At most `MOST_PICTURES`, evenly over the clip."""
    return request.frames(View(min(PICTURE_FPS, MOST_PICTURES / request.duration), SIDE, SIDE, fit="inside"))


def _film(request: PlanRequest) -> Film:
    fps = min(FILM_FPS, MOST_IN_FILM / request.duration)
    return Film(encoded(request.frames(View(fps, SIDE, SIDE, fit="inside"))), MIMES[".mp4"], fps)


def _file(request: PlanRequest) -> Film:
    if request.video is None:
        raise PlannerFailed(
            "there is no file to listen to: the pictures came from memory; do not ask to listen"
        )
    mime = MIMES.get(request.video.suffix.lower())
    if mime is None:
        raise PlannerFailed(
            f"{request.video.name} cannot be handed over to be heard; convert it to one of {', '.join(MIMES)}"
        )
    return Film(request.video, mime, min(FILM_FPS, MOST_IN_FILM / request.duration))


def encoded(frames: Frames) -> bytes:
    """An H.264 file in memory; odd last rows and columns are cut off."""
    target = io.BytesIO()
    height, width = (max(2, side - side % 2) for side in frames.images.shape[1:3])
    with av.open(target, "w", format="mp4") as out:
        rate = Fraction(frames.fps).limit_denominator(1000)
        stream = out.add_stream(
            "libx264", rate=rate, options={"crf": QUALITY, "preset": "veryfast", "threads": "1"}
        )
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv420p"
        for image in frames.images:
            out.mux(stream.encode(VideoFrame.from_ndarray(image[:height, :width], format="rgb24")))
        out.mux(stream.encode(None))
    return target.getvalue()
