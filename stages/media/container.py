"""Opens media files safely: only local files, and only formats that contain the media themselves.

A file named .mp4 may be a playlist that refers to other files or servers, and FFmpeg interprets some file names as URLs
or pipes. Both are prevented here.
"""

from pathlib import Path

import av

from stages import MAX_PIXELS, InputError

VIDEO_FORMATS = (
    "mov", "matroska", "avi", "mpegts", "mpeg", "mpegvideo", "m4v", "h264", "hevc", "obu", "ivf", "asf", "ogg", "flv",
    "mxf", "dv", "nut", "gif", "apng", "mjpeg", "yuv4mpegpipe", "wav", "mp3", "flac")
IMAGE_FORMATS = ("png_pipe", "jpeg_pipe", "bmp_pipe", "webp_pipe", "tiff_pipe")
MAX_PIXEL_ASPECT = 8  # width / height of a pixel, or height / width


def open_media(path: Path, formats: tuple[str, ...] = VIDEO_FORMATS) -> av.container.InputContainer:
    """Raises InputError if `path` is not a file, av.FFmpegError if it is damaged or in another format."""
    if not path.is_file():
        raise InputError(f"{path}: expected a file")
    options = {"format_whitelist": ",".join(formats), "protocol_whitelist": "file"}
    return av.open(f"file:{path}", options=options, metadata_errors="replace")


def check_dimensions(path: Path, stream: av.VideoStream) -> None:
    """Raises InputError if the frames are too large or in an unknown codec. The decoder then skips larger frames that
    come later."""
    if stream.codec_context is None:
        raise InputError(f"{path}: unknown video codec; export it again, as H.264 in MP4")
    if stream.width * stream.height > MAX_PIXELS:
        raise InputError(f"{path}: frames of {stream.width} x {stream.height}; at most {MAX_PIXELS >> 20} million "
                         "pixels are supported: export it smaller")
    aspect = stream.sample_aspect_ratio or 1
    if not 1 / MAX_PIXEL_ASPECT <= aspect <= MAX_PIXEL_ASPECT:
        raise InputError(f"{path}: has a pixel aspect ratio of {float(aspect):g}; export it again")
    stream.codec_context.options = {**stream.codec_context.options, "max_pixels": str(MAX_PIXELS)}
