"""What scripts/kill stores: values that say which version of which key they are."""
import math, random, statistics

MEDIAN_BYTES = 940
STEP = 999_983  # what a counter's version is multiplied by


class Values:
    """What is stored under a key, by its version: key, version and bytes that depend on both."""

    def __init__(self, seed):
        source = random.Random(seed)
        self.block = source.randbytes(2 << 20)
        self.sizes = [int(source.lognormvariate(math.log(MEDIAN_BYTES), 1)) for _ in range(1 << 16)]
        for place in range(0, 1 << 16, 4_000):
            self.sizes[place] = source.randrange(100_000, 900_000)
        self.mean = statistics.mean(self.sizes)

    def value(self, key, version):
        if key % 64 == 0:
            return b"%d" % (version * STEP)
        start = (key * 7_919 + version * 104_729) & 0xFFFFF
        size = self.sizes[(key * 40_503 + version * 9_973) & 0xFFFF]
        return b"%d %d " % (key, version) + self.block[start:start + size]

    @staticmethod
    def flags(key, version):
        return 64 if key % 64 == 0 else version & 0xFFFF

    @staticmethod
    def version(key, value):
        """The version that a value says it is; None for one that says nothing."""
        words = value[:40].split(b" ", 2)
        try:
            if key % 64 == 0:
                return int(value) // STEP
            return int(words[1]) if int(words[0]) == key else None
        except (ValueError, IndexError):
            return None


def name(key):
    return b"memc.sess.key.%026d" % key
