"""Media files opened for reading, the user's and ours: from the disk only, and only formats that hold what they show.

A file named .mp4 may be a playlist, which names other files and servers; and what looks like an address or a pipe to
FFmpeg may be the name of a file.
"""

from pathlib import Path

import av

from stages import MAX_PIXELS, InputError

VIDEOS = ("mov", "matroska", "avi", "mpegts", "mpeg", "mpegvideo", "m4v", "h264", "hevc", "obu", "ivf", "asf", "ogg",
          "flv", "mxf", "dv", "nut", "gif", "apng", "mjpeg", "yuv4mpegpipe", "wav", "mp3", "flac")
PICTURES = ("png_pipe", "jpeg_pipe", "bmp_pipe", "webp_pipe", "tiff_pipe")
WIDEST = 8  # a pixel, beside its height, or the other way round


def open_media(path: Path, formats: tuple[str, ...] = VIDEOS) -> av.container.InputContainer:
    """Raises av.FFmpegError where the file is none of these formats or broken, InputError where it is no file."""
    if not path.is_file():
        raise InputError(f"{path}: expected a file")
    options = {"format_whitelist": ",".join(formats), "protocol_whitelist": "file"}
    return av.open(f"file:{path}", options=options, metadata_errors="replace")


def check_dimensions(path: Path, stream: av.VideoStream) -> None:
    """InputError for pictures that are too large or cannot be decoded; larger ones that come later are not decoded.
    """
    if stream.codec_context is None:
        raise InputError(f"{path}: its pictures are in a format that is not known; export it again, as H.264 in MP4")
    if stream.width * stream.height > MAX_PIXELS:
        raise InputError(f"{path}: pictures of {stream.width} x {stream.height}; at most {MAX_PIXELS >> 20} million "
                         "pixels can be used: export it smaller")
    aspect = stream.sample_aspect_ratio or 1
    if not 1 / WIDEST <= aspect <= WIDEST:
        raise InputError(f"{path}: says that its pixels are {float(aspect):g} times as wide as high; export it again")
    stream.codec_context.options = {**stream.codec_context.options, "max_pixels": str(MAX_PIXELS)}
