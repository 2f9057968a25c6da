"""A drawing of what scripts/bench found: CPU time of sojournd by that of each other server."""
from xml.sax.saxutils import escape

COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7"]
LEFT, RIGHT, ROW, TOP = 230, 60, 15, 60


def draw(ratios, path, title):
    """`ratios`: by workload, by server."""
    servers = list(dict.fromkeys(name for row in ratios.values() for name in row))
    width = 860
    limit = max(1.2, *(value for row in ratios.values() for value in row.values()))
    height = TOP + sum(ROW * len(row) + 8 for row in ratios.values()) + 40

    def x(value):
        return LEFT + value / limit * (width - LEFT - RIGHT)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
             f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12" '
             'fill="#222222">', '<rect width="100%" height="100%" fill="white"/>',
             f'<text x="10" y="22" font-size="15">{escape(title)}</text>']
    for number, name in enumerate(servers):
        left = 10 + 200 * number
        parts.append(f'<rect x="{left}" y="34" width="12" height="12" '
                     f'fill="{COLOURS[number % len(COLOURS)]}"/>')
        parts.append(f'<text x="{left + 18}" y="45">by {escape(name)}</text>')
    for tenth in range(0, int(limit * 10) + 1, 2):
        place = x(tenth / 10)
        colour = "#222222" if tenth == 10 else "#dddddd"
        parts.append(f'<line x1="{place:.1f}" x2="{place:.1f}" y1="{TOP - 6}" y2="{height - 34}" '
                     f'stroke="{colour}"/>')
        parts.append(f'<text x="{place:.1f}" y="{height - 16}" text-anchor="middle">'
                     f'{tenth / 10:g}</text>')
    top = TOP
    for workload, row in ratios.items():
        middle = top + ROW * len(row) / 2 + 4
        parts.append(f'<text x="{LEFT - 8}" y="{middle:.1f}" text-anchor="end">'
                     f'{escape(workload)}</text>')
        for name, value in row.items():
            colour = COLOURS[servers.index(name) % len(COLOURS)]
            parts.append(f'<rect x="{LEFT}" y="{top}" width="{x(value) - LEFT:.1f}" '
                         f'height="{ROW - 3}" fill="{colour}"/>')
            parts.append(f'<text x="{x(value) + 4:.1f}" y="{top + 11}">{value:.2f}</text>')
            top += ROW
        top += 8
    with open(path, "w") as file:
        file.write("\n".join(parts + ["</svg>"]) + "\n")
