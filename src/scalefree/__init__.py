"""scalefree: a reproduction and extension of "Understanding AdamW through Proximal Methods and Scale-Freeness"."""

__version__ = "0.1.0"
