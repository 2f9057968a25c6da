"""A drawing of what scripts/headline found: for each client its requests, stalls, errors and logouts by the second, and what
happened when.
"""
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, RIGHT, GAP, TOP = 1_060, 84, 70, 20, 30, 150
# Drawn from the floor up, one above the other.
BARS = [("out", "logged out", "#000000"), ("errors", "pages that failed", "#D55E00"),
        ("stalls", "half a second and more", "#E69F00")]
LINE = "#0072B2"


def by_second(rows):
    """What is told in a second counts for it; two tellings of one are added."""
    seconds = {}
    for at, counts in rows:
        sums = seconds.setdefault(int(at), dict.fromkeys(("requests", "stalls", "errors", "out"), 0))
        for name in sums:
            sums[name] += counts[name]
    return sorted(seconds.items())


def draw(story, path, title):
    end = max(at for rows in story.seconds.values() for at, _ in rows)
    height = TOP + len(story.clients) * (HEIGHT + GAP) + 20

    def x(second):
        return LEFT + second / end * (WIDTH - LEFT - RIGHT)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
             'font-family="sans-serif" font-size="12" fill="#222222">', '<rect width="100%" height="100%" fill="white"/>',
             f'<text x="10" y="22" font-size="15">{escape(title)}</text>']
    for number, (text, colour) in enumerate([("requests a second", LINE), *((text, colour) for _, text, colour in BARS)]):
        left = 10 + 200 * number
        parts.append(f'<rect x="{left}" y="34" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{left + 18}" y="45">{escape(text)}</text>')
    for begin, word in story.events:
        parts.append(f'<line x1="{x(begin):.1f}" x2="{x(begin):.1f}" y1="{TOP - 8}" y2="{height - 34}" stroke="#bbbbbb"/>')
        parts.append(f'<text transform="translate({x(begin) + 4:.1f},{TOP - 12}) rotate(-60)" font-size="11">'
                     f'{escape(word)}</text>')
    for number, client in enumerate(story.clients):
        top = TOP + number * (HEIGHT + GAP) + 14
        seconds = by_second(story.seconds[client])
        # One second of all logins at once would leave no room for the others.
        limit = max(1, *sorted(sums["requests"] for _, sums in seconds)[:max(1, len(seconds) * 9 // 10)]) * 1.3
        parts.append(f'<text x="{LEFT}" y="{top - 3}">{escape(client)}</text>')
        for share in (0, 1):
            place = top + HEIGHT * (1 - share)
            parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{place:.1f}" y2="{place:.1f}" stroke="#dddddd"/>')
            parts.append(f'<text x="{LEFT - 8}" y="{place + 4:.1f}" text-anchor="end">{limit * share:.0f}</text>')

        def y(value):
            return top + HEIGHT * (1 - min(value, limit) / limit)

        points = " ".join(f"{x(at):.1f},{y(sums['requests']):.1f}" for at, sums in seconds)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{LINE}" stroke-width="1"/>')
        for at, sums in seconds:
            below = 0
            for name, _, colour in BARS:
                if sums[name]:
                    # Also a single one is seen.
                    high = max(3, y(below) - y(below + sums[name]))
                    parts.append(f'<rect x="{x(at):.1f}" y="{y(below) - high:.1f}" width="2" height="{high:.1f}" '
                                 f'fill="{colour}"/>')
                    below += sums[name]
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{height - 12}" text-anchor="end">seconds, 0 to {end:.0f}; more than a '
                 'panel shows is cut</text>')
    with open(path, "w") as file:
        file.write("\n".join(parts + ["</svg>"]) + "\n")
