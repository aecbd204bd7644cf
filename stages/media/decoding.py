"""Decodes a video file: its frames in presentation order with their times in seconds on the file's own clock.

Interlaced frames are deinterlaced (BWDIF). Frames that cannot be decoded are skipped and recorded.
"""

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av

from stages import InputError
from stages.media.container import check_dimensions, open_media

TimedFrame = tuple[float, av.VideoFrame]
SEEK_MARGIN = 1.0   # seconds to seek before the wanted time, because the index of some files is slightly off
SAME_FRAME = 0.75   # frame intervals: packets closer to a frame belong to it (its second field, or hidden data)


class VideoDecoder:
    """`frames()` decodes the file and fills in the fields below."""

    def __init__(self, path: Path, since: float | None = None):
        """since: seconds. Only some of the frames before it are returned; damage before it is not recorded."""
        self.path, self.since = path, since
        self.rate: Fraction | None = None  # frames per second declared by the file
        self.aspect = Fraction(1)          # of a pixel
        self.has_audio = False
        self.count = 0                     # number of decoded frames
        self.promised: int | None = None   # frames in the index of the file; None without an index
        self.skipped: list[float] = []     # times of frames that could not be decoded

    def frames(self) -> Iterator[TimedFrame]:
        timed = self._deinterlaced(self._decoded(self.since))
        first = next(timed, None)
        if first is not None and self.since is not None and first[0] > self.since:  # the file has a wrong index
            timed.close()
            timed = self._deinterlaced(self._decoded(None))
        elif first is not None:
            yield first
        yield from timed

    def _decoded(self, seek: float | None) -> Iterator[TimedFrame]:
        with open_media(self.path) as container:
            if not container.streams.video:
                raise InputError(f"{self.path}: not a video: it has no video stream")
            stream = container.streams.video[0]
            check_dimensions(self.path, stream)
            stream.thread_type = "AUTO"
            self._read_header(container, stream, seek)
            unit, step = float(stream.time_base), 1 / float(self.rate or 25)
            log = PacketLog(SAME_FRAME * step / unit)
            timestamp = "dts" if container.format.name == "avi" else "pts"  # AVI stores no presentation order
            begin, last, complete = None, None, False
            try:
                for item in _packets(self.path, container, stream):
                    if isinstance(item, av.Packet):
                        log.add_packet(item)
                    elif log.add_frame(item):
                        ticks = getattr(item, timestamp)
                        time = ticks * unit if ticks is not None else 0.0 if last is None else last + step
                        self.count += self.since is None or time >= self.since
                        if last is None or time > last:
                            begin, last = time if begin is None else begin, time
                            yield time, item
                complete = log.packets >= (self.promised or 0)
            finally:  # damage at the very end of a truncated file, or of a partial read, is not recorded
                earliest = self.since if self.since is not None else begin or 0.0
                self.skipped = [time for time in sorted(ticks * unit for ticks in log.lost())
                                if time >= earliest and (complete or time < (last or 0.0))]
                self.promised = self.promised and self.promised - log.hidden

    def _read_header(self, container, stream, seek: float | None) -> None:
        self.rate = stream.average_rate or stream.guessed_rate or stream.base_rate
        self.aspect, self.has_audio = stream.sample_aspect_ratio or Fraction(1), bool(container.streams.audio)
        self.count, self.promised = 0, None
        if seek is not None:
            _seek(container, stream, seek - SEEK_MARGIN)
        elif self.since is None and "mov" in container.format.name:
            self.promised = stream.frames or None

    def _deinterlaced(self, timed: Iterator[TimedFrame]) -> Iterator[TimedFrame]:
        """Deinterlaces interlaced frames; each keeps the time of its first field. Others are unchanged."""
        deinterlacer = None
        for time, frame in timed:
            if deinterlacer is None and not frame.interlaced_frame:
                yield time, frame
                continue
            if deinterlacer and deinterlacer.layout != Deinterlacer.layout_of(frame):
                yield from deinterlacer.flush()
                deinterlacer = None
            deinterlacer = deinterlacer or Deinterlacer(frame)
            yield from deinterlacer.add(time, frame)
        if deinterlacer:
            yield from deinterlacer.flush()


class PacketLog:
    """Records packets and decoded frames to find packets that gave no intact frame. Timestamps are ticks (pts)."""

    def __init__(self, tolerance: float):
        """tolerance: the largest distance between packets of the same frame, in ticks."""
        self.packets = self.hidden = 0
        self._tolerance, self._pending, self._corrupt, self._final = tolerance, set(), set(), None

    def add_packet(self, packet: av.Packet) -> None:
        self.packets, self.hidden = self.packets + bool(packet.size), self.hidden + packet.is_discard
        if packet.size and packet.pts is not None and not packet.is_discard:
            self._pending.add(packet.pts)
            self._final = packet.pts

    def add_frame(self, frame: av.VideoFrame) -> bool:
        """Returns whether the frame is intact."""
        if frame.pts is not None:
            self._pending = {pts for pts in self._pending if abs(pts - frame.pts) >= self._tolerance}
            self._corrupt |= {frame.pts} if frame.is_corrupt else set()
        return not frame.is_corrupt

    def lost(self) -> set[int]:
        """Timestamps without an intact frame, except the last packet, which is incomplete in truncated files."""
        return (self._pending | self._corrupt) - {self._final}


class Deinterlacer:
    """FFmpeg's BWDIF filter: one frame out per frame in, delayed by one; progressive frames are unchanged."""

    def __init__(self, frame: av.VideoFrame):
        self.layout = self.layout_of(frame)
        self._pending: deque[TimedFrame] = deque()
        self._graph = av.filter.Graph()
        width, height, pixel_format = self.layout
        nodes = [
            self._graph.add_buffer(width=width, height=height, format=pixel_format, time_base=Fraction(1, 1000)),
            self._graph.add("bwdif", "mode=send_frame:deint=interlaced"),
            self._graph.add("buffersink"),
        ]
        self._graph.link_nodes(*nodes).configure()

    @staticmethod
    def layout_of(frame: av.VideoFrame) -> tuple[int, int, av.VideoFormat]:
        """Width, height and pixel format: what a filter graph is built for."""
        return frame.width, frame.height, frame.format.name

    def add(self, time: float, frame: av.VideoFrame) -> Iterator[TimedFrame]:
        self._pending.append((time, frame))
        self._graph.push(frame)
        yield from self._finished()

    def flush(self) -> Iterator[TimedFrame]:
        self._graph.push(None)
        yield from self._finished()

    def _finished(self) -> Iterator[TimedFrame]:
        while True:
            try:
                output = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            time, frame = self._pending.popleft()
            output.colorspace, output.color_range = frame.colorspace, frame.color_range
            yield time, output


def _seek(container, stream, seconds: float) -> None:
    """Seeks to the last key frame before a time, or to the start of a file without an index."""
    try:
        container.seek(int(seconds / stream.time_base), stream=stream)
    except av.FFmpegError:
        container.seek(0)


def _packets(path: Path, container, stream) -> Iterator[av.Packet | av.VideoFrame]:
    """Every packet, followed by the frames that it completes."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            yield packet
            frames = packet.decode()
        except av.error.EOFError:
            return
        except (av.error.InvalidDataError, av.error.ArgumentError, av.error.PatchWelcomeError):
            continue
        except av.error.MemoryError:
            raise InputError(f"{path}: contains a packet with an impossible size; export it again") from None
        except IndexError:  # from PyAV, for a packet of a stream that the header does not list
            raise InputError(f"{path}: a stream starts in the middle of the file; export it again") from None
        yield from frames
