"""The recipe of retrato-mini: drawn people -> captions -> training -> a diffusers folder, a scorer, a captioner."""
