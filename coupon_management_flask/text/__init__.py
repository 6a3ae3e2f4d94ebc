"""The forms of what people type. It imports nothing of ours."""
