"""What pages share, those of runs, studies and comparisons: one file each that opens from disk and needs no network.

    html.py        a template -> a page, with style and script inside and a policy that lets nothing else in
    frame.html     what is around every page; style.css its style
    parts.py       tiles, tables and plots, which parts.html writes
    rows.js        narrows lists of rows down
    plot.py        a matplotlib figure -> an SVG whose colours are the page's
    curves.py      history.jsonl -> learning curves
    texts.py       rows that were predicted, read again and checked against the run's fingerprint
    words.py       texts and numbers as a page has them

matplotlib and jinja2 are imported inside functions that draw or fill in.
"""
