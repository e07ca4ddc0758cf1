"""A comparison as one page of HTML, of the parts of `glueft.page`.

write.py     runs -> a page
content.py   what the page says
plots.py     the drawings
rows.py      the rows on which the runs disagree
page.html    the template
"""
