"""Input videos for the stage `frames`: as a video file or as a folder of images."""

import av
import cv2


def record(path, pictures, fps=25, audio=None, kind="yuv420p"):
    """Writes an H.264 file. audio: samples at 8 kHz, which start one second before the first frame."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "12"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = kind
        sound = container.add_stream("pcm_s16le", rate=8000, layout="mono") if audio is not None else None
        for i, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = i + (0 if audio is None else fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if audio is not None:
            frame = av.AudioFrame.from_ndarray(audio[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = 8000, 0
            container.mux(sound.encode(frame))
            container.mux(sound.encode())
    return path


def beside(picture, left=0, right=0, scale=1.0):
    """The image with its borders replicated to the left and right, scaled."""
    wide = cv2.copyMakeBorder(picture, 0, 0, left, right, cv2.BORDER_REPLICATE)
    return cv2.resize(wide, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def images(folder, pictures):
    folder.mkdir(parents=True)
    for i, picture in enumerate(pictures):
        cv2.imwrite(str(folder / f"{i:03d}.png"), picture[..., ::-1])
