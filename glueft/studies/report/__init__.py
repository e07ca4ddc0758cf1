"""A study as one page of HTML, in the manner of a run's report (`glueft.report`), which draws and fills in for it.

write.py     a study -> report.html
content.py   what the page says
plots.py     the drawings
page.html    the template
"""
