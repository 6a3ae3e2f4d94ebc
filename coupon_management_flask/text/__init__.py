"""The forms of what people type: one function for each kind of text. It imports nothing of ours.

Normalising takes time that grows with the square of a text's length, so each function looks at the
length first. Text that is longer than anything of its kind can be comes back as it is.
"""
