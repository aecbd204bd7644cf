"""Progress bars as tqdm prints them, read again."""

import re

# what is counted, percent, the bar itself, the figures; then what was printed without a line's end
BAR = re.compile(r"(?P<what>.*?)(?:: )? *(?P<percent>\d+)%\|.*?\| *(?P<figures>[^\[]*(?:\[[^\]]*\]?)?)(?P<said>.*)")
NO_TOTAL = re.compile(r"(?:.*: )?\d+\S* \[\d\d:\d\d, [^\]]*\]?")
