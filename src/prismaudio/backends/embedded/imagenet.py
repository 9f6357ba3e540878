"""Which sound belongs to which of ImageNet's 1,000 things, by hand: it lets the planner name things in camera video.

Numbers are the usual ILSVRC-2012 class indices. Things that make no sound of their own (food, clothes, furniture) are
left out; a picture whose probability lies with them gets no name from here.
"""

import torch
from torch import Tensor

Indices = tuple[int | range, ...]

SOUNDS: dict[str, Indices] = {
    "dog": (range(151, 269),),
    "wolf": (range(269, 276),),  # wolves, wild dogs
    "cat": (range(281, 286),),
    "big_cat": (range(286, 294),),
    "elephant": (101, 385, 386),  # tusker, Indian and African elephant
    "horse": (339, 603),  # sorrel, horse cart
    "pig": (341, 342, 343),
    "cow": (345, 346),  # ox, water buffalo
    "sheep_goat": (348, 349, 350),
    "monkey": (range(365, 383),),
    "chicken": (7, 8),
    "bird": (10, 11, 12, 13, 14, 15, 16, 17, 19, 20, 92, 94),
    "raptor": (21, 22, 23),
    "crow": (18,),  # magpie
    "owl": (24,),
    "frog": (30, 31, 32),
    "duck_goose": (97, 98, 99, 100),
    "insects": (308, 309),  # fly, bee
    "crickets": (311, 312, 316),  # grasshopper, cricket, cicada
    "car_engine": (407, 436, 468, 511, 609, 627, 656, 661, 717, 751, 817),
    "truck_bus": (555, 569, 654, 675, 734, 779, 864, 867, 874),
    "train": (466, 547, 565, 705, 820, 829),
    "plane": (404, 895),
    "ship_horn": (403, 484, 510, 628, 724),  # aircraft carrier ... liner, pirate ship
    "bell": (442, 494, 577),  # bell cote, chime, gong
    "drum": (541, 642, 822),  # drum, marimba, steel drum
    "piano": (579, 881),
    "guitar": (402, 420, 546),
    "brass_wind": (432, 513, 558, 566, 683, 684, 776, 875),
    "hammer": (587,),
    "chop_wood": (596,),
    "saw": (491,),
    "clock_tick": (409, 892),
    "alarm": (530,),  # digital clock
    "phone_ring": (487, 528, 707),
    "mouse_click": (673,),
    "camera_shutter": (732, 759),
    "footsteps": (502, 514, 630, 770, 774),
    "ball_bounce": (430, 522, 574, 722, 805, 852, 890),
    "gunshot": (413, 763, 764),
    "bow_arrow": (456,),
    "sword": (623, 777),  # letter opener, scabbard
    "sea_waves": (460, 525, 973, 976, 977, 978),  # breakwater ... seashore
    "river_stream": (562, 839, 975),  # fountain, suspension bridge, lakeside
    "steam_hiss": (550, 974),  # espresso maker, geyser
    "fire": (470, 644, 827),  # candle, matchstick, stove
    "wind": (970, 979, 972),  # alp, valley, cliff
    "leaves_rustle": (580, 738, 984, 986, 987, 988),  # greenhouse, pot plant, rapeseed, flowers, corn, acorn
    "machine": (595, 621, 730, 803, 856, 866),  # harvester, mower, plow, snowplow, thresher, tractor
    "water_pour": (725, 503, 899),  # pitcher, shaker, water jug
    "explosion": (657, 744, 980),  # missile, projectile, volcano
    "coin": (800,),  # slot machine
    "door": (799,),  # sliding door
}


def _matrix() -> tuple[list[str], Tensor]:
    names = [name for name, indices in SOUNDS.items()]
    matrix = torch.zeros(1000, len(names))
    for column, name in enumerate(names):
        for part in SOUNDS[name]:
            matrix[list(part) if isinstance(part, range) else part, column] = 1.0
    return names, matrix


NAMES, MATRIX = _matrix()


def sound_of_image_classes(probabilities: Tensor) -> tuple[str, float] | None:
    """probabilities: (1000,) -> the most probable sound and its probability; None if nothing seen makes one."""
    sounds = probabilities.float() @ MATRIX
    best = int(sounds.argmax())
    return (NAMES[best], float(sounds[best])) if float(sounds[best]) > 0 else None
