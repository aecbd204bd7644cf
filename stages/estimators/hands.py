"""MediaPipe's hand networks, pointed at the hands of a body: BlazePose's landmarks in, 21 landmarks of each hand out."""

HANDS = """
input_stream: "image"
input_stream: "body"
output_stream: "left_hand"
output_stream: "right_hand"
node {
  calculator: "HandLandmarksLeftAndRightCpu"
  input_stream: "IMAGE:image" input_stream: "POSE_LANDMARKS:body"
  output_stream: "LEFT_HAND_LANDMARKS:left_hand" output_stream: "RIGHT_HAND_LANDMARKS:right_hand"
}
"""
