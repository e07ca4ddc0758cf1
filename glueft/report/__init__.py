"""A run as one page of HTML: numbers, plots and mistakes, that opens from disk and needs no network.

    write.py       a run folder -> report.html
    content.py     what the page says, from what the run left behind
    training.py    history.jsonl -> curves            scores.py   predictions -> confusion, calibration, mistakes
    texts.py       the rows that were predicted, read again and checked against the run's fingerprint
    plot.py        a matplotlib figure -> an SVG whose colours are the page's
    *_plots.py     the drawings
    html.py, page/ the template, its style and its script

matplotlib and jinja2 are imported here alone, and only inside functions that draw or fill in.
"""
