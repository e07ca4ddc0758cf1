"""A study as one page of HTML, in the manner of a run's report , of the parts of `glueft.page`.

write.py     a study -> report.html
content.py   what the page says
plots.py     the drawings
page.html    the template
"""
