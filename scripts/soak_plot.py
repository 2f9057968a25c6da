"""A drawing of what scripts/soak found: three lines over the minutes, one below the other."""

WIDTH, HEIGHT, LEFT, RIGHT, GAP = 860, 150, 70, 20, 50
PANELS = [("resident", "resident, MB", 1e-6, "#0072B2"), ("descriptors", "open descriptors", 1, "#009E73"),
          ("p99", "99th percentile of a get's wait, ms", 1, "#D55E00")]


def draw(samples, path):
    end = samples[-1]["minutes"]
    height = len(PANELS) * (HEIGHT + GAP) + 40
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
             f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12" fill="#222222">',
             '<rect width="100%" height="100%" fill="white"/>',
             f'<text x="10" y="20" font-size="15">{samples[-1]["connections"]:,} connections in {end:.0f} minutes'
             '</text>']
    for number, (name, title, factor, colour) in enumerate(PANELS):
        top = 50 + number * (HEIGHT + GAP)
        values = [row[name] * factor for row in samples]
        limit = max(value for value in values if value == value) * 1.15 or 1
        parts.append(f'<text x="{LEFT}" y="{top - 8}">{title}</text>')
        for share in (0, 0.5, 1):
            place = top + HEIGHT * (1 - share)
            parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{place:.1f}" y2="{place:.1f}" '
                         'stroke="#dddddd"/>')
            parts.append(f'<text x="{LEFT - 8}" y="{place + 4:.1f}" text-anchor="end">{limit * share:.3g}</text>')
        points = " ".join(
            f"{LEFT + row['minutes'] / end * (WIDTH - LEFT - RIGHT):.1f},{top + HEIGHT * (1 - value / limit):.1f}"
            for row, value in zip(samples, values) if value == value)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.2"/>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{height - 14}" text-anchor="end">minutes, 0 to {end:.0f}</text>')
    with open(path, "w") as file:
        file.write("\n".join(parts + ["</svg>"]) + "\n")
