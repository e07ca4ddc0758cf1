"""A run as one page of HTML: numbers, plots and rows; `glueft.page` has what other pages share with it.

write.py       a run folder -> report.html
content.py     what the page says, from what the run left behind
results.py     metrics beside baseline and published scores
scores.py      predictions -> confusion, calibration, mistakes
*_plots.py     the drawings
page.html      the template; record.html has run.json in words
"""
