"""The names of all scores, in the order in which they are written and shown: first those that describe the person best,
then temporal consistency, then the whole frame, which is mostly still background; then the same of the final video;
then all others.

`x_<region>` is the score x in the box of a region of the frame (the person or a part of the body); `video_x` is x of
the final video; `retrieval_x` is x of the training frame whose pose is nearest.
"""

from stages.pose import part_boxes

PERSON_BOX = "person_box"
REGIONS = (PERSON_BOX, *part_boxes.PART_SIZES)  # boxes that are scored beside the whole frame
PIXEL_METRICS = ("psnr", "ssim")
SHARPNESS, ALIGNED_PSNR = "sharpness", f"aligned_psnr_{PERSON_BOX}"

LPIPS = ("lpips", *(f"lpips_{region}" for region in REGIONS))
HEADLINE_SCORES = (*LPIPS[1:], SHARPNESS, ALIGNED_PSNR, "tcm")
WHOLE_FRAME = ("lpips", *PIXEL_METRICS)
SUMMARY_SCORES = (LPIPS[1], SHARPNESS, ALIGNED_PSNR, "tcm", *WHOLE_FRAME)  # printed, and plotted over the frames
DELIVERY_LPIPS = "delivery_lpips"  # between the final video and the generated frames
VIDEO_SCORES = tuple(f"video_{name}" for name in
                     (*HEADLINE_SCORES, *WHOLE_FRAME, f"psnr_{PERSON_BOX}", f"ssim_{PERSON_BOX}"))
PIXEL_SCORES = (*PIXEL_METRICS, *(f"{metric}_{region}" for region in REGIONS for metric in PIXEL_METRICS))
RETRIEVAL_SCORES = tuple(f"retrieval_{name}" for name in
                         (f"lpips_{PERSON_BOX}", *PIXEL_METRICS, f"psnr_{PERSON_BOX}", f"ssim_{PERSON_BOX}"))
CONSISTENCY_SCORES = ("tcm", "video_tcm", "warp_error", "reference_warp_error")  # of a frame and the next one
REDETECTION_SCORES = ("pose_error", "pck_05", "detected", "identity")  # see evaluation/redetection.py

FRAME_SCORES = tuple(dict.fromkeys((  # one value for each frame
    *HEADLINE_SCORES, *WHOLE_FRAME, *VIDEO_SCORES, DELIVERY_LPIPS, *PIXEL_SCORES, *RETRIEVAL_SCORES,
    *CONSISTENCY_SCORES, *REDETECTION_SCORES)))
SET_SCORES = ("reference_identity", "fid", "is")  # one value for all frames together

LPIPS_SCORES = (*LPIPS, *(f"video_{name}" for name in LPIPS), RETRIEVAL_SCORES[0], DELIVERY_LPIPS)
TRUTH_SCORES = tuple(name for name in FRAME_SCORES  # those that need a true frame
                     if name not in (*CONSISTENCY_SCORES, *REDETECTION_SCORES, DELIVERY_LPIPS))
UNITS = {name: "dB" for name in FRAME_SCORES if "psnr" in name}
