"""A video file's frames in order of presentation, whole ones only, with their time on the file's own clock (seconds).

Fields of interlaced frames are woven into whole ones (BWDIF). What cannot be decoded is passed over and noted.
"""

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av

from stages import InputError
from stages.media.container import check_dimensions, open_media

TimedFrame = tuple[float, av.VideoFrame]
EARLIER = 1.0   # seconds before the place that is looked for: the index of some files is a little off
NEAR = 0.75     # frames: packets nearer to a frame are of it too: its second field, or something hidden


class VideoDecoder:
    """`frames()` runs through the file; how it went stands in the fields below."""

    def __init__(self, path: Path, since: float | None = None):
        """since: seconds; of what comes before it only some frames are given, and nothing is noted."""
        self.path, self.since = path, since
        self.rate: Fraction | None = None  # frames a second by the file
        self.aspect = Fraction(1)         # of a pixel
        self.sound = False                # whether there is any
        self.count = 0                    # frames decoded
        self.promised: int | None = None  # frames to be shown by the file's index, where it has one
        self.skipped: list[float] = []    # times of those that could not be decoded

    def frames(self) -> Iterator[TimedFrame]:
        timed = self._woven(self._decoded(self.since))
        first = next(timed, None)
        if first is not None and self.since is not None and first[0] > self.since:  # the index led too far
            timed.close()
            timed = self._woven(self._decoded(None))
        elif first is not None:
            yield first
        yield from timed

    def _decoded(self, seek: float | None) -> Iterator[TimedFrame]:
        with open_media(self.path) as container:
            if not container.streams.video:
                raise InputError(f"{self.path}: not a video: it has no picture stream")
            stream = container.streams.video[0]
            check_dimensions(self.path, stream)
            stream.thread_type = "AUTO"
            self._read_head(container, stream, seek)
            unit, step = float(stream.time_base), 1 / float(self.rate or 25)
            ledger = PacketLog(NEAR * step / unit)
            stamps = "dts" if container.format.name == "avi" else "pts"  # AVI keeps no order of presentation
            begin, last, whole = None, None, False
            try:
                for item in _packets(self.path, container, stream):
                    if isinstance(item, av.Packet):
                        ledger.enter(item)
                    elif ledger.good(item):
                        stamp = getattr(item, stamps)
                        time = stamp * unit if stamp is not None else 0.0 if last is None else last + step
                        self.count += self.since is None or time >= self.since
                        if last is None or time > last:
                            begin, last = time if begin is None else begin, time
                            yield time, item
                whole = ledger.packets >= (self.promised or 0)
            finally:  # what is broken at the end of a file that was cut off, or of what was read, is not told
                least = self.since if self.since is not None else begin or 0.0
                self.skipped = [time for time in sorted(stamp * unit for stamp in ledger.lost())
                                if time >= least and (whole or time < (last or 0.0))]
                self.promised = self.promised and self.promised - ledger.hidden

    def _read_head(self, container, stream, seek: float | None) -> None:
        self.rate = stream.average_rate or stream.guessed_rate or stream.base_rate
        self.aspect, self.sound = stream.sample_aspect_ratio or Fraction(1), bool(container.streams.audio)
        self.count, self.promised = 0, None
        if seek is not None:
            _seek(container, stream, seek - EARLIER)
        elif self.since is None and "mov" in container.format.name:
            self.promised = stream.frames or None

    def _woven(self, timed: Iterator[TimedFrame]) -> Iterator[TimedFrame]:
        """Interlaced frames deinterlaced, at the time of their first field; others as they are."""
        weaver = None
        for time, frame in timed:
            if weaver is None and not frame.interlaced_frame:
                yield time, frame
                continue
            if weaver and weaver.layout != Deinterlacer.layout_of(frame):
                yield from weaver.rest()
                weaver = None
            weaver = weaver or Deinterlacer(frame)
            yield from weaver.add(time, frame)
        if weaver:
            yield from weaver.rest()


class PacketLog:
    """Which packets came, and of which of them no good frame did."""

    def __init__(self, near: float):
        """near: what packets of one frame are apart at most, in units of their stamps."""
        self.packets = self.hidden = 0
        self._near, self._waiting, self._broken, self._final = near, set(), set(), None  # presentation stamps

    def enter(self, packet: av.Packet) -> None:
        self.packets, self.hidden = self.packets + bool(packet.size), self.hidden + packet.is_discard
        if packet.size and packet.pts is not None and not packet.is_discard:
            self._waiting.add(packet.pts)
            self._final = packet.pts

    def good(self, frame: av.VideoFrame) -> bool:
        if frame.pts is not None:
            self._waiting = {stamp for stamp in self._waiting if abs(stamp - frame.pts) >= self._near}
            self._broken |= {frame.pts} if frame.is_corrupt else set()
        return not frame.is_corrupt

    def lost(self) -> set[int]:
        """Stamps; without the last packet, which is not whole in a file that was cut off."""
        return (self._waiting | self._broken) - {self._final}


class Deinterlacer:
    """FFmpeg's BWDIF, one frame out for one frame in, one late; progressive frames pass untouched."""

    def __init__(self, frame: av.VideoFrame):
        self.layout = self.layout_of(frame)
        self._waiting: deque[TimedFrame] = deque()
        self._graph = av.filter.Graph()
        width, height, kind = self.layout
        nodes = [
            self._graph.add_buffer(width=width, height=height, format=kind, time_base=Fraction(1, 1000)),
            self._graph.add("bwdif", "mode=send_frame:deint=interlaced"),
            self._graph.add("buffersink"),
        ]
        self._graph.link_nodes(*nodes).configure()

    @staticmethod
    def layout_of(frame: av.VideoFrame) -> tuple[int, int, av.VideoFormat]:
        return frame.width, frame.height, frame.format.name

    def add(self, time: float, frame: av.VideoFrame) -> Iterator[TimedFrame]:
        self._waiting.append((time, frame))
        self._graph.push(frame)
        yield from self._pull()

    def rest(self) -> Iterator[TimedFrame]:
        self._graph.push(None)
        yield from self._pull()

    def _pull(self) -> Iterator[TimedFrame]:
        while True:
            try:
                woven = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            time, frame = self._waiting.popleft()
            woven.colorspace, woven.color_range = frame.colorspace, frame.color_range
            yield time, woven


def _seek(container, stream, seconds: float) -> None:
    """To the last key frame before; nowhere in a file that has no index."""
    try:
        container.seek(int(seconds / stream.time_base), stream=stream)
    except av.FFmpegError:
        container.seek(0)


def _packets(path: Path, container, stream) -> Iterator[av.Packet | av.VideoFrame]:
    """Every packet, then the frames that it completed."""
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
            raise InputError(f"{path}: says of a part of it that it is larger than memory; export it again") from None
        except IndexError:  # PyAV's, at a packet of a stream that was not there at first
            raise InputError(f"{path}: a stream begins in the midst of it; export it again") from None
        yield from frames
