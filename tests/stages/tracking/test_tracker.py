"""Identities are never confused: people drawn as two patches of colour, and rendered people detected by MediaPipe."""

import numpy as np
import pytest

from stages import InputError
from stages.estimators.mediapipe import Detector
from stages.samples.people import person
from stages.tracking.boxes import Person
from stages.tracking.clothes import Clothes
from stages.tracking.track import Track, choose_track
from stages.tracking.tracker import Tracker
from tests.stages import duo

FPS, STEP = 25, 5  # a detection every 0.2 s
RED, BLUE, GREEN = ((200, 40, 40), (60, 60, 60)), ((40, 60, 190), (220, 210, 190)), ((40, 160, 60), (90, 50, 30))


def looks(*people, frames=range(0, 100, STEP), unseen=()):
    """Yields (frame, picture, detections). people: (clothes, height, {frame: x of the centre}), those in front first.
    The detector misses those listed in `unseen` as (index, frame) and those who are mostly occluded."""
    for frame in frames:
        picture, found, taken = np.full((200, 500, 3), 170, np.uint8), [], []
        here = [(n, clothes, tall, way[frame]) for n, (clothes, tall, way) in enumerate(people) if frame in way]
        for n, (top, bottom), tall, x in here:
            box = np.array([x - tall / 5, 190 - tall, x + tall / 5, 190])
            if (n, frame) not in unseen and all(abs(x - other) > tall / 5 for other in taken):
                found.append(Person(tuple(box)))
            taken.append(x)
        for _, (top, bottom), tall, x in reversed(here):
            left, right = int(x - tall / 6), int(x + tall / 6)
            picture[190 - tall : 190 - tall // 2, left:right] = top
            picture[190 - tall // 2 : 190, left:right] = bottom
        yield frame, picture, found


def tracked(shots):
    tracker = Tracker(FPS)
    for shot in shots:
        tracker.add(*shot)
    return tracker.tracks()


def walking(start, end, first=0, last=100):
    return {t: start + (end - start) * (t - first) / (last - first) for t in range(first, last)}


def middles(track, count=100):
    boxes = track.boxes(count)
    return (boxes[:, 0] + boxes[:, 2]) / 2


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_most_prominent_come_first(order):
    people = [(RED, 140, walking(100, 180)), (BLUE, 90, walking(400, 340))]
    assert np.allclose(middles(tracked(looks(*(people[n] for n in order)))[0])[:96], np.linspace(100, 176, 96), atol=1)
    passing = GREEN, 160, walking(250, 290, 20, 36)
    steady, other, third = tracked(looks(passing, *people))
    assert (middles(steady)[0], middles(other)[0]) == (100, 400) and np.isnan(middles(third)[50])


@pytest.mark.parametrize("clothes", [(RED, BLUE), (BLUE, RED), (RED, RED)])
def test_people_who_walk_past_each_other_keep_their_identities(clothes):
    """Also in the same clothes, as long as both keep walking."""
    ways = walking(60, 440), walking(440, 60)
    tracks = tracked(looks((clothes[0], 140, ways[0]), (clothes[1], 130, ways[1]), frames=range(0, 100, 2)))
    assert len(tracks) == 2
    for way in ways:
        boxes = middles(min(tracks, key=lambda track: abs(middles(track)[0] - way[0])))
        known = np.flatnonzero(np.isfinite(boxes))
        assert len(known) > 60 and {0, 95} <= set(known)
        assert np.abs(boxes[known] - [way[frame] for frame in known]).max() < 30


def test_a_person_who_turns_back_behind_another_is_identified_by_clothes():
    there = walking(440, 250, 0, 50) | walking(250, 440, 50, 100)
    front, back = tracked(looks((RED, 140, walking(60, 250, 0, 50) | walking(250, 60, 50, 100)), (BLUE, 130, there),
                                frames=range(0, 100, 2)))
    assert middles(front)[95] < 100 and middles(back)[95] > 400
    assert np.isnan(middles(back)[50]) and np.isfinite(middles(front)).all()


def test_a_person_who_comes_back_is_reidentified_and_a_stranger_is_a_new_track():
    stays = GREEN, 150, walking(60, 60)
    tracks = tracked(looks(stays, (RED, 140, walking(300, 480, 0, 40)), (RED, 140, walking(480, 400, 75, 100)),
                           (BLUE, 140, walking(480, 300, 45, 70))))
    assert len(tracks) == 3
    back = next(track for track in tracks if middles(track)[0] == 300)
    assert np.isfinite(middles(back)[[0, 35, 38, 80, 95]]).all() and np.isnan(middles(back)[45:70]).all()


def test_missed_and_false_detections():
    missing = {(0, frame) for frame in range(40, 60, STEP)}
    shots = [(frame, picture, people + [Person((400, 20, 450, 120))] * (frame == 50))
             for frame, picture, people in looks((RED, 140, walking(100, 200)), unseen=missing)]
    track, = tracked(shots)
    assert np.allclose(middles(track)[:96], np.linspace(100, 195, 96), atol=1)  # a gap of a second is bridged


def test_boxes_are_held_at_both_ends():
    track, = tracked(looks((RED, 140, walking(100, 140, 40, 60))))
    assert np.flatnonzero(np.isfinite(middles(track))).tolist() == list(range(35, 61))
    assert middles(track.mapped(lambda frame, box: box + [1000, 0, 1000, 0]))[40] == 1100


def test_people_who_come_close_are_detected_more_often():
    tracker, crowded = Tracker(FPS), []
    for shot in looks((RED, 140, walking(60, 440)), (BLUE, 130, walking(440, 60))):
        tracker.add(*shot)
        crowded.append(tracker.crowded)
    assert not any(crowded[:6]) and all(crowded[9:11]) and not any(crowded[-4:])


@pytest.mark.parametrize("meant, middle", [
    (None, 100), (0, 100), (1, 400), ((105, 100), 100), ((398, 150), 400), ((370, 90, 430, 190), 400)])
def test_a_person_is_chosen_by_number_point_or_box(meant, middle):
    tracks = tracked(looks((RED, 140, walking(100, 180)), (BLUE, 90, walking(400, 340))))
    scaled = tuple(2 * value for value in meant) if isinstance(meant, tuple) else meant
    assert middles(choose_track(tracks, scaled, 0.5, FPS, "two.mp4"))[0] == middle


@pytest.mark.parametrize("meant, message", [
    (2, r"no person 2; there are 2.*\n  person: 0 .*from 0.0 s to 3.8 s.*box \(144, 100, 256, 380\) of frame 0"),
    ((500, 60), r"no person is at the point \(500, 60\) in the first frame(.|\n)*person: 1"),
    ((500, 0, 560, 100), r"no person is at the box \(500, 0, 560, 100\)"),
    ((600.0, 200.0), "no person is at the point"),
])
def test_a_choice_that_matches_nobody_lists_the_people(meant, message):
    later = GREEN, 100, walking(300, 310, 40, 100)  # not yet there in the first frame
    people = [(RED, 140, walking(100, 180)), (BLUE, 90, walking(400, 340)), later][: 2 if meant == 2 else 3]
    with pytest.raises(InputError, match="two.mp4: " + message):
        choose_track(tracked(looks(*people)), meant, 0.5, FPS, "two.mp4")


def test_no_people():
    with pytest.raises(InputError, match="empty.mp4: no person"):
        choose_track(tracked(looks()), None, 1.0, FPS, "empty.mp4")


ONE, OTHER = person("stranger_7"), person("stranger_12")


@pytest.mark.parametrize("walkers", [duo.crossing(ONE, OTHER), duo.leaving(ONE, OTHER)], ids=["crossing", "leaving"])
def test_rendered_people_are_never_confused(walkers):
    film, detector, due = duo.Duo(walkers, walkers[0].path[-1][0], 256), Detector("full", "cpu"), 0
    tracker = Tracker(FPS, detector.detect)
    for frame in range(film.count):
        if frame >= due:
            picture = film.shot(frame)
            tracker.add(frame, picture, *detector.detect([picture]))
            due = frame + (2 if tracker.crowded else 5)
    tracks = tracker.tracks()
    assert len(tracks) == 2
    for who in (0, 1):
        place = film.poses(0)[who].body
        low, high = place[:, :2].min(0), place[:, :2].max(0)
        for meant in ((low + high) / 2, np.concatenate([low, high])):
            mine = choose_track(tracks, tuple(meant), 1.0, FPS, "duo")
            boxes = mine.boxes(film.count)
            known = np.flatnonzero(np.isfinite(boxes[:, 0]))
            nearest = [film.nearest(frame, (boxes[frame, :2] + boxes[frame, 2:]) / 2) for frame in known]
            assert nearest == [who] * len(known)
            there = [frame for frame in range(film.count) if film.poses(frame)[who].body[:, 2].all()]
            assert len(known) > 0.75 * len(there) and {0, film.count - 1} <= set(known)
    chosen = [choose_track(tracks, n, 1, FPS, "") for n in (0, 1)]
    assert {track.boxes(1)[0, 0] for track in tracks} == {track.boxes(1)[0, 0] for track in chosen}


def test_a_jumping_box_next_to_another_person_is_corrected_from_its_neighbours():
    index, clear = np.arange(0, 20, 2), np.array([True] * 3 + [False] * 4 + [True] * 3)
    places = np.stack([10.0 * index, 0 * index, 10.0 * index + 30, 0 * index + 60], -1)
    jumpy = places + np.where(index == 8, 25.0, 0)[:, None] * [1, 0, 1, 0]
    clothes = Clothes.from_box(np.zeros((60, 60, 3), np.uint8), (0, 0, 30, 60))
    track = Track(index, jumpy, clear, np.array([], int), clothes, 25.0)
    assert np.abs(track.boxes(19)[8] - places[4]).max() < 8
    everywhere = Track(index, jumpy, np.ones(10, bool), np.array([], int), clothes, 25.0)
    assert np.allclose(everywhere.boxes(19)[8], jumpy[4])
