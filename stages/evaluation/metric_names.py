"""Every score by its name, in the order in which they are told: what people see of the person first, then steadiness,
then the whole frame, which is mostly a still background; the same of the video; then all else.

`x_<place>` is the score x in the box of that place; `video_x` is x of what the video shows, `retrieval_x` of the
training frame whose pose is nearest.
"""

from stages.pose import part_boxes

PERSON = "person_box"
PLACES = (PERSON, *part_boxes.PART_SIZES)  # beside the whole frame
MEASURES = ("psnr", "ssim")
SHARPNESS, ALIGNED = "sharpness", f"aligned_psnr_{PERSON}"

LPIPS = ("lpips", *(f"lpips_{place}" for place in PLACES))
HEADLINE = (*LPIPS[1:], SHARPNESS, ALIGNED, "tcm")
WHOLE = ("lpips", *MEASURES)
CHANGE = "delivery_lpips"  # of what the video shows to what was generated
VIDEO = tuple(f"video_{name}" for name in (*HEADLINE, *WHOLE, f"psnr_{PERSON}", f"ssim_{PERSON}"))
LIKE = (*MEASURES, *(f"{measure}_{place}" for place in PLACES for measure in MEASURES))
COPIED = tuple(f"retrieval_{name}" for name in (f"lpips_{PERSON}", *MEASURES, f"psnr_{PERSON}", f"ssim_{PERSON}"))
STEADY = ("tcm", "video_tcm", "warp_error", "reference_warp_error")  # of a frame and the next
REDETECTED = ("pose_error", "pck_05", "detected", "identity")  # see evaluation/redetection.py

NAMES = tuple(dict.fromkeys((*HEADLINE, *WHOLE, *VIDEO, CHANGE, *LIKE, *COPIED, *STEADY, *REDETECTED)))  # of each frame
TOTALS = ("reference_identity", "fid", "is")  # of all frames together
PERCEIVED = (*LPIPS, *(f"video_{name}" for name in LPIPS), COPIED[0], CHANGE)  # by AlexNet
PAIRED = tuple(name for name in NAMES if name not in (*STEADY, *REDETECTED, CHANGE))  # that need a true frame
UNITS = {name: "dB" for name in NAMES if "psnr" in name}
